"""The outbox: what is kept, in which order it goes, and what is given up first."""

from __future__ import annotations

import pytest

from ezlogs.delivery.batch import Batch
from ezlogs.delivery.outbox import Outbox
from ezlogs.priority import Priority


def batch(name: str, priority: int = Priority.NORMAL, *, items: int = 10, receipts: tuple[int, ...] = ()) -> Batch:
    """Return a batch that is known by its body."""
    return Batch(name.encode() * 100, 1, items, {}, 0, receipts, items=items, priority=priority)


def names(batches: list[Batch]) -> list[str]:
    """Return what some batches are known by."""
    return [one.body[:1].decode() for one in batches]


def sent(outbox: Outbox) -> list[str]:
    """Send all that is there."""
    bodies = []
    while (held := outbox.take()) is not None:
        bodies.append(held.batch)
        outbox.done()
    return names(bodies)


def test_the_most_important_goes_first() -> None:
    """And of those alike the oldest."""
    outbox = Outbox(1000, 1 << 20)
    for name, priority in (("a", 1), ("b", 3), ("c", 0), ("d", 1), ("e", 2)):
        outbox.put(batch(name, priority))
    assert outbox.pending() == outbox.in_memory() == 50
    assert sent(outbox) == ["b", "e", "a", "d", "c"]
    assert (outbox.pending(), outbox.size(), len(outbox)) == (0, 0, 0)


def test_what_could_not_be_sent_is_next_again() -> None:
    """It stays pending meanwhile."""
    outbox = Outbox(1000, 1 << 20)
    outbox.put(batch("a"))
    outbox.put(batch("b"))
    assert outbox.take() is not None
    assert (outbox.pending(), len(outbox)) == (20, 2)
    outbox.put_back()
    assert sent(outbox) == ["a", "b"]


def test_the_least_important_and_oldest_is_given_up() -> None:
    """As much as it takes, and no more."""
    outbox = Outbox(30, 1 << 20)
    for name, priority in (("a", 1), ("b", 0), ("c", 3), ("d", 0), ("e", 1)):
        outbox.put(batch(name, priority))
    assert names(outbox.shrink()) == ["b", "d"]
    outbox.put(batch("f", 2))
    assert names(outbox.shrink()) == ["a"]
    assert sent(outbox) == ["c", "f", "e"]


def test_bytes_count_too() -> None:
    """Few large batches are as much as many small ones."""
    outbox = Outbox(1000, 3000)
    for name in "abcde":
        outbox.put(batch(name))
    assert outbox.size() == 5 * (500 + 100)
    outbox.put(batch("f"))
    assert names(outbox.shrink()) == ["a"]
    assert outbox.size() <= 3000


def test_what_is_journaled_waits_on_disk_instead() -> None:
    """The newest first: the oldest may have been sent, and is sent again as it was."""
    outbox = Outbox(20, 1 << 20)
    for name in "abcd":
        outbox.put(batch(name, receipts=(1, 2)))
    assert outbox.shrink() == []
    assert (outbox.pending(), outbox.in_memory(), outbox.on_disk()) == (40, 20, 20)
    first = outbox.take()
    assert first is not None
    assert (first.on_disk, first.batch.body[:1]) == (False, b"a")
    outbox.done()
    second, third = outbox.take(), outbox.done() or outbox.take()
    assert second is not None
    assert third is not None
    assert (second.on_disk, third.on_disk) == (False, True)
    assert (third.batch.body, list(third.batch.receipts)) == (b"", [1, 2])


def test_what_a_dead_process_left_is_neither_given_up_nor_set_aside() -> None:
    """It is on disk where it was, and its receipts are none of this process's journal."""
    outbox = Outbox(5, 1 << 20)
    outbox.put(batch("a", receipts=(1,))._replace(adopted=True))
    assert outbox.shrink() == []
    assert sent(outbox) == ["a"]


@pytest.mark.parametrize("parts", [(), ("x", "y")])
def test_a_batch_may_be_replaced_by_its_parts(parts: tuple[str, ...]) -> None:
    """They go before the others."""
    outbox = Outbox(1000, 1 << 20)
    outbox.put(batch("a"))
    outbox.put(batch("b"))
    outbox.take()
    outbox.done([batch(name, items=5) for name in parts])
    assert outbox.pending() == 10 + 5 * len(parts)
    assert sent(outbox) == [*parts, "b"]


@pytest.mark.parametrize("away", [True, False])
def test_much_that_waits_for_a_collector_that_is_away_is_packed(away: bool) -> None:
    """At once, or when it turns out that it is away; and sent as it was."""
    outbox = Outbox(1000, 64 << 20)
    bodies = [bytes([number]) * 200_000 for number in range(20)]
    for body in bodies:
        outbox.put(Batch(body, 1, 10, {}, 0, items=10), away=away)
    if not away:
        assert outbox.size() > sum(map(len, bodies))  # a collector that is there has it in a moment
        outbox.put_back()
        outbox.pack()
    assert outbox.size() < 1_500_000
    assert outbox.is_crowded() is away  # what came before that was known is packed as far as it has to be
    outbox.pack()  # nothing is left to do
    found = []
    while (held := outbox.take()) is not None:
        found.append(held.batch.body)
        outbox.done()
    assert found == bodies


def test_more_than_a_moment_brings_is_packed_for_any_collector() -> None:
    """Past some megabytes."""
    outbox = Outbox(1000, 64 << 20)
    for number in range(20):
        outbox.put(Batch(bytes([number]) * 1_000_000, 1, 10, {}, 0, items=10))
    assert 8 << 20 < outbox.size() < 10 << 20


def test_what_was_tried_is_packed_and_sent_again_as_it_was() -> None:
    """It may have been received: it does not go to disk."""
    outbox = Outbox(1000, 64 << 20)
    for number in range(3):
        outbox.put(Batch(bytes([number]) * 1_000_000, 1, 10, {}, 0, items=10))
    outbox.take()
    outbox.put_back()
    outbox.pack()
    assert outbox.size() < 2_100_000
    held = outbox.take()
    assert held is not None
    assert held.batch.body == bytes(1_000_000)


def test_at_the_end_all_of_it_is_taken_out() -> None:
    """What is being sent as well."""
    outbox = Outbox(1000, 1 << 20)
    outbox.put(batch("a"))
    outbox.put(batch("b", Priority.AUDIT))
    outbox.take()
    assert sorted(names(outbox.empty())) == ["a", "b"]
    assert (outbox.pending(), outbox.size(), outbox.take()) == (0, 0, None)
    outbox.put_back()
    outbox.done()
    assert outbox.pending() == 0
