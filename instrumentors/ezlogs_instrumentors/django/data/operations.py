"""One call of the application that sends several statements, such as a delete with its cascade: told as one write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

from ezlogs.emit import guarded

T = TypeVar("T")


class Operation:
    """What such a call has written so far.

    Django ends most of these calls by committing them, and what the application runs on commit may raise out of them;
    so an operation is told before its own transaction commits, or else when its call returns.
    """

    using: str | None = None
    """The database's alias, as soon as anything was written."""

    is_told = False

    def inserted(self, model: Any, instances: Sequence[Any], rows: int | None) -> None:
        """Note what one statement inserted.

        Args:
            model: The model.
            instances: What the statement was given.
            rows: How many rows the database says it wrote; None where it does not say.
        """

    def deleted(self, model: Any, rows: int) -> None:
        """Note how many rows one statement deleted."""

    def tell(self) -> None:
        """Hand what was written to the transaction."""

    def finish(self) -> None:
        """Tell it, once, if anything was written."""
        if self.using is not None and not self.is_told:
            self.is_told = True
            self.tell()


running: ContextVar[Operation | None] = ContextVar("ezlogs_django_operation", default=None)


def run(operation: Operation, call: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Call what is to be told as one write."""
    token = running.set(operation)
    try:
        result = call(*args, **kwargs)
    finally:
        running.reset(token)
    guarded(operation.finish)()
    return result


def settle(alias: str) -> None:
    """Have the operation told whose transaction is about to be committed."""
    operation = running.get()
    if operation is not None and operation.using == alias:
        operation.finish()
