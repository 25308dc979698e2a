"""The sentence of mails: what was sent, and to how many; never to whom."""

from __future__ import annotations

from ezlogs.event import UniversalEvent
from ezlogs.story.cast import Cast
from ezlogs.story.passages import Passage
from ezlogs.story.wording import capitalised, counted, in_brackets, last_segment, listed, plural

_MAIL = "e-mail"
_MAX_DOMAINS = 3


def sentence(passage: Passage, cast: Cast) -> str:
    """Return ``The receipt was sent to 1 recipient``, or ``An e-mail was sent`` when nothing names it."""
    events = passage.events
    name = cast.mail(events[0], passage.inside if _is_run(passage.inside) else None)
    be = "was" if len(events) == 1 else "were"
    if len(events) > 1:
        what = capitalised(counted(len(events), name or _MAIL, plural(name or _MAIL)))
    else:
        what = f"The {name}" if name else f"An {_MAIL}"
    if events[0].outcome == "failure":
        return f"{what} could not be sent{_reasons(events)}"
    sent = "may have been sent" if events[0].outcome == "unknown" else f"{be} sent"
    refused = sum(_number(event, "refused") or 0 for event in events)
    also = f"; {counted(refused, 'recipient')} {'was' if refused == 1 else 'were'} refused" if refused else ""
    return f"{what} {sent}{_reach(events, refused, told_where=name is None)}{also}"


def _is_run(event: UniversalEvent | None) -> bool:
    return event is not None and event.event_type == "job.execution"


def _reach(events: list[UniversalEvent], refused: int, *, told_where: bool) -> str:
    numbers = [_number(event, "recipients") for event in events]
    known = [number for number in numbers if number is not None]
    reach = f" to {counted(sum(known) - refused, 'recipient')}" if len(known) == len(numbers) else ""
    domains = sorted({str(domain) for event in events for domain in _domains(event)}) if told_where else []
    if len(domains) > _MAX_DOMAINS:
        return f"{reach} at {counted(len(domains), 'domain')}"
    return f"{reach} at {listed(domains)}" if domains else reach


def _domains(event: UniversalEvent) -> tuple[object, ...]:
    found = event.metadata.get("domains")
    return found if isinstance(found, tuple) else ()


def _number(event: UniversalEvent, key: str) -> int | None:
    value = event.metadata.get(key)
    return value if isinstance(value, int) else None


def _reasons(events: list[UniversalEvent]) -> str:
    return in_brackets([last_segment(event.error.type) for event in events if event.error])
