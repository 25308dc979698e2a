"""Ways to call an ASGI application: in process, message by message, and on a real server."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from uvicorn.config import WS_PROTOCOLS

Ask = Callable[..., httpx.Response]


def ask(app: Any, method: str, path: str, **options: Any) -> httpx.Response:
    """Return an application's response, in this thread; what it raised is the server's affair."""

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.request(method, path, **options)

    return asyncio.run(request())


async def call(app: Any, path: str = "/", *, method: str = "GET", receive: Any = None, send: Any = None) -> list[Any]:
    """Call an application once, without any client; return what it sent."""
    sent: list[Any] = []

    async def nothing() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def note(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope_of(path, method), receive or nothing, send or note)
    return sent


def scope_of(path: str = "/", method: str = "GET", headers: tuple[tuple[bytes, bytes], ...] = ()) -> dict[str, Any]:
    """Return the scope of a request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": list(headers),
        "client": ("127.0.0.1", 1234),
        "server": ("testserver", 80),
    }


WEBSOCKETS = "websockets-sansio" if "websockets-sansio" in WS_PROTOCOLS else "websockets"
"""What serves WebSockets: what newer versions of uvicorn have besides is made of what the library deprecates."""


@contextmanager
def serving(app: Any, **options: Any) -> Iterator[str]:
    """Serve an application by a real uvicorn in a thread; yield where."""
    config = uvicorn.Config(app, port=0, log_config=None, ws=WEBSOCKETS, **{"lifespan": "off", **options})
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until something is so; fail if it never is."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)
