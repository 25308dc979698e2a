"""Runs the benchmarks: ``make bench``; ``make bench ARGS='--json result.json'`` keeps the figures."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.data import PEERS
from benchmarks.report import Result, document, table, write_pyperf
from benchmarks.row import Row
from benchmarks.rows import LONG, ON_LINUX, ROWS, TAKING_LONG, WARMED, WITH_COLLECTOR
from benchmarks.web import NEIGHBOURS

_NEIGHBOURS = Path(".venv-neighbours/bin/python")
_PEERS = Path(".venv-peers/bin/python")

_FEW = 3
"""Rounds of programs that take long."""

_ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "EZLOGS_"))}
# Packages come with bytecode, and ezlogs shall not be measured without it because this shell wants none written.
_ENVIRON.pop("PYTHONDONTWRITEBYTECODE", None)


@contextmanager
def null_collector() -> Iterator[str]:
    """Run a collector in a process of its own, so that its CPU is nobody's."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.null_collector"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def measure(program: str, endpoint: str, further: tuple[str, ...] = ()) -> dict[str, float]:
    """Run one program in a fresh process, with a place for its journal, and return its figures by series."""
    arguments = [*([endpoint] if program in WITH_COLLECTOR else []), *further]
    python = str(_NEIGHBOURS if program in NEIGHBOURS else _PEERS if program in PEERS else sys.executable)
    command = [python, "-m", "benchmarks.programs", program, *arguments]
    with TemporaryDirectory() as state:
        environ = {**_ENVIRON, "EZLOGS_STATE_DIR": state}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environ)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def run(rows: tuple[Row, ...], rounds: int, *, long: bool = False) -> list[Result]:
    """Measure the rows: in each round every program once, so that the sides take turns."""
    programs = dict.fromkeys(side.program for row in rows for side in (row.ours, row.theirs))
    taken: dict[tuple[str, str], list[float]] = {}
    with null_collector() as endpoint:
        for program in programs:
            if program not in WARMED:
                measure(program, endpoint)  # writes bytecode, warms the disk's cache
        for number in range(rounds):
            for program in programs:
                further = LONG.get(program, ()) if long else ()
                if number >= (1 if further else _FEW if program in TAKING_LONG else rounds):
                    continue
                for series, figure in measure(program, endpoint, further).items():
                    taken.setdefault((program, series), []).append(figure)
    return [Result(row, taken[row.ours], taken[row.theirs]) for row in rows]


def _measurable(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Return the rows that can be measured here; say which cannot."""
    left_out: set[str] = set()
    for programs, is_there, why in (
        (ON_LINUX, Path("/proc/self/statm").exists(), "they ask Linux how much memory is taken"),
        (NEIGHBOURS, _NEIGHBOURS.exists(), f"there is no {_NEIGHBOURS}, which `make bench` sets up"),
        (PEERS, _PEERS.exists(), f"there is no {_PEERS}, which `make bench` sets up"),
    ):
        names = [row.name for row in rows if row.ours.program in programs]
        if names and not is_there:
            print(f"left out, for {why}: {', '.join(names)}", file=sys.stderr)
            left_out.update(names)
    return tuple(row for row in rows if row.name not in left_out)


def main() -> int:
    """Measure, print, and return 1 if a row does not hold what it must."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="row", help=f"which: {', '.join(row.name for row in ROWS)}")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds (5)")
    parser.add_argument("--json", metavar="FILE", help="write ratios and figures as JSON, to - for standard output")
    parser.add_argument("--pyperf", metavar="FILE", help="write every figure for `python -m pyperf`")
    parser.add_argument("--long", action="store_true", help="tell ten million events where memory must stay flat")
    options = parser.parse_args()
    unknown = set(options.rows) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"no row is called {', '.join(sorted(unknown))}")
    rows = _measurable(tuple(row for row in ROWS if not options.rows or row.name in options.rows))
    results = run(rows, options.rounds, long=options.long)
    if options.json == "-":
        print(json.dumps(document(results), indent=2))
    else:
        print(table(results))
        if options.json:
            Path(options.json).write_text(json.dumps(document(results), indent=2) + "\n", encoding="utf-8")
    if options.pyperf:
        write_pyperf(results, options.pyperf)
    return 0 if all(result.holds is not False for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
