"""graphql-core, instrumented for each test and left as it was, and requests for operations to happen in."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from ezlogs.event import UniversalEvent
from ezlogs.testing import Captured, capture
from ezlogs.trackers.http import AsgiArrival, CgiArrival, HttpTracker
from ezlogs_instrumentors.graphql import GraphqlInstrumentor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette's test client would rather have a newer httpx
    from starlette.testclient import TestClient

__all__ = ["TestClient", "Told", "asgi", "wsgi"]

_tracker = HttpTracker("example")


@pytest.fixture
def instrumented() -> Iterator[None]:
    """Instrument for the length of a test."""
    instrumentor = GraphqlInstrumentor()
    instrumentor.instrument()
    yield
    instrumentor.uninstrument()


@pytest.fixture
def told(instrumented: None) -> Iterator[Told]:
    """Capture what is told while graphql-core is instrumented."""
    with capture() as found:
        yield Told(found)


class Told:
    """What was captured, as tests of operations ask for it."""

    def __init__(self, captured: Captured) -> None:
        self.captured = captured

    @property
    def operations(self) -> list[UniversalEvent]:
        """The operations, in the order in which they ended."""
        return self.captured.of("graphql.operation")

    @property
    def operation(self) -> UniversalEvent:
        """The only one."""
        (event,) = self.operations
        return event

    def cause(self, event: UniversalEvent) -> UniversalEvent | None:
        """Return the event that caused another one."""
        parents = {one.event_id: one for one in self.captured.events}
        return parents.get(event.correlation.parent_event_id or "")

    def causes_of(self, event_type: str) -> list[str]:
        """Return the actions of what caused the events of a type."""
        causes = [self.cause(event) for event in self.captured.of(event_type)]
        return [cause.action if cause else "" for cause in causes]


def asgi(app: Any) -> Any:
    """Make requests of what an ASGI application answers."""

    async def tracked(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        request, status = _tracker.begin(AsgiArrival(scope)), 500

        async def sending(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await app(scope, receive, sending)
        finally:
            assert request is not None
            request.finish(status, route=scope["path"])

    return tracked


def wsgi(app: Any) -> Any:
    """Make requests of what a WSGI application answers."""

    def tracked(environ: Any, start_response: Any) -> list[bytes]:
        request, status = _tracker.begin(CgiArrival(environ)), 500

        def starting(line: str, *args: Any) -> Any:
            nonlocal status
            status = int(line[:3])
            return start_response(line, *args)

        body = [*app(environ, starting)]
        assert request is not None
        request.finish(status, route=environ["PATH_INFO"])
        return body

    return tracked
