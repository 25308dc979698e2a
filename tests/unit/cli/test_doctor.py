"""`ezlogs doctor`, run as a user runs it: in a directory, with an environment, at a width."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ezlogs.cli.app import app
from ezlogs.settings import TABLE


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty directory, and an environment in which nothing of ezlogs, OpenTelemetry or the terminal is set."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("EZLOGS_", "OTEL_")) or name in {"COLUMNS", "FORCE_COLOR", "NO_COLOR"}:
            monkeypatch.delenv(name)


def doctor(*arguments: str, **environ: str) -> Result:
    """Run the command in an environment."""
    return CliRunner().invoke(app, ["doctor", *arguments], env=environ, prog_name="ezlogs")


def words(text: str) -> str:
    """The text without its line breaks."""
    return " ".join(text.split())


@pytest.mark.parametrize("columns", ["60", "80", "120", "200"])
def test_everything_fits_at_every_width(columns: str) -> None:
    """Values with their sources, problems with their places; no line is longer, none ends in spaces."""
    Path("ezlogs.toml").write_text("[sampling]\nsample_rate = 0.1\n[delivery]\ntimeout = 'soon'\n")
    environ = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector.example.com/v1/traces", "EZLOGS_TIMOUT": "1"}
    result = doctor("--offline", COLUMNS=columns, **environ)
    text = words(result.stdout)
    assert result.exit_code == 1
    assert "\x1b" not in result.output
    assert "EZLOGS_TIMOUT in the environment: unknown setting; did you mean EZLOGS_TIMEOUT?" in text
    assert "ezlogs.toml:4: [delivery] timeout 'soon': not a number; use 0.001 to 600 seconds" in text
    assert "sample_rate 0.1 ezlogs.toml:2" in text
    assert "files: ezlogs.toml" in text
    assert all(name in text for name in TABLE)
    assert "✗ 2 problems, 2 warnings" in result.stdout.splitlines()[-1]
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert all(line == line.rstrip() for line in lines)


def test_all_is_well_when_it_is() -> None:
    """Nothing was set, and nobody looked whether a collector is there."""
    result = doctor("--offline")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "✓ all is well"


def test_a_collector_that_is_not_there_is_a_problem_once_it_is_set() -> None:
    """The exit status says so to a script."""
    result = doctor(EZLOGS_ENDPOINT="http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "delivery\n  ✗ no collector at http://127.0.0.1:9: Connection refused" in result.stdout
    assert result.stdout.splitlines()[-1] == "✗ 1 problem"


def test_a_warning_is_no_problem() -> None:
    """It is counted, and the exit status is 0; advice and secrets have their form."""
    result = doctor("--offline", EZLOGS_SAMPLE_RATE="0.5", EZLOGS_HEADERS="authorization=hunter2", EZLOGS_DENY="[red]")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "! 1 warning"
    assert "[red]" in result.stdout
    assert "hunter2" not in result.output


def test_advice_follows_what_was_found() -> None:
    """In the same sentence."""
    result = doctor("--offline", OTEL_PYTHON_DISTRO="ezlog", COLUMNS="120")
    assert "names 'ezlog', which is not installed: none runs; use one of ezlogs" in words(result.stdout)


def test_as_json_it_is_for_programs() -> None:
    """The same findings, and the same exit status."""
    result = doctor("--json", "--offline", EZLOGS_TIMEOUT="soon")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert document["problems"] == 1
    assert document["findings"]["settings"][0]["about"] == "EZLOGS_TIMEOUT in the environment"


def test_where_there_are_no_such_characters_the_marks_are_plain() -> None:
    """A terminal or a pipe of another encoding shows signs that it has."""
    result = CliRunner(charset="ascii").invoke(app, ["doctor", "--offline"])
    assert result.exit_code == 0
    assert result.stdout_bytes.isascii()
    assert result.stdout.splitlines()[-1] == "+ all is well"


@pytest.mark.parametrize("columns", ["60", "80", "120", "200"])
def test_privacy_is_told_instead_of_everything_else(columns: str) -> None:
    """What others see first, the settings of privacy alone, the kinds that are redacted; it fits at every width."""
    result = doctor("--privacy", COLUMNS=columns, EZLOGS_DENY="salary", EZLOGS_HASH_KEY="s3cret" * 4)
    text = words(result.stdout)
    assert result.exit_code == 0, result.stdout
    assert text.index("exporters") < text.index("captured") < text.index("rules") < text.index("self-test")
    assert "deny salary EZLOGS_DENY in the environment" in text
    assert "not set: allow" in text
    assert "timeout" not in text
    assert "kinds are redacted: payment card" in text
    assert "s3cret" not in result.output
    assert max(map(len, result.stdout.splitlines())) <= int(columns)


def test_what_gets_through_ends_with_status_1() -> None:
    """A script can ask whether a setting has opened a hole, as JSON too."""
    result = doctor("--privacy", "--json", EZLOGS_REDACTION="email=keep")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert document["problems"] == 1
    assert document["findings"]["self-test"][1]["about"] == "e-mail address"
