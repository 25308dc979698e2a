"""HTTP requests of any framework: spans, stories and events."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import ezlogs
from ezlogs.correlation import current
from ezlogs.trackers.http import HttpTracker, PlainArrival
from ezlogs.trackers.http.routes import resource, singular

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}

tracker = HttpTracker("test")


@pytest.fixture
def provider(monkeypatch):
    """A provider of this test's own."""
    provider = TracerProvider()
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield provider
    provider.shutdown()


@pytest.fixture
def spans(provider):
    """The spans that are finished."""
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter.get_finished_spans


def test_a_request_becomes_one_event_at_its_end(captured):
    """Method, template, status, duration and subject are told, the path is not."""
    request = tracker.begin(PlainArrival("POST", "/orders/42", {"x-request-id": "r-1"}))
    inside = current()
    assert captured.events == []
    request.finish(201, route="/orders/{id}", parameters={"id": 42})
    (event,) = captured.events
    assert (event.event_type, event.action, event.outcome) == ("http.request", "POST /orders/{id}", "success")
    assert event.subject == ezlogs.Subject("order", "42")
    assert event.metadata == {"method": "POST", "route": "/orders/{id}", "status": 201}
    assert event.duration > 0
    assert inside.parent_event_id == event.event_id
    assert inside.request_id == event.correlation.request_id == "r-1"
    assert current() is None


def test_without_an_sdk_the_story_that_arrives_is_continued(captured):
    """The inbound trace id is the story also where no span records."""
    tracker.begin(PlainArrival("GET", "/", TRACEPARENT)).finish(200, route="/")
    assert captured.events[0].correlation.correlation_id == TRACE


def test_without_a_local_span_one_is_opened_in_the_callers_trace(captured, spans):
    """The SERVER span continues what arrived and says what the conventions say."""
    tracker.begin(PlainArrival("GET", "/orders/42", TRACEPARENT)).finish(200, route="/orders/{id}")
    (span,) = spans()
    assert (span.name, span.kind.name) == ("GET /orders/{id}", "SERVER")
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.status.is_unset
    assert dict(span.attributes) == {
        "http.request.method": "GET",
        "url.path": "/orders/42",
        "url.scheme": "http",
        "http.route": "/orders/{id}",
        "http.response.status_code": 200,
    }


def test_an_open_local_span_is_the_hop_whatever_headers_say(captured, provider, spans):
    """Where another instrumentation has a span no second one is made and no header is read."""
    with provider.get_tracer("other").start_as_current_span("request") as span:
        tracker.begin(PlainArrival("GET", "/", TRACEPARENT)).finish(200, route="/")
    assert [finished.name for finished in spans()] == ["request"]
    assert captured.events[0].correlation.correlation_id == f"{span.get_span_context().trace_id:032x}"


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (404, KeyError("x"), None),
        (500, None, "500"),
        (503, KeyError("x"), "KeyError"),
        (None, OSError("gone"), "OSError"),
    ],
)
def test_server_errors_and_exceptions_are_failures(captured, spans, status, error, kind):
    """From 500 on, and without a response, a request failed; what was answered below did not."""
    tracker.begin(PlainArrival("GET", "/x", {})).finish(status, error=error)
    (event,) = captured.events
    (span,) = spans()
    assert event.action == "GET (unmatched)"
    assert event.subject is None
    assert event.outcome == ("failure" if kind else "success")
    assert (event.error.type if event.error else None) == (kind if error else None)
    assert span.attributes.get("error.type") == kind
    assert span.attributes.get("http.response.status_code") == status
    assert span.status.status_code.name == ("ERROR" if kind else "UNSET")
    assert span.name == "GET"


def test_methods_of_a_clients_making_are_one(captured, spans):
    """A client cannot make up names of events and spans."""
    tracker.begin(PlainArrival("ATTACK-1", "/", {})).finish(405, route="/")
    assert captured.events[0].action == "_OTHER /"
    assert spans()[0].name == "HTTP /"


def test_the_actor_is_looked_at_when_something_happens(captured):
    """A user that is known late is the actor of what happens after, and of the request."""
    users = []
    request = tracker.begin(PlainArrival("GET", "/", {}), peek=lambda: users[-1] if users else None)
    ezlogs.event("order.action", "seen")
    users.append(ezlogs.Actor("user", "7"))
    ezlogs.event("order.action", "seen")
    request.finish(200, route="/")
    assert [event.actor.type for event in captured.events] == ["unknown", "user", "user"]


def test_unsafe_request_ids_are_ignored(captured):
    """What came from outside is repeated only if it is safe."""
    tracker.begin(PlainArrival("GET", "/", {"x-request-id": "a b"})).finish(200)
    assert captured.events[0].correlation.request_id is None


def test_nothing_is_begun_where_nothing_listens():
    """Without a runtime there is no request to finish."""
    assert tracker.begin(PlainArrival("GET", "/", {})) is None


def test_suppressed_instrumentation_is_respected(captured):
    """An exporter's own server, for one, is not observed."""
    with suppress_instrumentation():
        assert tracker.begin(PlainArrival("GET", "/", {})) is None


@pytest.mark.parametrize(
    ("route", "parameters", "expected"),
    [
        ("/orders/{id}/items/{item}", {"id": 1, "item": 2}, ("item", "2")),
        ("/orders/{id}/pay", {"id": 1}, ("order", "1")),
        ("/{lang}/orders", {"lang": "en"}, ("order", None)),
        ("/orders/{id}", {}, ("order", None)),
        ("/{page}", {"page": "x"}, None),
        ("/", {}, None),
    ],
)
def test_a_route_is_about_its_last_resource(route, parameters, expected):
    """The subject is the innermost thing that the route names."""
    assert resource(route, parameters) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [("s", "s"), ("address", "address"), ("addresses", "address"), ("ties", "tie"), ("News-Stories", "news_story")],
)
def test_resources_are_named_as_models_are(word, expected):
    """Plurals become singulars where English is regular."""
    assert singular(word) == expected


def test_where_another_instrumentation_decided_against_a_span_there_is_none(captured, spans):
    """The story that arrived goes on all the same."""
    tracker.begin(PlainArrival("GET", "/", TRACEPARENT), opens_span=False).finish(200, route="/")
    assert spans() == ()
    assert captured.events[0].correlation.correlation_id == TRACE


def test_a_user_that_only_an_application_inside_knows_acts_in_the_whole(captured):
    """Once it is known there; whom the outer one knows comes first."""
    outer_user, inner_user = [], []
    arrival = PlainArrival("GET", "/orders", {})
    request = tracker.begin(arrival, peek=lambda: next(iter(outer_user), None))
    inside = tracker.begin(arrival, peek=lambda: next(iter(inner_user), None))
    ezlogs.event("order.viewed", "nobody yet")
    inner_user.append(ezlogs.Actor("user", "7"))
    inside.leave()
    ezlogs.event("order.viewed", "one inside")
    outer_user.append(ezlogs.Actor("user", "8"))
    request.finish(200)
    assert [event.actor.id for event in captured.events] == [None, "7", "8"]
    assert captured.events[0].actor.type == "unknown"
