"""The sentence of database rows: one row by name and by its changes, several by number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone, tzinfo
from typing import NamedTuple

import msgspec

from ezlogs.event import Change, UniversalEvent
from ezlogs.privacy.rule import REDACTED
from ezlogs.story.cast import Cast
from ezlogs.story.language import ENGLISH, Language
from ezlogs.story.passages import Passage
from ezlogs.story.wording import capitalised, moment, shortened

_VERBS = {"create": "created", "delete": "deleted", "destroy": "deleted"}
_HEADLINES = {frozenset({"created"}): "saved", frozenset({"created", "changed"}): "saved"}
_MAX_CHANGES = 3
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?(Z|[+-]\d\d:\d\d)")


class _Net(NamedTuple):
    """What became of one row, or of the rows of one bulk operation, in the end."""

    kind: str
    verb: str
    number: int | None
    events: list[UniversalEvent]


def sentence(passage: Passage, cast: Cast) -> str:
    """Return ``3 rows were saved: 1 order, 2 order items``, or who saved them if that was the request."""
    language = cast.language
    nets = _nets([event for event in passage.events if event.event_type == "data.change"])
    if not nets:
        return language.say("transaction.committed")
    numbers: dict[tuple[str, str], int | None] = {}
    for net in nets:
        known = numbers.get((net.kind, net.verb), 0)
        numbers[net.kind, net.verb] = None if known is None or net.number is None else known + net.number
    outcome = nets[0].events[0].outcome
    who = cast.person(nets[0].events[0].actor) if passage.request and outcome == "success" else None

    if len(nets) == 1 and nets[0].events[0].subject is not None and not _is_bulk(nets[0].events[0]):
        what, verb, one = cast.thing(nets[0].events[0].subject), nets[0].verb, True
        details = _changes(nets[0].events, cast)
    elif len(numbers) == 1:
        (((kind, verb), number),) = numbers.items()
        what, one = cast.number_of(number, kind), number == 1
        details = _changes(nets[0].events, cast) if len(nets) == 1 else []
    else:
        verbs = {verb for _, verb in numbers}
        verb, one = _headline(verbs), False
        total = [number for number in numbers.values() if number is not None]
        if len(total) == len(numbers):
            what = language.counting(sum(total), "row")
        else:
            what = language.say("some_of", noun=language.counting(2, "row").partition(" ")[2])
        plain = verbs if len(verbs) == 1 else {"created"} if verb == "saved" else set()
        details = [
            cast.number_of(number, kind) + ("" if did in plain else f" {language.verb(did)}")
            for (kind, did), number in numbers.items()
        ]
    verb = language.verb(verb)
    if who:
        statement = language.say("rows", who=who, verb=verb, what=what)
    else:
        statement = language.say(_passive(outcome, one=one), what=capitalised(what), verb=verb)
    return language.say("detailed", statement=statement, details=", ".join(details)) if details else statement


def _nets(events: list[UniversalEvent]) -> list[_Net]:
    """Return each row once, as it ended: created and then changed is created, and deleted is deleted."""
    nets: dict[tuple[str, str], _Net] = {}
    for event in events:
        kind = event.subject.type if event.subject is not None else event.action.partition(".")[0]
        operation = event.action.rpartition(".")[2]
        verb = _VERBS.get(operation.removeprefix("bulk_"), "changed")
        bulk = _is_bulk(event)
        row = event.subject.id if event.subject is not None and event.subject.id and not bulk else event.event_id
        before = nets.get((kind, row))
        if before is None:
            nets[kind, row] = _Net(kind, verb, _rows(event) if bulk else 1, [event])
        else:
            before.events.append(event)
            nets[kind, row] = before._replace(verb=before.verb if verb == "changed" else verb)
        for label, number in _cascade(event):
            nets[label, event.event_id] = _Net(label, "deleted", number, [event])
    return list(nets.values())


def _cascade(event: UniversalEvent) -> list[tuple[str, int]]:
    """Return what rows of other models went with a deleted one, by model."""
    found = event.metadata.get("cascade")
    counts = found.items() if isinstance(found, Mapping) else ()
    return [(label, number) for label, number in counts if isinstance(number, int)]


def _is_bulk(event: UniversalEvent) -> bool:
    return event.action.rpartition(".")[2].startswith("bulk_")


def _rows(event: UniversalEvent) -> int | None:
    rows = event.metadata.get("rows")
    return rows if isinstance(rows, int) else None


def _headline(verbs: set[str]) -> str:
    return _HEADLINES.get(frozenset(verbs), next(iter(verbs)) if len(verbs) == 1 else "changed")


def _passive(outcome: str, *, one: bool) -> str:
    if outcome == "unknown":
        return "rows.unknown"
    return ("rows.one" if one else "rows.several") + ("" if outcome == "success" else ".not")


def _changes(events: list[UniversalEvent], cast: Cast) -> list[str]:
    """Return the first changed fields of a row in words; those of a new row go without saying."""
    changed: dict[str, Change] = {}
    for event in events:
        for change in (called(one, event) for one in event.changes) if event.action.endswith("update") else ():
            first = changed.get(change.field, change)
            changed[change.field] = Change(change.field, first.before, change.after)
    language = cast.language
    every = [_change(change, cast) for change in changed.values()] + _links(events, language)
    told = every[:_MAX_CHANGES]
    rest = len(every) - len(told)
    return [*told, language.say("more", number=language.number(rest))] if rest else told


def called(change: Change, event: UniversalEvent) -> Change:
    """Return a change with the values of choices as people call them."""
    choices = event.metadata.get("choices")
    names = choices.get(change.field) if isinstance(choices, Mapping) else None
    if not isinstance(names, tuple) or len(names) != 2:
        return change
    before, after = (
        name if isinstance(name, str) and name and side not in (msgspec.UNSET, REDACTED) else side
        for name, side in zip(names, (change.before, change.after), strict=True)
    )
    return Change(change.field, before, after)


def _links(events: list[UniversalEvent], language: Language) -> list[str]:
    """Return what became of a row's links to others: ``tags 2 added, 1 removed``."""
    found = []
    for event in events:
        links = event.metadata.get("m2m")
        if not isinstance(links, Mapping) or not links.get("field"):
            continue
        numbers = [(name, len(keys)) for name in ("added", "removed") if isinstance(keys := links.get(name), tuple)]
        moved = ", ".join(
            language.say(f"links.{name}", number=language.number(number)) for name, number in numbers if number
        )
        field = str(links["field"])
        found.append(language.say("change.links", field=field, changes=moved) if moved else field)
    return found


def _change(change: Change, cast: Cast) -> str:
    language = cast.language
    field, sides = change.field, [side for side in (change.before, change.after) if side is not msgspec.UNSET]
    if sides and all(side == REDACTED for side in sides):
        return language.say("change.hidden", field=field)
    if change.after is msgspec.UNSET:
        return field
    after = shown(change.after, language, cast.zone)
    if change.before is msgspec.UNSET:
        return language.say("change.set", field=field, after=after)
    return language.say("change", field=field, before=shown(change.before, language, cast.zone), after=after)


def shown(value: object, language: Language = ENGLISH, zone: tzinfo = timezone.utc) -> str:
    """Return a value as a reader wants it: a time to the second, and in a zone.

    >>> shown("2026-11-27T22:43:35.693154+02:00"), shown(1204), shown(None)
    ('2026-11-27 20:43:35 +00:00', '1,204', 'nothing')
    """
    if value is None or value == "":
        return language.say("value.nothing")
    if isinstance(value, bool):
        return language.say("value.yes" if value else "value.no")
    if isinstance(value, str) and _TIME.fullmatch(value):
        with suppress(ValueError):
            at = datetime.fromisoformat(value.replace("Z", "+00:00"))
            return moment(int(at.timestamp()) * 1_000_000_000, zone)
    return shortened(language.number(value) if isinstance(value, int) else str(value))
