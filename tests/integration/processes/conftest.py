"""Fixtures for real processes: a collector that runs or not yet, one that never answers, and services."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ezlogs.dev.receiver import Receiver

from .running import Hung, Service


@pytest.fixture
def make_service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Make services, whose processes end with the test."""
    services: list[Service] = []

    def make(receiver: Receiver, **settings: object) -> Service:
        home = tmp_path / str(len(services))
        home.mkdir()
        services.append(Service(home, receiver, **settings))
        return services[-1]

    yield make
    for service in services:
        service.end()


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens yet."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number: int = listener.getsockname()[1]
        return number


@pytest.fixture
def closed() -> Iterator[Receiver]:
    """A collector that has not been started yet: its port is closed."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        receiver = Receiver(port=listener.getsockname()[1])
    yield receiver
    receiver.stop()


@pytest.fixture
def hung() -> Iterator[Hung]:
    """A collector that takes connections and answers nothing."""
    with Hung() as collector:
        yield collector
