"""The sentence of a request to another service: who was asked, and what came of it."""

from __future__ import annotations

from ezlogs.event import UniversalEvent
from ezlogs.story.cast import Cast
from ezlogs.story.wording import last_segment


def sentence(event: UniversalEvent, cast: Cast) -> list[str]:
    """Return ``Asked api.stripe.com and was refused``, and the facts for the brackets."""
    method, _, address = event.action.partition(" ")
    host, slash, path = address.partition("/")
    facts, language = event.metadata, cast.language
    status, attempt, redirects = (_number(facts.get(name)) for name in ("status", "attempt", "redirects"))
    return [
        language.say(_message(event, status), host=host or language.say("call.somewhere")),
        f"{method} {slash}{path}" if path else method,
        *([str(status)] if status is not None else []),
        *([last_segment(event.error.type)] if event.error else []),
        *([language.duration(event.duration)] if event.duration is not None else []),
        *(
            [language.say("attempt_of", ordinal=language.ordinal(attempt))]
            if attempt is not None and attempt > 1
            else []
        ),
        *([language.say("call.after", redirects=language.counting(redirects, "redirect"))] if redirects else []),
    ]


def _message(event: UniversalEvent, status: int | None) -> str:
    if event.outcome == "unknown":
        return "call.unwaited"
    if event.outcome == "success":
        return "call.elsewhere" if status and 300 <= status < 400 and status != 304 else "call"
    if status is not None:
        return "call.refused" if status < 500 else "call.failed"
    if event.metadata.get("reason") == "timeout":
        return "call.late"
    return "call.unreached" if event.metadata.get("reason") in ("connection", "dns", "tls") else "call.unanswered"


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
