"""Tables of patterns, of which the most specific counts: patterns of event types, and of routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

Value = TypeVar("Value")

_MOST_KNOWN = 4096


def most_specific(table: Mapping[str, Value], event_type: str) -> Value | None:
    """Return what a table of patterns says of a type of event: its own entry, that of its first segment, or of all.

    >>> most_specific({"data.*": 1, "*": 2}, "data.change"), most_specific({"data.*": 1}, "order.action")
    (1, None)
    """
    for pattern in (event_type, f"{event_type.partition('.')[0]}.*", "*"):
        if pattern in table:
            return table[pattern]
    return None


class Routes(Generic[Value]):
    """A table of routes.

    An entry is a template as the framework has it, such as ``/orders/{id}``, with or without a method before it, and
    with ``*`` at its end it stands for all that begins like it. Whole entries count before beginnings, longer
    beginnings before shorter ones, and with a method before without.

    Example:
        >>> routes = Routes({"/static/*": 1, "GET /static/*": 2, "/static/logo": 3, "*": 4})
        >>> [routes.find(route) for route in ("GET /static/a.css", "POST /static/a", "GET /static/logo", "GET /")]
        [2, 1, 3, 4]
    """

    def __init__(self, table: Mapping[str, Value]) -> None:
        self._whole = {route: value for route, value in table.items() if not route.endswith("*")}
        beginnings = [(_parts(route[:-1]), value) for route, value in table.items() if route.endswith("*")]
        self._beginnings = sorted(beginnings, key=lambda entry: (len(entry[0][1]), entry[0][0] != ""), reverse=True)
        self._known: dict[str, Value | None] = {}

    def find(self, route: str) -> Value | None:
        """Return what the table says of a route, with or without its method; None where it says nothing."""
        if not self._whole and not self._beginnings:
            return None
        try:
            return self._known[route]
        except KeyError:
            if len(self._known) >= _MOST_KNOWN:  # routes that are no templates, but addresses
                self._known.clear()
            found = self._known[route] = self._search(route)
            return found

    def _search(self, route: str) -> Value | None:
        method, path = _parts(route)
        for whole in (route, path):
            if whole in self._whole:
                return self._whole[whole]
        for (of_method, beginning), value in self._beginnings:
            if of_method in ("", method) and path.startswith(beginning):
                return value
        return None


def _parts(route: str) -> tuple[str, str]:
    """Return the method of a route, which may be empty, and its path."""
    method, space, path = route.partition(" ")
    return (method, path) if space else ("", route)
