"""Starlette and FastAPI on a real uvicorn: WebSockets, streams, clients that go, connections that stay."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest
from fastapi import FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.exceptions import WebSocketException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import ezlogs
from ezlogs.event import Failure

from ..asgi.serving import serving, until

pytestmark = pytest.mark.usefixtures("instrumented")

WAIT = 30


async def echo(websocket):
    """Send back what comes, until the client goes."""
    await websocket.accept()
    ezlogs.event("order.action", "talked")
    while True:
        text = await websocket.receive_text()
        await websocket.send_text(text)
        await websocket.send_bytes(text.encode())


async def polite(websocket):
    """Do the same, and see the client go."""
    with suppress(WebSocketDisconnect):
        await echo(websocket)


async def close(websocket):
    """Close at once, by a code of the application's own."""
    await websocket.accept()
    await websocket.close(4001)


async def refuse(websocket):
    """Let nobody in."""
    await websocket.close(1008)


async def refuse_by_exception(websocket):
    """Let nobody in, the other way."""
    raise WebSocketException(1008)


async def broken(websocket):
    """Fail in the middle."""
    await websocket.accept()
    raise LookupError("no orders")


async def broken_before(websocket):
    """Fail before there is anything to be in the middle of."""
    raise LookupError("no orders")


SOCKETS = (echo, polite, close, refuse, refuse_by_exception, broken, broken_before)


@pytest.fixture(scope="module")
def address():
    """Where WebSockets of every kind are served, mounted and by FastAPI."""
    app = FastAPI()
    app.mount(
        "/ws/{room}", Starlette(routes=[WebSocketRoute(f"/{one.__name__}/{{number:int}}", one) for one in SOCKETS])
    )

    @app.websocket("/api/{room}")
    async def api(websocket: WebSocket, room: str):
        await polite(websocket)

    with serving(app) as where:
        yield f"ws://{where}"


def ended(captured):
    """Return the one session's event, once it is told."""
    until(lambda: captured.of("http.request"))
    (event,) = captured.of("http.request")
    return event


@pytest.mark.parametrize("kind", ["echo", "polite"])
def test_a_session_is_one_event_with_what_went_over_it(address, captured, kind):
    """Told at its end; a client that closes is no error, caught or not."""
    with connect(f"{address}/ws/lobby/{kind}/7") as session:
        for text in ("one", "two"):
            session.send(text)
            assert (session.recv(WAIT), session.recv(WAIT)) == (text, text.encode())
        assert captured.of("http.request") == []
    event = ended(captured)
    assert event.action == f"WEBSOCKET /ws/{{room}}/{kind}/{{number}}"
    assert event.subject == ezlogs.Subject(kind, "7")
    facts = ("status", "messages_received", "messages_sent", "close_code")
    assert [event.metadata[fact] for fact in facts] == [101, 2, 4, 1000]
    assert (event.outcome, event.error) == ("success", None)
    assert captured.events[0].correlation.parent_event_id == event.event_id


def test_fastapis_sessions_are_called_by_their_template(address, captured):
    """As its requests are."""
    with connect(f"{address}/api/lobby") as session:
        session.send("one")
        session.recv(WAIT)
    assert ended(captured).action == "WEBSOCKET /api/{room}"


def test_a_session_that_the_server_closes_has_its_code(address, captured):
    """Whatever the application chose."""
    with connect(f"{address}/ws/lobby/close/7") as session:
        with pytest.raises(ConnectionClosed):
            session.recv(WAIT)
        assert session.protocol.close_code == 4001
    event = ended(captured)
    assert (event.outcome, event.metadata["close_code"]) == ("success", 4001)


def test_a_session_that_the_application_breaks_is_a_failure(address, captured):
    """However the server closes it then."""
    with connect(f"{address}/ws/lobby/broken/7") as session, pytest.raises(ConnectionClosed):
        session.recv(WAIT)
    event = ended(captured)
    assert (event.outcome, event.error) == ("failure", Failure("LookupError", "no orders"))


@pytest.mark.parametrize("kind", ["refuse", "refuse_by_exception", "broken_before"])
def test_a_session_that_is_refused_never_began(address, captured, kind):
    """It has the status of the refusal."""
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{address}/ws/lobby/{kind}/7")
    event = ended(captured)
    if kind == "broken_before":
        assert (event.outcome, event.error) == ("failure", Failure("LookupError", "no orders"))
    else:
        assert (event.outcome, event.metadata["status"]) == ("success", 403)
        assert refused.value.response.status_code == 403


def test_a_session_without_a_route_is_unmatched(address, captured):
    """As a request is."""
    with pytest.raises(InvalidStatus):
        connect(f"{address}/nowhere")
    assert ended(captured).action == "WEBSOCKET (unmatched)"


def test_a_client_that_vanishes_leaves_it_unknown_what_arrived(address, captured):
    """Its connection breaks without a word."""
    with connect(f"{address}/ws/lobby/polite/7") as session:
        session.send("one")
        session.recv(WAIT)
        session.socket.shutdown(socket.SHUT_RDWR)
        event = ended(captured)
    assert (event.outcome, event.metadata["reason"]) == ("unknown", "disconnected")
    assert event.metadata["close_code"] in (1005, 1006)  # servers differ


async def endless():
    """Yield as long as anybody listens."""
    while True:
        yield b"x" * 1000
        await asyncio.sleep(0.001)


async def broken_stream():
    """Break in the middle."""
    yield b"one"
    raise LookupError("no orders")


async def upload(request):
    """Read a body that may never end."""
    try:
        return PlainTextResponse(str(len(await request.body())))
    except ClientDisconnect:
        ezlogs.event("order.action", "lost")
        raise


def where(request):
    """Say which story this is in."""
    event = ezlogs.event("order.action", "viewed")
    return JSONResponse({"story": event.correlation.correlation_id, "parent": event.correlation.parent_event_id})


@pytest.fixture(scope="module")
def site():
    """Where requests are answered slowly, brokenly, or as they should."""
    routes = [
        Route("/endless", lambda request: StreamingResponse(endless())),
        Route("/broken", lambda request: StreamingResponse(broken_stream())),
        Route("/upload", upload, methods=["POST"]),
        Mount("/api", routes=[Route("/where/{number:int}", where)]),
    ]
    with serving(Starlette(routes=routes)) as address:
        yield address


def test_a_client_that_leaves_a_stream_makes_its_end_unknown(site, captured):
    """What had gone out by then is told."""
    with httpx.Client() as client, client.stream("GET", f"http://{site}/endless") as response:
        assert next(response.iter_raw())
    event = ended(captured)
    assert (event.action, event.outcome, event.metadata["reason"]) == ("GET /endless", "unknown", "disconnected")
    assert event.metadata["response_bytes"] >= 1000
    assert event.metadata["time_to_first_byte"] < event.duration


def test_a_stream_that_breaks_is_a_failure(site, captured):
    """The client sees it break, too."""
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"http://{site}/broken")
    event = ended(captured)
    assert event.outcome == "failure"
    assert event.error == Failure("LookupError", "no orders") or event.error.type == "ExceptionGroup"  # Starlette 0.37


def test_a_client_that_leaves_in_the_middle_of_its_body_is_gone(site, captured):
    """The request is not the application's failure."""
    host, port = site.split(":")
    with socket.create_connection((host, int(port)), WAIT) as client:
        client.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    event = ended(captured)
    assert [one.action for one in captured.events] == ["lost", "POST /upload"]
    assert (event.outcome, event.metadata["reason"]) == ("unknown", "disconnected")


def test_a_connection_that_stays_has_a_story_for_each_request(site, captured):
    """Nothing of one is left for the next."""
    with httpx.Client() as client:
        answers = [client.get(f"http://{site}/api/where/{number}").json() for number in range(5)]
    until(lambda: len(captured.events) == 10)
    assert len({answer["story"] for answer in answers}) == 5
    assert {answer["parent"] for answer in answers} == {event.event_id for event in captured.of("http.request")}


def test_concurrent_clients_never_mix_their_stories(site, captured):
    """Endpoints run in threads that are used again and again."""

    def get(number):
        headers = {"traceparent": f"00-{number:032x}-{number:016x}-01"}
        return number, httpx.get(f"http://{site}/api/where/{number}", headers=headers, timeout=WAIT).json()["story"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(get, range(1, 41)))
    assert all(story == f"{number:032x}" for number, story in answers)
    until(lambda: len(captured.events) == 80)
    for event in captured.of("http.request"):
        assert event.correlation.correlation_id == f"{int(event.subject.id):032x}"


def test_a_factory_makes_the_application_in_the_server(captured):
    """As uvicorn's ``--factory`` does."""
    made = []

    def create():
        made.append(threading.current_thread().name)
        return Starlette(routes=[Route("/where", where)])

    with serving(create, factory=True, lifespan="on") as address:
        assert httpx.get(f"http://{address}/where").status_code == 200
    assert made
    assert ended(captured).action == "GET /where"
