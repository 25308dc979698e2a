"""Fixtures of the tests that send through a real collector: its binary, built once; collectors; services."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .certificates import Authority
from .processes import Collector, Emitter

ROOT = Path(__file__).parents[3]
BINARY = ROOT / ".collector" / "otelcol-ezlogs"
LONGEST_BUILD = 900.0
"""Seconds; a build from nothing takes a few minutes on two cores."""

StartCollector = Callable[..., Collector]
StartEmitter = Callable[..., Emitter]


@pytest.fixture(scope="session")
def binary() -> Path:
    """The collector, built if it is not there or older than its sources; whoever comes second waits for the first."""
    if not BINARY.exists() and shutil.which("go") is None:
        pytest.skip("there is no Go, and no collector was built: install Go, and run `make collector`")
    if shutil.which("make") is None:
        pytest.skip("there is no make, and so no `make collector`")
    BINARY.parent.mkdir(exist_ok=True)
    with (BINARY.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            made = subprocess.run(
                ["make", "collector"],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LONGEST_BUILD,
                check=False,
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"`make collector` was not done after {LONGEST_BUILD:g} s")
    if made.returncode and "Not built:" in made.stderr:
        pytest.skip(f"`make collector` says: {made.stderr[made.stderr.index('Not built:') :].splitlines()[0]}")
    assert made.returncode == 0, made.stderr
    return BINARY


@pytest.fixture
def collector(binary: Path, tmp_path: Path) -> Iterator[StartCollector]:
    """Starts collectors, each named; they end with the test."""
    started: list[Collector] = []

    def start(name: str, *files: str, running: bool = True, **more: Any) -> Collector:
        one = Collector(binary, tmp_path / name, *files, **more)
        started.append(one)
        if running:
            one.start()
        return one

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def emitter(tmp_path: Path) -> Iterator[StartEmitter]:
    """Starts services, which share one state directory; they end with the test."""
    started: list[Emitter] = []

    def start(endpoint: str, **settings: Any) -> Emitter:
        log = tmp_path / f"emitter-{len(started)}.log"
        settings = {"durability": "process", "state_dir": str(tmp_path / "state"), **settings}
        started.append(Emitter(log, endpoint=endpoint, **settings))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the certificates of a test run."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl command to make certificates with")
    return Authority(tmp_path_factory.mktemp("authority"))
