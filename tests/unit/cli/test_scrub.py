"""`ezlogs scrub`, run as a user runs it."""

from __future__ import annotations

import importlib.metadata
import json
import re
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ezlogs.cli.app import app
from ezlogs.privacy import Pattern

BADGE = Pattern("badge", ("BDG",), re.compile(r"BDG\d{6}"))


@pytest.fixture(autouse=True)
def plain_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory without settings."""
    monkeypatch.chdir(tmp_path)


def scrub(text: str | bytes, *arguments: str, **environ: str) -> Result:
    """Run the command on standard input."""
    return CliRunner().invoke(app, ["scrub", "-", *arguments], input=text, env=environ, prog_name="ezlogs")


def test_a_text_loses_its_secrets_and_nothing_else() -> None:
    """Line ends, blank lines and a last line without an end stay; the findings are told by line and rule."""
    result = scrub("a\r\n\nto ada@example.com\npassword=hunter2 x\nlast")
    assert result.exit_code == 0
    assert result.stdout_bytes == b"a\r\n\nto [redacted]\npassword=[redacted] x\nlast"
    assert result.stderr.splitlines() == ["line 3: email", "line 4: key", "2 findings: email 1, key 1"]


def test_json_lines_are_told_by_path() -> None:
    """And as JSON for programs."""
    line = json.dumps({"user": {"password": "hunter2"}, "n": 1})
    assert scrub(f"{line}\n").stderr.splitlines()[0] == "line 1: user.password: key"
    result = scrub(f"{line}\n", "--json")
    assert json.loads(result.stdout) == {"user": {"password": "[redacted]"}, "n": 1}
    assert json.loads(result.stderr) == {"line": 1, "path": "user.password", "rule": "key"}


def test_a_private_key_is_one_finding_over_many_lines() -> None:
    """Its lines alone look like nothing; one that never ends goes too."""
    key = "-----BEGIN " + "PRIVATE KEY-----\n" + "MIIEvQ\n" * 5
    result = scrub(f"before\n{key}-----END " + "PRIVATE KEY-----\nafter\n")
    assert result.stdout == "before\n[redacted]\nafter\n"
    assert result.stderr.splitlines()[0] == "line 2: private_key"
    assert "MIIEvQ" not in scrub(f"before\n{key}").stdout


def test_bytes_that_are_no_text_pass() -> None:
    """In a line with a finding and in one without."""
    result = scrub(b"\xff\xfe ok\n\xff ada@example.com\n")
    assert result.stdout_bytes == b"\xff\xfe ok\n\xff [redacted]\n"


def test_the_settings_of_the_place_and_options_count() -> None:
    """Names and treatments from the environment, further names from the command line."""
    text = "salary=9 cart_token=abc bonus=5 ada@example.com\n"
    result = scrub(
        text, "--deny", "bonus", "--allow", "cart_token", EZLOGS_DENY="salary", EZLOGS_REDACTION="email=mask"
    )
    assert result.stdout == "salary=[redacted] cart_token=abc bonus=[redacted] …@example.com\n"


@pytest.mark.parametrize(("text", "status"), [("word\n", 0), ("ada@example.com\n", 1)])
def test_a_check_ends_with_a_status(text: str, status: int) -> None:
    """For use in a pipeline; a file without a finding says nothing."""
    result = scrub(text, "--check")
    assert result.exit_code == status
    assert bool(result.stderr) == bool(status)


def test_a_file_is_read(tmp_path: Path) -> None:
    """By its name; one that is not there is told."""
    (tmp_path / "app.log").write_text("to ada@example.com\n")
    assert CliRunner().invoke(app, ["scrub", "app.log"]).stdout == "to [redacted]\n"
    assert CliRunner().invoke(app, ["scrub", "missing.log"]).exit_code == 2


def test_rules_of_other_distributions_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a program that is started here."""
    point = EntryPoint("badge", f"{__name__}:BADGE", "ezlogs_privacy_rules")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point])
    assert scrub("BDG123456\n").stdout == "[redacted]\n"


def test_a_setting_that_cannot_be_used_is_told_and_nothing_is_passed() -> None:
    """It may have been meant to keep something back."""
    result = scrub("ada@example.com\n", EZLOGS_REDACTION="email=kep")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "did you mean 'keep'?" in " ".join(result.stderr.split())


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_line_of_any_length_takes_bounded_memory(end: bytes) -> None:
    """What is not looked at does not pass; what follows does."""
    result = scrub(b"x" * 3_000_000 + b" ada@example.com" + end + (b"after\n" if end else b""))
    assert len(result.stdout_bytes) < 70_000
    assert b"ada@" not in result.stdout_bytes
    assert result.stdout_bytes.endswith(b"[redacted]\nafter\n" if end else b"[redacted]")
    assert result.stderr.splitlines()[0] == "line 1: too_long"


def test_patterns_of_the_place_count() -> None:
    """As every setting of privacy does; one that cannot be used is told, and nothing is passed."""
    result = scrub("by BDG-123456 here\n", EZLOGS_PATTERNS="badge=BDG-[0-9]{6}")
    assert result.stdout == "by [redacted] here\n"
    assert result.stderr.splitlines()[0] == "line 1: badge"
    result = scrub("by BDG-123456 here\n", EZLOGS_PATTERNS="badge=(")
    assert result.exit_code == 2
    assert result.stdout == ""
