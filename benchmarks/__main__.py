"""Runs the benchmarks: ``make bench``; ``make bench ARGS=--json`` for a program, ``ARGS=--quick`` for a glance."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

EVENTS = "20000"
ROWS = {
    "creation": ("event() in the caller's thread / OTel add_event, 16 attributes, p50", "creation"),
    "whole_way": (
        "process CPU per delivered event, privacy on / BatchSpanProcessor + OTLP/HTTP",
        "whole_way",
    ),
}


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


def measure(scenario: str, *arguments: str) -> float:
    """Run one scenario in a fresh process and return its nanoseconds per event."""
    command = [sys.executable, "-m", "benchmarks.scenarios", scenario, *arguments]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def main() -> None:
    """Measure every row, both sides interleaved, and print medians and ratios."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="one round instead of five")
    options = parser.parse_args()
    rounds = 1 if options.quick else 5
    results = {}
    with null_collector() as endpoint:
        for row, (label, scenario) in ROWS.items():
            arguments = (endpoint, EVENTS) if row == "whole_way" else ()
            pairs = [
                (measure(f"{scenario}_ezlogs", *arguments), measure(f"{scenario}_otel", *arguments))
                for _ in range(rounds)
            ]
            ours, theirs = (median(side) for side in zip(*pairs, strict=True))
            results[row] = {
                "what": label,
                "ezlogs_ns": ours,
                "otel_ns": theirs,
                "ratio": round(ours / theirs, 3),
            }
    if options.json:
        machine = {"python": platform.python_version(), "machine": platform.machine(), "rounds": rounds}
        print(json.dumps({"machine": machine, "rows": results}, indent=2))
        return
    print(f"CPython {platform.python_version()}, {rounds} interleaved rounds, medians; smaller is better")
    for result in results.values():
        print(
            f"  {result['ratio']:>7.3f}x  {result['what']}"
            f"  ({result['ezlogs_ns'] / 1000:.2f} us / {result['otel_ns'] / 1000:.2f} us)"
        )


if __name__ == "__main__":
    main()
