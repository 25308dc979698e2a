"""History: what happened to one subject, in the order of time, each with who did it and what it happened in."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET

from ezlogs.event import Actor, Change, Subject, UniversalEvent
from ezlogs.story.cast import Cast, task
from ezlogs.story.phrases import schedule_name
from ezlogs.story.rows import called, shown
from ezlogs.story.tree import Told, distinct, grow
from ezlogs.story.wording import listed, past, words

HOPS: Final = ("http.request", "graphql.operation", "job.execution", "cli.command", "schedule.run")
"""What an event happens in: it is told of each what that was."""

_DEEDS = {"create": "created", "update": "changed", "destroy": "deleted", "delete": "deleted"}
_DEEDS_OF_HOPS = {**dict.fromkeys(HOPS, "run"), "http.request": "requested"}
_MOST_IDS = 1000


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of a subject, and what else there is."""

    told: tuple[Told, ...]
    """The events of it, those that they happened in, changes of many such rows at once, and who is called what."""
    kinds: Mapping[str, int]
    """How many subjects there are of each type."""
    ids: tuple[str, ...]
    """The ids of subjects of the same type, at most 1,000, the latest last."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a subject."""

    event: UniversalEvent
    service: str
    at: int
    """When it began, in Unix nanoseconds."""
    who: str
    deed: str
    """What was done, in a word or two: ``created``, ``placed``, ``requested``."""
    details: tuple[str, ...]
    """What changed, a line each, as far as it was told."""
    inside: UniversalEvent | None
    """The request, job, command or schedule that it happened in, which may be the event itself; None if not known."""
    place: str
    """That in words, or nothing."""

    @property
    def story(self) -> str:
        """The id of the story that it belongs to."""
        return self.event.correlation.correlation_id


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to a subject."""

    entries: tuple[Entry, ...]
    """In the order of time."""
    bulk: int
    """Changes of many rows at once of which it is not known whether this was one of them."""


def find(received: Iterable[Told], kind: str, id: str) -> Found:
    """Return what there is to tell of a subject.

    Args:
        received: Events, privacy already applied.
        kind: The subject's type, such as ``order``.
        id: Its id.
    """
    everything = distinct(received)
    by_id = {told.event.event_id: told for told in everything}
    names: dict[tuple[str, str | None], Told] = {}
    ids: defaultdict[str, dict[str, None]] = defaultdict(dict)
    kept: dict[str, Told] = {}
    for told in sorted(everything, key=_by_time):
        event = told.event
        for party in _parties(event):
            if party.label and party.id is not None:
                names[party.type, party.id] = told
        if event.subject is not None and event.subject.id is not None:
            ids[event.subject.type][event.subject.id] = None
        if _is_of(event, kind, id) or (_is_of(event, kind, None) and _is_bulk(event)):
            kept[event.event_id] = told
    for told in list(kept.values()):
        for cause in _causes(told, by_id):
            kept[cause.event.event_id] = cause
    for told in list(kept.values()):
        for key in _names_of(told.event):
            if key in names:
                kept.setdefault(names[key].event.event_id, names[key])
    return Found(
        told=tuple(kept.values()),
        kinds={name: len(known) for name, known in ids.items()},
        ids=tuple(ids[kind])[-_MOST_IDS:] if kind in ids else (),
    )


def history(received: Iterable[Told], kind: str, id: str) -> History:
    """Return what happened to a subject.

    Pure: equal events give an equal history, in whatever order and however often they were received.

    Args:
        received: Events; those that `find` found are enough.
        kind: The subject's type, such as ``order``.
        id: Its id.

    Example:
        >>> from ezlogs import Actor, Correlation, UniversalEvent
        >>> changed = UniversalEvent.create(
        ...     "data.change", "order.update", actor=Actor("user", "7", "Ada"), subject=("order", 42),
        ...     changes=[Change("status", "pending", "paid")], correlation=Correlation(correlation_id="story-1"),
        ... )
        >>> [entry] = history([Told(changed, "shop-web")], "order", "42").entries
        >>> entry.who, entry.deed, entry.details
        ('Ada', 'changed', ('status: pending → paid',))
    """
    everything = distinct(received)
    by_story: defaultdict[str, list[Told]] = defaultdict(list)
    for told in everything:
        by_story[told.event.correlation.correlation_id].append(told)
    entries: list[Entry] = []
    latest_first = sorted(everything, key=_by_time, reverse=True)
    named = [told.event for told in latest_first if any(party.label for party in _parties(told.event))]
    for story in by_story.values():
        if any(_is_of(told.event, kind, id) for told in story):
            entries += _entries(story, named, kind, id)
    return History(
        entries=tuple(sorted(entries, key=lambda entry: (entry.at, entry.event.sequence, entry.event.event_id))),
        bulk=sum(_is_of(told.event, kind, None) and _is_bulk(told.event) for told in everything),
    )


def _entries(story: list[Told], named: list[UniversalEvent], kind: str, id: str) -> Iterator[Entry]:
    tree = grow(story)
    nearest = tree.nearest(*HOPS)
    cast = Cast([*named, *(node.event for node in tree.nodes)])
    for node in tree.nodes:
        event = node.event
        if not _is_of(event, kind, id):
            continue
        inside = nearest[event.event_id]
        yield Entry(
            event=event,
            service=node.service,
            at=node.at,
            who=cast.person(event.actor) or "the system",
            deed=_deed(event),
            details=tuple(_details(event)),
            inside=inside,
            place=_place(inside) if inside is not None else "",
        )


def _place(event: UniversalEvent) -> str:
    """Return a request, job, command or schedule in a few words."""
    if event.event_type == "job.execution":
        attempt = event.correlation.attempt or 1
        return f"job {task(event)}" + (f" #{attempt}" if attempt > 1 else "")
    if event.event_type == "schedule.run":
        return f"schedule {schedule_name(event)}"
    return f"command {event.action}" if event.event_type == "cli.command" else event.action


def _deed(event: UniversalEvent) -> str:
    action = event.action.rpartition(".")[2]
    if event.event_type == "data.change":
        return _DEEDS.get(action, words(action))
    if event.event_type == "data.validation":
        return "refused as not valid"
    if event.event_type in _DEEDS_OF_HOPS:
        return _DEEDS_OF_HOPS[event.event_type]
    return past(event.action) or words(event.action)


def _details(event: UniversalEvent) -> Iterator[str]:
    """Yield what changed: with values where they were told, all other fields in one line."""
    status = event.metadata.get("status")
    if event.event_type == "http.request" and status is not None:
        yield str(status)
    untold: list[str] = []
    for change in event.changes:
        if change.before is UNSET and change.after is UNSET:
            untold.append(change.field)
        else:
            yield f"{change.field}: {_sides(change, event)}"
    if untold:
        yield f"{listed(untold)} (values not told)"
    links = event.metadata.get("m2m")
    if isinstance(links, Mapping):
        moved = [
            f"{name} {', '.join(map(str, keys))}" for name in ("added", "removed") if (keys := _several(links, name))
        ]
        if moved:
            yield f"{links.get('field')}: {'; '.join(moved)}"
    if event.event_type == "data.validation":
        refused = zip(_several(event.metadata, "fields"), _several(event.metadata, "codes"), strict=False)
        yield from (f"{field}: {code}" for field, code in refused)


def _several(metadata: Mapping[str, object], name: str) -> tuple[object, ...]:
    found = metadata.get(name)
    return found if isinstance(found, tuple) else ()


def _sides(change: Change, event: UniversalEvent) -> str:
    change = called(change, event)
    if change.before is UNSET:
        return shown(change.after) if event.action.endswith("create") else f"→ {shown(change.after)}"
    return f"{shown(change.before)} → {'not known' if change.after is UNSET else shown(change.after)}"


def _by_time(told: Told) -> tuple[int, int, str]:
    event = told.event
    return event.timestamp, event.sequence, event.event_id


def _is_of(event: UniversalEvent, kind: str, id: str | None) -> bool:
    subject = event.subject
    return subject is not None and subject.type == kind and subject.id == id


def _is_bulk(event: UniversalEvent) -> bool:
    return event.event_type == "data.change" and event.action.rpartition(".")[2] in ("bulk_update", "bulk_delete")


def _causes(told: Told, by_id: Mapping[str, Told]) -> Iterator[Told]:
    seen = {told.event.event_id}
    cause = by_id.get(told.event.correlation.parent_event_id or "")
    while cause is not None and cause.event.event_id not in seen:
        seen.add(cause.event.event_id)
        yield cause
        cause = by_id.get(cause.event.correlation.parent_event_id or "")


def _parties(event: UniversalEvent) -> tuple[Actor | Subject, ...]:
    return (event.actor,) if event.subject is None else (event.actor, event.subject)


def _names_of(event: UniversalEvent) -> Iterator[tuple[str, str | None]]:
    actor = event.actor
    yield actor.type, actor.id
    if actor.on_behalf_of is not None:
        kind, _, identifier = actor.on_behalf_of.partition(":")
        yield kind, identifier or None


def merged(found: Iterable[Found]) -> Found:
    """Return what several sources found as one."""
    told: list[Told] = []
    kinds: Counter[str] = Counter()
    ids: dict[str, None] = {}
    for one in found:
        told += one.told
        kinds |= Counter(one.kinds)
        ids.update(dict.fromkeys(one.ids))
    return Found(told=tuple(told), kinds=dict(kinds), ids=tuple(ids))


def found_json(found: Found) -> dict[str, Any]:
    """Return what was found as plain values, for another process."""
    return {
        "events": [{"service": told.service, "event": msgspec.Raw(told.event.to_json())} for told in found.told],
        "kinds": dict(found.kinds),
        "ids": list(found.ids),
    }
