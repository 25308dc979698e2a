"""Journals of real processes: killed at any moment, forked, spawned, raced for, without disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parent / "programs" / "journaling.py"


def outcome(*arguments: object) -> Any:
    """Run the program, and return what it printed.

    Without coverage, which locks its data while threads run, and so for ever in what is forked then.
    """
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("how", ["mapped", "written"])
def test_what_was_appended_outlives_a_kill(tmp_path: Path, how: str) -> None:
    """Each record whose append returned true and that was not acknowledged is found, as it was, and nothing else."""
    seen = outcome(f"kills-{how}", tmp_path, 40)
    assert seen.pop("records") > 40 * 100
    assert seen == {"lost": 0, "changed": 0, "never_appended": 0, "twice": 0, "without_any": 0}


def test_a_fork_journals_its_own(tmp_path: Path) -> None:
    """Nothing of the parent's is written, acknowledged or sent by a child, nor the other way round."""
    seen = outcome("forks", tmp_path)
    assert seen == {"statuses": [0] * 11, "children": True, "parent": True, "complete": True}


def test_children_that_end_without_a_word_leave_everything(tmp_path: Path) -> None:
    """However multiprocessing starts them."""
    assert outcome("children", tmp_path) == {"fork": True, "spawn": True, "forkserver": True}


def test_exactly_one_process_adopts(tmp_path: Path) -> None:
    """Of six that try at once, of which four die in the middle: each record is delivered, and none twice."""
    seen = outcome("races", tmp_path, 10)
    assert seen == {"records": 1000, "adopted_at_once": 1, "lost": 0, "twice": 0}


def test_a_process_that_becomes_another_program_is_dead(tmp_path: Path) -> None:
    """Its id goes on, its lock does not."""
    assert outcome("reborn", tmp_path) == {"found": ["before"]}


def test_where_files_may_not_grow_nothing_breaks(tmp_path: Path) -> None:
    """What was journaled is there, and the rest is counted."""
    seen = outcome("starved", tmp_path, "limit")
    assert seen["durable"] > 100
    assert seen["all_durable_found"]
    assert sum(seen["not_journaled"].values()) == seen["refused"] > 0
    assert set(seen["not_journaled"]) == {"EFBIG"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_breaks_nothing(small_disk: Path) -> None:
    """All of its room was reserved before it was used: no page is missing when it is written."""
    seen = outcome("starved", small_disk, "disk")
    assert seen["durable"] > 2000
    assert seen["all_durable_found"]
    assert sum(seen["not_journaled"].values()) == seen["refused"] > 0
    assert set(seen["not_journaled"]) == {"ENOSPC"}
