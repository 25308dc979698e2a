"""Which sessions are writing rows by themselves, here and now: their statements are none of the application's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from weakref import ref

import msgspec

NOTHING_BEFORE: tuple[Mapping[str, object], Mapping[str, object]] = ({}, {})
"""What is known of a row that no update was announced of."""


class Flush(msgspec.Struct, eq=False):
    """A flush on its way, with the rows that it updates as they were before it."""

    session: Any
    """Weakly: what is left of a flush that failed keeps no session."""
    before: dict[Any, tuple[Mapping[str, object], Mapping[str, object]]] = {}
    """Their values, and what SQLAlchemy knew of changed ones before."""
    updated: Counter[Any] | None = None
    """How many rows of each table its statements updated, where that is to be counted."""
    connection: Any = None
    """Where its statements were executed."""
    connections: int = 0
    """How many connections these were; more than one as soon as it is another than the last."""

    def is_running(self) -> bool:
        """Tell whether the flush has not ended, well or not."""
        session = self.session()
        return session is not None and session._flushing

    def see(self, connection: Any) -> None:
        """Remember where a statement of its was executed."""
        if self.connection is not connection:
            self.connection = connection
            self.connections += 1


_flushes: ContextVar[tuple[Flush, ...]] = ContextVar("ezlogs_sqlalchemy_flushes", default=())
"""Flushes that began here; those of another session may run inside of one."""


def begin(session: Any, *, counting: bool = False) -> None:
    """Remember that a session writes rows by itself, here and now.

    Args:
        session: The session.
        counting: Whether the rows that it updates are to be counted.
    """
    flush = Flush(ref(session), updated=Counter() if counting else None)
    others = _flushes.get()
    _flushes.set((*(other for other in others if other.is_running()), flush) if others else (flush,))


def in_flush() -> bool:
    """Tell whether a session is writing rows by itself, here and now."""
    return any(flush.is_running() for flush in _flushes.get())


def running() -> Flush | None:
    """Return the flush that began last."""
    flushes = _flushes.get()
    return flushes[-1] if flushes else None


def sees_own_statement(connection: Any) -> bool:
    """Tell whether the unit of work is what has executed a statement here: its rows are told one by one.

    It remembers where. All of it is inline: it is asked for each statement that writes.
    """
    flushes = _flushes.get()
    if not flushes:
        return False
    flush = flushes[-1]
    session = flush.session()
    if flush.updated is not None or session is None or not session._flushing:
        return False
    if flush.connection is not connection:
        flush.see(connection)
    return True


def end(session: Any) -> Flush | None:
    """Return the flush of a session that has written its rows; None if it began before anybody was watching."""
    flushes = _flushes.get()
    if not flushes or flushes[-1].session() is not session:
        return None
    if len(flushes) == 1:
        _flushes.set(())
    else:
        forget(session)
    return flushes[-1]


def forget(session: Any) -> None:
    """Forget a session's flush."""
    flushes = _flushes.get()
    if flushes:
        _flushes.set(tuple([flush for flush in flushes if flush.session() is not session]))
