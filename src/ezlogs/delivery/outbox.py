"""The outbox: batches that are ready to go, the most important first, within bounds of count and bytes.

While a collector is away batches are packed; past the bounds those whose events are in the journal keep nothing but
what they are found by there, and of the others the least important go.
"""

from __future__ import annotations

import threading
import zlib
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from ezlogs.delivery.batch import Batch
from ezlogs.delivery.split import split
from ezlogs.priority import Priority

_PACKED_FROM: Final = 1 << 20
"""Bytes that wait unpacked for a collector that is away."""

_ALWAYS_PACKED_FROM: Final = 8 << 20
"""The same for one that is there, and will have them in a moment: packing takes as long as encoding does."""

_BESIDE: Final = 500
"""Bytes that a batch takes besides its body, about."""


class Held(NamedTuple):
    """A batch as it is kept."""

    batch: Batch
    """Without its body where that is kept apart."""
    packed: bytes | None = None
    on_disk: bool = False
    """Whether its records must be read from the journal."""
    tried: bool = False
    """Whether it may have been received: then it is sent again byte for byte."""

    def size(self) -> int:
        """Return how many bytes of memory it takes, about."""
        return _BESIDE + len(self.packed or self.batch.body) + 8 * len(self.batch.receipts)

    def unpacked(self) -> Held:
        """Return it with its body."""
        if self.packed is None:
            return self
        return Held(self.batch._replace(body=zlib.decompress(self.packed)))


class Outbox:
    """Batches on their way. Its lock is for the threads of delivery; the application's never come here.

    Args:
        most_items: Items that are kept in memory.
        most_bytes: Bytes that they may take.
    """

    def __init__(self, most_items: int, most_bytes: int) -> None:
        self._most_items = most_items
        self._most_bytes = most_bytes
        self.forget()

    def forget(self) -> None:
        """Begin with nothing, as a forked child does: what waits is the parent's."""
        self.moving = self._lock = threading.RLock()  # which a signal handler may take again that ends the process
        """Held while something goes from one place to another, and by who counts in all of them."""
        self._waiting: dict[int, deque[Held]] = {priority: deque() for priority in sorted(Priority, reverse=True)}
        self._in_flight: Held | None = None
        self._some_unpacked = False
        """Whether `pack` may find something to do."""
        self._bytes = 0
        self._items = 0
        self._audits = self._bytes_of_audits = 0
        self._on_disk = 0
        self._sum = 0
        """What `pending` returns: one number, so that who reads it without the lock finds nothing half done."""

    def put(self, batch: Batch, *, away: bool = False, along: Callable[[], object] = bool) -> None:
        """Add a batch.

        Args:
            batch: What.
            away: Whether the collector is away.
            along: Called at the same moment for all who count: says that it is nowhere else any more.
        """
        packed = self._bytes > (_PACKED_FROM if away else _ALWAYS_PACKED_FROM)
        held = _packed(batch) if packed else Held(batch)
        with self._lock:
            self._some_unpacked = self._some_unpacked or not packed
            along()
            self._add(held)

    def pack(self) -> None:
        """Pack what waits, but for a little: the collector is away."""
        with self._lock:
            if not self._some_unpacked:
                return
            self._some_unpacked = False
            for waiting in self._waiting.values():
                for at, held in enumerate(waiting):
                    if self._bytes <= _PACKED_FROM:
                        return
                    if held.packed is None and not held.on_disk:
                        packed = waiting[at] = _packed(held.batch)._replace(tried=held.tried)
                        self._grow(held, packed.size() - held.size())  # its items are pending all the while

    def put_on_disk(self, batch: Batch) -> None:
        """Add a batch whose records are in the journal, and are not kept in memory."""
        with self._lock:
            self._add(Held(_without_body(batch), on_disk=True))

    def take(self) -> Held | None:
        """Return what is to be sent next, with its body, or None; it stays pending until it is `done`."""
        with self._lock:
            for waiting in self._waiting.values():
                if waiting:
                    self._in_flight = waiting.popleft()
                    break
            held = self._in_flight
        return None if held is None else held.unpacked()

    def restored(self, made: Batch) -> Batch:
        """Return what was taken from disk as it is in memory from now on, so that it is sent again byte for byte.

        Args:
            made: Its records, read from the journal.
        """
        with self._lock:
            held = self._in_flight
            if held is None:
                return made
            batch = held.batch._replace(
                body=made.body, records=made.records, events=made.events, spans=made.spans, broken=made.broken
            )
            self._count(held, -1)
            self._in_flight = Held(batch)
            self._count(self._in_flight, 1)
            return batch

    def is_sending(self) -> bool:
        """Return whether something was taken that is neither done nor put back."""
        return self._in_flight is not None

    def put_back(self) -> None:
        """Have what was taken be next again."""
        with self._lock:
            held, self._in_flight = self._in_flight, None
            if held is not None:
                self._waiting[held.batch.priority].appendleft(held._replace(tried=True))

    def done(self, parts: Iterable[Batch] = ()) -> None:
        """Forget what was taken.

        Args:
            parts: What takes its place.
        """
        with self._lock:
            held, self._in_flight = self._in_flight, None
            if held is not None:
                self._count(held, -1)
            for part in reversed(tuple(parts)):
                self._count(Held(part), 1)
                self._waiting[part.priority].appendleft(Held(part))

    def shrink(self) -> list[Batch]:
        """Come back within the bounds; return what is given up for that."""
        lost: list[Batch] = []
        with self._lock:
            self._spill()
            for waiting in reversed(self._waiting.values()):
                passed = []
                while waiting and self._too_much():
                    held = waiting.popleft()
                    if held.on_disk or held.batch.adopted or held.batch.journaled():
                        passed.append(held)
                        continue
                    self._count(held, -1)
                    if parts := self._parts(held):
                        for part in reversed(parts):
                            self._count(part, 1)
                            waiting.appendleft(part)
                    else:
                        lost.append(held.batch)
                waiting.extendleft(reversed(passed))
        return lost

    def _parts(self, held: Held) -> Sequence[Held]:
        """Return the halves of a batch of which some may stay; nothing where all of it must go."""
        if self._items >= self._most_items or self._bytes >= self._most_bytes:
            return ()
        return tuple(map(Held, split(held.unpacked().batch) or ()))

    def _spill(self) -> None:
        """Keep no more of batches than what they are found by in the journal: the least important and newest first."""
        for waiting in reversed(self._waiting.values()):
            for at in range(len(waiting) - 1, -1, -1):
                if not self._too_much():
                    return
                held = waiting[at]
                if not held.on_disk and not held.tried and held.batch.journaled() and not held.batch.part:
                    kept = waiting[at] = Held(_without_body(held.batch), on_disk=True)
                    self._count(held, -1)
                    self._count(kept, 1)

    def empty(self) -> list[Batch]:
        """Take out everything, also what is being sent."""
        with self._lock:
            held = [
                *([self._in_flight] if self._in_flight else ()),
                *(one for of in self._waiting.values() for one in of),
            ]
            for waiting in self._waiting.values():
                waiting.clear()
            self._in_flight = None
            self._bytes = self._items = self._on_disk = self._sum = self._audits = self._bytes_of_audits = 0
        return [one.batch for one in held]

    def __len__(self) -> int:
        """Return how many batches there are, with the one that is being sent."""
        return sum(map(len, self._waiting.values())) + (self._in_flight is not None)

    def has_of_first(self, items: int) -> bool:
        """Return whether any of the first items that there ever were is not delivered yet."""
        with self._lock:
            in_flight = () if self._in_flight is None else (self._in_flight,)
            return any(
                held.batch.number < items and not held.batch.adopted
                for waiting in (in_flight, *self._waiting.values())
                for held in waiting
            )

    def pending(self) -> int:
        """Return how many items are not delivered yet, those on disk included. For any thread."""
        return self._sum

    def pending_events(self) -> int:
        """Return how many events are not delivered yet, those that others left not among them."""
        with self._lock:
            held = [one for waiting in self._waiting.values() for one in waiting]
            if self._in_flight is not None:
                held.append(self._in_flight)
        return sum(one.batch.events for one in held if not one.batch.adopted)

    def is_crowded(self) -> bool:
        """Return whether more waits than a collector that is there leaves for a moment."""
        return self._bytes > _PACKED_FROM or self._items > self._most_items // 4

    def in_memory(self) -> int:
        """Return how many of them memory holds."""
        return self._items

    def size(self) -> int:
        """Return how many bytes of memory is taken."""
        return self._bytes

    def of_audits(self) -> tuple[int, int]:
        """Return how many items memory holds that give way to nothing, and their bytes, about."""
        return self._audits, self._bytes_of_audits

    def on_disk(self) -> int:
        """Return how many items are pending on disk only."""
        return self._on_disk

    def _add(self, held: Held) -> None:
        self._count(held, 1)
        self._waiting[held.batch.priority].append(held)

    def _count(self, held: Held, sign: int) -> None:
        self._grow(held, sign * held.size())
        if held.on_disk:
            self._on_disk += sign * held.batch.items
        else:
            self._items += sign * held.batch.items
            if held.batch.priority == Priority.AUDIT:
                self._audits += sign * held.batch.items
        self._sum += sign * held.batch.items

    def _grow(self, held: Held, size: int) -> None:
        self._bytes += size
        if held.batch.priority == Priority.AUDIT and not held.on_disk:
            self._bytes_of_audits += size

    def _too_much(self) -> bool:
        return self._items > self._most_items or self._bytes > self._most_bytes


def _without_body(batch: Batch) -> Batch:
    """Return a batch whose records are in the journal, with as little as they can be found by."""
    receipts = [receipt if isinstance(receipt, int) else receipt.position for receipt in batch.receipts]
    return batch._replace(body=b"", receipts=array("Q", receipts))


def _packed(batch: Batch) -> Held:
    return Held(batch._replace(body=b""), zlib.compress(batch.body, 1))
