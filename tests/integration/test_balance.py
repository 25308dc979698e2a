"""What was handed over is delivered, waits, or was lost for a reason that is counted: the sum is right, always."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from tests.unit.otlp.collectors import Collector, Request, respond

import ezlogs
from ezlogs.delivery.event_encoder import EventEncoder
from ezlogs.dev.decode import decode_either
from ezlogs.launch.health import balance

from .orders import UseProvider, eventually, place

Answer = Callable[[Request], bytes | None]


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that answers as a test wants."""
    made = Collector()
    yield made
    made.close()


def start(collector: Collector, **named: Any) -> None:
    """Start ezlogs against the collector."""
    ezlogs.configure(**{"endpoint": collector.url, "instrument": "none", "flush_interval": 0.05, **named})


def settled(seconds: float = 10) -> dict[str, Any]:
    """The health when nothing waits any more, or when it takes too long."""
    deadline = time.monotonic() + seconds
    while not ezlogs.flush(1) and time.monotonic() < deadline:
        pass
    return ezlogs.health()


def taken(collector: Collector, answer: Answer) -> set[str]:
    """The ids of the events in requests that the collector took."""
    return {
        str(event.attributes["ezlogs.event.id"])
        for request in collector.requests
        if answer(request) == respond(200)
        for item in decode_either(request.body)
        for event in getattr(item, "events", [item])
        if "ezlogs.event.id" in event.attributes
    }


def emit(number: int, *, on_spans: bool = False) -> None:
    """Emit events, alone or on spans that end."""
    for index in range(number):
        if on_spans:
            with trace.get_tracer("app").start_as_current_span("work"):
                place(index)
        else:
            place(index)


def refuse(request: Request) -> bytes:
    """Refuse everything."""
    return respond(400)


def limit(request: Request) -> bytes:
    """Take small requests only."""
    return respond(413 if len(request.body) > 1500 else 200)


def refuse_all_but_small(request: Request) -> bytes:
    """Take nothing that has an event in it."""
    return respond(413)


@pytest.mark.parametrize("on_spans", [False, True], ids=["alone", "on spans"])
@pytest.mark.parametrize("carrier", ["span", "log", "both"])
@pytest.mark.parametrize(
    "answer", [lambda request: respond(200), refuse, limit, refuse_all_but_small], ids=["taken", "400", "413", "never"]
)
def test_the_sum_is_right_whatever_the_collector_answers(
    collector: Collector, use_provider: UseProvider, answer: Answer, carrier: str, on_spans: bool
) -> None:
    """And the collector has what is said to be delivered."""
    use_provider()
    collector.answer = answer
    start(collector, carrier=carrier)
    emit(20, on_spans=on_spans)
    told = settled()
    assert told["emitted"] == 20
    assert balance(told) == 0, told
    if answer is refuse:
        assert (told["delivered"], told["lost"]["rejected"]) == (0, 20)
    assert len(taken(collector, answer)) >= told["delivered"]


def test_the_sum_is_right_while_a_collector_is_away_and_after(collector: Collector, use_provider: UseProvider) -> None:
    """Events wait meanwhile, each counted once."""
    use_provider()
    collector.answer = lambda request: respond(503)
    start(collector)
    emit(7)
    assert not ezlogs.flush(0.3)
    told = ezlogs.health()
    assert balance(told) == 0, told
    assert told["pending"] == 7
    collector.answer = lambda request: respond(200)
    told = settled()
    assert (balance(told), told["delivered"]) == (0, 7)


def test_the_sum_is_right_when_the_queue_is_full(collector: Collector, use_provider: UseProvider) -> None:
    """Whatever does not fit is counted."""
    use_provider()
    collector.answer = lambda request: respond(503)
    start(collector, max_queue_size=10, durability="memory")
    emit(30)
    eventually(lambda: ezlogs.health()["pending"] == 10)
    told = ezlogs.health()
    assert balance(told) == 0, told
    assert told["lost"] == {"queue_full": 20}


def test_the_sum_is_right_when_some_log_records_are_rejected(collector: Collector, use_provider: UseProvider) -> None:
    """By a partial success: each is an event."""
    use_provider()
    collector.answer = lambda request: respond(200, b"\x0a\x02\x08\x03")
    start(collector, carrier="log", flush_interval=60)  # all of them in one request
    emit(10)
    told = settled()
    assert (balance(told), told["delivered"], told["lost"]) == (0, 7, {"rejected": 3})


def test_the_sum_is_right_when_an_event_cannot_be_encoded(
    collector: Collector, use_provider: UseProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted, and the others leave."""
    known = EventEncoder.known

    def broken(self: EventEncoder, event: Any) -> bytes | None:
        if event.subject.id == "3":
            raise ValueError("cannot be encoded")
        return known(self, event)

    monkeypatch.setattr(EventEncoder, "known", broken)
    use_provider()
    start(collector)
    emit(10)
    told = settled()
    assert (balance(told), told["lost"]) == (0, {"unencodable": 1})


def test_the_sum_is_right_when_events_are_not_made(collector: Collector, use_provider: UseProvider) -> None:
    """Since they broke the rules and that is an error, or since their type, once it is right, is disabled."""
    use_provider()
    start(collector, strict=True)
    with pytest.raises(ezlogs.InvalidEvent):
        ezlogs.event("order.action", "placed", outcome="sucess")
    ezlogs.configure(strict=False, disabled_events=("system.unknown", "order.action"))
    ezlogs.event("Order Action", "placed")
    place()
    told = settled()
    assert balance(told) == 0, told
    assert told["emitted"] == told["delivered"]


def test_the_sum_is_right_when_a_carrier_fails(
    collector: Collector, use_provider: UseProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event is lost, and not in silence."""
    use_provider()
    start(collector)
    monkeypatch.setattr("ezlogs.delivery.pipeline.Pipeline.carry", lambda *_: 1 / 0)
    place()
    told = ezlogs.health()
    assert (balance(told), told["lost"], told["internal_errors"]) == (0, {"internal_error": 1}, 1)


def test_the_sum_is_right_when_stories_are_left_out(collector: Collector, use_provider: UseProvider) -> None:
    """Those are not emitted in the first place."""
    use_provider()
    start(collector, sample_rate=0.3)
    for index in range(50):
        token = context.attach(context.Context())
        place(index)
        context.detach(token)
    told = settled()
    assert balance(told) == 0, told
    assert told["emitted"] == 50


@pytest.mark.parametrize("durability", ["memory", "process"])
def test_the_sum_is_right_at_the_end(
    collector: Collector, use_provider: UseProvider, durability: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not go out is lost with the process, or waits on disk for the next."""
    monkeypatch.setenv("EZLOGS_STATE_DIR", str(tmp_path / "state"))
    use_provider()
    start(collector, durability=durability, health_dir=str(tmp_path), shutdown_timeout=0.3, service_name="shop")
    emit(3)
    settled()
    collector.answer = lambda request: respond(503)
    emit(4)
    ezlogs.shutdown()
    (report,) = tmp_path.glob("*.json")
    told = json.loads(report.read_bytes())
    assert (told["emitted"], told["delivered"]) == (7, 3)
    told["pending"] = 0  # the queue is gone with the pipeline
    assert balance(told) == 0, told
    assert (told["lost"], told.get("spooled", 0)) == (({"shut_down": 4}, 0) if durability == "memory" else ({}, 4))


FAULTS = {
    "200": lambda request: respond(200),
    "400": lambda request: respond(400),
    "404": lambda request: respond(404),
    "413": limit,
    "429": lambda request: respond(429, Retry_After="0"),
    "503": lambda request: respond(503),
    "reset": lambda request: None,
    "nonsense": lambda request: b"no http\r\n\r\n",
}
"""Answers; each holds for a while only."""


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    faults=st.lists(st.sampled_from(sorted(FAULTS)), max_size=6),
    emitted=st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=4),
    carrier=st.sampled_from(["span", "log", "both"]),
    room=st.sampled_from([5, 40, 1000]),
    durability=st.sampled_from(["memory", "process"]),
)
@example(  # half of a batch that was too large waits on disk, where only the whole can be found
    faults=["200", "413", "429"], emitted=[(11, False)], carrier="span", room=5, durability="process"
)
def test_the_sum_is_right_after_any_faults(
    *,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    faults: list[str],
    emitted: list[tuple[int, bool]],
    carrier: str,
    room: int,
    durability: str,
) -> None:
    """In any order, for spans and logs, with little room or much; when all is over nothing waits."""
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    provider = TracerProvider()
    coming = list(faults)

    def answer(request: Request) -> bytes | None:
        return FAULTS[coming.pop(0) if coming else "200"](request)

    collector.answer = answer
    start(collector, carrier=carrier, max_queue_size=room, max_batch_size=16, durability=durability)
    try:
        for number, on_spans in emitted:
            emit(number, on_spans=on_spans)
        told = settled(20)
        assert told["pending"] == 0, told
        assert told["emitted"] == sum(number for number, _ in emitted)
        assert balance(told) == 0, told
    finally:
        ezlogs.shutdown()
        provider.shutdown()


def test_events_on_open_spans_are_accounted_for(collector: Collector, use_provider: UseProvider) -> None:
    """They wait for its end."""
    use_provider()
    start(collector)
    with trace.get_tracer("app").start_as_current_span("work"):
        emit(3)
        assert balance(settled()) == 0


def test_events_on_spans_that_wait_are_accounted_for(collector: Collector, use_provider: UseProvider) -> None:
    """Each of them, not the span."""
    use_provider()
    collector.answer = lambda request: respond(503)
    start(collector)
    with trace.get_tracer("app").start_as_current_span("work"):
        emit(3)
    assert not ezlogs.flush(0.2)
    assert balance(ezlogs.health()) == 0


def test_what_is_lost_at_the_end_waits_no_more(collector: Collector, use_provider: UseProvider, tmp_path: Path) -> None:
    """It is in one count only."""
    use_provider()
    collector.answer = lambda request: respond(503)
    start(collector, health_dir=str(tmp_path), shutdown_timeout=0.1)
    emit(4)
    ezlogs.shutdown()
    (report,) = tmp_path.glob("*.json")
    assert balance(json.loads(report.read_bytes())) == 0


def test_what_rides_on_a_span_at_the_end_is_accounted_for(
    collector: Collector, use_provider: UseProvider, tmp_path: Path
) -> None:
    """The span ends too late."""
    use_provider()
    start(collector, health_dir=str(tmp_path))
    with trace.get_tracer("app").start_as_current_span("work"):
        emit(3)
        ezlogs.shutdown()
    (report,) = tmp_path.glob("*.json")
    assert balance(json.loads(report.read_bytes())) == 0


def test_events_on_spans_that_the_collector_threw_away_are_not_delivered(
    collector: Collector, use_provider: UseProvider
) -> None:
    """At least where it threw away all of them."""
    use_provider()
    collector.answer = lambda request: respond(200, b"\x0a\x03\x08\xff\x7f")  # more spans than there are
    start(collector)
    emit(3)
    told = settled()
    assert (told["delivered"], told["lost"]) == (0, {"rejected": 3})


def test_what_others_left_is_no_loss_of_this_process(
    collector: Collector, use_provider: UseProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It did not emit it."""
    monkeypatch.setenv("EZLOGS_STATE_DIR", str(tmp_path / "state"))
    use_provider()
    collector.answer = lambda request: respond(503)
    start(collector, durability="process", shutdown_timeout=0.2)
    emit(4)
    ezlogs.shutdown()
    collector.answer = lambda request: respond(400)
    collector.requests.clear()
    start(collector, durability="process")
    deadline = time.monotonic() + 10
    while not collector.requests and time.monotonic() < deadline:
        time.sleep(0.01)
    assert collector.requests, "nobody tried"
    while not ezlogs.health()["lost"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert balance(settled()) == 0


def test_spans_that_find_no_room_are_counted(collector: Collector, use_provider: UseProvider) -> None:
    """They are lost as events are."""
    use_provider()
    collector.answer = lambda request: respond(503)
    start(collector, max_queue_size=2, durability="memory")
    for _ in range(5):
        trace.get_tracer("app").start_span("work").end()
    eventually(lambda: ezlogs.health()["pending"] == 2)
    told = ezlogs.health()
    assert (told["lost"], balance(told)) == ({"spans.queue_full": 3}, 0)
