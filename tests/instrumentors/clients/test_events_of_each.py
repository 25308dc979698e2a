"""Events of requests: what is special about each client."""

from __future__ import annotations

import asyncio
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpcore
import httpx
import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import HTTPDigestAuth

from ezlogs.event import UniversalEvent
from ezlogs.testing import Captured
from ezlogs_instrumentors.aiohttp_client import AiohttpClientInstrumentor, _attach_to_sessions
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.httpx import HttpxInstrumentor
from ezlogs_instrumentors.requests import RequestsInstrumentor
from ezlogs_instrumentors.urllib import UrllibInstrumentor
from ezlogs_instrumentors.urllib3 import Urllib3Instrumentor, _attach_to_pools

from .conftest import FAR, NEAR, Server, story, told

ALL = (RequestsInstrumentor, Urllib3Instrumentor, HttpxInstrumentor, AiohttpClientInstrumentor, UrllibInstrumentor)
THREE = urllib3.Retry(3, status_forcelist=[503], backoff_factor=0, allowed_methods=None)


@pytest.fixture(autouse=True)
def instrumented() -> Iterator[None]:
    """Instrument all clients."""
    for instrumentor in ALL:
        instrumentor().instrument()
    yield
    for instrumentor in ALL:
        instrumentor().uninstrument()


@pytest.fixture
def events() -> Iterator[Captured]:
    """Tell of requests in a story."""
    with told() as captured, story():
        yield captured


@pytest.fixture
def silent() -> Iterator[str]:
    """Return the address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


def attempts(captured: Captured) -> list[tuple[Any, ...]]:
    """Return what each event tells of status, attempt and redirects."""
    return [tuple(event.metadata.get(name) for name in ("status", "attempt", "redirects")) for event in captured.events]


def only(captured: Captured) -> UniversalEvent:
    """Return the one event there is."""
    (event,) = captured.events
    return event


class TestUrllib3AndRequests:
    """One is built on the other."""

    def test_retries_below_requests_are_attempts(self, events: Captured, server: Server) -> None:
        """And each is told once, though both are instrumented."""
        with requests.Session() as session:
            session.mount("http://", HTTPAdapter(max_retries=THREE))
            assert session.post(server.url(NEAR, "/?fail=2"), data=b"order").content == b"order"
        assert attempts(events) == [(503, 1, None), (503, 2, None), (200, 3, None)]
        assert {event.metadata["request_bytes"] for event in events.events} == {5}

    @pytest.mark.parametrize("order", [(Urllib3Instrumentor,), (RequestsInstrumentor,), ()])
    def test_either_instrumentor_alone_tells_of_requests(
        self, events: Captured, server: Server, order: tuple[Any, ...]
    ) -> None:
        """But what urllib3 is asked for directly only its own tells."""
        for instrumentor in (Urllib3Instrumentor, RequestsInstrumentor):
            if instrumentor not in order:
                instrumentor().uninstrument()
        requests.get(server.url(NEAR))
        with urllib3.PoolManager() as manager:
            manager.request("GET", server.url(FAR))
        hosts = [event.metadata["host"] for event in events.events]
        assert hosts == {Urllib3Instrumentor: [NEAR, FAR], RequestsInstrumentor: [NEAR]}.get(*order or (None,), [])

    def test_a_pool_of_its_own_counts_too(self, events: Captured, server: Server) -> None:
        """By what it remembers of its retries and redirects."""
        with urllib3.HTTPConnectionPool("127.0.0.1", server.port, retries=THREE) as pool:
            pool.request("GET", "/?fail=1")
            pool.request("GET", "/?to=/%3Ffail=4")
        assert attempts(events) == [(503, 1, None), (200, 2, None), (302, 1, None), (503, 1, 1), (200, 2, 1)]

    def test_without_retries_there_is_one_attempt(self, events: Captured, server: Server, silent: str) -> None:
        """Whose end is that of the call."""
        with urllib3.PoolManager(retries=False) as manager, pytest.raises(urllib3.exceptions.ReadTimeoutError):
            manager.request("GET", silent, timeout=0.05)
        event = only(events)
        assert (event.outcome, event.metadata["reason"]) == ("failure", "timeout")
        assert event.error.type == "urllib3.exceptions.ReadTimeoutError"

    def test_each_tunnel_that_failed_is_an_attempt(self, events: Captured, server: Server) -> None:
        """The address that was asked for is known by its call."""
        retries = urllib3.Retry(2, backoff_factor=0)
        failing = pytest.raises(urllib3.exceptions.MaxRetryError)
        with urllib3.ProxyManager(server.url(), retries=retries) as manager, failing:
            manager.request("POST", f"https://{FAR}/orders/7?x=1")
        assert [event.action for event in events.events] == [f"POST {FAR}"] * 3
        assert attempts(events) == [(None, 1, None), (None, 2, None), (None, 3, None)]

    def test_a_tunnel_that_nobody_instrumented_is_not_told(self, events: Captured, server: Server) -> None:
        """Where only what requests sends is."""
        Urllib3Instrumentor().uninstrument()
        failing = pytest.raises(urllib3.exceptions.HTTPError)
        with urllib3.ProxyManager(server.url(), retries=False) as manager, failing:
            manager.request("GET", f"https://{FAR}/")
        assert events.events == []

    def test_other_versions_may_lack_what_is_not_public(self) -> None:
        """Then nothing is told, and nothing else happens."""
        hooks = Hooks()
        pools = SimpleNamespace(HTTPConnectionPool=type("P", (), {}), HTTPSConnectionPool=type("S", (), {}))
        _attach_to_pools(hooks, pools)
        _attach_to_sessions(hooks, SimpleNamespace(ClientSession=type("C", (), {})))
        assert not hooks._replaced

    def test_redirects_of_a_request_sent_by_hand_are_told(self, events: Captured, server: Server) -> None:
        """As those that a session follows by itself; also one that the application follows itself."""
        with requests.Session() as session:
            session.send(session.prepare_request(requests.Request("GET", server.redirect(NEAR, FAR, NEAR))))
            answer = session.get(server.redirect(NEAR, FAR), allow_redirects=False)
            session.send(answer.next)
        assert attempts(events) == [(302, 1, None), (302, 1, 1), (200, 1, 2), (302, 1, None), (200, 1, 1)]

    def test_signing_in_is_a_request_of_its_own(self, events: Captured, server: Server) -> None:
        """Digest authentication asks twice, where it is asked to."""
        requests.get(server.url(NEAR, "/?status=401"), auth=HTTPDigestAuth("ada", "hunter2"))
        assert attempts(events) == [(401, 1, None)] * 2

    def test_a_stream_is_told_once_its_headers_are_there(self, events: Captured, server: Server) -> None:
        """While its body is still to come, which nobody but the application reads."""
        with requests.get(server.url(NEAR, "/?parts=2"), stream=True) as answer:
            assert only(events).metadata["response_bytes"] == 6
            assert answer.raw.read(3) == b"one"
            server.go_on.set()
            assert answer.raw.read() == b"two"
        with urllib3.PoolManager() as manager:
            raw = manager.request("GET", server.url(NEAR, "/?parts=2"), preload_content=False)
            assert raw.read() == b"onetwo"
            raw.release_conn()
        assert attempts(events) == [(200, 1, None)] * 2

    def test_a_body_without_a_known_length_has_none(self, events: Captured, server: Server) -> None:
        """It is not read to find out."""
        given = iter([b"or", b"der"])
        with pytest.raises(requests.ConnectionError):
            requests.post("http://127.0.0.1:1/", data=given)
        assert "request_bytes" not in only(events).metadata
        assert list(given) == [b"or", b"der"]


class TestHttpx:
    """Sync and async."""

    def test_signing_in_asks_again(self, events: Captured, server: Server) -> None:
        """The same request once more is a second attempt; what an authentication asks meanwhile is not."""

        class Auth(httpx.Auth):
            def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:
                yield request
                yield httpx.Request("POST", server.url(FAR, "/token"))
                yield request

        httpx.get(server.url(NEAR, "/?fail=1"), auth=Auth())
        assert attempts(events) == [(503, 1, None), (200, 1, None), (200, 2, None)]

    def test_a_timeout_is_told(self, events: Captured, silent: str) -> None:
        """As such, and the client's own error is raised."""
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(silent, timeout=0.05)
        event = only(events)
        assert (event.error.type, event.metadata["reason"]) == ("httpcore.ReadTimeout", "timeout")

    def test_a_stream_is_told_once_its_headers_are_there(self, events: Captured, server: Server) -> None:
        """While its body is still to come."""
        with httpx.stream("GET", server.url(NEAR, "/?parts=2")) as answer:
            assert only(events).metadata["response_bytes"] == 6
            server.go_on.set()
            assert answer.read() == b"onetwo"

    def test_httpcore_by_itself_is_told(self, events: Captured, server: Server) -> None:
        """It is what is hooked."""
        with httpcore.ConnectionPool() as pool:
            assert pool.request("POST", server.url(NEAR), content=b"order").content == b"order"
        assert only(events).metadata["request_bytes"] == 5

    def test_transports_without_a_network_are_not_told(self, events: Captured) -> None:
        """Nothing is sent."""
        with httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200))) as client:
            client.get(f"http://{NEAR}/")
        assert events.events == []

    def test_a_unix_socket_is_told_by_the_host_that_is_asked(self, events: Captured, tmp_path: Path) -> None:
        """Its path is no host."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        class Listening(ThreadingMixIn, UnixStreamServer):
            pass

        path = str(tmp_path / "s")
        with Listening(path, Handler) as listening:
            thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            with httpx.Client(transport=httpx.HTTPTransport(uds=path)) as client:
                assert client.get("http://docker/containers").status_code == 204
            listening.shutdown()
            thread.join()
        assert only(events).action == "GET docker"


class TestAiohttp:
    """And what asyncio does to requests."""

    @pytest.mark.skipif(not hasattr(aiohttp.client, "IDEMPOTENT_METHODS"), reason="before 3.10 aiohttp did not do that")
    def test_a_connection_that_was_closed_is_tried_again(self, events: Captured) -> None:
        """By aiohttp itself: that is a second attempt."""
        begun: list[int] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.readline():
                while (await reader.readline()).strip():
                    pass
                begun.append(1)
                if len(begun) == 2:  # the second request of a connection that is kept
                    break
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            writer.close()

        async def run() -> None:
            async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, aiohttp.ClientSession() as session:
                url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
                for _ in range(2):
                    async with session.get(url):
                        pass

        asyncio.run(run())
        first, failed, again = events.events
        assert [event.metadata["attempt"] for event in (first, failed, again)] == [1, 1, 2]
        assert (failed.outcome, failed.metadata["reason"], again.outcome) == ("failure", "connection", "success")

    @pytest.mark.parametrize("timeout", [{"total": 0.05}, {"sock_read": 0.05}], ids=str)
    def test_a_timeout_is_no_cancellation(self, events: Captured, silent: str, timeout: dict[str, float]) -> None:
        """Though the session's own works by one."""

        async def run() -> None:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(**timeout)) as session:
                with pytest.raises(asyncio.TimeoutError):
                    await session.get(silent)

        asyncio.run(run())
        assert (only(events).outcome, only(events).metadata["reason"]) == ("failure", "timeout")

    def test_a_timeout_while_connecting_is_none_either(self, events: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of the whole, or of the connection alone."""

        async def forever(*args: object, **kwargs: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", forever)

        async def run() -> None:
            for timeout in ({"total": 0.05}, {"connect": 0.05}):
                async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(**timeout)) as session:
                    with pytest.raises(asyncio.TimeoutError):
                        await session.get("http://127.0.0.1:1/")

        asyncio.run(run())
        # Before 3.10 the second one is made of a cancellation only after the connection has been given up.
        connecting = "timeout" if hasattr(aiohttp.client, "IDEMPOTENT_METHODS") else "cancelled"
        assert [event.metadata["reason"] for event in events.events] == ["timeout", connecting]
        outcomes = {"timeout": "failure", "cancelled": "unknown"}
        assert [event.outcome for event in events.events] == ["failure", outcomes[connecting]]

    def test_a_request_that_cannot_be_written_is_told(
        self, events: Captured, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of the library's errors it is the rarest."""
        AiohttpClientInstrumentor().uninstrument()

        async def send(*args: object) -> None:
            raise aiohttp.ClientOSError(32, "Broken pipe")

        async def run() -> None:
            async with aiohttp.ClientSession() as session:
                with pytest.raises(aiohttp.ClientOSError):
                    await session.post(server.url(NEAR), data=b"order")

        with monkeypatch.context() as patched:
            patched.setattr(aiohttp.ClientRequest, "send", send)
            AiohttpClientInstrumentor().instrument()
            asyncio.run(run())
            AiohttpClientInstrumentor().uninstrument()
        AiohttpClientInstrumentor().instrument()
        event = only(events)
        assert (event.error.type.rpartition(".")[2], event.metadata["reason"]) == ("ClientOSError", "connection")

    def test_a_stream_is_told_once_its_headers_are_there(self, events: Captured, server: Server) -> None:
        """While its body is still to come."""

        async def run() -> None:
            async with aiohttp.ClientSession() as session, session.get(server.url(NEAR, "/?parts=2")) as answer:
                assert only(events).metadata["response_bytes"] == 6
                server.go_on.set()
                assert await answer.read() == b"onetwo"

        asyncio.run(run())

    def test_below_httpx_it_is_told_too(self, events: Captured, server: Server) -> None:
        """As a transport, once, and with the exclusions of the client that was called."""

        class Transport(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                async with aiohttp.ClientSession() as session, session.get(str(request.url)) as answer:
                    return httpx.Response(answer.status, content=await answer.read())

        async def run() -> None:
            async with httpx.AsyncClient(transport=Transport()) as client:
                await client.get(server.url(NEAR))

        asyncio.run(run())
        assert attempts(events) == [(200, 1, None)]

    @pytest.mark.parametrize("client", ["aiohttp", "httpx"])
    def test_a_cancelled_request_is_not_known_to_have_failed(
        self, events: Captured, server: Server, client: str
    ) -> None:
        """It is cancelled as ever, and told with the outcome unknown."""

        async def ask() -> None:
            if client == "httpx":
                async with httpx.AsyncClient() as asking:
                    await asking.post(server.url(NEAR), content=endless(), headers={"Content-Length": "5"})
            else:
                async with aiohttp.ClientSession() as session:
                    await session.post(server.url(NEAR), data=endless(), headers={"Content-Length": "5"})

        async def endless():  # an asynchronous generator
            yield b"or"
            await asyncio.Event().wait()

        async def run() -> None:
            task = asyncio.create_task(ask())
            assert await asyncio.to_thread(server.arrived.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(run())
        event = only(events)
        assert (event.outcome, event.metadata["reason"]) == ("unknown", "cancelled")
        assert "status" not in event.metadata


class TestUrllib:
    """What goes through ``urllib.request``."""

    def test_a_timeout_is_told(self, events: Captured, silent: str) -> None:
        """Whichever part of the request it ends."""
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(silent, timeout=0.05)
        assert (only(events).error.type, only(events).metadata["reason"]) == ("TimeoutError", "timeout")

    def test_the_size_of_what_is_sent_is_told(self, events: Captured, server: Server) -> None:
        """Where there is one."""
        with urllib.request.urlopen(server.url(NEAR), data=b"order") as answer:
            assert answer.read() == b"order"
        assert (only(events).action, only(events).metadata["request_bytes"]) == (f"POST {NEAR}:{server.port}", 5)

    def test_other_schemes_are_not_told(self, events: Captured, tmp_path: Path) -> None:
        """A file is no service."""
        (tmp_path / "a").write_text("x", encoding="utf-8")
        with urllib.request.urlopen((tmp_path / "a").as_uri()) as answer:
            assert answer.read() == b"x"
        assert events.events == []


def by_requests(server: Server) -> list[object]:
    """Use a connection twice, and see what there is of an answer."""
    with requests.Session() as session:
        found = [session.post(server.url(path="/?a"), data=b"order"), session.get(server.url(path="/?status=404"))]
        return [(each.status_code, each.content, dict(each.headers).keys(), each.history) for each in found]


def by_urllib3(server: Server) -> list[object]:
    """The same."""
    with urllib3.PoolManager() as manager:
        found = [manager.request("POST", server.url(path="/?a"), body=b"order"), manager.request("GET", server.url())]
        return [(each.status, each.data, each.headers.keys(), each.reason) for each in found]


def by_httpx(server: Server) -> list[object]:
    """The same."""
    with httpx.Client() as client:
        found = [client.post(server.url(path="/?a"), content=b"order"), client.get(server.url(path="/?status=404"))]
        return [(each.status_code, each.content, list(each.headers), each.http_version) for each in found]


def by_aiohttp(server: Server) -> list[object]:
    """The same."""

    async def run() -> list[object]:
        async with aiohttp.ClientSession() as session:
            found = []
            for method in ("POST", "GET"):
                async with session.request(method, server.url(), data=b"order") as each:
                    found.append((each.status, await each.read(), list(each.headers), each.method, each.history))
            return found

    return asyncio.run(run())


@pytest.mark.parametrize("ask", [by_requests, by_urllib3, by_httpx, by_aiohttp])
def test_answers_and_connections_are_the_same_with_events_and_without(
    server: Server, ask: Callable[[Server], list[object]]
) -> None:
    """A connection that is kept is used again."""
    found = []
    for on in (True, False):
        server.connections.clear()
        server.received.clear()
        with told(**({} if on else {"disabled_events": "http.client"})), story():
            found.append((ask(server), len(server.connections), [sorted(sent.keys()) for _, sent in server.received]))
    for instrumentor in ALL:
        instrumentor().uninstrument()
    server.connections.clear()
    plain = ask(server)
    for instrumentor in ALL:
        instrumentor().instrument()
    assert found[0] == found[1]
    assert found[0][:2] == (plain, 1) == (plain, len(server.connections))
