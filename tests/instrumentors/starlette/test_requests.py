"""Requests in Starlette and FastAPI: their stories, actors, bodies, errors and ends."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import Annotated

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Form, HTTPException, Request
from fastapi.routing import request_response as fastapis_own
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, request_response

import ezlogs
from ezlogs.event import Failure
from ezlogs.testing import capture

from ..asgi.serving import ask, call, scope_of

pytestmark = pytest.mark.usefixtures("instrumented")


def viewed():
    """Tell an event; return where it belongs and who acts."""
    event = ezlogs.event("order.action", "viewed")
    return {"parent": event.correlation.parent_event_id, "actor": [event.actor.type, event.actor.id]}


class Passing(BaseHTTPMiddleware):
    """Passes on, as most middleware that is written with Starlette's class."""

    async def dispatch(self, request, call_next):
        """Pass on."""
        return await call_next(request)


def fastapi(*middleware):
    """Return a FastAPI application with a route of its own kind of everything."""
    app = FastAPI(middleware=[Middleware(one) for one in middleware])

    @app.get("/sync/{order_id}")
    def sync(order_id: int):
        return viewed()

    @app.get("/async/{order_id}")
    async def asynchronous(order_id: int):
        return viewed()

    @app.get("/later/{order_id}")
    async def later(order_id: int, tasks: BackgroundTasks):
        tasks.add_task(ezlogs.event, "order.action", "shipped")
        return viewed()

    return app


@pytest.mark.parametrize("middleware", [(), (Passing, GZipMiddleware)])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_request_is_the_parent_of_what_happens_in_it(captured, kind, middleware):
    """Also in the pool of threads, and below middleware that runs the application in a task of its own."""
    app = fastapi(*middleware)
    answer = ask(app, "GET", f"/{kind}/42?page=2", headers={"X-Request-ID": "req-1", "user-agent": "browser"})
    inside, request = captured.events
    assert request.metadata == {
        "method": "GET",
        "route": f"/{kind}/{{order_id}}",
        "status": 200,
        "client_address": "127.0.0.1",
        "user_agent": "browser",
        "response_content_type": "application/json",
        "response_bytes": answer.num_bytes_downloaded,
        **({"time_to_first_byte": request.metadata.get("time_to_first_byte")} if middleware else {}),
    }
    assert request.outcome == "success"
    assert request.duration > 0
    assert inside.correlation.parent_event_id == request.event_id == answer.json()["parent"]
    assert request.correlation.request_id == inside.correlation.request_id == "req-1"
    assert request.actor.type == inside.actor.type == "unknown"


def test_background_tasks_come_after_the_request_and_below_it(captured):
    """The response is out by then, and the event told."""
    ask(fastapi(), "GET", "/later/42")
    inside, request, shipped = captured.events
    assert (request.action, shipped.action) == ("GET /later/{order_id}", "shipped")
    assert shipped.correlation.parent_event_id == inside.correlation.parent_event_id == request.event_id


def test_a_background_task_that_fails_is_not_the_response(captured):
    """Which is out, and was what it should be; the server sees the error."""

    def fail():
        raise LookupError("not shipped")

    async def endpoint(request):
        return PlainTextResponse(background=BackgroundTask(fail))

    with pytest.raises(LookupError):
        asyncio.run(call(Starlette(routes=[Route("/", endpoint)])))
    (request,) = captured.events
    assert (request.outcome, request.error) == ("success", None)


def test_response_headers_are_those_without_ezlogs(captured, instrumented):
    """But for the one that is asked for by a setting."""
    app = fastapi(CORSMiddleware, GZipMiddleware)

    def headers():
        answers = [
            ask(app, method, "/sync/42", headers={"origin": "http://a"}) for method in ("GET", "HEAD", "OPTIONS")
        ]
        return [(answer.status_code, answer.headers.raw) for answer in answers]

    with_ezlogs = headers()
    assert len(captured.of("http.request")) == 3
    with capture(send_request_id=True):
        assert ask(app, "GET", "/async/42", headers={"X-Request-ID": "req-1"}).headers["x-request-id"] == "req-1"
        assert len(ask(app, "GET", "/async/42").headers["x-request-id"]) == 32
    instrumented.uninstrument()
    without = headers()
    bodies = [[header for header in told if header[0] != b"content-length"] for _, told in without]
    assert [[header for header in told if header[0] != b"content-length"] for _, told in with_ezlogs] == bodies


def test_a_preflight_is_told_and_goes_to_no_route(captured):
    """A middleware answers it."""
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=["*"])
    asked = {"origin": "http://a", "access-control-request-method": "GET"}
    assert ask(app, "OPTIONS", "/orders", headers=asked).status_code == 200
    assert [event.action for event in captured.events] == ["OPTIONS (unmatched)"]


def broken():
    """Return an application whose routes fail in every way."""
    app = FastAPI()

    @app.get("/raises")
    def raises():
        raise ZeroDivisionError("no orders")

    @app.get("/unavailable")
    async def unavailable():
        raise HTTPException(503, "later")

    @app.get("/missing")
    async def missing():
        raise HTTPException(404)

    @app.get("/handled")
    async def handled():
        raise LookupError("not here")

    @app.get("/badly/{number}")
    async def badly(number: int):
        """Refuse whatever is no number."""

    @app.exception_handler(LookupError)
    def handle(request, error):
        return JSONResponse({}, 500)

    return app


@pytest.mark.parametrize("in_task", [False, True])
@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/raises", 500, Failure("ZeroDivisionError", "no orders")),
        ("/unavailable", 503, "HTTPException"),
        ("/handled", 500, Failure("LookupError", "not here")),
        ("/missing", 404, None),
        ("/badly/one", 422, None),
    ],
)
def test_errors_are_told_whoever_handles_them(captured, in_task, path, status, error):
    """Only where the response is a failure; also below middleware that runs the application in a task of its own."""
    app = broken()
    if in_task:
        app.add_middleware(Passing)
    assert ask(app, "GET", path).status_code == status
    (request,) = captured.events
    assert (request.outcome, request.metadata["status"]) == ("failure" if error else "success", status)
    assert error in (request.error, request.error and request.error.type.rpartition(".")[2])


def test_a_handler_of_every_exception_keeps_the_error(captured):
    """What it responds is the client's; the exception goes on to the server, as ever."""
    app = broken()

    @app.exception_handler(Exception)
    async def handle(request, error):
        return PlainTextResponse("sorry", 500)

    answer = ask(app, "GET", "/raises")
    assert (answer.status_code, answer.text) == (500, "sorry")
    assert captured.events[0].error == Failure("ZeroDivisionError", "no orders")
    with pytest.raises(ZeroDivisionError):
        asyncio.run(call(app, "/raises"))


def test_an_error_of_a_middleware_is_told(captured):
    """No route was reached."""

    class Broken:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            raise RuntimeError("middleware")

    assert ask(Starlette(middleware=[Middleware(Broken)]), "GET", "/orders").status_code == 500
    (request,) = captured.events
    assert (request.action, request.metadata["status"]) == ("GET (unmatched)", 500)
    assert request.error == Failure("RuntimeError", "middleware")


def test_an_error_around_the_request_is_none_of_its_own(captured):
    """Somebody asked while handling it."""

    async def unavailable(request):
        return PlainTextResponse(status_code=503)

    try:
        raise LookupError
    except LookupError:
        asyncio.run(call(Starlette(routes=[Route("/", unavailable)])))
    assert (captured.events[0].outcome, captured.events[0].error) == ("failure", None)


class Everybody(AuthenticationBackend):
    """Lets everybody in who says a name."""

    async def authenticate(self, connection):
        """Return who it is."""
        name = connection.headers.get("x-user")
        return (AuthCredentials(["authenticated"]), SimpleUser(name)) if name else None


def test_users_of_starlettes_middleware_act(captured):
    """Named by whom they logged in as, or anonymous."""
    app = fastapi()
    app.add_middleware(AuthenticationMiddleware, backend=Everybody())
    ask(app, "GET", "/sync/1", headers={"x-user": "ada"})
    ask(app, "GET", "/async/1")
    actors = [(event.actor.type, event.actor.id) for event in captured.events]
    assert actors == [("user", "ada"), ("user", "ada"), ("anonymous", None), ("anonymous", None)]


def depending():
    """Return an application whose dependencies say who acts."""
    app = FastAPI()

    def in_state(request: Request):
        request.state.user = ("user", 7)

    async def named():
        ezlogs.actor(("user", 7))

    async def named_until_the_end():
        with ezlogs.actor(("user", 7)):
            yield

    def named_elsewhere():
        ezlogs.actor(("user", 7))

    for one in (in_state, named, named_until_the_end, named_elsewhere):
        app.get(f"/sync/{one.__name__}", dependencies=[Depends(one)])(viewed)

        async def endpoint():
            return viewed()

        app.get(f"/async/{one.__name__}", dependencies=[Depends(one)])(endpoint)
    return app


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("dependency", ["in_state", "named", "named_until_the_end"])
def test_dependencies_say_who_acts(captured, kind, dependency):
    """By the request's state, or in the task: for the endpoint, in threads too, and for the request."""
    ask(depending(), "GET", f"/{kind}/{dependency}")
    inside, request = captured.events
    ends_before = dependency == "named_until_the_end" and fastapis_own is request_response
    assert inside.actor.id == "7"
    assert request.actor.id == (None if ends_before else "7")  # from 0.106 to 0.117, before the response


def test_what_a_dependency_names_in_a_thread_ends_with_it(captured):
    """Python gives the thread a copy of the context: the request's state is the place."""
    ask(depending(), "GET", "/async/named_elsewhere")
    assert {event.actor.type for event in captured.events} == {"unknown"}


def test_the_requests_state_is_seen_across_tasks(captured):
    """Where a middleware runs the application in a task of its own, too."""
    app = depending()
    app.add_middleware(Passing)
    ask(app, "GET", "/sync/in_state")
    assert [event.actor.id for event in captured.events] == ["7", "7"]


def test_a_user_whose_attributes_would_ask_a_database_is_left_alone(captured):
    """Not even its class is asked for."""

    class Lazy:
        def __getattribute__(self, name):
            raise AssertionError(f"{name} was read")

    async def endpoint(request):
        request.scope["user"] = Lazy()
        ezlogs.event("order.action", "viewed")
        return PlainTextResponse()

    asyncio.run(call(Starlette(routes=[Route("/", endpoint)])))
    assert {event.actor.type for event in captured.events} == {"unknown"}


def test_named_fields_of_the_body_are_told_once_the_application_parsed_it():
    """JSON and forms, and nothing of a body that nobody parsed."""
    app = FastAPI()

    @app.post("/json")
    async def of_json(body: dict):
        return body

    @app.post("/form")
    async def of_form(reason: Annotated[str, Form()]):
        return reason

    @app.post("/forms")
    async def of_forms(request: Request):
        async with request.form() as form:
            return form.getlist("reason")

    @app.post("/bytes")
    async def of_bytes(request: Request):
        return len(await request.body())

    data = {"reason": "late", "card": "4111"}
    with capture(request_fields=("reason",)) as captured:
        answers = [
            ask(app, "POST", "/json", json=data),
            ask(app, "POST", "/form", data=data),
            ask(app, "POST", "/forms", data={**data, "reason": ["late", "wrong"]}, files={"scan": b"picture"}),
            ask(app, "POST", "/bytes", json=data),
        ]
    assert [answer.json() for answer in answers] == [data, "late", ["late", "wrong"], len(answers[3].request.content)]
    bodies = [event.metadata.get("body") for event in captured.events]
    assert bodies == [{"reason": "late"}, {"reason": "late"}, {"reason": ("late", "wrong")}, None]
    assert captured.events[0].metadata["request_bytes"] == len(answers[0].request.content)


def test_no_field_is_named_and_none_is_told(captured):
    """As it is unless somebody asks."""

    async def parse(request):
        return JSONResponse(await request.json())

    app = Starlette(routes=[Route("/", parse, methods=["POST"])])
    assert ask(app, "POST", "/", json={"a": 1}).json() == {"a": 1}
    assert "body" not in captured.events[0].metadata
    assert captured.events[0].correlation.session_id is None


def test_sessions_that_are_cookies_have_no_id(captured):
    """Starlette keeps them with the client."""

    async def endpoint(request):
        request.session["cart"] = [1]
        return PlainTextResponse()

    app = Starlette(routes=[Route("/", endpoint)], middleware=[Middleware(SessionMiddleware, secret_key="x")])
    assert "set-cookie" in ask(app, "GET", "/").headers
    assert captured.events[0].correlation.session_id is None


def test_files_are_told_by_what_the_response_says_of_them(tmp_path, captured):
    """Whether the application reads them, or leaves that to the server."""
    path = tmp_path / "report.txt"
    path.write_text("report")

    async def endpoint(request):
        return FileResponse(path)

    app = Starlette(routes=[Route("/", endpoint)])
    assert ask(app, "GET", "/").text == "report"

    async def by_the_server():
        sent = []

        async def note(message):
            sent.append(message["type"])

        await app({**scope_of("/"), "extensions": {"http.response.pathsend": {}}}, None, note)
        return sent

    assert asyncio.run(by_the_server()) == ["http.response.start", "http.response.pathsend"]
    assert ask(app, "HEAD", "/").text == ""
    read, sent, head = captured.events
    assert [event.metadata.get("response_bytes") for event in (read, sent)] == [6, 6]
    assert head.metadata.get("response_bytes", 0) == 0
    assert {event.outcome for event in captured.events} == {"success"}


def test_a_stream_is_timed_by_its_first_byte(captured):
    """And told when its last is out, with all that happens while it is made."""

    async def numbers():
        yield "data: 1\n\n"
        ezlogs.event("order.action", "viewed")
        yield "data: 2\n\n"

    async def endpoint(request):
        return StreamingResponse(numbers(), media_type="text/event-stream")

    assert ask(Starlette(routes=[Route("/", endpoint)]), "GET", "/").text == "data: 1\n\ndata: 2\n\n"
    inside, request = captured.events
    assert 0 < request.metadata["time_to_first_byte"] < request.duration
    assert request.metadata["response_bytes"] == 18
    assert request.metadata["response_content_type"] == "text/event-stream"
    assert inside.correlation.parent_event_id == request.event_id


def test_a_stream_that_breaks_is_a_failure(captured):
    """However well it began."""

    async def numbers():
        yield "1"
        raise LookupError("2")

    async def endpoint(request):
        return StreamingResponse(numbers())

    with pytest.raises(Exception) as broken:  # noqa: PT011  # an older Starlette makes a group of it
        asyncio.run(call(Starlette(routes=[Route("/", endpoint)])))
    (request,) = captured.events
    assert (request.outcome, request.metadata["status"]) == ("failure", 200)
    if isinstance(broken.value, LookupError):
        assert request.error == Failure("LookupError", "2")
    else:
        assert [type(error) for error in broken.value.exceptions] == [LookupError]
        assert request.error.type == "ExceptionGroup"


def test_a_request_that_is_cancelled_is_unknown(captured):
    """Nobody knows how much of it was done; who cancelled it is told as ever."""

    async def endpoint(request):
        request.app.state.reached.set()
        await asyncio.Event().wait()

    async def cancel():
        app = Starlette(routes=[Route("/orders", endpoint)])
        app.state.reached = asyncio.Event()
        task = asyncio.create_task(call(app, "/orders"))
        await app.state.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(call(app, "/orders"), 0.01)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(cancel())
    assert [(event.outcome, event.metadata["reason"], event.error) for event in captured.events] == [
        ("unknown", "cancelled", None)
    ] * 2
    assert {event.action for event in captured.events} == {"GET /orders"}


def test_the_lifespan_is_left_alone(captured):
    """It is no request; the state that it leaves is each request's."""

    @asynccontextmanager
    async def lifespan(app):
        ezlogs.event("order.action", "started")
        yield {"shop": "books"}

    async def endpoint(request):
        return PlainTextResponse(request.state.shop)

    app = Starlette(routes=[Route("/", endpoint)], lifespan=lifespan)

    async def live():
        state, sent = {}, []
        messages = iter(("lifespan.startup", "lifespan.shutdown"))

        async def receive():
            return {"type": next(messages)}

        async def send(message):
            sent.append(message["type"])

        await app({"type": "lifespan", "state": state, "asgi": {"version": "3.0"}}, receive, send)
        return state, sent

    state, sent = asyncio.run(live())
    assert (state, sent) == ({"shop": "books"}, ["lifespan.startup.complete", "lifespan.shutdown.complete"])
    assert [event.action for event in captured.events] == ["started"]


def test_ten_thousand_concurrent_requests_never_mix_their_stories():
    """In one loop, a thousand at a time: each story, parent and actor is its own request's."""
    app = Starlette()
    told = {}

    async def endpoint(request):
        number = request.path_params["number"]
        request.state.user = ("user", number)
        await asyncio.sleep(0)
        told[number] = ezlogs.event("order.action", "viewed")
        await asyncio.sleep(0)
        return PlainTextResponse(str(number))

    app.router.routes.append(Route("/orders/{number:int}", endpoint))

    async def one(number):
        traceparent = f"00-{number:032x}-{number:016x}-01".encode()
        sent = []

        async def send(message):
            await asyncio.sleep(0)
            sent.append(message)

        await app(scope_of(f"/orders/{number}", headers=((b"traceparent", traceparent),)), None, send)
        assert sent[1]["body"] == str(number).encode()

    async def crowd():
        await asyncio.gather(*(one(number) for number in range(1, 10_001)))

    with capture() as captured:
        asyncio.run(crowd())
    requests = {int(event.subject.id): event for event in captured.of("http.request")}
    assert len(requests) == 10_000
    assert len(captured.events) == 20_000
    for number, event in told.items():
        request = requests[number]
        assert request.actor.id == event.actor.id == str(number)
        assert request.correlation.correlation_id == event.correlation.correlation_id == f"{number:032x}"
        assert event.correlation.parent_event_id == request.event_id


def test_two_applications_in_one_process_keep_apart(captured):
    """One that asks the other is no part of it."""
    inner = Starlette(routes=[Route("/stock", lambda request: JSONResponse(viewed()))])

    async def order(request):
        sent = await call(inner, "/stock")
        return JSONResponse(json.loads(sent[1]["body"]))

    outer = FastAPI()
    outer.router.routes.append(Route("/orders", order))
    answer = ask(outer, "GET", "/orders")
    seen, stock, orders = captured.events
    assert [stock.action, orders.action] == ["GET /stock", "GET /orders"]
    assert answer.json()["parent"] == stock.event_id == seen.correlation.parent_event_id
    assert stock.correlation.parent_event_id == orders.event_id


def test_excluded_requests_give_no_event(captured):
    """Health checks, by default."""
    app = fastapi()
    app.get("/healthz")(viewed)
    ask(app, "GET", "/healthz")
    assert [event.action for event in captured.events] == ["viewed"]


def test_contribs_exclusions_of_each_framework_count(monkeypatch, captured):
    """FastAPI's for FastAPI, Starlette's for Starlette."""
    monkeypatch.setenv("OTEL_PYTHON_FASTAPI_EXCLUDED_URLS", "sync")
    ask(fastapi(), "GET", "/sync/1")
    ask(Starlette(routes=[Route("/sync/{n}", lambda request: PlainTextResponse())]), "GET", "/sync/1")
    assert [event.action for event in captured.events] == ["viewed", "GET /sync/{n}"]


def test_nothing_listens_nothing_happens():
    """Without a runtime a request goes through as if ezlogs were not there."""
    assert ask(broken(), "GET", "/raises").status_code == 500
    assert ask(broken(), "GET", "/missing").status_code == 404


def test_what_is_parsed_outside_of_a_request_is_no_requests(instrumented):
    """Nor is what is parsed once the instrumentor was taken back."""

    async def receive():
        return {"type": "http.request", "body": b"{}"}

    request = Request({"type": "http", "headers": []}, receive)
    with capture(request_fields=("*",)) as captured:
        parse = type(request).json
        assert asyncio.run(request.json()) == {}
        instrumented.uninstrument()
        assert asyncio.run(parse(request)) == {}
    assert captured.events == []
