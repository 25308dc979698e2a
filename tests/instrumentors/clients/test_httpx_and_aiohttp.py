"""httpx and aiohttp: what is special about them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import aiohttp
import httpcore
import httpx
import pytest

from ezlogs.testing import Captured
from ezlogs_instrumentors.aiohttp_client import AiohttpClientInstrumentor
from ezlogs_instrumentors.httpx import HttpxInstrumentor

from .conftest import FAR, MEMBER, NEAR, Server, story

TOLD = f"{MEMBER},tenant=7"


@pytest.fixture(autouse=True)
def instrumented() -> Iterator[None]:
    """Instrument both."""
    HttpxInstrumentor().instrument()
    AiohttpClientInstrumentor().instrument()
    yield
    HttpxInstrumentor().uninstrument()
    AiohttpClientInstrumentor().uninstrument()


def test_requests_of_httpx_and_httpcore_stay_as_they_were(captured: Captured, server: Server) -> None:
    """They may be sent again."""
    given = httpx.Headers([("X-Mine", "1"), ("X-Mine", "2")])
    core = httpcore.Request("GET", server.url(NEAR), headers={"Host": NEAR})
    with story(), httpx.Client(headers=given) as client, httpcore.ConnectionPool() as pool:
        answer = client.get(server.url(NEAR))
        pool.handle_request(core).close()

    assert given.multi_items() == [("x-mine", "1"), ("x-mine", "2")]
    assert "baggage" not in client.headers
    assert "baggage" not in answer.request.headers
    assert core.headers == [(b"Host", NEAR.encode())]
    assert server.received[0][1].get_all("X-Mine") == ["1", "2"]
    assert server.sent("baggage") == [TOLD] * 2


def test_transports_without_a_network_are_left_alone(captured: Captured) -> None:
    """A test's transport sees what the application sent."""
    seen: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200)

    with story(), httpx.Client(transport=httpx.MockTransport(answer)) as client:
        client.get(f"http://{NEAR}/")
    assert "baggage" not in seen[0]


def test_headers_of_a_session_are_not_changed(captured: Captured, server: Server) -> None:
    """They serve other requests too; what was sent can be read in the response, as ever."""

    async def run() -> tuple[dict[str, str], dict[str, str]]:
        async with aiohttp.ClientSession(headers={"X-Mine": "1"}) as session:
            async with session.get(server.url(NEAR), headers={"baggage": f"a=1,{MEMBER}"}) as response:
                pass
            async with session.get(server.url(FAR), headers={"baggage": f"a=1,{MEMBER}"}) as response:
                return dict(session.headers), dict(response.request_info.headers)

    with story():
        own, sent = asyncio.run(run())
    assert own == {"X-Mine": "1"}
    assert sent["baggage"] == "a=1"
    assert server.sent("baggage") == [f"a=1,{MEMBER}", "a=1"]
    assert server.sent("x-mine") == ["1", "1"]


def test_a_cancelled_request_is_cancelled(captured: Captured, server: Server) -> None:
    """The task ends as cancelled, whichever client waits for the answer."""

    partial = {"Content-Length": "5"}

    async def ask_aiohttp() -> None:
        async with aiohttp.ClientSession() as session:
            await session.post(server.url(NEAR), data=endless(), headers=partial)

    async def ask_httpx() -> None:
        async with httpx.AsyncClient() as client:
            await client.post(server.url(NEAR), content=endless(), headers=partial)

    async def endless():  # an asynchronous generator
        yield b"or"
        await asyncio.Event().wait()

    async def run() -> None:
        for ask in (ask_aiohttp, ask_httpx):
            server.arrived.clear()
            task = asyncio.create_task(ask())
            assert await asyncio.to_thread(server.arrived.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelled()

    with story():
        asyncio.run(run())
    assert server.sent("baggage") == [TOLD] * 2
