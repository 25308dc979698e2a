"""Fixtures of the tests of faults: a collector that can be made faulty, and a journal of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .faulty import Faulty


@pytest.fixture
def collector() -> Iterator[Faulty]:
    """A collector that takes everything until told otherwise."""
    made = Faulty()
    yield made
    made.healed.set()
    made.close()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where journals are: nobody else's."""
    monkeypatch.setenv("EZLOGS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "state"
