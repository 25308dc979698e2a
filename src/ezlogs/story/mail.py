"""The sentence of mails: what was sent, and to how many; never to whom."""

from __future__ import annotations

from ezlogs.event import UniversalEvent
from ezlogs.story.cast import Cast
from ezlogs.story.passages import Passage
from ezlogs.story.wording import capitalised, last_segment

_MAX_DOMAINS = 3


def sentence(passage: Passage, cast: Cast) -> str:
    """Return ``The receipt was sent to 1 recipient``, or ``An e-mail was sent`` when nothing names it."""
    events, language = passage.events, cast.language
    name = cast.mail(events[0], passage.inside if _is_run(passage.inside) else None)
    if len(events) > 1:
        what = capitalised(language.counted(len(events), name) if name else language.counting(len(events), "mail"))
    else:
        what = language.say("mail.the", mail=name) if name else language.say("mail.a")
    if events[0].outcome == "failure":
        reasons = [last_segment(event.error.type) for event in events if event.error]
        return language.say("mail.failed", what=what, why=language.in_brackets(reasons))
    refused = sum(_number(event, "refused") or 0 for event in events)
    also = ""
    if refused:
        message = "mail.refused_one" if refused == 1 else "mail.refused_several"
        also = language.say(message, recipients=language.counting(refused, "recipient"))
    message = "mail.unknown" if events[0].outcome == "unknown" else "mail.one" if len(events) == 1 else "mail.several"
    return language.say(message, what=what, reach=_reach(events, refused, cast, told_where=name is None), also=also)


def _is_run(event: UniversalEvent | None) -> bool:
    return event is not None and event.event_type == "job.execution"


def _reach(events: list[UniversalEvent], refused: int, cast: Cast, *, told_where: bool) -> str:
    language = cast.language
    numbers = [_number(event, "recipients") for event in events]
    known = [number for number in numbers if number is not None]
    reach = ""
    if len(known) == len(numbers):
        reach = language.say("mail.to", recipients=language.counting(sum(known) - refused, "recipient"))
    domains = sorted({str(domain) for event in events for domain in _domains(event)}) if told_where else []
    if not domains:
        return reach
    many = len(domains) > _MAX_DOMAINS
    return reach + language.say(
        "mail.at", domains=language.counting(len(domains), "domain") if many else language.listed(domains)
    )


def _domains(event: UniversalEvent) -> tuple[object, ...]:
    found = event.metadata.get("domains")
    return found if isinstance(found, tuple) else ()


def _number(event: UniversalEvent, key: str) -> int | None:
    value = event.metadata.get(key)
    return value if isinstance(value, int) else None
