"""The intake: takes what applications hand over, in their own threads, if there is room for it; nobody waits."""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from ezlogs.delivery.items import EndedSpan, Item, count_of, events_of, receipts_of
from ezlogs.delivery.losses import Losses
from ezlogs.delivery.outbox import Outbox
from ezlogs.delivery.sealed import SealedEvent, SealedSpan
from ezlogs.delivery.sealed_rows import SealedRows
from ezlogs.event import UniversalEvent
from ezlogs.priority import Priority
from ezlogs.size import size_of

if TYPE_CHECKING:
    from ezlogs.delivery.journaling import Journaling

_POLL = 0.005
"""Seconds after which who waits for room looks for it again."""

_OF_AN_EVENT = 400
"""Bytes of an event without its texts."""

_MOST_JOURNALED = 10_000
"""Items that wait in memory to be sealed though they are in the journal: more wait there alone."""

_TO_BE_RUNG_FOR = 2048
"""Items that wait before somebody is told to look: of more the first are in none of the processor's caches any more,
and fewer would be sealed before they can be sent, which takes more memory than to leave them as they are."""

_UNWEIGHED = 200
"""Items that are taken before the first one is weighed."""

_MARGIN = 1024
"""Items past the bound that are taken until the next turn, which finds out what of all there is matters least."""


class Intake:
    """Takes items without a lock or a signal, as many as there is room for; one thread takes them out again.

    Args:
        outbox: What is sealed and waits to be sent takes room, too.
        losses: Where that is counted for which there was none.
        priority: Returns whether an item goes before others, where not all can be kept.
        start: Starts the thread that takes them out; called at the first item.
        ring: Has that thread look at once; called where many wait.
        max_queue_size: Items held in memory.
        max_queue_bytes: Bytes that they may take.
        audit_wait: Seconds that an audit event may make the application wait for room, though never on an event loop.
    """

    def __init__(
        self,
        outbox: Outbox,
        losses: Losses,
        priority: Callable[[Item], int],
        start: Callable[[], object],
        ring: Callable[[], object],
        *,
        max_queue_size: int,
        max_queue_bytes: int,
        audit_wait: float,
    ) -> None:
        self._outbox = outbox
        self._losses = losses
        self._priority = priority
        self._start = start
        self._ring = ring
        self._max_queue_size = max_queue_size
        self._max_queue_bytes = max_queue_bytes
        self._audit_wait = audit_wait
        self.journaling: Journaling | None = None
        """What is in it may wait there."""
        self.is_only_way = False
        """Whether an event that finds no room here is lost, since it goes nowhere else."""
        self.begin()

    def begin(self) -> None:
        """Begin with nothing, as a new process does."""
        self.items: deque[Item] = deque()
        """What waits to be sealed."""
        self.beyond: deque[Item] = deque()
        """What found no room in memory, and is journaled."""
        self.being_sealed = 0
        self.sealing: list[Item] = []
        """What has left the queue, and is not in the outbox yet."""
        self.sealed_items = 0
        """How many there were, ever."""
        self.stopped = False
        self.has_thread = False
        """Whether anybody takes out what is put in."""
        self._room = 0
        """Items that may wait to be sealed without a closer look at each."""
        self._room_unseen = 0
        """The same after somebody was told to look."""
        self._whole_room = 0
        """The same of those that are not in the journal."""
        self._last_audit = self._max_queue_size
        """How many items there may be, ever, before an audit event takes the place of another one."""
        self._full_from = sys.maxsize
        """As many items are so many that no further one of normal priority finds room."""
        self._ticks_of_usual: dict[str, Callable[[], object]] = {}
        """What counts events that are lost, of types that have normal priority where nothing failed."""
        self.usual_size = 0.0
        """Bytes of an item, about; 0 until one was weighed."""

    def put(self, item: Item) -> None:
        """Take an item. Never waits."""
        items = self.items
        if (number := len(items)) < self._room:
            items.append(item)
        elif (
            number >= self._full_from
            and type(item) is UniversalEvent
            and item.said_outcome == "success"
            and item.said_severity is None
            and item.error is None
        ):  # as `_look_at` would find, but where too many come, none must cost more than one that finds room
            try:
                self._ticks_of_usual[item.event_type]()
            except KeyError:
                self._look_at(item)
            else:
                if self.is_only_way and self.journaling is None:
                    self._losses.turn_away(self._turns_away)
        else:
            self._look_at(item)

    def _turns_away(self, event_type: str) -> Callable[[], object] | None:
        """Return what counts an event of a type as lost, where none of normal priority finds room; else None."""
        return self._ticks_of_usual.get(event_type) if len(self.items) >= self._full_from else None

    def _look_at(self, item: Item) -> None:
        """Take an item that found no room: all of them where there is no thread yet, or no more."""
        if self.stopped:
            self.leave("shut_down", item)
        elif self._room < self._room_unseen:
            self._room = self._room_unseen
            self._ring()
            self.put(item)
        elif not self.has_thread and self.pending() < self._max_queue_size:
            self.items.append(item)
            self._start()
        elif not self.usual_size:
            self.weigh(weight_of(item))
            self.measure()
            self.put(item)
        elif type(item) is not UniversalEvent and _is_journaled(item):  # past what memory is for: see `measure`
            self.beyond.append(item)
        elif self._has_margin(self._waited(self._priority(item))):
            self.items.append(item)
        elif type(item) is UniversalEvent:
            self._lose_for_want_of_room(item)
        else:
            self.leave("queue_full", item)

    def _lose_for_want_of_room(self, event: UniversalEvent) -> None:
        event_type = event.event_type
        tick = self._losses.ticks_without_room.get(event_type)
        if tick is None:
            self._losses.without_room(event_type)()
            return
        tick()
        if event.said_severity is None and event.error is None and self._priority(event) == Priority.NORMAL:
            self._ticks_of_usual[event_type] = tick

    def _has_margin(self, priority: int) -> bool:
        return len(self.items) < self._whole_room + self._margin() * (1 + priority)

    def _margin(self) -> float:
        return min(_MARGIN, self._max_queue_bytes / 16 / self.usual_size)

    def _waited(self, priority: int) -> int:
        """Wait until an audit event costs no other one, where that was asked for; return the priority."""
        if priority == Priority.AUDIT and self._audit_wait and not _on_an_event_loop():
            deadline = monotonic() + self._audit_wait
            while self._audit_costs_another() and not self.stopped and monotonic() < deadline:
                time.sleep(_POLL)
        return priority

    def _audit_costs_another(self) -> bool:
        return self.sealed_items + self.being_sealed + len(self.items) >= self._last_audit

    def weigh(self, size: float) -> None:
        """Learn what an item weighs: at once where it is more than was thought, little by little where it is less."""
        self.usual_size = max(256.0, size, 0.9 * self.usual_size)

    def measure(self) -> None:
        """Find out how many items may wait to be sealed."""
        if not self.usual_size:
            self._whole_room = min(_UNWEIGHED, self._max_queue_size)
            self._room = self._room_unseen = 0 if self.stopped else self._whole_room
            return
        by_size = (self._max_queue_bytes - self._outbox.size()) / self.usual_size
        room = min(self._max_queue_size - self._outbox.in_memory() - self.being_sealed, int(by_size))
        self._whole_room = max(0, room)
        roomy = self.journaling is not None and self.journaling.is_roomy()
        self._room_unseen = min(self._whole_room, _MOST_JOURNALED) if roomy else self._whole_room
        self._room = min(self._room_unseen, len(self.items) + _TO_BE_RUNG_FOR)
        if self._audit_wait:
            audits, size = self._outbox.of_audits()
            room = min(self._max_queue_size - audits, int((self._max_queue_bytes - size) / self.usual_size))
            self._last_audit = self.sealed_items + self.being_sealed + room
        self._full_from = self._whole_room + math.ceil(2 * self._margin())
        if len(self.items) < self._full_from:
            self._losses.turn_away(None)
        if self.stopped:  # meanwhile
            self._room = self._room_unseen = 0
            self._full_from = sys.maxsize

    def waiting(self) -> int:
        """Return how many items are not sealed yet."""
        # In the order in which items go on, so that what goes on meanwhile is counted twice rather than not at all.
        return len(self.items) + len(self.beyond) + self.being_sealed

    def pending(self) -> int:
        """Return how many items are not delivered yet."""
        return self.waiting() + self._outbox.pending()

    def pending_events(self) -> int:
        """Return how many events are not delivered yet, be it alone or on spans that have ended."""
        with self._outbox.moving:
            waiting = (*self.sealing, *tuple(self.items), *tuple(self.beyond))
            return count_of(waiting) + self._outbox.pending_events()

    def stop(self) -> None:
        """Take nothing any more."""
        self.stopped = True
        self._room = self._room_unseen = 0
        self._full_from = sys.maxsize
        self._losses.turn_away(None)

    def clear(self) -> None:
        """Count what has not been sealed, and never will be."""
        for left in (self.items, self.beyond):
            while left:
                self.leave("shut_down", left.popleft())

    def leave(self, reason: str, item: Item) -> None:
        """Count an item that will not be sent: as lost, but for what is journaled, which another process will send."""
        events = events_of(item)
        lost = [event for event in events if not (type(event) is SealedEvent and event.receipt)]
        self._losses.note("spooled", len(events) - len(lost))
        for event in lost:
            self._losses.lose(reason, 1, {event.event_type: 1})
        if isinstance(item, EndedSpan) or (isinstance(item, SealedSpan) and not all(item.receipts)):
            self._losses.lose_spans(reason, 1)


def weight_of(item: Item) -> float:
    """Return the bytes of an item, about: those of its texts, and some for all else."""
    if type(item) is SealedRows:
        return len(item.body)
    events = events_of(item)
    return sum(map(_weight_of_event, events)) + (len(item.body) if isinstance(item, SealedSpan) else 0)


def _weight_of_event(event: UniversalEvent | SealedEvent) -> int:
    if isinstance(event, SealedEvent):
        return len(event.body) if event.plain is None else size_of(event.plain, _OF_AN_EVENT)
    return size_of(event, _OF_AN_EVENT)


def _is_journaled(item: Item) -> bool:
    receipts = receipts_of(item)
    return bool(receipts) and all(receipts)


def _on_an_event_loop() -> bool:
    running = sys.modules.get("asyncio.events")
    return running is not None and running._get_running_loop() is not None
