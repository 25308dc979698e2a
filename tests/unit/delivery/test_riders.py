"""Riders are delivered with their span or refused, never both and never neither, whatever the threads do."""

import threading
from typing import cast

from ezlogs.correlation import Correlation
from ezlogs.delivery.riders import MAX_RIDERS, Riders, RidingEvent
from ezlogs.event import UniversalEvent
from ezlogs.privacy import Scrubber


def emitted(number: int = 0) -> UniversalEvent:
    """Return an event on its way."""
    return UniversalEvent.create(
        "order.action",
        "placed",
        metadata={"password": "hunter2"},
        timestamp=number,
        correlation=Correlation(correlation_id="a" * 32),
    )


def test_riders_come_out_in_order() -> None:
    """Closing returns what was added."""
    riders, items = Riders(), [emitted(1), emitted(2)]
    assert [riders.add(item) for item in items] == [True, True]
    assert riders.close() == items


def test_a_full_or_closed_span_takes_no_more() -> None:
    """The refused event goes on a carrier span."""
    full = Riders()
    assert all(full.add(emitted()) for _ in range(MAX_RIDERS))
    assert not full.add(emitted())
    closed = Riders()
    closed.close()
    assert not closed.add(emitted())


def test_adding_while_closing_neither_loses_nor_doubles() -> None:
    """Of events added by threads while another closes, exactly the accepted ones are delivered."""
    for _ in range(200):
        riders = Riders()
        accepted: list[UniversalEvent] = []
        begin = threading.Barrier(3)

        def add(
            riders: Riders = riders, accepted: list[UniversalEvent] = accepted, begin: threading.Barrier = begin
        ) -> None:
            begin.wait()
            for _ in range(20):
                item = emitted()
                if riders.add(item):
                    accepted.append(item)

        threads = [threading.Thread(target=add) for _ in range(2)]
        for thread in threads:
            thread.start()
        begin.wait()
        delivered = riders.close()
        for thread in threads:
            thread.join()
        assert {id(item) for item in delivered} == {id(item) for item in accepted}


def test_what_other_processors_read_is_scrubbed() -> None:
    """No unscrubbed value is reachable through the span event's public attributes."""
    event = RidingEvent(emitted(5), Scrubber())
    assert (event.name, event.timestamp, event.dropped_attributes) == ("order.action", 5, 0)
    assert "hunter2" not in repr(dict(cast("dict[str, object]", event.attributes)))
