"""Groups of settings: how a class declares some, and what is known about each that was declared."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from ezlogs.settings.kinds import Kind
from ezlogs.settings.problem import nearest

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: object) -> object:
        """Tell type checkers only; `typing` has it from Python 3.11 on."""
        return lambda cls: cls


PREFIX: Final = "EZLOGS_"


class Setting(msgspec.Struct, frozen=True):
    """All that is known about one setting. A field of a `Group` is declared with the first four of these."""

    kind: Kind
    """How a value is read, wherever it comes from."""

    otel: Mapping[str, Kind] = MappingProxyType({})
    """The OpenTelemetry variables that also set it, the strongest first, each with how it is read."""

    follows: tuple[str, Kind] | None = None
    """The setting whose value it takes where nobody gives it one, with how that value is read here."""

    since: str = "0.1.0"
    """The version that introduced it."""

    name: str = ""
    """What it is called, in code and in files."""

    type: Any = None
    """What its values are in code."""

    default: Any = None
    """Its value where nobody gives one."""

    owner: type[Group] | None = None
    """The class that declares it."""

    @property
    def group(self) -> str:
        """The group that it belongs to: the argument of ``configure()``, and the table in a file."""
        return group_name(self.owner) if self.owner else ""

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.name.upper()

    @property
    def doc(self) -> str:
        """What it does: the text below its field. Empty where Python runs without the source of its modules."""
        return _texts_below_fields(self.owner).get(self.name, "") if self.owner else ""


def group_name(group: type[Group]) -> str:
    """Return what a group is called as an argument of ``configure()`` and in files."""
    return group.__name__.lower()


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Group:
    """Some settings, typed and immutable; it remembers which of them were given.

    A subclass declares each as a field: its type annotated with a `Setting`, its default, and below it what it does.
    Several groups are put together by inheriting from them.

    Raises:
        TypeError: For a name that is no setting of the group, with the nearest one that is.
    """

    rows = MappingProxyType[str, Setting]({})
    """Every setting of the group by name, in the order of the declaration."""

    def __init_subclass__(cls) -> None:
        rows = {name: row for base in cls.__bases__ if issubclass(base, Group) for name, row in base.rows.items()}
        for name, hint in inspect.get_annotations(cls, eval_str=True).items():
            details = {"name": name, "type": hint.__origin__, "default": getattr(cls, name), "owner": cls}
            rows[name] = msgspec.structs.replace(hint.__metadata__[0], **details)
        cls.rows = MappingProxyType(rows)

    def __init__(self, **given: Any) -> None:
        for name in given:
            if name not in self.rows:
                near = nearest(name, self.rows)
                hint = f"; did you mean '{near}'?" if near else f"; it has {', '.join(self.rows)}"
                raise TypeError(f"{type(self).__name__} has no setting '{name}'{hint}")
        vars(self).update(given)

    def given(self) -> dict[str, object]:
        """Return what was given, by name; every other setting is left to weaker sources."""
        return dict(vars(self))

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.rows)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable; make a new one instead of setting '{name}'")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __repr__(self) -> str:
        given = (f"{name}={self.rows[name].kind.quoted(value)}" for name, value in vars(self).items())
        return f"{type(self).__name__}({', '.join(given)})"


@cache
def _texts_below_fields(group: type[Group]) -> Mapping[str, str]:
    try:
        source = inspect.getsource(sys.modules[group.__module__])
    except (OSError, TypeError):  # a frozen application has none
        return {}
    classes = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    return {name: text for node in classes if node.name == group.__name__ for name, text in _texts(node)}


def _texts(declaration: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in zip(declaration.body, declaration.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, " ".join(text.split())
