"""The Django instrumentor and every kind of view: classes, APIs, streams, files, sessions, middleware that raises."""

from __future__ import annotations

import asyncio

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import AsyncClient, Client, RequestFactory, override_settings

import ezlogs
from ezlogs.correlation import current
from ezlogs.testing import capture
from ezlogs.trackers.http.details import session_digest
from ezlogs_instrumentors.asgi import AsgiMiddleware

pytestmark = [pytest.mark.usefixtures("database", "instrumented")]

URLS = f"{__package__}.web"


@pytest.fixture(autouse=True)
def urls():
    """The views of this file, and no middleware that puts headers in."""
    with override_settings(ROOT_URLCONF=URLS):
        yield


@pytest.fixture
def client():
    """A client that gets responses for exceptions, as browsers do."""
    return Client(raise_request_exception=False)


def fetch(path, method="get", **options):
    """Return the response that an asynchronous handler gives, its body read, and the body."""

    async def run():
        client = AsyncClient(raise_request_exception=False)
        response = await getattr(client, method)(path, **options)
        if not response.streaming:
            return response, response.content
        return response, b"".join([chunk async for chunk in response.streaming_content])

    return asyncio.run(run())


@pytest.mark.parametrize("get", [lambda path: Client().get(path), lambda path: fetch(path)[0]], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("path", "action", "subject"),
    [
        ("/cbv/orders/42/", "GET /cbv/orders/{pk}/", ("order", "42")),
        ("/async/cbv/orders/42/", "GET /async/cbv/orders/{pk}/", ("order", "42")),
        ("/drf/acme/orders/42/", "GET /drf/{tenant}/orders/{pk}/", ("order", "42")),
        ("/ninja/orders/42", "GET /ninja/orders/{pk}", ("order", "42")),
        ("/ninja/async/orders/42", "GET /ninja/async/orders/{pk}", ("order", "42")),
    ],
)
def test_every_kind_of_view_is_told_by_its_route(captured, get, path, action, subject):
    """What happens in it has the request as its parent, on either handler."""
    assert get(path).status_code == 200
    happened, request = captured.events
    assert (request.action, request.subject) == (action, ezlogs.Subject(*subject))
    assert request.outcome == "success"
    assert happened.correlation.parent_event_id == request.event_id
    assert current() is None


def test_what_the_rest_framework_answers_by_itself_is_a_failure_with_its_error(client, captured):
    """Its exceptions never come to Django's own handlers."""
    assert client.get("/drf-failing/").status_code == 500
    (event,) = captured.events
    assert (event.outcome, event.metadata["status"]) == ("failure", 500)
    assert event.error.type == "rest_framework.exceptions.APIException"


@pytest.mark.parametrize(
    ("where", "happened"),
    [("before", 0), ("after", 2)],
)
def test_middleware_that_raises_makes_a_failure(client, captured, where, happened):
    """Before the view, whose route nobody knows then, and after it."""
    with override_settings(MIDDLEWARE=[f"{URLS}.Raising"]):
        assert client.get(f"/cbv/orders/42/?{where}=1").status_code == 500
    *others, request = captured.events
    assert len(others) == happened
    assert request.action == ("GET /cbv/orders/{pk}/" if happened else "GET (unmatched)")
    assert (request.outcome, request.metadata["status"]) == ("failure", 500)
    assert {event.correlation.parent_event_id for event in others} <= {request.event_id}


@pytest.mark.parametrize("prefix", ["", "/async"])
def test_a_stream_is_told_at_its_end(captured, prefix):
    """With its bytes and its first byte; what happens while it is made is in the request."""
    if prefix:
        response, body = fetch(f"{prefix}/stream/")
    else:
        response = Client().get("/stream/")
        assert captured.events == []
        body = b"".join(response.streaming_content)
        response.close()
    assert body == b"onethree"
    first, second, request = captured.events
    assert request.action == f"GET {prefix}/stream/"
    assert request.metadata["response_bytes"] == 8
    assert 0 < request.metadata["time_to_first_byte"] <= request.duration
    assert {first.correlation.parent_event_id, second.correlation.parent_event_id} == {request.event_id}
    assert current() is None


def test_a_stream_that_breaks_off_is_a_failure(captured):
    """Although its status said that all is well."""
    response = Client().get("/stream/?fail=1")
    with pytest.raises(ZeroDivisionError):
        b"".join(response.streaming_content)
    with pytest.raises(ZeroDivisionError):
        fetch("/async/stream/?fail=1")
    for event in captured.of("http.request"):
        assert (event.outcome, event.metadata["status"]) == ("failure", 200)
        assert event.error.type == "ZeroDivisionError"
    assert len(captured.of("http.request")) == 2


def test_a_stream_that_nobody_reads_to_its_end_is_unknown(captured):
    """The server closes it when the client has gone."""
    response = Client().get("/stream/")
    next(response.streaming_content)
    response.close()
    (request,) = captured.of("http.request")
    assert (request.outcome, request.metadata["reason"]) == ("unknown", "disconnected")
    assert request.metadata["response_bytes"] == 3


def test_a_file_stays_the_servers(captured):
    """Which may send it by itself: it is told when it is handed over, with the length that it says."""

    class Wrapper:
        def __init__(self, file, size):
            self.file = file

    environ = {**RequestFactory().get("/file/").environ, "wsgi.file_wrapper": Wrapper}
    body = WSGIHandler()(environ, lambda status, headers: None)
    assert body.file.read() == b"content"
    (request,) = captured.events
    assert request.metadata["response_bytes"] == 7
    body.file.close()


def test_a_session_is_told_by_a_digest(client, captured):
    """Only one that the client brought along; what it holds is not looked at."""
    client.get("/remembering/")
    client.get("/remembering/")
    key = client.session.session_key
    first, _, second, request = captured.events
    assert first.correlation.session_id is None
    assert second.correlation.session_id == request.correlation.session_id == session_digest(key)


def test_fields_of_forms_are_told_where_the_view_read_them(captured):
    """By name; a body that nobody read is not read for them."""
    with capture(request_fields="quantity") as asked:
        Client().post("/cbv/orders/42/", {"quantity": "3", "card": "4111"})
        Client().put("/cbv/orders/42/", b"quantity=3", content_type="application/x-www-form-urlencoded")
        Client().post("/drf/acme/orders/", {"quantity": 3, "card": "4111"}, content_type="application/json")
    posted, put, parsed = asked.of("http.request")
    assert posted.metadata["body"] == {"quantity": ("3",)}
    assert parsed.metadata["body"] == {"quantity": 3}
    assert "body" not in put.metadata
    assert put.metadata["request_bytes"] == 10


def test_a_health_check_is_not_told(captured):
    """What happens in it is, in a story of its own."""
    Client().get("/healthz")
    (event,) = captured.events
    assert event.event_type == "order.action"
    assert event.correlation.parent_event_id is None


def test_the_response_says_what_its_request_is_called_if_asked_to(captured):
    """Never unasked: responses are the application's."""
    assert "X-Request-ID" not in Client().get("/cbv/orders/42/").headers
    with capture(send_request_id=True) as asked:
        response = Client().get("/cbv/orders/42/")
        named = fetch("/cbv/orders/42/", headers={"X-Request-ID": "r-1"})[0]
    assert response.headers["X-Request-ID"] == asked.of("http.request")[0].correlation.request_id
    assert named.headers["X-Request-ID"] == "r-1"


@pytest.mark.skipif(not hasattr(ASGIHandler, "listen_for_disconnect"), reason="before 5.0 Django did not look")
def test_a_client_that_goes_away_leaves_its_request_unknown(captured):
    """Django cancels the view."""
    begun = asyncio.Event()

    async def view(request):
        begun.set()
        await asyncio.sleep(60)

    async def run():
        sent = []
        messages = [{"type": "http.request", "body": b""}]

        async def receive():
            if messages:
                return messages.pop()
            await begun.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        from django.urls import path as at

        urls = type("urls", (), {"urlpatterns": [at("slow/", view)]})
        with override_settings(ROOT_URLCONF=urls):
            scope = {"type": "http", "method": "GET", "path": "/slow/", "headers": [], "query_string": b""}
            await ASGIHandler()(scope, receive, send)
        return sent

    assert asyncio.run(run()) == []
    (event,) = captured.events
    assert (event.action, event.outcome, event.metadata["reason"]) == ("GET /slow/", "unknown", "cancelled")


def test_inside_a_middleware_of_the_server_it_is_one_request(captured):
    """The outer one tells, with what Django knows."""

    async def run():
        messages = [{"type": "http.request", "body": b""}]

        async def receive():
            return messages.pop() if messages else await asyncio.sleep(60)

        sent = []

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/cbv/orders/42/", "headers": [], "query_string": b""}
        await AsgiMiddleware(ASGIHandler())(scope, receive, send)

    asyncio.run(run())
    _, request = captured.events
    assert (request.action, request.metadata["response_bytes"]) == ("GET /cbv/orders/{pk}/", 2)
