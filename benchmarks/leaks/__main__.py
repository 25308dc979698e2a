"""Counts what gets through: ``make leaks``; ``make leaks ARGS='--json -'`` prints the figures for programs."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from tests.corpus import benign, secrets

from benchmarks.leaks.count import document, measure, table
from benchmarks.leaks.sides import missing_peers, sides


def main() -> int:
    """Count, print, and return 1 if ezlogs lets more of a kind through than a peer, 2 if a peer is missing."""
    parser = argparse.ArgumentParser(prog="make leaks", description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON, to - for standard output")
    options = parser.parse_args()
    if missing := missing_peers():
        print(
            f"Not installed here, and nothing is counted without them: {', '.join(missing)}.\n"
            "`make leaks` installs what constraints/peers.txt pins into .venv-peers and runs there; "
            f"or: pip install {' '.join(missing)}",
            file=sys.stderr,
        )
        return 2
    for name in list(os.environ):  # a variable of theirs must not switch anything on or off, nor name a collector
        if name.startswith(("OTEL_", "EZLOGS_", "LOGFIRE_", "SENTRY_")):
            del os.environ[name]
    result = measure(sides(), secrets(), benign())
    if options.json == "-":
        print(json.dumps(document(result), indent=2))
    else:
        print(table(result))
        if options.json:
            Path(options.json).write_text(json.dumps(document(result), indent=2) + "\n", encoding="utf-8")
    if result.worse:
        print(f"A peer lets less through of: {', '.join(result.worse)}", file=sys.stderr)
    return 1 if result.worse else 0


if __name__ == "__main__":
    sys.exit(main())
