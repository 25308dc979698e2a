"""The Ruby agent's event JSON: what it says is understood, and nothing of a document is lost on the way back."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezlogs import Change, Correlation, UniversalEvent
from ezlogs.compat import ruby
from ezlogs.event import OUTCOMES, SEVERITIES, Failure
from ezlogs.facts import Sampled

JOB: dict[str, Any] = {
    "event_id": "evt_Zm9vYmFyYmF6cXV4MTIzNA",
    "event_type": "sidekiq.job",
    "action": "SendReceiptJob.failed",
    "actor": {"type": "user", "id": 7, "email": "[REDACTED]"},
    "subject": {"type": "job", "id": "jid-1", "queue": "mailers"},
    "correlation": {
        "correlation_id": "corr_hop2",
        "primary_correlation_id": "corr_story",
        "flow_id": "flow_checkout_42",
        "session_id": "s-1",
        "request_id": "req_1",
        "depth": 1,
        "chain": ["web", "job"],
    },
    "metadata": {
        "outcome": {"status": "failed", "error": {"class": "Net::ReadTimeout", "message": "timed out"}},
        "job": {"class": "SendReceiptJob", "retry_count": 2},
    },
    "timing": {"event_created_at": "2025-06-27T10:00:00.123Z", "execution_time_ms": 1250.5},
    "platform": {"service": "shop", "agent_version": "1.0.0", "ruby_version": "3.3.5"},
    "environment": {"hostname": "web-1"},
    "impact": {"performance_tier": "critical"},
    "processing": {"processor_version": "1.0.0", "sanitized_fields": []},
}


def test_a_failed_job_is_understood() -> None:
    """Story, flow, actor, error, duration and time are where a story looks for them."""
    told = ruby.read(JOB)
    event = told.event
    assert told.service == "shop"
    assert event.correlation == Correlation(
        correlation_id="corr_story", flow_id="flow_checkout_42", session_id="s-1", request_id="req_1"
    )
    assert (event.actor.type, event.actor.id) == ("user", "7")
    assert (event.outcome, event.severity) == ("failure", "error")
    assert event.error == Failure("Net::ReadTimeout", "timed out")
    assert event.duration == pytest.approx(1.2505)
    assert event.timestamp == 1_751_018_400_123_000_000
    assert event.metadata["job"] == {"class": "SendReceiptJob", "retry_count": 2}
    assert event.metadata["legacy"]["impact"] == {"performance_tier": "critical"}


def test_nothing_of_a_document_is_lost() -> None:
    """Each key comes back with its value, in whatever form it was."""
    told = ruby.read(JOB)
    written = ruby.write(told.event, told.service)
    assert {key: written[key] for key in JOB} == JOB
    assert written["correlation_id"] == "corr_story"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"status": {"from": "new", "to": "paid", "data_type": "string"}}, [Change("status", "new", "paid")]),
        ({"status": {"value": "new", "sensitive": False}}, [Change("status", after="new")]),
        ({"status": ["new", "paid"]}, [Change("status", "new", "paid")]),
        ({"status": "paid"}, [Change("status")]),
    ],
)
def test_changes_are_read_in_each_of_their_forms(told: Any, expected: list[Change]) -> None:
    """As the agent writes them, and as its documentation shows them."""
    event = ruby.read({"event_type": "data.change", "action": "order.update", "metadata": {"changes": told}}).event
    assert list(event.changes) == expected


def test_what_the_go_collector_hands_on_is_read() -> None:
    """A story's id at the top, and what the collector adds; an array of hops is one story."""
    document = {
        "event_type": "order.action", "action": "placed", "correlation_id": "corr_1",
        "timestamp": "2025-06-27T12:00:00+02:00", "agent": {"type": "go"}, "processed_at": "2025-06-27T10:00:01Z",
    }  # fmt: skip
    event = ruby.read(document).event
    assert event.correlation.correlation_id == "corr_1"
    assert event.timestamp == 1_751_018_400_000_000_000
    assert event.metadata["legacy"]["agent"] == {"type": "go"}


def test_what_is_missing_or_wrong_is_filled_in_and_said() -> None:
    """The same each time, so that what is read twice is one event."""
    document = {"event_type": "Payment", "subject": 5, "actor": "Ada", "timing": {"event_created_at": "yesterday"}}
    first, second = ruby.read(document).event, ruby.read(dict(document)).event
    assert first == second
    assert (first.timestamp, first.action, first.actor.type, first.subject) == (0, "unknown", "system", None)
    assert first.invalid
    written = ruby.write(first)
    assert {key: written[key] for key in document} == document


def test_other_documents_are_none() -> None:
    """What has no type, or is in ezlogs' own schema, is for somebody else."""
    for document in ({}, {"event_type": "a.b", "schema_version": "1.0"}, [], None):
        assert not ruby.is_event(document)
    with pytest.raises(ruby.NoEvent):
        ruby.read({"action": "placed"})


@pytest.mark.parametrize(
    ("document", "outcome"),
    [
        ({"action": "GET /", "metadata": {"response": {"status": 503}}}, "failure"),
        ({"action": "GET /", "metadata": {"response": {"status": 404}}}, "success"),
        ({"action": "Sync.retry"}, "retried"),
        ({"action": "Sync.completed"}, "success"),
        ({"action": "sync", "outcome": "dead"}, "dead"),
    ],
)
def test_outcomes_are_found(document: dict[str, Any], outcome: str) -> None:
    """By the status of a response, by the last word of an action, or as it is said."""
    assert ruby.read({"event_type": "any.thing", **document}).event.outcome == outcome


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
metadatas = st.dictionaries(texts.filter(lambda key: key != ruby.LEGACY), values, max_size=4)
events = st.builds(
    UniversalEvent.create,
    st.sampled_from(["order.action", "data.change", "job.execution"]),
    st.sampled_from(["placed", "order.update", "send.success"]),
    actor=st.none() | st.tuples(st.just("user"), st.integers(0, 9)),
    subject=st.none() | st.tuples(st.just("order"), st.integers(0, 9)),
    metadata=metadatas,
    outcome=st.sampled_from(OUTCOMES),
    severity=st.sampled_from(SEVERITIES),
    duration=st.none() | st.floats(0, 1e6),
    changes=st.lists(
        st.builds(Change, texts, values | st.just(msgspec.UNSET), values | st.just(msgspec.UNSET)), max_size=3
    ).map(tuple),
    error=st.none() | st.builds(Failure, texts, st.none() | texts),
    timestamp=st.integers(0, 2**61),
    sequence=st.integers(0, 2**31),
    event_id=st.none() | texts,
    correlation=st.builds(
        Correlation,
        correlation_id=texts,
        parent_event_id=st.none() | texts,
        flow_id=st.none() | texts,
        flow_type=st.none() | texts,
        job_id=st.none() | texts,
        attempt=st.none() | st.integers(1, 9),
        linked_correlation_id=st.none() | texts,
    ),
)  # fmt: skip


@given(events, st.sampled_from(["", "shop"]))
def test_an_event_comes_back_as_it_went(event: UniversalEvent, service: str) -> None:
    """Over JSON in the agent's form, every field of it."""
    document = json.loads(json.dumps(ruby.write(event, service)))
    told = ruby.read(document)
    assert told.service == service
    assert told.event == event


def test_what_sampling_says_comes_back_too() -> None:
    """Whoever counts events needs it."""
    event = UniversalEvent.create("order.action", "placed", correlation=Correlation(correlation_id="s"))
    event = event.sampled(Sampled(0.5, added=True, partial=True, reason="error"))
    assert ruby.read(json.loads(json.dumps(ruby.write(event)))).event == event


_OWN_KEYS = ["timestamp", "outcome", "severity", "sequence", "attempt", "changes", "invalid", "sampled"]
documents = st.fixed_dictionaries(
    {"event_type": st.sampled_from(["http.request", "data.change", "Wrong Type"]), "action": texts | st.just("GET /")},
    optional={
        "event_id": texts, "timestamp": st.just("2025-06-27T10:00:00.5Z") | texts,
        "actor": st.dictionaries(st.sampled_from(["type", "id", "email", "name"]), scalars) | scalars,
        "subject": st.dictionaries(st.sampled_from(["type", "id", "table"]), scalars) | scalars,
        "metadata": metadatas | scalars, "correlation_id": scalars,
        "correlation": st.dictionaries(st.sampled_from(["correlation_id", "flow_id", "depth", "chain"]), values),
        "timing": st.dictionaries(st.sampled_from(["event_created_at", "total_time_ms"]), scalars),
        "platform": st.dictionaries(st.sampled_from(["service", "hostname"]), scalars),
        "impact": values, "payload": values,
        "ezlogs": st.dictionaries(
            st.sampled_from(_OWN_KEYS),
            values | st.integers(-(2**63), 2**63 - 1),
        ),
    },
)  # fmt: skip


@given(documents)
def test_any_document_comes_back_with_all_that_was_in_it(document: dict[str, Any]) -> None:
    """Whatever an agent of any version wrote, and whatever was wrong with it."""
    told = ruby.read(document)
    written = json.loads(json.dumps(ruby.write(told.event, told.service)))
    assert {key: written[key] for key in document} == document
