"""The `ezlogs` command in a shell: in a pipe that closes, in a terminal without many characters, without colours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.exchange.test_exchange import placed

from ezlogs.exchange import write

COMMAND = (sys.executable, "-m", "ezlogs.cli")


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Return a file of more events than a pipe holds."""
    path = tmp_path / "events.jsonl"
    path.write_text("".join(write([placed(number) for number in range(800)], "jsonl")))
    return path


def environment(**further: str) -> dict[str, str]:
    """Return an environment without anything about colours."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return {**kept, **further}


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "{}", "--format", "csv"),
        ("story", "{}", "--format", "text"),
        ("story", "{}"),
        ("story", "{}", "--json"),
    ],
)
def test_a_reader_that_has_seen_enough_is_no_error(arguments: tuple[str, ...], events: Path) -> None:
    """As in `ezlogs export ... | head`: it ends, and says nothing."""
    command = [*COMMAND, *(argument.format(events) for argument in arguments)]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(20)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (0, 1)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [("settings",), ("export", "{}"), ("story", "{}", "--json")])
def test_a_disk_that_is_full_is_said(arguments: tuple[str, ...], events: Path) -> None:
    """In one line, and the exit status says that there is no result."""
    command = [*COMMAND, *(argument.format(events) for argument in arguments)]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "Error: the result cannot be written: No space left on device\n")


def test_a_terminal_without_such_characters_gets_others(events: Path, tmp_path: Path) -> None:
    """Trees are drawn in ASCII, and nothing ends in an error."""
    few = tmp_path / "few.jsonl"
    few.write_text("".join(write([placed(1, actor={"type": "user", "id": 7, "label": "Zoë"})], "jsonl")))
    for command in (["story", str(few)], ["doctor", "--offline"], ["--help"]):
        done = subprocess.run(
            [*COMMAND, *command],
            env=environment(PYTHONIOENCODING="ascii"),
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.stdout.isascii(), command
        assert b"Traceback" not in done.stderr
    done = subprocess.run(
        [*COMMAND, "story", str(few)],
        env=environment(PYTHONIOENCODING="ascii"),
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert b"`-- +  +0 ms  shop  placed order 1  Zo?" in done.stdout
    assert b"\x1b" not in done.stdout + done.stderr


def test_what_is_not_understood_ends_with_2(tmp_path: Path) -> None:
    """An option that is not there, a module that cannot be imported."""
    for command in (["tail", "--nonsense"], ["story", "--phrases", "no_such_module"], ["export", "--format", "pdf"]):
        done = subprocess.run(
            [*COMMAND, *command],
            env=environment(),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 2, command
        assert "Traceback" not in done.stderr


def test_phrases_of_this_directory_are_used(events: Path, tmp_path: Path) -> None:
    """A module says how events are told."""
    (tmp_path / "shop_phrases.py").write_text(
        "import ezlogs\nezlogs.phrase('order.placed', 'Somebody wanted {subject.id}')\n"
    )
    few = tmp_path / "few.jsonl"
    few.write_text("".join(write([placed(7)], "jsonl")))
    command = [*COMMAND, "story", str(few), "--phrases", "shop_phrases", "--format", "text"]
    done = subprocess.run(
        command, env=environment(), cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    assert "Somebody wanted 7." in done.stdout
