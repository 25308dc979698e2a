"""HTTP requests of any framework: spans, stories and events."""

from __future__ import annotations

import pickle
from asyncio import CancelledError
from copy import deepcopy
from weakref import ref

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import ezlogs
from ezlogs.correlation import current
from ezlogs.scope import Scope
from ezlogs.testing import capture
from ezlogs.trackers.http import CgiArrival, HttpTracker, PlainArrival, tracked_in
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


def begin(path="/orders", headers=(), *, method="GET", **options):
    """Begin a request."""
    return tracker.begin(PlainArrival(method, path, dict(headers), **options))


@pytest.mark.parametrize(
    ("end", "outcome", "reason", "error"),
    [
        ({"status": 200}, "success", None, None),
        ({"status": 200, "error": KeyError("x")}, "success", None, None),
        ({"status": 200, "error": KeyError("x"), "broken": True}, "failure", None, "KeyError"),
        ({"status": 200, "broken": True}, "failure", None, None),
        ({"status": 200, "reason": "disconnected"}, "unknown", "disconnected", None),
        ({"status": 200, "error": GeneratorExit(), "broken": True}, "unknown", "cancelled", None),
        ({"error": CancelledError()}, "unknown", "cancelled", None),
        ({"error": KeyboardInterrupt()}, "unknown", "cancelled", None),
        ({}, "failure", None, None),
    ],
)
def test_the_end_is_told_as_it_was(captured, spans, end, outcome, reason, error):  # noqa: PLR0917  # by name
    """A response that breaks off is a failure however it began; what was taken away is unknown, with the reason."""
    begin().finish(**end)
    (event,) = captured.events
    (span,) = spans()
    assert (event.outcome, event.metadata.get("reason")) == (outcome, reason)
    assert (event.error and event.error.type) == error
    assert (span.status.status_code.name == "ERROR") is (outcome == "failure")


def test_an_end_is_told_once(captured):
    """The first one counts, whoever tells it."""
    request = begin()
    request.finish(200)
    request.finish(500)
    request.tell(reason="disconnected")
    request.leave()
    (event,) = captured.events
    assert event.metadata["status"] == 200


def test_what_comes_after_the_response_is_still_in_the_request(captured):
    """Told and not left: background tasks have it as their parent."""
    request = begin()
    request.tell(200)
    ezlogs.event("mail.sent", "sent")
    request.leave()
    told, sent = captured.events
    assert sent.correlation.parent_event_id == told.event_id
    assert current() is None


def test_what_runs_after_it_was_left_can_be_in_its_context(captured):
    """A body that is made later."""
    request = begin()
    request.leave()
    assert current() is None
    with Scope(request.context):
        ezlogs.event("order.action", "exported")
    request.finish(200)
    exported, told = captured.events
    assert exported.correlation.parent_event_id == told.event_id


def test_routes_are_below_what_an_application_is_mounted_in(captured):
    """The parameters of both are known."""
    request = begin("/api/acme/orders/42")
    request.mounted("/api/{tenant}", {"tenant": "acme"})
    request.matched("/orders/{id}", {"id": 42})
    request.finish(200)
    request = begin("/files/x")
    request.mounted("/files/")
    request.finish(200)
    orders, files = captured.events
    assert orders.action == "GET /api/{tenant}/orders/{id}"
    assert orders.subject == ezlogs.Subject("order", "42")
    assert files.action == "GET /files/{path}"


def test_a_request_that_is_handed_on_is_one(captured, spans):
    """To a mounted application or by an internal redirect: what is known there is told by the outer one."""
    arrival = PlainArrival("POST", "/api/orders", {})
    outer = tracker.begin(arrival)
    outer.mounted("/api")
    arrival.path = "/v2/orders"
    inner = tracker.begin(arrival, peek=lambda: ezlogs.Actor("user", "7"))
    assert not inner.is_open
    ezlogs.event("order.action", "placed")
    inner.responds(503)
    inner.sends(3)
    inner.finish(503, route="/orders", error=KeyError("x"))
    ezlogs.event("order.action", "checked")
    outer.responds(500)
    outer.finish()
    placed, checked, event = captured.events
    assert (placed.actor.id, checked.actor.id) == ("7", "7")  # whoever acts inside makes the request
    assert {placed.correlation.parent_event_id, checked.correlation.parent_event_id} == {event.event_id}
    assert (event.action, event.metadata["status"], event.error.type) == ("POST /api/orders", 500, "KeyError")
    assert len(spans()) == 1


def test_a_request_that_is_described_anew_for_another_protocol_is_one(captured):
    """As an application of WSGI in one of ASGI is asked; another path is another request, in the same story."""
    outer = begin("/orders", {"x": "1"})
    inner = begin("/orders", {"x": "2"})
    assert not inner.is_open
    inner.finish(200)
    other = begin("/stock")
    other.finish(200)
    outer.finish(200)
    later = begin("/orders")
    later.finish(200)
    stock, orders, again = captured.events
    assert stock.correlation.parent_event_id == orders.event_id
    assert again.correlation.parent_event_id is None


def test_excluded_requests_give_neither_event_nor_span(captured, spans):
    """What happens in them is told, by whom it was done, in their story and with no parent that never comes."""
    request = begin("/healthz", TRACEPARENT, method="GET")
    request.matched("/healthz")
    ezlogs.event("order.action", "seen")
    request.finish(500, error=KeyError("x"))
    (event,) = captured.events
    assert (event.event_type, event.correlation.correlation_id) == ("order.action", TRACE)
    assert event.correlation.parent_event_id is None
    assert event.actor.type == "unknown"
    assert spans() == ()
    assert current() is None


def test_responses_say_what_their_request_is_called_if_asked_to(captured):
    """As the client called it, or by an id that is made for it; nobody asks by default."""
    request = begin()
    assert not request.sends_id
    request.finish(200)
    assert captured.events[0].correlation.request_id is None
    with capture(send_request_id=True) as asked:
        request, called = begin(), None
        assert request.sends_id
        called = request.request_id
        request.finish(200)
        named = begin("/orders", {"x-request-id": "r-1"})
        assert named.request_id == "r-1"
        named.finish(200)
    assert called
    assert [event.correlation.request_id for event in asked.events] == [called, "r-1"]


def test_nothing_of_a_request_outlives_it(captured):
    """A task that was begun in one keeps its context for as long as it runs, and must not keep headers and bodies."""

    class Headers(dict):
        pass

    headers = Headers()
    request = tracker.begin(PlainArrival("GET", "/orders", headers))
    gone = ref(headers)
    kept = request.context
    request.failed(KeyError("x"))
    request.finish(500)
    del headers, request
    assert gone() is None
    assert kept


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


def test_a_tracer_is_asked_for_once_and_anew_from_another_provider(captured, monkeypatch):
    """To ask the SDK for one changes the process's filters of warnings, which threads share."""
    tracker = HttpTracker("test")
    asked = []

    class Provider(TracerProvider):
        def get_tracer(self, *args, **kwargs):
            asked.append(self)
            return super().get_tracer(*args, **kwargs)

    providers = [Provider(), Provider()]
    for provider in providers:
        monkeypatch.setattr(trace, "get_tracer_provider", lambda provider=provider: provider)
        for _ in range(3):
            request = tracker.begin(PlainArrival("GET", "/orders", {}))
            assert trace.get_current_span().get_span_context().is_valid
            request.finish(200)
        provider.shutdown()
    assert asked == providers


def test_what_it_is_found_by_can_be_copied_and_kept(captured):
    """Applications copy environments and scopes, and some put them into a cache."""
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/orders"}
    request = tracker.begin(CgiArrival(environ))
    copied, kept = deepcopy(environ), pickle.loads(pickle.dumps(environ))
    assert tracked_in(copied) is request
    assert tracked_in(kept) is None
    request.finish(200)
    assert len(captured.events) == 1
