"""The causal tree: what was received, without duplicates, each event under the one that caused it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from ezlogs.event import UniversalEvent
from ezlogs.ids import EVENT_ID_PREFIX

_MILLISECOND = 1_000_000


class Told(msgspec.Struct, frozen=True):
    """An event as it was received, and the service that told of it."""

    event: UniversalEvent
    service: str = ""
    cause: str | None = None
    """The id of the event whose span it happened in, where it names no cause itself."""


class Node(msgspec.Struct, frozen=True):
    """An event in its place: what it caused, in the order in which that began."""

    event: UniversalEvent
    service: str = ""
    children: tuple[Node, ...] = ()
    at: int = 0
    """When it began, in Unix nanoseconds; never before its cause, whatever the clock of its host says."""

    @property
    def end(self) -> int:
        """When it ended, in Unix nanoseconds: what takes a while is told at its end."""
        return max(self.event.timestamp, self.at)


class Tree(NamedTuple):
    """The events of one story, as far as their causes are known."""

    nodes: tuple[Node, ...]
    """Every event once, each after its cause."""
    roots: tuple[Node, ...]
    orphans: tuple[UniversalEvent, ...]
    """Events whose cause was not received; they are roots too."""
    cycles: int
    """Circles of causes that were cut, each at its earliest event."""
    parents: dict[str, str | None]

    def nearest(self, *event_types: str) -> dict[str, UniversalEvent | None]:
        """Return, for each event id, the nearest event of these types: itself, or what it happened in."""
        found: dict[str | None, UniversalEvent | None] = {None: None}
        for node in self.nodes:
            event = node.event
            inside = event if event.event_type in event_types else found[self.parents[event.event_id]]
            found[event.event_id] = inside
        return {event_id: event for event_id, event in found.items() if event_id is not None}


def distinct(received: Iterable[Told]) -> list[Told]:
    """Return each event once, whatever the order of arrival; a copy that knows how it ended wins."""
    kept: dict[str, Told] = {}
    for told in received:
        other = kept.setdefault(told.event.event_id, told)
        if other is not told and _worth(told) > _worth(other):
            kept[told.event.event_id] = told
    return list(kept.values())


def grow(told: Iterable[Told]) -> Tree:
    """Return the causal tree of one story's events.

    Siblings are in the order of their beginnings. An event whose cause is missing becomes a root, and a circle
    of causes is cut at its earliest event.
    """
    unplaced = {item.event.event_id: item for item in sorted(told, key=_by_time)}
    caused: defaultdict[str | None, list[Told]] = defaultdict(list)
    orphans: list[UniversalEvent] = []
    for item in unplaced.values():
        parent_id = item.event.correlation.parent_event_id or item.cause
        if parent_id is not None and parent_id not in unplaced:
            orphans.append(item.event)
            parent_id = None
        caused[parent_id].append(item)

    placed: list[tuple[Told, str | None, int]] = []
    cycles = 0
    starts = caused[None]
    while unplaced:
        if not starts:
            cycles += 1
            starts = [next(iter(unplaced.values()))]
        waiting: list[tuple[Told, str | None, int]] = [(item, None, 0) for item in reversed(starts)]
        starts = []
        while waiting:
            item, parent_id, not_before = waiting.pop()
            event_id = item.event.event_id
            if unplaced.pop(event_id, None) is None:
                continue  # the circle closes here
            at = max(began(item.event), not_before)
            placed.append((item, parent_id, at))
            waiting.extend((child, event_id, at) for child in reversed(caused[event_id]))

    children: defaultdict[str | None, list[Node]] = defaultdict(list)
    nodes: list[Node] = []
    for item, parent_id, at in reversed(placed):  # children come after their parent, so backwards they are ready
        node = Node(item.event, item.service, tuple(reversed(children[item.event.event_id])), at)
        children[parent_id].append(node)
        nodes.append(node)
    return Tree(
        nodes=tuple(reversed(nodes)),
        roots=tuple(reversed(children[None])),
        orphans=tuple(orphans),
        cycles=cycles,
        parents={item.event.event_id: parent_id for item, parent_id, _ in placed},
    )


def began(event: UniversalEvent) -> int:
    """Return when what an event tells of began, in Unix nanoseconds.

    A request or job is told at its end, under an id that was reserved at its start; the time in that id (a
    UUIDv7) says so, and the measured duration says how long ago that was.
    """
    duration, reserved = _nanoseconds(event.duration), _reserved_at(event.event_id)
    if reserved is None or event.timestamp - reserved - _MILLISECOND < duration // 2:
        return event.timestamp
    return event.timestamp - duration


def _reserved_at(event_id: str) -> int | None:
    digits = event_id[len(EVENT_ID_PREFIX) :][:13]
    if not event_id.startswith(EVENT_ID_PREFIX) or digits[12:] != "7":
        return None
    try:
        return int(digits[:12], 16) * _MILLISECOND
    except ValueError:
        return None


def _by_time(told: Told) -> tuple[int, int, int, str]:
    event = told.event
    return began(event), event.timestamp, event.sequence, event.event_id


def _worth(told: Told) -> tuple[bool, int, int, str, str, str]:
    event = told.event
    return (
        event.outcome != "unknown",
        event.timestamp,
        event.sequence,
        told.service,
        told.cause or "",
        repr(event.facts),
    )


def _nanoseconds(seconds: float | None) -> int:
    return round((seconds or 0) * 1e9)
