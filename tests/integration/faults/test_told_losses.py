"""Losses are told where people look: in the log and by an event, in neither more often than helps."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.unit.otlp.collectors import Request, respond

import ezlogs
from ezlogs.dev.decode import decode_either
from ezlogs.launch.health import balance
from ezlogs.testing import capture

from ..orders import UseProvider, eventually
from .faulty import Faulty, emit, flushed, is_of_losses, program, start


def told(collector: Faulty) -> list[dict[str, Any]]:
    """The attributes of the events about losses that the collector took."""
    return [
        {str(key): value for key, value in event.attributes.items()}
        for request in collector.taken
        for item in decode_either(request.body)
        for event in getattr(item, "events", [item])
        if is_of_losses(event)
    ]


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of losses."""
    return [record.getMessage() for record in caplog.records if " lost (" in record.getMessage()]


def refuse_some(request: Request) -> bytes:
    """Refuse what has one type of event in it."""
    return respond(400 if b"order.refused" in request.body else 200)


@pytest.mark.parametrize("carrier", ["span", "log", "both"])
@pytest.mark.parametrize("durability", ["memory", "process"])
def test_what_was_refused_is_told_when_something_is_taken(
    collector: Faulty, use_provider: UseProvider, caplog: pytest.LogCaptureFixture, carrier: str, durability: str
) -> None:
    """Once in the log and once to the collector, counted as nobody's event; the sum is as it was."""
    use_provider()
    collector.fail(answer=lambda request: respond(400))
    start(collector, carrier=carrier, durability=durability)
    emit(6)
    flushed()
    eventually(lambda: len(lines(caplog)) == 1)
    assert "(rejected): the collector refused them; " in lines(caplog)[0]
    collector.heal()
    ids = emit(2)
    forms = 2 if carrier == "both" else 1
    eventually(lambda: len(told(collector)) == forms)
    health = flushed()
    assert (health["emitted"], health["delivered"], health["pending"], balance(health)) == (8, 2, 0, 0), health
    event = told(collector)[0]
    assert event["ezlogs.action"] == "sink_failed"
    assert (event["ezlogs.actor.type"], event["ezlogs.actor.id"]) == ("system", "ezlogs")
    assert (event["ezlogs.subject.id"], event["error.type"]) == ("collector", "rejected")
    assert '"rejected":6' in str(event["ezlogs.metadata.lost"])
    assert len({one["ezlogs.event.id"] for one in told(collector)}) == 1
    assert collector.arrived().keys() == set(ids)
    ezlogs.shutdown()
    assert len(lines(caplog)) == 1, "what was said is not said again at the end"


@pytest.mark.parametrize("carrier", ["span", "log"])
def test_a_full_queue_is_told_when_the_collector_is_back(
    collector: Faulty, use_provider: UseProvider, caplog: pytest.LogCaptureFixture, carrier: str
) -> None:
    """One line meanwhile, however many are lost; the event has no part in a story of the application's."""
    use_provider()
    collector.fail(answer=lambda request: respond(503))
    start(collector, carrier=carrier, max_queue_size=10, durability="memory")
    with ezlogs.flow("checkout", 7):
        for _ in range(20):
            emit(10)
        eventually(lambda: bool(lines(caplog)))
        emit(10)
    assert told(collector) == []
    collector.heal()
    eventually(lambda: len(told(collector)) == 1)
    health = flushed()
    assert balance(health) == 0, health
    assert health["lost"]["queue_full"] > 0
    event = told(collector)[0]
    assert not [key for key in event if "flow" in key]
    stories = {
        one.attributes["ezlogs.correlation.id"]
        for request in collector.taken
        for item in decode_either(request.body)
        for one in getattr(item, "events", [item])
        if "ezlogs.event.id" in one.attributes and not is_of_losses(one)
    }
    assert stories
    assert event["ezlogs.correlation.id"] not in stories
    assert len(lines(caplog)) == 1


def test_an_event_about_losses_that_is_lost_is_no_loss(
    collector: Faulty, use_provider: UseProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """It is refused: nothing is counted, kept or told for it, nor sent again."""
    use_provider()
    refused: list[Request] = []

    def answer(request: Request) -> bytes:
        if b"system.error" in request.body:
            refused.append(request)
            return respond(400)
        return refuse_some(request)

    collector.fail(answer=answer)
    start(collector)
    emit(1, "order.refused")
    flushed()
    emit(2)
    eventually(lambda: len(refused) == 1)
    health: Any = flushed()
    assert (health["lost"], health["delivered"], balance(health)) == ({"rejected": 1}, 2, 0)
    assert health["journal"]["dead_letters"]["letters"] == 1
    ezlogs.shutdown()
    assert len(refused) == 1
    assert len(lines(caplog)) == 1


def test_an_event_about_losses_waits_for_no_collector(collector: Faulty, use_provider: UseProvider) -> None:
    """A flush and the end are about what was handed over."""
    use_provider()
    waiting: list[Request] = []

    def answer(request: Request) -> bytes:
        if b"system.error" in request.body:
            waiting.append(request)
            return respond(503)
        return refuse_some(request)

    collector.fail(answer=answer)
    start(collector)
    emit(1, "order.refused")
    flushed()
    emit(1)
    eventually(lambda: bool(waiting))
    health = ezlogs.health()
    assert (health["pending"], balance(health)) == (0, 0)
    assert ezlogs.flush(0.5)
    ezlogs.shutdown()


def test_what_the_application_left_out_is_not_told(
    collector: Faulty, use_provider: UseProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Sampling, and limits of types."""
    use_provider()
    collector.fail(answer=refuse_some)
    start(collector, rate_limits={"order.limited": 1}, sample_types={"order.rare": 0.0}, durability="memory")
    for _ in range(20):
        ezlogs.event("order.limited", "done")
        ezlogs.event("order.rare", "done")
    emit(1, "order.refused")
    flushed()
    emit(1)
    eventually(lambda: len(told(collector)) == 1)
    health: Any = flushed()
    assert health["lost"]["rate_limited"] > 0
    assert health["sampled_out"] == 20
    assert told(collector)[0]["error.type"] == "rejected"
    assert len(lines(caplog)) == 1
    assert "rejected" in lines(caplog)[0]


def test_who_has_another_pipeline_and_no_endpoint_is_told_in_the_log(
    use_provider: UseProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """By a thread that there is only for this."""
    provider = use_provider()
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    ezlogs.configure(instrument="none")
    for _ in range(3):
        ezlogs.event("order.action", "placed")
    eventually(lambda: bool(lines(caplog)))
    assert lines(caplog)[0].startswith("ezlogs: ")
    assert "(no_recording_span)" in lines(caplog)[0]
    assert "`endpoint`" in lines(caplog)[0]


def test_a_handler_that_is_instrumented_makes_no_loop(
    collector: Faulty, use_provider: UseProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Each line of the log becomes an event, where the application wants that; not those of ezlogs' threads."""
    use_provider()

    class Telling(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            ezlogs.event("log.line", "written", metadata={"text": record.getMessage()})

    logger, handler = logging.getLogger("ezlogs"), Telling()
    logger.addHandler(handler)
    collector.fail(answer=lambda request: respond(503))
    try:
        start(collector, max_queue_size=10, durability="memory", shutdown_timeout=0.2)
        emit(100)
        eventually(lambda: bool(lines(caplog)))
        lost = ezlogs.health()["lost"]
        assert lines(caplog)
        assert ezlogs.health()["lost"] == lost
        ezlogs.shutdown()
    finally:
        logger.removeHandler(handler)
    assert len(lines(caplog)) <= 3, "one, the rest at the end, and what did not get out"


def test_what_the_end_costs_is_said(
    collector: Faulty, use_provider: UseProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """By ``ezlogs.shutdown()``, where the collector is away and there is no journal."""
    use_provider()
    collector.fail(answer=lambda request: respond(503))
    start(collector, durability="memory", shutdown_timeout=0.2)
    emit(4)
    ezlogs.shutdown()
    assert ["4 events" in line and "(shut_down)" in line for line in lines(caplog)] == [True]


def test_nothing_is_said_while_the_interpreter_ends(collector: Faulty, state: Path) -> None:
    """Where a program ends by itself: what it prints is its own."""
    collector.fail(answer=lambda request: respond(503))
    ended = program("brief", 4, state=state, endpoint=collector.url, durability="memory", shutdown_timeout=0.2)
    _, errors = ended.communicate(timeout=30)
    assert ended.returncode == 0
    assert " lost (" not in errors


def test_captures_have_no_such_events() -> None:
    """What a test captures is what its code tells."""
    with capture() as captured:
        ezlogs.event("order.action", "placed")
    assert [event.event_type for event in captured.events] == ["order.action"]


def test_a_handler_that_raises_harms_nobody(collector: Faulty, use_provider: UseProvider) -> None:
    """Neither the application, for which ezlogs writes lines, nor the threads that deliver: all arrives in the end."""
    use_provider()
    asked: list[str] = []

    class Raising(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            asked.append(record.getMessage())
            raise RuntimeError("broken")

    logger, handler = logging.getLogger("ezlogs"), Raising()
    logger.addHandler(handler)
    collector.fail(answer=lambda request: respond(503))
    try:
        start(collector, max_queue_size=10, durability="memory")
        ezlogs.event("Not A Type", "placed")
        emit(100)
        eventually(lambda: any(" lost (" in text for text in asked))
        collector.fail(answer=lambda request: respond(400))
        eventually(lambda: ezlogs.health()["pending"] == 0)
        collector.heal()
        ids = emit(4)
        health = flushed()
        assert balance(health) == 0, health
        assert collector.arrived().keys() == set(ids)
    finally:
        logger.removeHandler(handler)
