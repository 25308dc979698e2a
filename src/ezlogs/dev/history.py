"""What a running `ezlogs dev` knows of one subject, asked for over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from ezlogs.dev.asking import NOBODY, asked, told_in
from ezlogs.story import Told
from ezlogs.story.history import Found, find, found_json

if TYPE_CHECKING:
    from starlette.routing import Route

PATH = "/history"


class _Answer(msgspec.Struct):
    events: list[dict[str, Any]]
    kinds: dict[str, int]
    ids: list[str]


def history_route(received: Callable[[], Iterable[Told]]) -> Route:
    """Return the route ``GET /history?type=order&id=42``.

    Args:
        received: Gives what there is to tell.
    """
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    async def answer(request: Request) -> Response:
        kind, identifier = request.query_params.get("type"), request.query_params.get("id")
        if not kind or not identifier:
            return PlainTextResponse("give type and id, as in /history?type=order&id=42", 400)
        found = await run_in_threadpool(lambda: find(received(), kind, identifier))
        return Response(msgspec.json.encode(found_json(found)), media_type="application/json")

    return Route(PATH, answer)


def ask(endpoint: str, kind: str, id: str) -> Found | None:
    """Return what the `ezlogs dev` at an address knows of a subject; None if there is none.

    Args:
        endpoint: Its base address, such as ``http://127.0.0.1:4318``.
        kind: The subject's type.
        id: Its id.
    """
    try:
        answer = asked(endpoint, PATH, {"type": kind, "id": id}, _Answer)
        return Found(told=told_in(answer.events), kinds=answer.kinds, ids=tuple(answer.ids))
    except NOBODY:
        return None
