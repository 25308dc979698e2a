"""One way out for every event: ``record`` makes it in the present context, privacy scrubs it, the carrier takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, wraps
from operator import methodcaller
from time import time_ns
from typing import ParamSpec, TypeVar

from opentelemetry.context import Context

from ezlogs import runtime as process
from ezlogs.actor import current_actor
from ezlogs.correlation import CORRELATION, Correlation, begun
from ezlogs.event import InvalidEvent, UniversalEvent
from ezlogs.facts import SEVERITIES, Change, Failure, FrozenChanges, failure_of, frozen_changes, is_timestamp
from ezlogs.ids import sequence_of
from ezlogs.otel_compat import SPAN_KEY, SUPPRESSION_KEYS, current_context
from ezlogs.party import Actor, Subject
from ezlogs.runtime import current_runtime, repaired
from ezlogs.snapshot import Pairs

P = ParamSpec("P")
T = TypeVar("T")

_SUPPRESSED, _SUPPRESSED_BY_SDK = SUPPRESSION_KEYS
_SEVERITIES = frozenset(SEVERITIES)
_SCALARS = frozenset({str, int, float, bool, type(None), Pairs})
"""Types whose values need no snapshot, or are one."""
_IDS = frozenset({str, int, type(None)})
"""Types of ids in pairs that need no snapshot."""
_IN_THE_CALL = methodcaller("errisinstance", InvalidEvent)
"""What pytest asks about an exception before it leaves a frame out: the mistake is where the event was told."""
_UNCHANGED: tuple[Change, ...] = ()


def listening(event_type: str | None = None) -> bool:
    """Return whether events go anywhere - events of one type, where it is named.

    A tracker that would work for nothing asks first.
    """
    runtime = process.current
    if runtime is None or runtime.carrier is None:
        return False
    return event_type is None or runtime.admits(event_type) is not False


def tracking(event_type: str | None = None) -> bool:
    """Return whether work is to be tracked: somebody is `listening`, and instrumentation is not suppressed here."""
    if not listening(event_type):
        return False
    return not is_suppressed(current_context())


def is_suppressed(ctx: Context) -> bool:
    """Return whether a context asks that nothing be instrumented."""
    return bool(ctx.get(_SUPPRESSED) or ctx.get(_SUPPRESSED_BY_SDK))


def caused(correlation: Correlation, event_type: str, event_id: str) -> Correlation:
    """Return where that belongs which an event causes: its parent is the event, unless that will never be made."""
    return correlation.replace(parent_event_id=event_id) if listening(event_type) else correlation


def record(  # noqa: PLR0917, PLR0915  # inline, and by position: calls cost 85 ns each; give all but the first two by name
    event_type: str,
    action: str,
    actor: object = None,
    subject: object = None,
    metadata: Mapping[str, object] | None = None,
    outcome: str = "success",
    duration: float | None = None,
    correlation: Correlation | None = None,
    changes: tuple[Change, ...] = _UNCHANGED,
    error: BaseException | Failure | None = None,
    severity: str | None = None,
    event_id: str | None = None,
    timestamp: int | None = None,
    ctx: Context | None = None,
    into: Callable[[UniversalEvent, Context], object] | None = None,
) -> UniversalEvent | None:
    """Make an event and hand it to the carrier; what trackers and `ezlogs.event` call.

    Args:
        event_type: Two lower-case segments; this and what follows as in `UniversalEvent.create`.
        actor: Who acts; the present actor when left out.
        correlation: Where the event belongs; the context's when left out.
        ctx: The OpenTelemetry context that it happened in; the current one when left out.
        into: What takes the event in place of the carrier; sampling only leaves out what it surely would later.

    Returns:
        The event, or None when nothing listens, or when its type is disabled or its story sampled out. One that is lost
        since so many others come may lack its metadata.

    Raises:
        InvalidEvent: With the setting ``strict``, for an event that breaks the rules; nothing otherwise.
    """
    runtime = process.current
    if runtime is None or runtime.carrier is None:
        return None
    if ctx is None:
        ctx = current_context()
    if (_SUPPRESSED in ctx or _SUPPRESSED_BY_SDK in ctx) and is_suppressed(ctx):
        return None
    tail = 0
    try:
        enabled = runtime.event_types.get(event_type) if type(event_type) is str else None
        if not enabled:
            if enabled is None:
                enabled = runtime.admits(event_type)
            if enabled is False:
                return None
        sampler, ledger = runtime.sampler, runtime.ledger
        story: Correlation = correlation or ctx.get(CORRELATION) or begun(ctx)  # type: ignore[assignment]  # `placed`'s
        turns_away = ledger.turns_away
        if (
            turns_away is not None
            and enabled
            and outcome == "success"
            and changes is _UNCHANGED
            and error is None
            and severity is None
            and event_id is None
            and timestamp is None
            and into is None
            and sampler is None
            and not runtime.settings.strict
            and ctx.get(SPAN_KEY) is None
            and (lose := turns_away(event_type)) is not None
        ):  # nobody will see it but the caller, who has no use for a snapshot
            tail = ledger.next_tail()
            lose()
            if actor is None:
                actor = current_actor(ctx)
            return UniversalEvent(
                event_type,
                action,
                actor,
                subject,
                None,
                outcome,
                duration,
                story,
                (),
                None,
                None,
                None,
                time_ns(),
                tail,
            )
        if sampler is not None and enabled:
            if into is not None:
                if sampler.leaves_out(event_type, outcome, story, ctx):
                    return None
            else:
                verdict = sampler.judge(event_type, outcome, story, ctx)
                if verdict is None:
                    return None
        now = time_ns() if timestamp is None else timestamp
        if actor is None:
            actor = current_actor(ctx)
        flat = metadata is None
        if type(metadata) is dict:
            for value in metadata.values():
                if (kind := type(value)) is not str and kind not in _SCALARS:
                    break
            else:  # a copy of it is a snapshot
                flat = True
        if error is not None and type(error) is not Failure and isinstance(error, BaseException):
            error = failure_of(error)
        try:
            fits = (
                enabled
                and not runtime.settings.strict
                and ((type(actor) is tuple and type(actor[-1]) in _IDS) or type(actor) is Actor)
                and (
                    subject is None
                    or (type(subject) is tuple and type(subject[-1]) in _IDS)
                    or type(subject) is Subject
                )
                and flat
                and (
                    changes is _UNCHANGED
                    or type(changes) is FrozenChanges
                    or (type(changes) is tuple and all(type(change) is Change for change in changes))
                )
                and (timestamp is None or is_timestamp(timestamp))
                and (event_id is None or type(event_id) is str)
                and (error is None or type(error) is Failure)
                and (severity is None or severity in _SEVERITIES)
            )
        except (TypeError, IndexError):  # what cannot even be compared, looked up, or has no last part
            fits = False
        tail = ledger.next_tail()
        if fits:
            event = UniversalEvent(
                event_type,
                action,
                actor,
                subject,
                metadata.copy() if metadata else None,  # type: ignore[attr-defined]  # flat: a dict
                outcome,
                duration,
                story,
                tuple(changes) if type(changes) is FrozenChanges else frozen_changes(changes) if changes else (),
                error,
                severity,  # type: ignore[arg-type]  # one of them
                event_id,
                now,
                tail,
            )
        else:
            __tracebackhide__ = _IN_THE_CALL
            event = UniversalEvent.create(
                event_type,
                action,
                actor=actor,
                subject=subject,
                metadata=metadata,
                outcome=outcome,
                duration=duration,
                correlation=story,
                changes=changes,
                error=error,
                severity=severity,
                event_id=event_id,
                timestamp=now,
                sequence=sequence_of(tail),
                strict=runtime.settings.strict,
            )
            if enabled is None and not runtime.admits(event.event_type):
                ledger.note("not_made")
                return None
            if event.invalid:
                repaired(event.invalid)
        if into is not None:
            into(event, ctx)
            return event
        if sampler is not None:
            if enabled is None:  # only now is its type known
                verdict = sampler.judge(event.event_type, event.outcome, story, ctx, numbered=True)
                if verdict is None:
                    return None
            return sampler.take(event, ctx, verdict)  # type: ignore[arg-type]  # a verdict
        runtime.carrier.carry(event, ctx)
        if ledger.to_time > 0 and timestamp is None:
            ledger.to_time -= 1
            ledger.emitting.note(time_ns() - now)
    except InvalidEvent:
        runtime.ledger.note("not_made", int(tail > 0))
        raise
    except Exception as problem:  # never into the application
        try:
            runtime.report("an event was lost", problem, lost=int(tail > 0))
        except MemoryError as another:  # there is not even enough to call that
            if another is problem:  # it is to be raised, as in tests
                raise
        return None
    return event


def guarded(hook: Callable[P, T]) -> Callable[P, T | None]:
    """Keep a hook's own errors away from the application it hooks into: report them once and return None.

    In tests and with ``strict`` they are raised.
    """

    @wraps(hook)
    def call(*args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return hook(*args, **kwargs)
        except Exception as problem:  # whatever it is, the application must not see it
            failed(hook, problem)
            return None

    return call


def failed(hook: object, problem: Exception) -> None:
    """Report a hook's own error as `guarded` does: for one that is called so often that it looks after itself."""
    runtime = current_runtime()
    if runtime is not None:
        try:
            what = f"{_name_of(hook)} failed"
        except MemoryError:
            what = "a hook failed"
        runtime.report(what, problem)


def _name_of(hook: object) -> str:
    """Return what a hook is called, for a message: a partial has no name, and its arguments are the application's."""
    while isinstance(hook, partial):
        hook = hook.func
    named = hook if hasattr(hook, "__qualname__") else type(hook)
    return f"{named.__module__}.{named.__qualname__}"
