"""A web application, for WSGI servers and for ASGI servers, that emits with each request - and, if told, on import."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from reporting import emit, say, work

import ezlogs

ezlogs.configure()
if os.environ.get("EAGER"):  # in the process that forks the others: its worker runs, its connection is open
    emit("imported")
    ezlogs.flush()


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request."""
    work(1)
    say("served")
    start_response("200 OK", [("content-length", "2")])
    return [b"ok"]


async def asgi(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    """Answer a request, or begin and end."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        emit("closed")
        await send({"type": "lifespan.shutdown.complete"})
        return
    work(1)
    say("served")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
