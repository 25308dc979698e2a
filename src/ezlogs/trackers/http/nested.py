"""Requests in requests: what an application that is mounted in another one knows is told by the outer one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ezlogs.actor import Peek, with_acting
from ezlogs.emit import guarded
from ezlogs.scope import Scope
from ezlogs.trackers.http.request import End, HttpRequest

if TYPE_CHECKING:
    from typing_extensions import Unpack


class NestedRequest:
    """A request in an application inside one that tracks it already: what is known here is told there."""

    is_open = False
    """Its end is not told here."""

    sends_id = False
    """Nor is its response the one that goes out."""

    def __init__(self, outer: HttpRequest, peek: Peek | None) -> None:
        self._outer = outer
        self._scope = None if peek is None else Scope(with_acting(peek=peek))
        if peek is not None:
            outer.peeks.append(peek)
        self.context = outer.context if self._scope is None else self._scope.context
        self.request_id = outer.request_id
        self.mounted, self.matched, self.in_session = outer.mounted, outer.matched, outer.in_session
        self.unmatched = outer.unmatched
        self.told, self.parsed, self.failed = outer.told, outer.parsed, outer.failed

    def responds(self, status: int, header: object = None) -> None:
        """The outer one sees the response itself."""

    def sends(self, size: int, *, first: bool = True) -> None:
        """The outer one sees the response itself."""

    @guarded
    def leave(self) -> None:
        """Leave the application that is inside."""
        if self._scope is not None:
            self._scope.close()
            self._scope = None

    def finish(self, status: int | None = None, **end: Unpack[End]) -> None:
        """Say what is known there, and leave it; see `HttpRequest.finish`."""
        self.tell(status, **end)
        self.leave()

    @guarded
    def tell(self, status: int | None = None, **end: Unpack[End]) -> None:
        """Say what is known there; see `HttpRequest.tell`."""
        if (route := end.get("route")) is not None:
            self._outer.matched(route, end.get("parameters"))
        if (error := end.get("error")) is not None:
            self._outer.failed(error)
