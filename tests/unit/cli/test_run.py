"""`ezlogs run`: the program takes the command's place, with ezlogs in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from ezlogs.cli.app import app
from ezlogs.dev.receiver import Receiver
from ezlogs.story import told

EZLOGS = (sys.executable, "-m", "ezlogs.cli")


def test_a_program_is_instrumented_and_its_exit_status_is_its_own() -> None:
    """Its options are not read by the command."""
    code = "import sys, ezlogs; ezlogs.event('order.action', 'placed'); sys.exit(int(sys.argv[-1]))"
    with Receiver() as receiver:
        environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "EZLOGS_DURABILITY": "memory"}
        ran = subprocess.run([*EZLOGS, "run", sys.executable, "-c", code, "--help", "7"], env=environ, check=False)
        assert ran.returncode == 7
        assert [one.event.action for one in told(receiver.spans)] == ["placed"]


def test_signals_reach_the_program() -> None:
    """There is no process in between."""
    code = "import signal, time; print('ready', flush=True); time.sleep(60)"
    environ = {**os.environ, "EZLOGS_ENABLED": "false"}
    with subprocess.Popen([*EZLOGS, "run", sys.executable, "-c", code], env=environ, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n"
        program.send_signal(signal.SIGTERM)
        assert program.wait(30) == -signal.SIGTERM


def test_what_cannot_be_run_is_said(tmp_path: Path) -> None:
    """With the exit status of a shell, and no word of a traceback."""
    result = CliRunner().invoke(app, ["run", "no-such-program"])
    assert (result.exit_code, result.output) == (127, "Error: no-such-program: command not found\n")
    text = tmp_path / "app.py"
    text.touch(0o600)
    result = CliRunner().invoke(app, ["run", str(text)])
    assert (result.exit_code, result.output) == (126, f"Error: {text}: is no program that may be run\n")
    assert CliRunner().invoke(app, ["run"]).exit_code == 2
