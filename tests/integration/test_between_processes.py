"""Real programs that start one another: the story goes on in each, by nothing but what starting them brings along."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = Path(__file__).parent / "programs"
COVERAGE = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
BARE = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "USER": "ada", **COVERAGE}
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


def run(program: str, *, launcher: tuple[str, ...] = (), **environ: str) -> Any:
    """Run a program in an environment that holds nothing else; return what it printed."""
    done = subprocess.run(
        [*launcher, sys.executable, str(PROGRAMS / program)],
        env={**BARE, **environ},
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def deployed() -> dict[str, Any]:
    """What a program told that started others in every way there is."""
    told: dict[str, Any] = run("deploy.py", EZLOGS_PIPELINE="attached")
    return told


def test_a_program_goes_on_in_the_story_of_the_command_that_started_it(deployed: dict[str, Any]) -> None:
    """Its own command is caused by the one that started it, and what it does by its own command."""
    for way in ("program", "program of a thread"):
        imported, command, counted, start, complete, nested = deployed[way]
        assert {told[1] for told in deployed[way]} == {deployed["story"]}
        assert (command[0], command[2]) == ("import-orders", deployed["event"])
        assert (imported[0], imported[2]) == ("imported", command[3])
        assert (counted[0], counted[2]) == ("counted", deployed["event"])
        assert (nested[0], nested[2]) == ("nested", deployed["event"])
        assert [start[2], complete[2]] == [nested[3], start[3]]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_process_goes_on_in_the_story_whatever_it_was_started_by(deployed: dict[str, Any], method: str) -> None:
    """A process of its own, and one of a pool; in the child nobody configures ezlogs."""
    expected = [deployed["story"], deployed["event"]]
    assert (deployed[method], deployed[f"pool {method}"], deployed["threads"]) == (expected, expected, expected)


def test_a_program_started_by_a_pipeline_is_in_its_trace() -> None:
    """Whatever set the variables: a shell, a build, a scheduler; without ezlogs' ids the trace is the story."""
    told = run("import_orders.py", TRACEPARENT=TRACEPARENT)
    assert {story for _, story, _, _ in told} == {TRACE_ID}
    assert told[1][2] is None


def test_a_program_without_variables_begins_a_story_of_its_own() -> None:
    """And so does one whose variables are damaged."""
    assert run("import_orders.py")[0][1] != TRACE_ID
    damaged = run("import_orders.py", TRACEPARENT=TRACEPARENT.upper() + "x", BAGGAGE="ezlogs.correlation_id=a b")
    assert TRACE_ID not in {story for _, story, _, _ in damaged}


def test_it_can_be_switched_off_by_name(tmp_path: Path) -> None:
    """As any instrumentor can."""
    program = tmp_path / "starts.py"
    program.write_text(
        "import json, subprocess, sys, ezlogs\n"
        "with ezlogs.flow('checkout'):\n"
        "    print(subprocess.check_output([sys.executable, '-c', 'import os; print(len(os.environ.get(\"BAGGAGE\", "
        '"")))\'], text=True).strip())\n'
    )
    launcher = (str(Path(sys.prefix) / "bin" / "opentelemetry-instrument"),)
    common = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    assert run(str(program), launcher=launcher, **common) > 0
    assert (
        run(str(program), launcher=launcher, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="ezlogs_subprocess", **common) == 0
    )
