"""News for the page, as server-sent events: that something is newer, not what; the page asks for what it shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from ezlogs.dev.store import Store

TICK = 0.25
"""Seconds between two pieces of news, at least: a page cannot show more."""
SILENCE = 15.0
"""Seconds after which a comment shows that the connection still stands."""


def live_route(store: Store) -> Route:
    """Return the route ``GET /api/live``. A browser that comes back says in ``Last-Event-ID`` what it knows.

    Args:
        store: What the news is of.
    """

    async def live(request: Request) -> StreamingResponse:
        known = request.headers.get("last-event-id", "")
        return StreamingResponse(_news(store, request, known), media_type="text/event-stream")

    return Route("/api/live", live)


async def _news(store: Store, request: Request, known: str) -> AsyncIterator[str]:
    quiet = 0.0
    while True:
        said, known, quiet = _said(f"{store.begun}.{store.version}", known, quiet)
        if said:
            yield said
        await asyncio.sleep(TICK)
        if await request.is_disconnected():
            return


def _said(version: str, known: str, quiet: float) -> tuple[str, str, float]:
    """Return what is to be said, which version is known then, and for how long nothing was said."""
    if version != known:
        return f"id: {version}\ndata: {version}\n\n", version, 0.0
    if quiet >= SILENCE:
        return ": still here\n\n", known, 0.0
    return "", known, quiet + TICK
