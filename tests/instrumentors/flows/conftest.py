"""A collector, and applications that end with the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ezlogs.dev.receiver import Receiver

from .serving import SERVERS, Site


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A local OTLP endpoint."""
    with Receiver() as running:
        yield running


@pytest.fixture(params=SERVERS)
def site(request: pytest.FixtureRequest, tmp_path: Path, receiver: Receiver) -> Iterator[Site]:
    """An application of each framework, on a server of its kind."""
    site = Site(request.param, tmp_path, receiver)
    yield site
    site.end()
