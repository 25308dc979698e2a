"""Runs OpenTelemetry contrib's suites, unchanged, without ezlogs and with it in each mode: ``make contrib``.

``make contrib ARGS='django flask'`` runs some of them; ``ARGS='--mode log'`` in one mode.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

from benchmarks.contrib.compare import Difference, Row, compare, document, table
from benchmarks.contrib.runs import Run, run
from benchmarks.contrib.sources import unpacked
from benchmarks.contrib.suites import MODES, SUITES, Mode, Suite
from benchmarks.null_collector import Handler


def main() -> int:
    """Run, print, and return 1 if anything is not as the list of known differences says."""
    parser = argparse.ArgumentParser(
        prog="make contrib", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [suite.name for suite in SUITES]
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"all if left out: {', '.join(names)}")
    parser.add_argument("--mode", action="append", choices=[mode.name for mode in MODES], help="all if left out")
    parser.add_argument("--jobs", type=int, default=2, help="how many suites run at a time; 2 if left out")
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON, to - for standard output")
    options = parser.parse_args()
    if unknown := sorted(set(options.suites) - set(names)):
        parser.error(f"there is no suite {', '.join(unknown)}; there are: {', '.join(names)}")
    suites = [suite for suite in SUITES if suite.name in (options.suites or names)]
    modes = [mode for mode in MODES if options.mode is None or mode.name in options.mode]

    began = time.monotonic()
    folders = unpacked([suite.distribution for suite in suites])
    with collector() as endpoint:
        runs = Runs(lambda suite, mode: run(folders[suite.distribution], mode, endpoint), options.jobs)
        rows = runs.rows(suites, modes)
    if options.json == "-":
        print(json.dumps(document(rows), indent=2))
    else:
        print(table(rows))
        print(f"\n{len(suites)} suites, {1 + len(modes)} times each, in {time.monotonic() - began:.0f} s")
        if options.json:
            Path(options.json).write_text(json.dumps(document(rows), indent=2) + "\n", encoding="utf-8")
    return 1 if any(row.wrong for row in rows) else 0


TRIES = 4
"""How often what differs is tried again: some tests look at the clock to milliseconds, and machines are busy."""

WAITING = 5
"""How many runs may go on beside the others of suites that mostly wait."""

Ran = dict[tuple[str, str], Run]
"""By the names of suite and mode; the one without ezlogs has none."""


class Runs:
    """Runs suites, some at a time.

    Args:
        one: Runs a suite in a mode; without ezlogs where that is None.
        jobs: How many at a time.
    """

    def __init__(self, one: Callable[[Suite, Mode | None], Run], jobs: int) -> None:
        self._one, self._jobs = one, jobs

    def rows(self, suites: list[Suite], modes: list[Mode]) -> list[Row]:
        """Return how each suite went in each mode; what was not as expected is run again, alone, and its yardstick."""
        pairs = [(suite, mode) for suite in suites for mode in modes]
        ran = self._all([(suite, mode) for suite in suites for mode in (None, *modes)], self._jobs)
        first = {(suite.name, mode.name): difference(ran, suite, mode) for suite, mode in pairs}
        settled = first.copy()
        for _ in range(TRIES):
            strange = [(suite, mode) for suite, mode in pairs if not settled[suite.name, mode.name].is_expected]
            yardsticks = [suite for suite in suites if any(suite == other for other, _ in strange)]
            again = self._all([*strange, *((suite, None) for suite in yardsticks)], 1)
            for suite, mode in strange:
                key = suite.name, mode.name
                settled[key] = settled[key].settled(difference(again, suite, mode))
        keyed = [(suite, mode, (suite.name, mode.name)) for suite, mode in pairs]
        return [Row(suite, mode, ran[suite.name, ""], ran[key], first[key], settled[key]) for suite, mode, key in keyed]

    def _all(self, wanted: list[tuple[Suite, Mode | None]], jobs: int) -> Ran:
        with ThreadPoolExecutor(jobs) as working, ThreadPoolExecutor(WAITING) as waiting:
            runs = [
                (waiting if suite.waits and jobs > 1 else working).submit(self._one, suite, mode)
                for suite, mode in wanted
            ]
        return {
            (suite.name, mode.name if mode else ""): one.result()
            for (suite, mode), one in zip(wanted, runs, strict=True)
        }


def difference(ran: Ran, suite: Suite, mode: Mode) -> Difference:
    """Return how a suite differed in a mode."""
    return compare(ran[suite.name, ""].outcomes, ran[suite.name, mode.name].outcomes, suite.known(mode))


@contextmanager
def collector() -> Iterator[str]:
    """The address of a collector on the loopback interface that says yes to everything."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    sys.exit(main())
