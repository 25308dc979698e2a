"""What runs at exit leaves an interrupt what it is: how the program ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ezlogs.launch.interrupt import interrupt_kept

PROGRAM = """
import atexit, sys
from ezlogs.launch.interrupt import interrupt_kept

def at_exit():
    with interrupt_kept():
        eval("1")  # as a late import does for a named tuple

atexit.register(at_exit)
{}
"""


@pytest.mark.parametrize(
    ("end", "status"),
    [("raise KeyboardInterrupt", -2), ("raise LookupError", 1), ("sys.exit(3)", 3), ("", 0)],
)
def test_a_program_ends_as_it_would_have(end: str, status: int) -> None:
    """By SIGINT only where nobody handled it."""
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(end)], capture_output=True, check=False)
    assert done.returncode == status, done.stderr


def test_an_interrupt_in_a_shell_is_of_no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """There it was shown, and the shell went on."""
    monkeypatch.setattr(sys, "last_type", KeyboardInterrupt, raising=False)
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with interrupt_kept():
        pass


def test_an_interrupt_is_not_raised_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python takes note of it, and whatever else runs at exit runs."""
    monkeypatch.setattr(sys, "last_type", KeyboardInterrupt, raising=False)
    with interrupt_kept():
        pass
    eval("1")  # or this process would end by it, too
