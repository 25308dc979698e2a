"""Which sessions are writing rows by themselves, here and now: their statements are none of the application's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import msgspec

NOTHING_BEFORE: tuple[Mapping[str, object], Mapping[str, object]] = ({}, {})
"""What is known of a row that no update was announced of."""


class Flush(msgspec.Struct, eq=False):
    """A flush on its way, with the rows that it updates as they were before it."""

    outer: Flush | None = None
    """That of another session, inside of which this one runs."""
    session: Any = None
    """Weakly, where its end is told by the session only: what is left of a flush that failed keeps no session."""
    before: dict[Any, tuple[Mapping[str, object], Mapping[str, object]]] = {}
    """Their values, and what SQLAlchemy knew of changed ones before."""
    updated: Counter[Any] | None = None
    """How many rows of each table its statements updated, where that is to be counted."""
    connection: Any = None
    """Where its statements were executed."""
    connections: int = 0
    """How many connections these were; more than one as soon as it is another than the last."""
    is_over: bool = False
    """Whether it has ended, well or not: whoever was begun inside of it may know of it for longer."""

    def see(self, connection: Any) -> None:
        """Remember where a statement of its was executed."""
        if self.connection is not connection:
            self.connection = connection
            self.connections += 1


_latest: ContextVar[Flush | None] = ContextVar("ezlogs_sqlalchemy_flush", default=None)
latest = _latest.get
"""Returns the flush that began last here; it may be over."""


def begin(*, counting: bool = False, session: Any = None) -> Flush:
    """Return what a session writes by itself from now on, here.

    Args:
        counting: Whether the rows that it updates are to be counted.
        session: The session, weakly, where `end_of` is told of its end.
    """
    flush = Flush(latest(), session, updated=Counter() if counting else None)
    _latest.set(flush)
    return flush


def end(flush: Flush) -> None:
    """Take note that the session has written its rows, or has failed to."""
    flush.is_over = True
    outer = flush.outer
    while outer is not None and outer.is_over:
        outer = outer.outer
    _latest.set(outer)


def end_of(session: Any) -> Flush | None:
    """End the flush of a session, and those inside of it; return it, or None where there is none."""
    flush = latest()
    while flush is not None and (flush.session is None or flush.session() is not session):
        flush = flush.outer
    if flush is not None:
        end(flush)
    return flush


def running() -> Flush | None:
    """Return the flush that is running here, the innermost one: a session writes rows by itself."""
    flush = latest()
    while flush is not None and flush.is_over:
        flush = flush.outer
    return flush
