"""The setting of users' own patterns: how it is written, shown and refused, and that it fails closed."""

from __future__ import annotations

import json

import pytest

import ezlogs
from ezlogs.runtime import scrubber_of
from ezlogs.settings import InvalidSettings, Settings, load
from ezlogs.settings.configfile import ConfigFile, Files
from ezlogs.settings.expressions import PatternList, Patterns
from ezlogs.settings.kinds import UnacceptableError
from ezlogs.testing import capture

KIND = PatternList()
BADGE = "BDG-[0-9]{3,6}"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (f"badge={BADGE}", {"badge": BADGE}),
        (f"\n badge = {BADGE}\n\n desk=D=[0-9]\n", {"badge": f" {BADGE}", "desk": "D=[0-9]"}),
        (json.dumps({"badge": BADGE}), {"badge": BADGE}),
        ({"badge": BADGE}, {"badge": BADGE}),
        ("", {}),
        ({}, {}),
    ],
)
def test_what_is_understood(given: object, expected: object) -> None:
    """One a line, as JSON, or a mapping; an expression keeps its spaces, commas and equals signs."""
    parsed = KIND.parse(given)
    assert isinstance(parsed, Patterns)
    assert dict(parsed) == expected
    assert KIND.parse(parsed) == parsed
    assert hash(KIND.parse(parsed)) == hash(parsed)
    assert KIND.shown(parsed) == expected


@pytest.mark.parametrize("given", [7, None, "badge", "{", {7: "x"}, {"badge": 7}, '{"badge": 7}', ["badge"], '["a"]'])
def test_what_is_refused(given: object) -> None:
    """The text says what is allowed, and what is safe instead is said as well."""
    with pytest.raises(UnacceptableError, match="use lines such as 'badge="):
        KIND.parse(given)
    assert KIND.closed(given) == Patterns({"patterns": ""})


def test_every_wrong_pattern_is_told_at_once() -> None:
    """By its name, with the reason."""
    with pytest.raises(UnacceptableError, match=r"'a': not a regular expression: .*; 'B': 'B' is no name for a rule"):
        KIND.parse({"a": "(", "B": "x", "badge": BADGE})


def test_a_pattern_may_be_given_in_each_place() -> None:
    """In a table of a file, in the environment, in code."""
    file = ConfigFile("ezlogs.toml", f"[privacy.patterns]\nbadge = '{BADGE}'\n")
    loaded = load({}, files=Files((file,)))
    assert (dict(loaded.settings.patterns), loaded.sources["patterns"]) == ({"badge": BADGE}, "ezlogs.toml:1")
    file = ConfigFile("ezlogs.toml", f"[privacy]\npatterns = {{badge = '{BADGE}'}}\n")
    assert dict(load({}, files=Files((file,))).settings.patterns) == {"badge": BADGE}
    assert dict(load({"EZLOGS_PATTERNS": "desk=D[0-9]"}, files=Files((file,))).settings.patterns) == {"desk": "D[0-9]"}
    with capture(patterns={"badge": BADGE}) as captured:
        ezlogs.event("door.action", "opened", metadata={"by": "BDG-123"})
    assert captured.exported[0]["ezlogs.metadata.by"] == "[redacted]"
    assert captured.exported[0]["ezlogs.redacted"] == ("metadata.by: badge",)


def test_a_wrong_pattern_stops_configure() -> None:
    """With where it was given, and why."""
    with pytest.raises(InvalidSettings, match=r"configure\(\): patterns \{'badge': '\('\}: 'badge': not a regular"):
        ezlogs.configure(patterns={"badge": "("}, instrument="none")


def test_a_wrong_pattern_in_the_file_is_told_with_its_line() -> None:
    """As every setting is."""
    file = ConfigFile("ezlogs.toml", "[core]\ndebug = true\n[privacy.patterns]\nbadge = '('\n")
    (problem,) = load({}, files=Files((file,))).problems
    assert str(problem).startswith(
        "ezlogs.toml:3: [privacy] patterns {'badge': '('}: 'badge': not a regular expression"
    )


def test_where_nobody_may_be_stopped_a_wrong_pattern_fails_closed() -> None:
    """What a launcher goes on with redacts what the pattern may have found, and no weaker place takes over."""
    file = ConfigFile("ezlogs.toml", f"[privacy.patterns]\nbadge = '{BADGE}'\n")
    loaded = load({"EZLOGS_PATTERNS": "badge=(\ndesk=D-[a-z]"}, files=Files((file,)))
    assert len(loaded.problems) == 1
    assert loaded.sources["patterns"] == "EZLOGS_PATTERNS in the environment"
    scrubber = scrubber_of(loaded.settings)
    assert scrubber.text("opened by BDG-123", "m", []) == "[redacted]"
    assert scrubber.text("D-a", "m", []) == "[redacted]"
    assert scrubber.text("opened", "m", []) == "opened"
    assert scrubber_of(Settings()).text("opened by BDG-123", "m", []) == "opened by BDG-123"


def test_other_settings_ask_the_next_place_as_before() -> None:
    """Only what was meant to keep something back is closed."""
    loaded = load({"EZLOGS_SERVICE_NAME": " ", "EZLOGS_COMPRESSION": "zip", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"})
    assert loaded.settings.compression == "gzip"
    assert KIND.closed({"badge": "("}) == Patterns({"badge": "("})


def test_patterns_equal_what_has_the_same_names_and_expressions() -> None:
    """So that the same settings given twice change nothing."""
    assert Patterns({"a": "x", "b": "y"}) == Patterns({"b": "y", "a": "x"})
    assert Patterns({"a": "x"}) != Patterns({"a": "y"})
    assert repr(Patterns({"a": "x"})) == "Patterns({'a': 'x'})"
