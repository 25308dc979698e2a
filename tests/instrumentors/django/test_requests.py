"""The Django instrumentor and requests: one story each, sync and async, on the test client and on a real server."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from urllib.request import Request, urlopen

import django
import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.db import connection
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import path

import ezlogs
from ezlogs.event import Failure
from ezlogs.testing import capture
from ezlogs.trackers.http import CgiArrival
from ezlogs.trackers.http.arrival import HEADERS
from ezlogs_instrumentors.django.middleware import CONTRIB_MIDDLEWARE, MIDDLEWARE, with_story

pytestmark = pytest.mark.usefixtures("database", "instrumented")

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def client():
    """A client that gets responses for exceptions, as browsers do."""
    return Client(raise_request_exception=False)


@pytest.fixture
def server():
    """A real WSGI server, a thread for each request."""

    class Quiet(WSGIRequestHandler):
        def log_message(self, format, *args):
            """Say nothing."""

    running = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
    running.daemon_threads = False
    running.set_app(WSGIHandler())
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def contrib():
    """OpenTelemetry's own instrumentor, where it is installed."""
    return pytest.importorskip("opentelemetry.instrumentation.django")


def visit(client, path, **options):
    """Return an async client's response, in this thread."""

    async def get():
        return await client.get(path, **options)

    return async_to_sync(get)()


def test_a_request_is_the_parent_of_what_happens_in_it(client, captured):
    """The request's event comes last, with the id that everything inside had as its parent."""
    answer = client.get("/orders/42/", headers={"X-Request-ID": "req-1"}).json()
    viewed, request = captured.events
    assert (request.event_type, request.action) == ("http.request", "GET /orders/{pk}/")
    assert request.subject == ezlogs.Subject("order", "42")
    assert request.metadata == {
        "method": "GET",
        "route": "/orders/{pk}/",
        "status": 200,
        "client_address": "127.0.0.1",
        "response_content_type": "application/json",
        "response_bytes": 115,
    }
    assert request.outcome == "success"
    assert request.duration > 0
    assert viewed.correlation.parent_event_id == request.event_id == answer["parent"]
    assert request.correlation.parent_event_id is None
    assert request.correlation.request_id == viewed.correlation.request_id == answer["request"] == "req-1"
    assert request.correlation.correlation_id == viewed.correlation.correlation_id


def test_an_unsafe_request_id_is_ignored(client, captured):
    """What a client sends as X-Request-ID is only repeated if it is harmless."""
    client.get("/orders/42/", headers={"X-Request-ID": "a b\r\nc"})
    assert captured.events[1].correlation.request_id is None


@pytest.mark.parametrize(
    ("path", "action", "subject"),
    [
        ("/", "GET /", None),
        ("/old/orders/7/", "GET /old/orders/{pk}/", ("order", "7")),
        ("/older/orders/8/", "GET /older/orders/{0}/", ("order", "8")),
        ("/orders/", "GET /orders/", ("order", None)),
        ("/nowhere/", "GET (unmatched)", None),
    ],
)
def test_the_action_is_the_route_and_never_the_path(client, captured, path, action, subject):
    """Templates are of low cardinality whatever kind of route matched."""
    client.get(path).getvalue()
    request = captured.of("http.request")[0]
    assert request.action == action
    assert request.subject == (ezlogs.Subject(*subject) if subject else None)


def test_an_exception_is_a_failure_with_its_error(client, captured):
    """A view that raises makes the request fail; Django's response is the client's all the same."""
    assert client.get("/broken/").status_code == 500
    (request,) = captured.events
    assert request.outcome == "failure"
    assert request.error == Failure("ZeroDivisionError", "no orders")
    assert request.metadata["status"] == 500


def test_an_exception_reaches_the_test_client_unchanged(captured):
    """Tests that expect the view's exception still get it."""
    with pytest.raises(ZeroDivisionError, match="no orders"):
        Client().get("/broken/")
    assert captured.events[0].outcome == "failure"


def test_an_exception_that_django_does_not_turn_into_a_response_is_a_failure(captured):
    """With DEBUG_PROPAGATE_EXCEPTIONS there is no response, and the exception goes through."""
    with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True), pytest.raises(ZeroDivisionError):
        Client().get("/broken/")
    (request,) = captured.events
    assert "status" not in request.metadata
    assert request.error.type == "ZeroDivisionError"


def test_refusals_are_successes_and_server_errors_failures(client, captured):
    """4xx is an answer; 5xx without an exception is a failure without an error."""
    client.get("/forbidden/")
    client.get("/unavailable/")
    forbidden, unavailable = captured.of("http.request")
    assert (forbidden.outcome, forbidden.error) == ("success", None)
    assert (unavailable.outcome, unavailable.error) == ("failure", None)


def test_rows_of_a_request_are_in_its_story(client, captured):
    """What a request commits has its event as the parent."""
    client.post("/orders/")
    row, request = captured.events
    assert (row.action, request.action) == ("order.create", "POST /orders/")
    assert row.correlation.parent_event_id == request.event_id


def test_a_user_that_nobody_asked_for_is_unknown(client, captured):
    """ezlogs does not resolve the user, so nothing is queried and no header is added."""
    client.force_login(User.objects.create_user("ada"))
    captured.clear()
    with CaptureQueriesContext(connection) as queries:
        response = client.get("/orders/42/")
    assert len(queries) == 0
    assert not response.has_header("Vary")
    assert {event.actor.type for event in captured.events} == {"unknown"}


@pytest.mark.parametrize("path", ["/who/", "/token/"])
def test_a_user_that_the_view_resolved_is_the_actor(client, captured, path):
    """Whoever the view found out acts, also when it set request.user itself."""
    user = User.objects.create_user("ada", first_name="Ada")
    client.force_login(user)
    client.get(path)
    assert captured.of("http.request")[0].actor == ezlogs.Actor("user", str(user.pk), "Ada")


def test_nobody_is_anonymous(client, captured):
    """A request of which the application knows that nobody is logged in has an anonymous actor."""
    client.get("/who/")
    assert captured.events[0].actor == ezlogs.Actor("anonymous")


@pytest.mark.skipif(django.VERSION < (5,), reason="request.auser() came with Django 5.0")
def test_an_asynchronously_resolved_user_is_the_actor(captured):
    """request.auser() is looked at as well."""
    user = User.objects.create_user("ada")
    client = AsyncClient()
    client.force_login(user)
    captured.clear()
    visit(client, "/async/who/")
    assert captured.events[-1].actor == ezlogs.Actor("user", str(user.pk), "ada")


def test_responses_and_queries_are_the_same_with_and_without(instrumented, captured):
    """Headers, bodies and queries do not tell whether ezlogs is there."""
    user = User.objects.create_user("ada")

    def visit():
        client = Client(raise_request_exception=False)
        client.force_login(user)
        with CaptureQueriesContext(connection) as queries:
            answers = [client.get(path) for path in ("/", "/who/", "/token/", "/broken/", "/nowhere/", "/forbidden/")]
        return [(answer.status_code, dict(answer.headers), answer.getvalue()) for answer in answers], len(queries)

    with_ezlogs = visit()
    assert len(captured.of("http.request")) == 6
    instrumented.uninstrument()
    assert visit() == with_ezlogs
    assert len(captured.of("http.request")) == 6


def test_a_story_that_arrives_is_continued(client, captured, spans):
    """W3C headers make the request part of the caller's trace and story."""
    client.get("/orders/42/", headers={"traceparent": TRACEPARENT, "baggage": "ezlogs.parent_event_id=evt_1"})
    request = captured.events[1]
    assert request.correlation.correlation_id == TRACE
    assert request.correlation.parent_event_id == "evt_1"
    (span,) = spans()
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.kind.name == "SERVER"


def test_the_span_follows_the_semantic_conventions(client, captured, spans):
    """Without anybody else's instrumentation the hop's span is made here."""
    client.get("/orders/42/")
    client.get("/broken/")
    shown, broken = spans()
    assert shown.name == "GET /orders/{pk}/"
    assert dict(shown.attributes) == {
        "http.request.method": "GET",
        "url.path": "/orders/42/",
        "url.scheme": "http",
        "http.route": "/orders/{pk}/",
        "http.response.status_code": 200,
    }
    assert broken.attributes["error.type"] == "ZeroDivisionError"
    assert broken.status.status_code.name == "ERROR"
    assert captured.events[0].correlation.correlation_id == f"{shown.context.trace_id:032x}"


def test_propagators_can_list_the_headers():
    """Some propagators look for every header that begins with a prefix of theirs."""
    arrival = CgiArrival({"HTTP_UBERCTX_USER": "7", "REMOTE_ADDR": "::1"})
    assert HEADERS.keys(arrival) == list(arrival.names()) == ["uberctx-user"]


def test_streams_pass_through_unread(client, captured):
    """A streaming response is told when it starts, and is the view's own object."""
    response = client.get("/")
    assert response.streaming
    assert b"".join(response.streaming_content) == b"onetwo"
    assert captured.events[0].metadata["status"] == 200


def test_twenty_concurrent_requests_never_mix_their_stories(server, captured):
    """On a threaded server each request's events belong to its own story."""

    def get(number):
        traceparent = f"00-{number:032x}-{number:016x}-01"
        request = Request(f"{server}/orders/{number}/", headers={"traceparent": traceparent})
        with urlopen(request, timeout=30) as response:
            return number, json.load(response)["story"]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(get, range(1, 21)))
    assert all(story == f"{number:032x}" for number, story in answers)
    for event in captured.events:
        assert event.correlation.correlation_id == f"{int(event.subject.id):032x}"
    assert len(captured.events) == 40


def test_twenty_concurrent_async_requests_never_mix_their_stories(captured):
    """In one event loop each task's events belong to its own story."""

    async def visit():
        client = AsyncClient()
        return await asyncio.gather(
            *(
                client.get(f"/async/orders/{number}/", headers={"traceparent": f"00-{number:032x}-{number:016x}-01"})
                for number in range(1, 21)
            )
        )

    asyncio.run(visit())
    assert len(captured.events) == 40
    for event in captured.events:
        assert event.correlation.correlation_id == f"{int(event.subject.id):032x}"


def test_an_async_exception_is_a_failure(captured):
    """The async path tells errors as the sync one does."""
    visit(AsyncClient(raise_request_exception=False), "/broken/")
    assert captured.events[0].error.type == "ZeroDivisionError"


def test_nothing_listens_nothing_happens(client):
    """Without a runtime a request goes through as if ezlogs were not there."""
    assert client.get("/broken/").status_code == 500
    assert client.get("/forbidden/").status_code == 403


def test_the_settings_are_not_touched(client, captured):
    """The project's list of middleware is what its author wrote, during requests too."""
    before = settings.MIDDLEWARE
    client.get("/who/")
    assert settings.MIDDLEWARE is before
    assert MIDDLEWARE not in before


def test_the_middleware_comes_inside_opentelemetrys_own():
    """Where OpenTelemetry's middleware is in the settings, its span is there before ours looks for one."""
    assert with_story(["a", CONTRIB_MIDDLEWARE, "b"]) == ["a", CONTRIB_MIDDLEWARE, MIDDLEWARE, "b"]
    assert with_story(("a",)) == [MIDDLEWARE, "a"]
    assert with_story(["a", MIDDLEWARE]) == ["a", MIDDLEWARE]


@pytest.fixture
def beside_contrib(contrib, provider):
    """OpenTelemetry's own instrumentor at work."""
    before = settings.MIDDLEWARE
    instrumentor = contrib.DjangoInstrumentor()
    settings.MIDDLEWARE = list(before)
    instrumentor.instrument(tracer_provider=provider, skip_dep_check=True)
    yield
    instrumentor.uninstrument()
    settings.MIDDLEWARE = before


@pytest.mark.usefixtures("beside_contrib")
def test_beside_opentelemetrys_instrumentor_its_span_is_the_hop(captured, spans):
    """Where contrib makes a span no second one is made, and the events are in its trace, sync and async."""
    contribs, ours = "opentelemetry.instrumentation.django", "ezlogs.django"
    has_async = find_spec("opentelemetry.instrumentation.asgi") is not None
    Client().get("/orders/42/", headers={"traceparent": TRACEPARENT})
    visit(AsyncClient(), "/async/orders/42/", headers={"traceparent": TRACEPARENT})
    assert [span.instrumentation_scope.name for span in spans()] == [contribs, contribs if has_async else ours]
    assert {event.correlation.correlation_id for event in captured.events} == {TRACE}
    assert len(captured.events) == 4


def test_at_the_edge_a_request_begins_its_own_story_and_trace(client, spans):
    """What came with it is linked, as a story and as a span."""
    with capture(trust_inbound="link") as captured:
        client.get("/orders/42/", headers={"traceparent": TRACEPARENT, "baggage": "ezlogs.correlation_id=story-1"})
    (span,) = spans()
    own = f"{span.context.trace_id:032x}"
    assert {event.correlation.correlation_id for event in captured.events} == {own}
    assert {event.correlation.linked_correlation_id for event in captured.events} == {"story-1"}
    assert own != TRACE
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [TRACE]


def test_spans_that_were_switched_off_stay_off(contrib, provider, captured, spans, client):
    """A request is told without one, in its own story."""
    instrumentor = contrib.DjangoInstrumentor()
    before = list(settings.MIDDLEWARE)
    instrumentor.instrument(tracer_provider=provider, skip_dep_check=True)
    instrumentor.uninstrument()
    settings.MIDDLEWARE = before
    client.get("/orders/42/", headers={"traceparent": TRACEPARENT})
    assert spans() == ()
    assert {event.correlation.correlation_id for event in captured.events} == {TRACE}


@pytest.mark.usefixtures("beside_contrib")
def test_at_the_edge_beside_opentelemetrys_instrumentor_the_story_alone_begins_anew(spans):
    """Its span is in the caller's trace already."""
    with capture(trust_inbound="link") as captured:
        Client().get("/orders/42/", headers={"traceparent": TRACEPARENT})
    (span,) = spans()
    assert f"{span.context.trace_id:032x}" == TRACE
    assert {event.correlation.linked_correlation_id for event in captured.events} == {TRACE}
    (story,) = {event.correlation.correlation_id for event in captured.events}
    assert story != TRACE


def test_a_route_is_sampled_by_its_rate_before_its_view_runs(client):
    """Nothing of the request has to wait for its end."""
    with capture(sample_routes={"GET /nowhere": 0}) as captured:
        held = []
        with override_settings(ROOT_URLCONF=__name__):
            WATCH.append(lambda: held.append(ezlogs.health()["held"]))
            client.get("/watched/7")
        assert [event.action for event in captured.of("order.action")] == ["watched"]
    assert held == [0]


WATCH = []


def watched(request, number):
    """Tell an event, and look at what waits."""
    ezlogs.event("order.action", "watched")
    WATCH.pop()()
    return HttpResponse()


urlpatterns = [path("watched/<int:number>", watched)]
