"""Rules that other distributions bring along by an entry point."""

from __future__ import annotations

import importlib.metadata
import re
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from ezlogs.launch.rules import GROUP, installed_rules
from ezlogs.launch.start import start
from ezlogs.privacy import Pattern, Scrubber
from ezlogs.runtime import install
from ezlogs.settings import load

BADGE = Pattern("badge", ("BDG",), re.compile(r"BDG\d{6}"))
DESK = Pattern("desk", ("DSK",), re.compile(r"DSK\d{3}"))


def rules() -> Any:
    """Return rules, as an entry point may name a function that does."""
    yield BADGE
    yield DESK


def broken() -> Any:
    """Fail, as somebody else's code may."""
    raise RuntimeError


SEVERAL = [BADGE, DESK]


def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[EntryPoint]:
    """Have entry points that name parts of this file, and return where lookups are counted."""
    points = [EntryPoint(name, f"{__name__}:{name}", GROUP) for name in names]
    looked: list[EntryPoint] = []

    def entry_points(group: str) -> list[EntryPoint]:
        assert group == GROUP
        looked.extend(points)
        return points

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    return looked


@pytest.mark.parametrize(("name", "expected"), [("BADGE", [BADGE]), ("SEVERAL", SEVERAL), ("rules", SEVERAL)])
def test_an_entry_point_names_rules_in_any_form(
    name: str, expected: list[Pattern], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule, some rules, or a function that returns them."""
    installed(monkeypatch, name)
    assert list(installed_rules(pytest.fail)) == expected


@pytest.mark.parametrize("name", ["broken", "GROUP", "pytest", "Pattern", "missing"])
def test_one_that_gives_no_rules_is_told_and_costs_the_others_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it raises, names something else or is not there."""
    installed(monkeypatch, name, "BADGE")
    told: list[str] = []
    assert installed_rules(told.append) == (BADGE,)
    (text,) = told
    assert text.startswith(f"the privacy rules of the entry point '{name}' are not in use: ")


def test_they_are_looked_for_when_something_is_first_scrubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """And then see every text, also those too short for any rule of ezlogs' own."""
    looked = installed(monkeypatch, "BADGE")
    scrubber = Scrubber(further=lambda: installed_rules(pytest.fail))
    assert looked == []
    assert not scrubber.is_clean("BDG123456")
    assert scrubber.value("m", {"id": "BDG123456", "n": "word"}, "m", []) == {"id": "[redacted]", "n": "word"}
    assert scrubber.is_clean("word")
    assert len(looked) == 1


def test_without_any_the_short_way_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """One word holds nothing that ezlogs' own rules find."""
    installed(monkeypatch)
    scrubber = Scrubber(further=lambda: installed_rules(pytest.fail))
    assert scrubber.text("word", "m", []) == "word"
    assert scrubber.is_clean("another")


def test_where_entry_points_cannot_be_read_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken metadata of some distribution must not redact everything, nor stop the application."""

    def entry_points(group: str) -> None:
        raise OSError(group)

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    told: list[str] = []
    assert installed_rules(told.append) == ()
    assert told == ["no privacy rules of other distributions are in use: OSError"]


@pytest.mark.parametrize(("endpoint", "looked_up"), [(None, 1), ("http://127.0.0.1:9", 0)])
def test_the_applications_thread_does_not_look_for_them(
    endpoint: str | None, looked_up: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it may scrub, they are found while ezlogs starts; where the worker does, by the worker."""
    looked = installed(monkeypatch, "BADGE")
    runtime = start(load({}, {"endpoint": endpoint} if endpoint else {}))
    install(None)
    assert len(looked) == looked_up
    assert runtime.scrubber.text("BDG123456", "m", []) == "[redacted]"
    assert len(looked) == 1
