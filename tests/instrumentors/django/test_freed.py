"""Requests are freed when they end, as without ezlogs: what waits for the garbage collector costs memory and time."""

from __future__ import annotations

import asyncio
import gc
import io
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from django.test.utils import override_settings

pytestmark = pytest.mark.usefixtures("database", "instrumented", "captured")

WEB = "tests.instrumentors.django.web"


@pytest.fixture
def left() -> Iterator[Callable[[], list[str]]]:
    """Returns what only the garbage collector has found since the last time, of ezlogs and of requests."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)

    def found() -> list[str]:
        gc.collect()
        kinds = [f"{type(one).__module__}.{type(one).__name__}" for one in gc.garbage]
        gc.garbage.clear()
        gc.set_debug(0)
        gc.collect()  # now they go
        gc.set_debug(gc.DEBUG_SAVEALL)
        return sorted(kind for kind in kinds if kind.startswith("ezlogs") or kind.endswith("Request"))

    yield found
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


def served(handler: WSGIHandler, path: str) -> None:
    """Answer one request, as a server does."""
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "SERVER_NAME": "shop.example.com",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
    }
    body = handler(environ, lambda status, headers, *_: None)
    assert b"".join(body) is not None
    body.close()


async def served_async(handler: ASGIHandler, path: str) -> None:
    """Answer one request, as an asynchronous server does."""
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    is_asked = False

    async def receive() -> dict[str, Any]:
        nonlocal is_asked
        if is_asked:
            await asyncio.Event().wait()
        is_asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        """Send it nowhere."""

    await handler(scope, receive, send)


@pytest.mark.parametrize("path", ["/", "/orders/1/", "/who/", "/nowhere/", "/forbidden/", "/token/"])
def test_nothing_of_a_request_is_left(left: Callable[[], list[str]], path: str) -> None:
    """Neither of a response, nor of an error's page."""
    with override_settings(MIDDLEWARE=[]):  # of Django's, some keep a request in a cycle
        handler = WSGIHandler()
    for _ in range(2):  # what is loaded for the first one is none of its own
        served(handler, path)
        found = left()
    assert found == []


@pytest.mark.parametrize("path", ["/remembering/", "/stream/", "/file/", "/drf/acme/orders/", "/ninja/orders/1"])
def test_nothing_is_left_of_what_is_answered_in_parts_or_by_others(left: Callable[[], list[str]], path: str) -> None:
    """Of sessions, streams, files, of REST framework's views and of Ninja's."""
    with override_settings(ROOT_URLCONF=WEB):
        handler = WSGIHandler()
        for _ in range(2):
            served(handler, path)
            found = left()
    assert [kind for kind in found if kind.startswith("ezlogs")] == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tasks of Python 3.10 keep their contexts in the cycle, too")
@pytest.mark.parametrize("path", ["/async/orders/1/", "/async/who/"])
def test_nothing_of_an_asynchronous_request_is_left(left: Callable[[], list[str]], path: str) -> None:
    """Django's own handler keeps the request in a cycle with its tasks; of ezlogs nothing is in it."""
    handler = ASGIHandler()

    async def twice() -> list[str]:
        for _ in range(2):
            await served_async(handler, path)
            found = left()
        return found

    try:
        found = asyncio.run(twice())
    finally:
        connections.close_all()
    assert [kind for kind in found if kind.startswith("ezlogs")] == []
