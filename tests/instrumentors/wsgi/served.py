"""An application for real servers: lists, streams, files, what breaks and what goes on for ever.

As a program's module, gunicorn's, it keeps the events that it emits and answers with them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from opentelemetry import context

import ezlogs
from ezlogs.testing import Captured, capture
from ezlogs_instrumentors.wsgi import WsgiMiddleware

LEAKED: list[object] = []
"""The contexts in which requests found themselves that were not empty."""

KEPT = Captured()


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer by the path."""
    path = environ["PATH_INFO"]
    if path == "/write":
        write = start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
        write(b"one")
        write(b"two")
        return []
    if path == "/raise":
        raise ZeroDivisionError("no orders")
    if path == "/kept":
        body = json.dumps([(event.action, event.outcome, event.metadata.get("reason")) for event in KEPT.events])
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body.encode()]
    if path == "/file":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
        file = Path(__file__).open("rb")  # noqa: SIM115  # the server closes it
        return environ["wsgi.file_wrapper"](file) if "wsgi.file_wrapper" in environ else [file.read(5)]
    if path == "/unchanged":
        start_response("304 Not Modified", [])
        return []
    start_response("200 OK", [("Content-Type", "text/plain")])
    return parts(path)


def parts(path: str) -> Iterable[bytes]:
    """Return what a path streams."""
    yield b"one"
    ezlogs.event("order.part", "made")
    if path == "/breaks":
        raise ZeroDivisionError("in the middle")
    while path == "/endless":
        yield b"x" * 65536
    yield b"two"


def route(environ: dict[str, Any]) -> str:
    """Return the route."""
    return str(environ["PATH_INFO"])


tracked = WsgiMiddleware(app, route=route)


def looked_at(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer, and take note of what an earlier request left in the thread."""
    if left := dict(context.get_current()):
        LEAKED.append(left)
    return tracked(environ, start_response)


def kept(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer, in a process of its own."""
    global KEPT  # noqa: PLW0603  # of the process
    if environ["PATH_INFO"] == "/leaked":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(len(LEAKED)).encode()]
    if not isinstance(KEPT, Captured) or _STACK_IS_EMPTY:
        _begin()
    return looked_at(environ, start_response)
