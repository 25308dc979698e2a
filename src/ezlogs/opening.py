"""Openings: what begins, and will be told when it ends, is noted where it outlives the process, as interrupted.

If the process is killed meanwhile, the note is delivered in place of the event, under its id: what happened in a
request, a job or a command has a parent in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opentelemetry import context
from opentelemetry.context import Context

from ezlogs import runtime as process
from ezlogs.actor import current_actor
from ezlogs.correlation import Correlation
from ezlogs.emit import guarded
from ezlogs.event import UniversalEvent
from ezlogs.party import Subject

ENDING = context.create_key("ezlogs-ending")
"""What a context has in which something is told last, as its span is about to end: nobody will find that open."""

_TEXTS = frozenset({str})

_NO_SEQUENCE = 0
"""Such an event takes no number from those that are told."""


@guarded
def opened(
    event_type: str,
    action: str,
    *,
    event_id: str,
    correlation: Correlation,
    ctx: Context,
    subject: object = None,
    metadata: Mapping[str, object] | None = None,
    timestamp: int,
    with_span: bool = False,
) -> None:
    """Note that something began. Once more for the same event it takes the place of the first note.

    Args:
        event_type: Of the event that will tell it; this and what follows as for `ezlogs.emit.record`.
        action: As far as it is known.
        event_id: Of that event.
        correlation: Where it belongs.
        ctx: The context in which it will be told.
        subject: As far as it is known.
        metadata: Facts that are known.
        timestamp: When it began: nanoseconds since 1970.
        with_span: Whether it has a span of its own, that of ``ctx``: which one word tells of both, and which ends
            after it was `closed`.
    """
    runtime = process.current
    carrier = None if runtime is None else runtime.carrier
    if runtime is None or carrier is None or not carrier.notes_openings or runtime.admits(event_type) is not True:
        return
    facts = {**(metadata or {}), "reason": "interrupted"}
    actor = current_actor(ctx)
    if (subject is None or type(subject) is Subject) and _TEXTS.issuperset(map(type, facts.values())):
        note = UniversalEvent(
            event_type,
            action,
            actor,
            subject,
            facts,
            "unknown",
            None,
            correlation,
            (),
            None,
            None,
            event_id,
            timestamp,
            0,
        )
    else:
        note = UniversalEvent.create(
            event_type,
            action,
            actor=actor,
            subject=subject,
            metadata=facts,
            outcome="unknown",
            correlation=correlation,
            event_id=event_id,
            timestamp=timestamp,
            sequence=_NO_SEQUENCE,
        )
    if with_span and runtime.sampler is None:  # where sampling decides, a span may go on that tells of nothing
        carrier.opened(note, ctx, with_span=True)
    else:
        carrier.opened(note, ctx)


@guarded
def awaited(event_id: str, note: Callable[[bool], object]) -> None:
    """Have it noted that something began whose route, or name, will be known in a moment: then it is noted once.

    Where it takes longer, or something is told that has it as its parent, ``note`` is called, in any thread.

    Args:
        event_id: Of the event that will tell it.
        note: Calls `opened`. Is given whether the thread is the one in which it began.
    """
    runtime = process.current
    if runtime is not None and runtime.carrier is not None and runtime.carrier.notes_openings:
        runtime.carrier.awaited(event_id, note)


@guarded
def closed(event_id: str) -> None:
    """Take note that something has ended which was `opened`; its event, if there is one, is told already."""
    runtime = process.current
    if runtime is not None and runtime.carrier is not None and runtime.carrier.notes_openings:
        runtime.carrier.closed(event_id)
