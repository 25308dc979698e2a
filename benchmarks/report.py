"""The report: ratios as a table, as JSON, and every single figure in the form that pyperf compares and plots."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from benchmarks.rows import Row


class Result(NamedTuple):
    """What a row came to: nanoseconds of each round on both sides."""

    row: Row
    ours: list[float]
    theirs: list[float]

    @property
    def ratio(self) -> float:
        """The ratio of the medians."""
        return median(self.ours) / median(self.theirs)

    @property
    def holds(self) -> bool | None:
        """Whether the ratio is within what the row must hold; None where it must hold nothing."""
        return None if self.row.must is None else self.ratio <= self.row.must


def table(results: Sequence[Result]) -> str:
    """Return the results for people."""
    rounds = len(results[0].ours)
    lines = [
        f"CPython {platform.python_version()} on {_machine()}, medians of {rounds} interleaved rounds; less is better"
    ]
    for result in results:
        verdict = {True: "holds", False: "EXCEEDS", None: "told"}[result.holds]
        must = "" if result.row.must is None else f" <= {result.row.must:g}"
        lines += [
            "",
            f"{result.ratio:8.3f}x  {verdict}{must}",
            f"           {result.row.what}",
            f"           {_time(median(result.ours))} / {_time(median(result.theirs))}; {result.row.name}",
        ]
    return "\n".join(lines)


def document(results: Sequence[Result]) -> dict[str, Any]:
    """Return the results for programs."""
    return {
        "python": platform.python_version(),
        "machine": _machine(),
        "rounds": len(results[0].ours),
        "rows": {
            result.row.name: {
                "what": result.row.what,
                "ratio": round(result.ratio, 4),
                "must": result.row.must,
                "aim": result.row.aim,
                "holds": result.holds,
                "ours_ns": result.ours,
                "theirs_ns": result.theirs,
            }
            for result in results
        },
    }


def write_pyperf(results: Sequence[Result], path: str) -> None:
    """Write every figure as a pyperf suite, one run a round."""
    import pyperf

    benchmarks = []
    for result in results:
        for side, figures in (("ezlogs", result.ours), ("peer", result.theirs)):
            metadata = {"name": f"{result.row.name} {side}", "unit": "second", "what": result.row.what, "loops": 1}
            runs = [
                pyperf.Run([nanoseconds / 1e9], metadata=metadata, collect_metadata=False) for nanoseconds in figures
            ]
            benchmarks.append(pyperf.Benchmark(runs))
    pyperf.BenchmarkSuite(benchmarks).dump(path, replace=True)


def _time(nanoseconds: float) -> str:
    for unit, size in (("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.2f} {unit}"
    return f"{nanoseconds:.0f} ns"


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}"
