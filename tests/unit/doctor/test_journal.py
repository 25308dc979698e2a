"""Where what waits is kept, as the doctor sees it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ezlogs.doctor.journal import journal
from ezlogs.settings import load

ENDPOINT = {"EZLOGS_ENDPOINT": "http://127.0.0.1:9"}


def said(environ: dict[str, str], mounts: str = "/proc/self/mounts") -> list[str]:
    """What the doctor says, with its verdict."""
    return [f"{one.verdict} {one}" for one in journal(load(environ), environ, "linux", mounts)]


def mounted(tmp_path: Path, kind: str) -> str:
    """A table in which everything is on one file system."""
    table = tmp_path / "mounts"
    table.write_text(f"device / {kind} rw 0 0\n")
    return str(table)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("ext4", "fine {}: what waits is kept there, and outlives the process"),
        ("btrfs", "fine {}: what waits is kept there, and outlives the process"),
        (
            "overlay",
            "warning {}: what waits is kept there, which is the layer of a container, and goes with it; give it",
        ),
        ("tmpfs", "warning {}: what waits is kept there, which is memory, and goes with the machine or the container;"),
        ("nfs4", "warning {}: what waits is kept there, on a file system in the network (nfs4): not before a call"),
    ],
)
def test_what_a_directory_outlives(tmp_path: Path, kind: str, expected: str) -> None:
    """By the file system that it is on, or will be made on."""
    for place in (tmp_path, tmp_path / "to be" / "made"):
        (told,) = said({**ENDPOINT, "EZLOGS_STATE_DIR": str(place)}, mounted(tmp_path, kind))
        assert told.startswith(expected.format(place))


def test_where_nothing_is_journaled_there_is_nothing_to_say(tmp_path: Path) -> None:
    """Without an endpoint nobody comes for it."""
    assert said({"EZLOGS_STATE_DIR": str(tmp_path)}) == []
    assert said({**ENDPOINT, "EZLOGS_ENABLED": "off"}) == []


def test_memory_is_told() -> None:
    """Whether it was asked for or there is no place."""
    assert said({**ENDPOINT, "EZLOGS_DURABILITY": "memory"}) == [
        "note what waits is in memory, and a killed process takes it along (durability = memory)"
    ]
    (told,) = said(ENDPOINT)
    assert told.startswith("warning what waits is in memory: neither EZLOGS_STATE_DIR nor HOME says")


@pytest.mark.parametrize("below", ["", "state"])
def test_a_directory_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str) -> None:
    """Be it there or to be made."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    (told,) = said({**ENDPOINT, "EZLOGS_STATE_DIR": str(tmp_path / below)})
    assert told.startswith("warning ")
    assert "not writable: what waits is in memory; give it a volume" in told
