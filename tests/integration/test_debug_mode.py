"""Debug mode in real processes: a terminal that is closed, gone or never read, forks, and the end of a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

START = """
import os, sys, threading, time
import ezlogs
ezlogs.configure(service_name="shop", instrument="none", endpoint="http://127.0.0.1:9", shutdown_timeout=0.1)

def order(number):
    with ezlogs.flow("checkout", number):
        ezlogs.event("order.action", "placed", subject=("order", number))
"""


def run(program: str, tmp_path: Path, **options: object) -> subprocess.Popen[str]:
    """Run a program with debug mode on."""
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("EZLOGS_", "OTEL_"))},
        "EZLOGS_DEBUG": "1",
        "EZLOGS_STATE_DIR": str(tmp_path),
        "NO_PROXY": "127.0.0.1",
    }
    command = [sys.executable, "-c", START + program]
    return subprocess.Popen(command, env=environ, text=True, **options)  # type: ignore[call-overload, no-any-return]  # as given


def test_what_happened_is_shown_before_the_process_ends(tmp_path: Path) -> None:
    """Also where it ends at once."""
    with run("order(1)\nprint('done')", tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "done\n")
    assert "start checkout 1" in err
    assert "complete checkout 1" in err


@pytest.mark.parametrize("closing", ["sys.stderr.close()", "os.close(2)", "sys.stderr = None"])
def test_a_closed_standard_error_is_survived(closing: str, tmp_path: Path) -> None:
    """The program's result is what it would have been."""
    with run(f"{closing}\norder(1)\nezlogs.flush(0)\norder(2)\nprint('done')", tmp_path) as process:
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "done\n")


def test_a_reader_that_went_away_is_survived(tmp_path: Path) -> None:
    """A broken pipe ends the showing, and nothing else."""
    with run("input()\norder(1)\nezlogs.flush(0)\norder(2)\nprint('done')", tmp_path, stdin=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stderr.close()
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.read() == "done\n"
    assert process.returncode == 0


def test_a_terminal_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    """A full pipe blocks the thread that shows, and neither the application nor its end."""
    program = "for number in range(3_000): order(number)\nprint('done', flush=True)"
    with run(program, tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.read() == "done\n"
        assert process.wait(60) == 0
        assert process.stderr is not None
        process.stderr.close()


def test_a_file_that_took_the_number_of_standard_error_is_not_written_to(tmp_path: Path) -> None:
    """Whoever closes it by its number has that given to the next file."""
    program = f"""
order(1)
ezlogs.flush(0)
os.close(2)
precious = os.open({str(tmp_path / "precious")!r}, os.O_CREAT | os.O_RDWR)
assert precious == 2
order(2)
ezlogs.flush(0)
print('done')
"""
    with run(program, tmp_path) as process:
        out, _ = process.communicate(timeout=60)
    assert out == "done\n"
    assert "order 2" not in (tmp_path / "precious").read_text()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_worker_shows_what_is_its_own(tmp_path: Path) -> None:
    """Each process shows its stories, each once."""
    program = """
order(1)
child = os.fork()
if not child:
    order(2)
    ezlogs.shutdown()
    os._exit(0)
os.waitpid(child, 0)
order(3)
"""
    with run(program, tmp_path) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert [err.count(f"start checkout {number}") for number in (1, 2, 3)] == [1, 1, 1]


def test_the_lines_of_threads_do_not_mix_with_those_of_stories(tmp_path: Path) -> None:
    """A story is one write."""
    program = """
def chat():
    for _ in range(300):
        sys.stderr.write("chat\\n")
threads = [threading.Thread(target=chat) for _ in range(3)]
for thread in threads: thread.start()
for number in range(30): order(number)
ezlogs.flush(0)
for thread in threads: thread.join()
"""
    with run(program, tmp_path) as process:
        _, err = process.communicate(timeout=60)
    blocks = err.replace("chat\n", "").strip().split("\n\n")
    stories = [block for block in blocks if "start checkout" in block]
    assert len(stories) == 30
    assert err.count("chat\n") == 900
