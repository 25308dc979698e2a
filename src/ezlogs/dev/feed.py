"""What a running `ezlogs dev` has received, asked for over HTTP by other commands of `ezlogs`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ezlogs.dev.asking import NOBODY, asked, told_in
from ezlogs.story import Told

if TYPE_CHECKING:
    from starlette.routing import Route

PATH: Final = "/feed"
BEGINNING: Final = "0.0"
"""Where a reader begins who wants all that is there."""


class Fed(msgspec.Struct, frozen=True):
    """What is new, and where to go on."""

    told: tuple[Told, ...]
    after: str
    """To be given with the next question; what it means is the answerer's affair."""


class _Answer(msgspec.Struct):
    events: list[dict[str, Any]]
    after: str


Since = Callable[[int, int], tuple[Sequence[Told], int, int]]
"""Gives what there is to tell after a place, and the place that it goes on from: two numbers, whatever they count."""


def feed_route(since: Since) -> Route:
    """Return the route ``GET /feed?after=0.0``."""
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    def answer_of(first: int, second: int) -> bytes:
        told, first, second = since(first, second)
        found = [{"service": one.service, "event": msgspec.Raw(one.event.to_json())} for one in told]
        return msgspec.json.encode({"events": found, "after": f"{first}.{second}"})

    async def answer(request: Request) -> Response:
        first, _, second = request.query_params.get("after", BEGINNING).partition(".")
        if not (first.isdecimal() and second.isdecimal()):
            return PlainTextResponse("give after as it was in the last answer, or 0.0", 400)
        content = await run_in_threadpool(answer_of, int(first), int(second))
        return Response(content, media_type="application/json")

    return Route(PATH, answer)


def ask(endpoint: str, after: str = BEGINNING) -> Fed | None:
    """Return what the `ezlogs dev` at an address has received since; None if there is none.

    Args:
        endpoint: Its base address, such as ``http://127.0.0.1:4318``.
        after: As it was in the last answer.
    """
    try:
        answer = asked(endpoint, PATH, {"after": after}, _Answer)
        return Fed(told_in(answer.events), answer.after)
    except NOBODY:
        return None
