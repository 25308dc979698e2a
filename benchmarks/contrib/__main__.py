"""Runs the suites of OpenTelemetry's instrumentors, unchanged, without ezlogs and with it in each mode: ``make contrib``.

``make contrib ARGS='django flask'`` runs some of them; ``ARGS='--mode log'`` in one mode.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Iterator
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
        rows = Runs(folders, endpoint, options.jobs).rows(suites, modes)
    if options.json == "-":
        print(json.dumps(document(rows), indent=2))
    else:
        print(table(rows))
        print(f"\n{len(suites)} suites, {1 + len(modes)} times each, in {time.monotonic() - began:.0f} s")
        if options.json:
            Path(options.json).write_text(json.dumps(document(rows), indent=2) + "\n", encoding="utf-8")
    return 1 if any(row.wrong for row in rows) else 0


Ran = dict[tuple[str, str], Run]
"""By the names of suite and mode; the one without ezlogs has none."""


class Runs:
    """Runs suites, some at a time."""

    def __init__(self, folders: dict[str, Path], endpoint: str, jobs: int) -> None:
        self._folders, self._endpoint, self._jobs = folders, endpoint, jobs

    def rows(self, suites: list[Suite], modes: list[Mode]) -> list[Row]:
        """Return how each suite went in each mode; what was not as expected is run once more, and so its yardstick."""
        pairs = [(suite, mode) for suite in suites for mode in modes]
        ran = self._all([(suite, mode) for suite in suites for mode in (None, *modes)])
        strange = [pair for pair in pairs if not difference(ran, *pair).is_expected]
        again = self._all([*strange, *((suite, None) for suite in suites if suite in [other for other, _ in strange])])
        return [
            Row(
                suite,
                mode,
                ran[suite.name, ""],
                ran[suite.name, mode.name],
                difference(ran, suite, mode),
                difference(again, suite, mode) if (suite, mode) in strange else None,
            )
            for suite, mode in pairs
        ]

    def _all(self, wanted: list[tuple[Suite, Mode | None]]) -> Ran:
        with ThreadPoolExecutor(self._jobs) as pool:
            runs = pool.map(lambda one: run(self._folders[one[0].distribution], one[1], self._endpoint), wanted)
        return {(suite.name, mode.name if mode else ""): one for (suite, mode), one in zip(wanted, runs, strict=True)}


def difference(ran: Ran, suite: Suite, mode: Mode) -> Difference:
    """Return how a suite differed in a mode."""
    known = suite.counting_events if mode.on_spans else ()
    return compare(ran[suite.name, ""].outcomes, ran[suite.name, mode.name].outcomes, known)


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
