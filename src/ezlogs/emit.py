"""One way out for every event: ``record`` makes it in the present context, privacy scrubs it, the carrier takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import ParamSpec, TypeVar

from opentelemetry import context
from opentelemetry.context import Context

from ezlogs.actor import current_actor
from ezlogs.correlation import Correlation, begun
from ezlogs.event import Change, Failure, InvalidEvent, UniversalEvent
from ezlogs.runtime import Emitted, current_runtime

P = ParamSpec("P")
T = TypeVar("T")

_SUPPRESSED = "suppress_instrumentation"
"""The context key that OpenTelemetry's instrumentations look at."""


def listening() -> bool:
    """Return whether events go anywhere; a tracker that would work for nothing asks first."""
    runtime = current_runtime()
    return runtime is not None and runtime.carrier is not None


def record(
    event_type: str,
    action: str,
    *,
    actor: object = None,
    subject: object = None,
    metadata: Mapping[str, object] | None = None,
    outcome: str = "success",
    duration: float | None = None,
    correlation: Correlation | None = None,
    changes: tuple[Change, ...] = (),
    error: BaseException | Failure | None = None,
    severity: str | None = None,
    event_id: str | None = None,
    timestamp: int | None = None,
    ctx: Context | None = None,
) -> UniversalEvent | None:
    """Make an event and hand it to the carrier; what trackers and `ezlogs.event` call.

    Args:
        event_type: Two lower-case segments; this and what follows as in `UniversalEvent.create`.
        actor: Who acts; the present actor when left out.
        correlation: Where the event belongs; the context's when left out.
        ctx: The OpenTelemetry context that it happened in; the current one when left out.

    Returns:
        The event, or None when nothing listens.

    Raises:
        InvalidEvent: With the setting ``strict``, for an event that breaks the rules; nothing otherwise.
    """
    runtime = current_runtime()
    if runtime is None or runtime.carrier is None or context.get_value(_SUPPRESSED, ctx):
        return None
    try:
        event = UniversalEvent.create(
            event_type,
            action,
            actor=current_actor(ctx) if actor is None else actor,
            subject=subject,
            metadata=metadata,
            outcome=outcome,
            duration=duration,
            correlation=begun(ctx) if correlation is None else correlation,
            changes=changes,
            error=error,
            severity=severity,
            event_id=event_id,
            timestamp=timestamp,
            sequence=runtime.ledger.next_sequence(),
            strict=runtime.settings.strict,
        )
        if event.invalid:
            runtime.ledger.note("invalid")
            runtime.warn_once(runtime.scrubber.text(f"an event was repaired: {'; '.join(event.invalid)}", "event", []))
        runtime.carrier.carry(Emitted(event, runtime.scrubber), ctx)
    except InvalidEvent:
        raise
    except Exception as problem:  # never into the application
        runtime.report("an event was lost", problem)
        return None
    return event


def guarded(hook: Callable[P, T]) -> Callable[P, T | None]:
    """Keep a hook's own errors away from the application it hooks into: report them once and return None.

    In tests and with ``debug`` they are raised.
    """

    @wraps(hook)
    def call(*args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return hook(*args, **kwargs)
        except Exception as problem:  # whatever it is, the application must not see it
            runtime = current_runtime()
            if runtime is not None:
                runtime.report(f"{hook.__module__}.{hook.__qualname__} failed", problem)
            return None

    return call
