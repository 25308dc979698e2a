"""Jobs whose end another tells, whose sending fails, and messages that only carry a story on."""

from __future__ import annotations

import json

import pytest
from opentelemetry import context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from ezlogs.actor import actor
from ezlogs.correlation import Correlation, current, placed
from ezlogs.event import UniversalEvent
from ezlogs.scope import Scope
from ezlogs.story import Told, stories
from ezlogs.testing import Captured
from ezlogs.trackers import job
from ezlogs.trackers.job import Job

RECEIPT = Job("send_receipt", "j-1", "mail", 2)
RESERVED = "evt_" + "0" * 32


def test_a_job_that_the_queue_did_not_take_is_a_failed_enqueue(
    captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the error, on its span too; a second end changes nothing of the first job."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace.get_tracer", lambda *args, **_: provider.get_tracer("x"))
    sending = job.enqueuing(RECEIPT, facts={"group": "g-1", "joins": None})
    assert sending is not None
    sending.end(ConnectionError("no broker"))

    (event,) = captured.events
    assert (event.action, event.outcome, event.error.type) == ("send_receipt.enqueue", "failure", "ConnectionError")
    assert event.metadata["group"] == "g-1"
    assert "joins" not in event.metadata
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "ConnectionError"
    assert json.loads(sending.headers["ezlogs"])["parent_event_id"] == event.event_id
    provider.shutdown()


def test_an_attempt_has_the_id_that_was_reserved_for_it(captured: Captured) -> None:
    """And its facts."""
    scope = job.started(RECEIPT, event_id=RESERVED, facts={"group": "g-1"})
    assert scope is not None
    scope.succeeded()
    scope.close()

    (event,) = captured.events
    assert (event.event_id, event.metadata["group"]) == (RESERVED, "g-1")


def test_an_attempt_that_is_left_to_another_process_is_told_there(captured: Captured) -> None:
    """Not here, whatever comes after."""
    scope = job.started(RECEIPT, event_id=RESERVED)
    assert scope is not None
    scope.left_to_another()
    scope.failed(SystemExit())
    scope.close()
    assert captured.events == []
    job.lost(RECEIPT, RuntimeError(), headers={}, event_id=RESERVED, again=True)

    (event,) = captured.events
    assert (event.event_id, event.action, event.outcome) == (RESERVED, "send_receipt.lost", "retried")


def test_what_repeats_a_lost_attempt_has_it_as_its_parent(captured: Captured) -> None:
    """In the same story, with the same actor; without a story in the lost message there is nothing to carry."""
    with actor("user", 7):
        headers = job.enqueued(RECEIPT)
    again = job.again(RECEIPT, headers, RESERVED)
    scope = job.started(RECEIPT, attempt=2, headers=again)
    assert scope is not None
    scope.close()

    enqueue, second = captured.events
    assert second.correlation.parent_event_id == RESERVED
    assert second.correlation.correlation_id == enqueue.correlation.correlation_id
    assert second.actor.id == "7"
    assert job.again(RECEIPT, {}, RESERVED) == {}


def test_a_message_that_is_not_told_carries_the_story_on(captured: Captured) -> None:
    """What is done where it arrives has the cause that was there when it was sent."""
    with Scope(placed(Correlation(correlation_id="story-1", parent_event_id="evt_request"))), actor("user", 7):
        headers = job.passed_on()
    scope = job.continued(headers)
    assert scope is not None
    job.enqueued(RECEIPT)
    scope.close()

    (event,) = captured.events
    assert (event.correlation.correlation_id, event.correlation.parent_event_id) == ("story-1", "evt_request")
    assert event.actor.id == "7"
    assert current() is None


def test_without_a_story_there_is_none_to_carry(captured: Captured) -> None:
    """Neither way."""
    assert job.passed_on() == {}
    assert job.continued({"ezlogs": "nonsense"}) is None
    with suppress_instrumentation():
        assert job.enqueuing(RECEIPT) is None
        job.dropped(RECEIPT, "revoked", headers={})
    assert captured.events == []
    assert context.get_current() is not None


@pytest.mark.parametrize(
    ("verb", "sentence"),
    [
        ("revoked", "Job send_receipt was revoked before it ran"),
        ("expired", "Job send_receipt expired before it ran"),
        ("terminated", "Job send_receipt was terminated"),
        ("reject", "Job send_receipt was rejected"),
    ],
)
def test_what_others_have_ended_has_a_sentence(captured: Captured, verb: str, sentence: str) -> None:
    """Alone, and after attempts that failed."""
    headers = job.enqueued(RECEIPT)
    job.dropped(RECEIPT, verb, headers=headers, severity="warn")
    enqueue, alone = captured.events
    assert sentence in _text([enqueue, alone])

    scope = job.started(RECEIPT, headers=headers)
    assert scope is not None
    scope.retried(TimeoutError())
    scope.close()
    job.dropped(RECEIPT, verb, headers=headers, attempt=2)
    end = sentence.removeprefix("Job send_receipt ")
    assert f"Job send_receipt failed once (TimeoutError), then {end}" in _text([enqueue, *captured.events[2:]])


def _text(events: list[UniversalEvent]) -> str:
    (story,) = stories(map(Told, events))
    return " ".join(sentence.text for sentence in story.sentences)
