"""uvicorn delivers when a signal has ended a server, and only then."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from ezlogs_instrumentors import uvicorn as instrumentor_module
from ezlogs_instrumentors.uvicorn import UvicornInstrumentor

Serve = Callable[[bool], list[str]]


async def nothing(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An application that is never asked."""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serve, ended by a signal or not; say what happened, in its order."""
    happened: list[str] = []
    monkeypatch.setattr(instrumentor_module, "drain", lambda: happened.append(threading.current_thread().name))
    earlier = signal.signal(signal.SIGTERM, lambda number, frame: happened.append("signal"))

    def run(by_signal: bool) -> list[str]:
        server = uvicorn.Server(uvicorn.Config(nothing, port=0, lifespan="off", log_config=None))

        async def end() -> None:
            while not server.started:
                await asyncio.sleep(0.01)
            if by_signal:
                signal.raise_signal(signal.SIGTERM)
            else:
                server.should_exit = True

        async def both() -> None:
            await asyncio.gather(server.serve(), end())

        asyncio.run(both())
        return happened

    UvicornInstrumentor().instrument()
    yield run
    UvicornInstrumentor().uninstrument()
    signal.signal(signal.SIGTERM, earlier)


def test_a_server_that_a_signal_ended_delivers_before_it_raises_it_again(serve: Serve) -> None:
    """In another thread: the loop may have other things to do."""
    delivered, then = serve(True)
    assert delivered != threading.current_thread().name
    assert then == "signal"


def test_a_server_that_was_told_to_end_delivers_nothing(serve: Serve) -> None:
    """Its process goes on, and has its own end."""
    assert serve(False) == []


def test_what_is_taken_back_does_nothing(serve: Serve) -> None:
    """Though the server began before."""
    UvicornInstrumentor().uninstrument()
    assert serve(True) == ["signal"]
    UvicornInstrumentor().instrument()


def test_it_says_what_it_works_with() -> None:
    """For `ezlogs doctor`."""
    assert UvicornInstrumentor().instrumentation_dependencies() == ("uvicorn >= 0.29",)
