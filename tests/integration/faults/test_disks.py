"""Disks that are full, read-only, removed or too small: the application does not notice, and what it costs is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.orders import UseProvider, eventually
from tests.unit.otlp.collectors import respond

import ezlogs
from ezlogs.launch.health import balance

from .faulty import Faulty, emit, flushed, start

root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount a small disk")


@pytest.fixture
def disk(state: Path) -> Iterator[Path]:
    """A file system of six megabytes, where journals are."""
    state.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m,mode=700", "tmpfs", str(state)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield state
    ezlogs.shutdown()
    subprocess.run(["umount", "-l", str(state)], check=True)


def fill(disk: Path) -> None:
    """Leave no room."""
    with (disk / "full").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def timed(number: int, **said: Any) -> list[str]:
    """Emit events; none takes long, whatever the disk does."""
    ids, longest = [], 0.0
    for _ in range(number):
        begin = time.monotonic()
        ids += emit(1, **said)
        longest = max(longest, time.monotonic() - begin)
    assert longest < 5
    return ids


def journal() -> dict[str, Any]:
    """What is told of it."""
    told: Any = ezlogs.health()
    return dict((told["logs"] if told["carrier"] == "log" else told)["journal"])


def all_arrive(collector: Faulty, ids: list[str]) -> None:
    """Deliver what waits; each event arrives, and none is counted as lost."""
    collector.heal()
    told = flushed()
    assert (told["lost"], told["delivered"], balance(told)) == ({}, len(ids), 0), told
    assert collector.arrived() == Counter(ids)


@root
@pytest.mark.parametrize("carrier", ["span", "log"])
def test_a_disk_that_is_full_from_the_beginning(
    collector: Faulty, use_provider: UseProvider, disk: Path, carrier: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Events wait in memory, ``health()`` tells of each that no disk has, and the log says so once a minute."""
    use_provider()
    fill(disk)
    collector.fail(answer=lambda request: respond(503))
    start(collector, carrier=carrier)
    ids = timed(500)
    told = journal()
    assert told["problem"], told
    assert sum(told["not_journaled"].values()) + told["deferred"] >= 500
    eventually(lambda: "events wait in memory only" in caplog.text)
    ids += timed(500)
    assert caplog.text.count("events wait in memory only") == 1
    assert "No space left on device" in caplog.text
    all_arrive(collector, ids)


@root
@pytest.mark.parametrize("carrier", ["span", "log"])
def test_a_disk_that_fills_up(collector: Faulty, use_provider: UseProvider, disk: Path, carrier: str) -> None:
    """What was on it is safe, the rest in memory and told of; with room again it goes on."""
    use_provider()
    collector.fail(answer=lambda request: respond(503))
    start(collector, carrier=carrier)
    ids = timed(100)
    assert journal()["not_journaled"] == {}
    fill(disk)
    noise = {f"part_{at}": "text " * 100 for at in range(4)}
    ids += timed(2000, metadata=noise)
    told = journal()
    assert "No space left" in told["problem"]
    assert sum(told["not_journaled"].values()) + told["deferred"] > 100, "what is in memory only is told of"
    (disk / "full").unlink()
    all_arrive(collector, ids)
    collector.fail(answer=lambda request: respond(503))
    ids += timed(100)
    eventually(lambda: (journal()["problem"], journal()["deferred"]) == (None, 0), 40)
    all_arrive(collector, ids)


@root
@pytest.mark.parametrize("carrier", ["span", "log"])
def test_a_directory_that_can_only_be_read(
    collector: Faulty, use_provider: UseProvider, disk: Path, carrier: str, caplog: pytest.LogCaptureFixture
) -> None:
    """There is no journal: that is said once, and ``health()`` tells why."""
    use_provider()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    start(collector, carrier=carrier)
    ids = timed(200)
    all_arrive(collector, ids)
    assert caplog.text.count("events wait in memory only") == 1
    assert "Read-only file system" in journal()["problem"]


@root
def test_a_disk_that_can_only_be_read_from_some_time_on(
    collector: Faulty, use_provider: UseProvider, disk: Path
) -> None:
    """As the system does with one that is damaged."""
    use_provider()
    collector.fail(answer=lambda request: respond(503))
    start(collector, max_batch_size=50)
    ids = timed(100)
    remount = ["mount", "-o", "remount,ro", str(disk)]
    done = subprocess.run(remount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a disk that is written to cannot be made read-only here: {done.stderr.strip()}")
    ids += timed(100)
    all_arrive(collector, ids)


@pytest.mark.parametrize("carrier", ["span", "log"])
def test_a_directory_that_is_removed_meanwhile(
    collector: Faulty, use_provider: UseProvider, state: Path, carrier: str
) -> None:
    """By somebody who tidies up: nothing that this process has is lost."""
    use_provider()
    collector.fail(answer=lambda request: respond(503))
    start(collector, carrier=carrier)
    ids = timed(100)
    while state.exists():  # the journal may be making a file in it at this moment
        shutil.rmtree(state, ignore_errors=True)
    ids += timed(1000, metadata={f"part_{at}": "text " * 100 for at in range(10)})
    eventually(lambda: bool(journal()["problem"] or journal()["not_journaled"] or any(state.rglob("*.journal"))))
    all_arrive(collector, ids)


@pytest.mark.parametrize("carrier", ["span", "log"])
def test_a_journal_that_may_hold_little(collector: Faulty, use_provider: UseProvider, carrier: str) -> None:
    """A megabyte, for six: memory has the rest, and what is on no disk any more is told of."""
    use_provider()
    collector.fail(answer=lambda request: respond(503))
    start(collector, carrier=carrier, journal_size=1 << 20)
    ids = timed(1500, metadata={f"part_{at}": "text " * 100 for at in range(8)})
    told = journal()
    assert told["bytes"] <= 2 << 20, told
    assert told["waiting"] > 0, "none of it is on disk"
    assert sum(told["not_journaled"].values()) + sum(told["evicted"].values()) + told["deferred"] > 0, told
    all_arrive(collector, ids)
