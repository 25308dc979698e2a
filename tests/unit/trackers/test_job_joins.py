"""Joins: a job names and links to those that had to end for it, over its message and its retries."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ezlogs.propagation.header import HEADER, MAX_LENGTH, read
from ezlogs.testing import Captured
from ezlogs.trackers.job import Hop, Job, Joined, enqueued, started
from ezlogs.trackers.job_joins import MAX_JOINED, joined_in, span_now

Spans = Callable[[], tuple[ReadableSpan, ...]]
SPAN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TOTAL = Job("total", "j-9")


@pytest.fixture
def spans() -> Spans:
    """The spans that are finished."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter.get_finished_spans


def ids(span: ReadableSpan) -> list[tuple[object, int]]:
    """Return to which job's span a span links."""
    return [(link.attributes["messaging.message.id"], link.context.span_id) for link in span.links]


def test_each_span_links_and_each_event_names(captured: Captured, spans: Spans) -> None:
    """Enqueued, tried, and tried again; of a job whose span is not known only the id is told."""
    joins = [Joined("j-1", SPAN), Joined("j-2")]
    headers = enqueued(TOTAL, joins=joins)
    for _ in range(2):
        attempt = started(TOTAL, headers=headers)
        assert attempt is not None
        headers = attempt.requeued()
        attempt.retried()
        attempt.close()

    assert [event.metadata["joined"] for event in captured.events] == [("j-1", "j-2")] * 3
    linked = [span for span in spans() if span.links]
    assert [span.name for span in linked] == ["create total", "process total", "process total"]
    assert {tuple(ids(span)) for span in linked} == {(("j-1", 0xB7AD6B7169203331),)}


def test_spans_that_others_make_are_linked_too(captured: Captured, spans: Spans) -> None:
    """Once they are there: when the sending and the attempt end."""
    tracer = trace.get_tracer("other")
    with tracer.start_as_current_span("send"):
        headers = enqueued(TOTAL, traced=True, joins=[Joined("j-1", SPAN)])
    attempt = started(TOTAL, headers=headers, hop=Hop.COMING)
    assert attempt is not None
    with tracer.start_as_current_span("run"):
        attempt.succeeded()
    attempt.close()

    assert {span.name: ids(span) for span in spans()} == {
        name: [("j-1", 0xB7AD6B7169203331)] for name in ("send", "run")
    }


def test_the_header_has_room_for_all_that_are_linked_to(captured: Captured, spans: Spans) -> None:
    """As many as there may be, with ids as long as those of frameworks; others are left out."""
    joins = [Joined(f"{number:032x}{number:032x}", SPAN) for number in range(100)]
    headers = enqueued(TOTAL, joins=joins)

    assert len(headers[HEADER]) < MAX_LENGTH
    sent = read(headers[HEADER])
    assert sent is not None
    assert list(joined_in(sent.joins)) == joins[:MAX_JOINED]
    assert len(captured.events[0].metadata["joined"]) == MAX_JOINED


@pytest.mark.parametrize(
    "texts",
    [None, 7, "j-1", [7, None, ["j-1"]], ["<script>", ""], [f"j-1 {'0' * 32}"]],
)
def test_what_is_not_ours_is_nothing(captured: Captured, spans: Spans, texts: object) -> None:
    """Neither a wrong link nor an error."""
    assert [one.span for one in joined_in(texts)] in ([], [None])


def test_a_span_that_is_none_is_not_linked_to(captured: Captured, spans: Spans) -> None:
    """Zeros are no ids; outside any span there is nothing to say."""
    assert span_now() is None
    attempt = started(TOTAL, joins=[Joined("j-1", f"00-{'0' * 32}-{'0' * 16}-00"), Joined("j-2", "damaged")])
    assert attempt is not None
    attempt.succeeded()
    attempt.close()
    assert [ids(span) for span in spans()] == [[]]
