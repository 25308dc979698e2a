"""The sentence of a request to another service: who was asked, and what came of it."""

from __future__ import annotations

from ezlogs.event import UniversalEvent
from ezlogs.story.wording import counted, duration, last_segment, ordinal


def sentence(event: UniversalEvent) -> list[str]:
    """Return ``Asked api.stripe.com and was refused``, and the facts for the brackets."""
    method, _, address = event.action.partition(" ")
    host, slash, path = address.partition("/")
    facts = event.metadata
    status, attempt, redirects = (_number(facts.get(name)) for name in ("status", "attempt", "redirects"))
    return [
        _statement(host or "another service", event, status),
        f"{method} {slash}{path}" if path else method,
        *([str(status)] if status is not None else []),
        *([last_segment(event.error.type)] if event.error else []),
        *([duration(event.duration)] if event.duration is not None else []),
        *([f"{ordinal(attempt)} attempt"] if attempt is not None and attempt > 1 else []),
        *([f"after {counted(redirects, 'redirect')}"] if redirects else []),
    ]


def _statement(host: str, event: UniversalEvent, status: int | None) -> str:
    if event.outcome == "unknown":
        return f"Asked {host} and did not wait for the answer"
    if event.outcome == "success":
        return (
            f"Asked {host}, which pointed elsewhere"
            if status and 300 <= status < 400 and status != 304
            else f"Asked {host}"
        )
    if status is not None:
        return f"Asked {host} and was refused" if status < 500 else f"Asked {host}, which failed"
    if event.metadata.get("reason") == "timeout":
        return f"Asked {host}, which did not answer in time"
    if event.metadata.get("reason") in ("connection", "dns", "tls"):
        return f"Could not reach {host}"
    return f"Asked {host} and got no answer"


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
