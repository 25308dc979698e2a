"""An application for real servers: lists, streams, files, what breaks and what goes on for ever.

As a program's module, gunicorn's, it keeps the events that it emits and answers with them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from opentelemetry import context

import ezlogs
from ezlogs.testing import capture
from ezlogs_instrumentors.wsgi import WsgiMiddleware

LEAKED: list[object] = []
"""The contexts in which requests found themselves that were not empty."""


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer by the path."""
    path = environ["PATH_INFO"]
    if environ["REQUEST_METHOD"] == "HEAD":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
        return []
    if path == "/write":
        write = start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
        write(b"one")
        write(b"two")
        return []
    if path == "/raise":
        raise ZeroDivisionError("no orders")
    if path == "/file":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
        if "wsgi.file_wrapper" not in environ:
            return [Path(__file__).read_bytes()[:5]]
        return environ["wsgi.file_wrapper"](Path(__file__).open("rb"))
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


def make_kept() -> Callable[..., Iterable[bytes]]:
    """Return the application of a process of its own, which answers with its events, too."""
    begun = capture()
    captured = begun.__enter__()

    def kept(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/kept":
            return looked_at(environ, start_response)
        told = [(event.action, event.outcome, event.metadata.get("reason")) for event in captured.of("http.request")]
        body = json.dumps({"told": told, "leaked": len(LEAKED)}).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    kept.begun = begun  # as long as the application is there
    return kept
