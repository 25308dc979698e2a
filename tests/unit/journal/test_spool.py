"""The spool: what people see of what waits on disk, and what they may drop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ezlogs.journal import Directory, Journal, Kind, Priority
from ezlogs.journal.segment import VERSION
from ezlogs.journal.spool import drop_spooled, list_spooled, show_spooled

from .conftest import end_without_closing, left_in

MakeJournal = Callable[..., Journal]


@pytest.fixture
def living(make_journal: MakeJournal) -> Journal:
    """A journal in use."""
    journal = make_journal()
    journal.append(Kind.SPAN_OPEN, b"span", b"", timestamp=time.time_ns() - 10**9)
    journal.append(Kind.EVENT, b"riding", b"", Priority.AUDIT, owner=b"span")
    journal.ack([journal.append(Kind.EVENT, b"delivered", b"")])
    journal.append(Kind.EVENT, b"loose", b"payload")
    journal.prepare()
    return journal


def test_what_each_process_has_is_listed(living: Journal, directory: Directory) -> None:
    """Living or dead; listing changes neither."""
    (spooled,) = list_spooled(directory)
    assert (spooled.service, spooled.living, spooled.pid) == ("shop", True, os.getpid())
    assert spooled.home == os.path.basename(str(living.health()["directory"]))
    assert (spooled.waiting, spooled.priorities) == (3, {"normal": 2, "audit": 1})
    assert spooled.oldest is not None
    assert spooled.newest is not None
    assert spooled.newest - spooled.oldest >= 10**9
    assert (spooled.segments, spooled.size, spooled.problems) == (2, 8192, {})
    end_without_closing(living)
    assert list_spooled(directory) == [spooled._replace(living=False)]
    assert len(left_in(directory)) == 2
    assert list_spooled(directory) == []


def test_what_waits_is_shown(living: Journal, directory: Directory) -> None:
    """Of a living process too; showing delivers nothing."""
    assert [item.item_id for item in show_spooled(directory)] == [b"loose", b"span"]
    (spooled,) = list_spooled(directory)
    assert [item.item_id for item in show_spooled(directory, spooled.home)] == [b"loose", b"span"]
    assert list(show_spooled(directory, "another")) == []
    assert living.health()["waiting"] == 3


def test_only_what_the_dead_left_is_dropped(living: Journal, directory: Directory, make_journal: MakeJournal) -> None:
    """One process's, or that of all; counted with the events of spans."""
    dead = make_journal()
    dead.append(Kind.EVENT, b"dead", b"")
    end_without_closing(dead)
    assert drop_spooled(directory, "another") == 0
    assert drop_spooled(directory) == 1
    assert [item.item_id for item in show_spooled(directory)] == [b"loose", b"span"]
    end_without_closing(living)
    (spooled,) = list_spooled(directory)
    assert drop_spooled(directory, spooled.home) == 3
    assert directory.entries() == []


def test_segments_of_a_later_version_are_told_and_stay(living: Journal, directory: Directory) -> None:
    """They are dropped by that version."""
    path = os.path.join(str(living.health()["directory"]), "00000001.journal")
    with open(path, "r+b") as file:
        file.seek(8)
        file.write((VERSION + 1).to_bytes(2, "little"))
    end_without_closing(living)
    (spooled,) = list_spooled(directory)
    assert (spooled.waiting, spooled.oldest, spooled.problems) == (0, None, {"newer": 1})
    assert drop_spooled(directory) == 0
    assert os.path.exists(path)


def test_a_home_that_goes_while_it_is_looked_at_is_left_out(
    living: Journal, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process has delivered everything meanwhile."""
    real = os.stat

    def gone(path: object, **named: object) -> os.stat_result:
        if str(path).endswith(".journal"):
            raise FileNotFoundError(path)
        return real(path, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", gone)
    assert list_spooled(directory) == []
    assert living.health()["waiting"] == 3


def test_what_is_nobodys_home_is_passed_over(living: Journal, directory: Directory, tmp_path: Path) -> None:
    """A link in the directory is not followed, and hinders nothing."""
    os.symlink(tmp_path, os.path.join(directory.path, "0-link"))
    assert [item.item_id for item in show_spooled(directory)] == [b"loose", b"span"]
    assert [spooled.pid for spooled in list_spooled(directory)] == [os.getpid()]
    assert drop_spooled(directory) == 0
    for index in range(20):
        living.append(Kind.EVENT, str(index).encode(), bytes(1000))
        living.prepare()
    assert living.health()["problem"] is None
    assert living.health()["waiting"] == 23
