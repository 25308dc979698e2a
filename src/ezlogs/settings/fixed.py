"""Mappings that nobody changes: what settings of several named values hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")


class Fixed(Mapping[str, T]):
    """A mapping that keeps what it was made of. Equal mappings are equal, whatever their order.

    >>> numbers = Fixed({"one": 1})
    >>> numbers["one"], numbers == {"one": 1}, numbers
    (1, True, Fixed({'one': 1}))
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, T] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> T:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shown()})"

    def shown(self) -> dict[str, object]:
        """Return it as it may be shown, fit for JSON."""
        return dict(self._values)
