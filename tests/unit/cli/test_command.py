"""The `ezlogs` command, run as a user runs it: arguments and environment in, text and exit status out."""

from __future__ import annotations

import io
import json
import os
import sys

import pytest
from click.testing import CliRunner, Result

from ezlogs.cli import main
from ezlogs.cli.app import COMMANDS, app
from ezlogs.settings import TABLE
from ezlogs.version import __version__


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which nothing of ezlogs, OpenTelemetry or the terminal is set."""
    for name in list(os.environ):
        if name.startswith(("EZLOGS_", "OTEL_")) or name in {"COLUMNS", "FORCE_COLOR", "NO_COLOR"}:
            monkeypatch.delenv(name)


def ezlogs(*arguments: str, **environ: str) -> Result:
    """Run the command in an environment."""
    return CliRunner().invoke(app, arguments, env=environ, prog_name="ezlogs")


def words(text: str) -> str:
    """The text without its line breaks."""
    return " ".join(text.split())


def test_without_arguments_the_command_explains_itself() -> None:
    """Bare `ezlogs` prints its help, lists every command, and is no error."""
    result = ezlogs()
    assert result.exit_code == 0
    assert result.stdout == ezlogs("--help").stdout
    assert all(str(command.name) in result.stdout for command in COMMANDS)
    assert "\x1b" not in result.stdout


def test_a_command_explains_itself() -> None:
    """`ezlogs settings --help` says what it does, with its options."""
    result = ezlogs("settings", "--help", COLUMNS="80")
    assert result.exit_code == 0
    assert "Secrets are masked." in words(result.stdout)
    assert "--json" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_the_version_is_told() -> None:
    """`ezlogs --version` is the version of the package."""
    assert ezlogs("--version").stdout == f"ezlogs {__version__}\n"


def test_an_unknown_command_is_refused() -> None:
    """A misspelled command exits with 2."""
    assert ezlogs("setings").exit_code == 2


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_settings_are_shown_with_value_source_and_meaning(columns: str) -> None:
    """Every setting is there at every width of the terminal, whole words, nothing cut off."""
    result = ezlogs("settings", COLUMNS=columns, OTEL_SERVICE_NAME="shop", EZLOGS_DENY="[red]")
    text = words(result.stdout)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "service_name shop OTEL_SERVICE_NAME in the environment The service that" in text
    assert "deny [red] EZLOGS_DENY in the environment" in text
    assert "timeout 10 default How long one request may take." in text
    assert "certificate not set default" in text
    assert all(f"{name} " in text and setting.doc in text for name, setting in TABLE.items())
    assert max(map(len, result.stdout.splitlines())) <= int(columns)


def test_settings_as_json_are_for_programs() -> None:
    """`--json` prints values with their types, sources and meaning, secrets masked."""
    result = ezlogs(
        "settings",
        "--json",
        EZLOGS_TIMEOUT="3",
        EZLOGS_INSTRUMENT="django,celery",
        EZLOGS_HEADERS="x-key=hunter2",
    )
    report = json.loads(result.stdout)
    assert result.exit_code == 0
    assert report["problems"] == []
    assert list(report["settings"]) == list(TABLE)
    assert report["settings"]["timeout"] == {
        "value": 3.0,
        "source": "EZLOGS_TIMEOUT in the environment",
        "doc": TABLE["timeout"].doc,
    }
    assert report["settings"]["instrument"]["value"] == ["django", "celery"]
    assert report["settings"]["headers"]["value"] == {"x-key": "****"}
    assert report["settings"]["certificate"]["value"] is None
    assert "hunter2" not in result.output


@pytest.mark.parametrize("arguments", [("settings",), ("settings", "--json")])
def test_problems_are_told_on_standard_error(arguments: tuple[str, ...]) -> None:
    """What cannot be used goes to standard error, a line each; the settings are shown anyway; exit 1."""
    result = ezlogs(*arguments, COLUMNS="40", EZLOGS_ENPOINT="x", EZLOGS_TIMEOUT="[soon]")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "! EZLOGS_ENPOINT in the environment: unknown setting; did you mean EZLOGS_ENDPOINT?",
        "! EZLOGS_TIMEOUT in the environment: timeout '[soon]': not a number; use 0.001 to 600 seconds",
    ]
    assert "service_name" in result.stdout


def test_the_console_script_runs_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """main() takes its arguments from the command line and exits with the command's status."""
    monkeypatch.setattr(sys, "argv", ["/usr/bin/something", "--version"])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"ezlogs {__version__}\n"


@pytest.mark.parametrize("package", ["click", "rich"])
def test_without_its_packages_the_command_says_what_to_install(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where click or rich is not installed, the command names the extra that brings them, and exits 2."""
    for name in [name for name in sys.modules if name.startswith(("ezlogs.cli.", f"{package}."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "the ezlogs command needs: pip install 'ezlogs-opentelemetry[dev]'\n"


def test_any_other_missing_module_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of ezlogs' own that is missing is a defect, and shown as one."""
    for name in [name for name in sys.modules if name.startswith("ezlogs.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ezlogs.cli.help", None)
    with pytest.raises(ModuleNotFoundError):
        main()


def test_any_other_error_of_the_system_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it would be a defect."""

    def fail(prog_name: str) -> None:
        raise PermissionError(prog_name)

    monkeypatch.setattr("ezlogs.cli.app.app", fail)
    with pytest.raises(PermissionError):
        main()


def test_characters_that_a_terminal_lacks_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks have their own, and what is no text to be written is an error as ever."""
    content = io.BytesIO()
    stream = io.TextIOWrapper(content, encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "argv", ["ezlogs", "--version"])
    with pytest.raises(SystemExit):
        main()
    stream.write("✓ Zoë →")
    stream.flush()
    assert content.getvalue().endswith(b"+ Zo? ->")
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", "ezlogs")
