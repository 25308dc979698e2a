"""Health: what became of events so far, whether that adds up, and what a web framework may tell of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ezlogs.latency import Latency
from ezlogs.runtime import Runtime, current_runtime

_OF_OTHERS: Final = ("logs.", "spans.")
"""Losses that are none of events: copies of them as log records, and spans."""

_SETTLED: Final = ("delivered", "handed_over", "spooled", "sampled_out", "held")
"""What becomes of events that are neither pending nor lost."""


def health() -> dict[str, object]:
    """Return what happened to events so far: emitted, delivered, pending, lost by reason; and the pipeline's state.

    With sampling, ``held`` is how many events wait for the end of what they happened in, ``sampled_out`` how many were
    left out, and ``sampled_out_by`` why. ``emitted`` is the sum of all that became of events; see `balance`.

    What privacy kept back is counted as ``redacted``, and by rule as ``redacted_by``; ``privacy_errors`` is how often a
    rule, or a function that decides about findings, raised: what it was about was redacted. ``latency`` tells, in
    seconds, how long calls that make events took (ten a second are timed), and how old the oldest event of a request
    was when the collector had it.
    """
    return health_of(current_runtime())


def health_of(runtime: Runtime | None) -> dict[str, object]:
    """Return the same of a runtime, whether it is the process's or was."""
    if runtime is None or runtime.carrier is None:
        return {"running": False}
    parts: dict[str, dict[str, int]] = {"lost": {}, "redacted_by": {}}
    sampling: dict[str, object] = {}
    if runtime.sampler is not None:
        sampling["held"] = runtime.sampler.pending()
        parts["sampled_out_by"] = {}
    counts = runtime.ledger.counts()
    counts["emitted"] -= counts.pop("not_made", 0)
    whole = {"delivered": 0, "privacy_errors": runtime.scrubber.errors}
    for key, number in counts.items():
        kind, _, reason = key.partition(".")
        if kind in parts or kind == "flow_store":
            parts.setdefault(kind, {})[reason] = number
        else:
            whole[key] = number
    if sampling:
        sampling["sampled_out"] = sum(parts["sampled_out_by"].values())
    latency = {"emit": _told(runtime.ledger.emitting), "delivery": _told(runtime.ledger.delivering)}
    return {"running": True, **whole, **sampling, **parts, "latency": latency, **_masked(runtime.carrier.health())}


def balance(told: Mapping[str, Any]) -> int:
    """Return how many events a health report does not account for: 0, always, and less where some count twice.

    What was emitted was delivered or handed over to another pipeline, waits - in the queue, on a span that has not
    ended, or on disk for another process - or was lost for a reason that is counted.

    Args:
        told: From `health`, at a moment at which nothing is emitted or delivered.

    Example:
        >>> balance({"emitted": 5, "delivered": 3, "pending": 1, "lost": {"rejected": 1}})
        0
    """
    lost = sum(number for reason, number in told.get("lost", {}).items() if not reason.startswith(_OF_OTHERS))
    settled = sum(told.get(what, 0) for what in _SETTLED)
    return int(told.get("emitted", 0) - settled - lost - told.get("pending_events", told.get("pending", 0)))


def readiness(*, required: bool = False) -> dict[str, object]:
    """Return what a web framework's ``/healthz`` may answer with: whether the service can work, and how delivery is.

    A collector that is away is no reason to take a service out of rotation: it works, its events wait, and all its
    replicas would go at the same time. So ``ready`` is true, and the rest tells people. Nothing in it is secret.

    Args:
        required: For a service that must not work where what it does is not recorded: ``ready`` says whether ezlogs
            runs and the collector took what was last sent.

    Example:
        >>> import ezlogs
        >>> ezlogs.readiness()
        {'ready': True, 'running': False, 'delivering': False, 'pending': 0, 'lost': {}, 'problem': None}
        >>> ezlogs.readiness(required=True)["ready"]
        False
    """
    try:
        told: dict[str, Any] = health()
    except Exception as problem:  # never into the application
        told = {"running": True, "failures": 1, "last_problem": f"{type(problem).__qualname__} in ezlogs.health()"}
    places = [told, told.get("logs", {})]
    problems = (place.get("last_problem") or place.get("journal", {}).get("problem") for place in places)
    running = bool(told["running"])
    delivering = running and all(map(_delivers, places))
    return {
        "ready": delivering or not required,
        "running": running,
        "delivering": delivering,
        "pending": told.get("pending", 0),
        "lost": told.get("lost", {}),
        "problem": next(filter(None, problems), None),
    }


def _delivers(place: Mapping[str, Any]) -> bool:
    """Return whether a worker's last request, if it has sent any, was taken."""
    return not place.get("failures") and place.get("breaker", {}).get("state", "closed") == "closed"


def _told(latency: Latency) -> dict[str, float]:
    return {name: round(value, 9) for name, value in latency.summary()._asdict().items()}


def _masked(told: dict[str, object]) -> dict[str, object]:
    """Return a pipeline's report with nothing secret in its addresses."""
    from ezlogs.settings.otlp import masked_address

    for place in (told, told.get("logs")):
        if isinstance(place, dict) and isinstance(place.get("endpoint"), str):
            place["endpoint"] = masked_address(place["endpoint"])
    return told
