"""Access: who read which row, of the models that ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from ezlogs.actor import current_actor
from ezlogs.correlation import current
from ezlogs.emit import listening, record
from ezlogs.otel_compat import current_context

ACCESS = "data.access"
_MOST_REMEMBERED = 10_000

_told: dict[object, None] = {}
"""What was told already, the oldest first."""


def watching_access() -> bool:
    """Return whether the reading of rows is told at all."""
    return listening(ACCESS)


def accessed(model: str, id: str | None, *, metadata: Mapping[str, object] | None = None) -> None:
    """Tell that a row was read: by whom, and no values; once in each request, job, command or flow, for each actor.

    Outside of these it is told each time. Of 10,000 rows it is remembered that they were told.

    Args:
        model: The model's name, such as ``patient``.
        id: The primary key.
        metadata: Further facts, such as ``table`` and ``database``.

    Example:
        >>> import ezlogs
        >>> from ezlogs.testing import capture
        >>> with capture() as captured, ezlogs.flow("visit", 1):
        ...     for _ in range(3):
        ...         accessed("patient", "42")
        >>> [event.action for event in captured.of("data.access")]
        ['patient.view']
    """
    ctx = current_context()
    story, actor = current(ctx), current_actor(ctx)
    if story is not None:
        key = (story, actor, model, id)
        if key in _told:
            return
        _told[key] = None
        if len(_told) > _MOST_REMEMBERED:
            with suppress(RuntimeError):  # another thread is at it
                _told.pop(next(iter(_told), None), None)
    record(ACCESS, f"{model}.view", actor=actor, subject=(model, id), metadata=metadata, correlation=story, ctx=ctx)
