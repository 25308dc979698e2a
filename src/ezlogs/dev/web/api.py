"""What the page asks for, as JSON."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ezlogs.dev.store import Filter, Store
from ezlogs.dev.web.performance import error_groups, performance
from ezlogs.dev.web.story_view import story_view
from ezlogs.snapshot import plain
from ezlogs.story.history import find, history
from ezlogs.story.render import event_json

MOST_STORIES = 500
"""In one answer."""

_encode = msgspec.json.Encoder().encode
Answer = Callable[[Store, Request], Any]


def api_routes(store: Store) -> list[Route]:
    """Return the routes below ``/api``.

    Args:
        store: What they tell of.
    """
    return [
        Route("/api/stories", partial(_answered, store, _stories)),
        Route("/api/stories", partial(_cleared, store), methods=["DELETE"]),
        Route("/api/stories/{story:path}/test", partial(_as_test, store)),
        Route("/api/stories/{story:path}", partial(_answered, store, _story)),
        Route("/api/events/{event_id:path}", partial(_answered, store, _event)),
        Route("/api/subjects/{kind}/{id:path}", partial(_answered, store, _subject)),
        Route("/api/performance", partial(_answered, store, lambda store, _: performance(store))),
        Route("/api/errors", partial(_answered, store, lambda store, _: error_groups(store))),
    ]


async def _answered(store: Store, answer: Answer, request: Request) -> Response:
    try:
        found = await run_in_threadpool(answer, store, request)
    except ValueError as problem:
        return PlainTextResponse(str(problem), 400)
    if found is None:
        return PlainTextResponse("it is not here, or no longer", 404)
    return Response(_encode(found), media_type="application/json")


async def _cleared(store: Store, request: Request) -> Response:
    await run_in_threadpool(store.clear)
    return JSONResponse({})


async def _as_test(store: Store, request: Request) -> Response:
    from ezlogs.testing.copying import copy_as_test

    events = [told.event for told in await run_in_threadpool(store.told, request.path_params["story"])]
    if not events:
        return PlainTextResponse("it is not here, or no longer, or has no events", 404)
    return PlainTextResponse(await run_in_threadpool(copy_as_test, events))


def _stories(store: Store, request: Request) -> dict[str, Any]:
    given = request.query_params
    wanted = Filter(**{name: given.get(name, "")[:200] for name in Filter.__struct_fields__})
    offset, limit = int(given.get("offset", 0)), int(given.get("limit", 100))
    if offset < 0 or not 0 < limit <= MOST_STORIES:
        raise ValueError(f"offset must not be negative, and limit at most {MOST_STORIES}")
    found, total = store.stories(wanted, offset=offset, limit=limit)
    newer = store.stories(msgspec.structs.replace(wanted, until=""), limit=0)[1] - total if wanted.until else 0
    return {
        "version": store.version,
        "total": total,
        "newer": newer,
        "stories": [{**_plain(one), "began": one.began / 1e6} for one in found],
    }


def _story(store: Store, request: Request) -> dict[str, Any] | None:
    return story_view(store, request.path_params["story"])


def _event(store: Store, request: Request) -> dict[str, Any] | None:
    found = store.received(request.path_params["event_id"])
    if found is None:
        return None
    told, received = found
    event = told.event
    return {
        **event_json(event, told.service),
        "timestamp": event.timestamp / 1e6,
        "severity": event.severity,
        "invalid": list(event.invalid),
        "correlation": msgspec.to_builtins(event.correlation),
        "sampling": msgspec.to_builtins(event.sampling),
        "redacted": _redacted(received["attributes"]),
        "received": received,
        "document": plain(msgspec.json.decode(event.to_json())),
    }


def _subject(store: Store, request: Request) -> dict[str, Any]:
    kind, identifier = request.path_params["kind"], request.path_params["id"]
    found = history(find(store.told_of(kind, identifier), kind, identifier).told, kind, identifier)
    return {
        "type": kind,
        "id": identifier,
        "entries": [
            {
                "event_id": entry.event.event_id,
                "story": entry.story,
                "at": entry.at / 1e6,
                "who": entry.who,
                "deed": entry.deed,
                "details": list(entry.details),
                "place": entry.place,
                "outcome": entry.event.outcome,
                "service": entry.service,
            }
            for entry in found.entries
        ],
        "bulk": found.bulk,
    }


def _redacted(attributes: dict[str, Any]) -> list[dict[str, str]]:
    """Return what privacy kept back of an event: where, and by which rule."""
    found = attributes.get("ezlogs.redacted") or []
    parts = [str(one).rpartition(": ") for one in (found if isinstance(found, list) else [found])]
    return [{"path": path, "rule": rule} for path, _, rule in parts]


def _plain(struct: msgspec.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(struct)
    return plain
