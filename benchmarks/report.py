"""The report: ratios as a table, as JSON, and every single figure in the form that pyperf compares and plots."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from math import inf
from statistics import median
from typing import Any, NamedTuple

from benchmarks.row import Row


class Result(NamedTuple):
    """What a row came to: the figures of each round on both sides."""

    row: Row
    ours: list[float]
    theirs: list[float]

    @property
    def figures(self) -> tuple[float, float]:
        """What is compared: the medians, or what our side came to in its worst round."""
        return max(self.ours) if self.row.worst else median(self.ours), median(self.theirs)

    @property
    def ratio(self) -> float:
        """The ratio of the two."""
        ours, theirs = self.figures
        return ours / theirs if theirs else inf if ours else 0.0

    @property
    def holds(self) -> bool | None:
        """Whether the ratio is within what the row must hold; None where it must hold nothing."""
        return None if self.row.must is None else self.ratio <= self.row.must


def table(results: Sequence[Result]) -> str:
    """Return the results for people."""
    rounds = _rounds(results)
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
            f"           {' / '.join(_told(figure, result.row.unit) for figure in result.figures)}; {result.row.name}",
        ]
    return "\n".join(lines)


def document(results: Sequence[Result]) -> dict[str, Any]:
    """Return the results for programs."""
    return {
        "python": platform.python_version(),
        "machine": _machine(),
        "rounds": _rounds(results),
        "rows": {
            result.row.name: {
                "what": result.row.what,
                "ratio": round(result.ratio, 4),
                "must": result.row.must,
                "aim": result.row.aim,
                "holds": result.holds,
                "unit": result.row.unit,
                "ours": result.ours,
                "theirs": result.theirs,
            }
            for result in results
        },
    }


def write_pyperf(results: Sequence[Result], path: str) -> None:
    """Write every figure as a pyperf suite, one run a round; without those that are 0, which pyperf does not take."""
    import pyperf

    benchmarks = []
    for result in results:
        for side, figures in (("ezlogs", result.ours), ("peer", result.theirs)):
            unit, size = _PYPERF[result.row.unit]
            metadata = {"name": f"{result.row.name} {side}", "unit": unit, "what": result.row.what, "loops": 1}
            runs = [
                pyperf.Run([figure / size], metadata=metadata, collect_metadata=False) for figure in figures if figure
            ]
            if runs:
                benchmarks.append(pyperf.Benchmark(runs))
    pyperf.BenchmarkSuite(benchmarks).dump(path, replace=True)


def _rounds(results: Sequence[Result]) -> int:
    return max(len(result.ours) for result in results)


def _told(figure: float, unit: str) -> str:
    for name, size in _LARGER[unit]:
        if figure >= size:
            return f"{figure / size:.2f} {name}"
    return f"{figure:,.0f} {unit}"


_LARGER = {"ns": (("ms", 1e6), ("us", 1e3)), "bytes": (("MB", 1e6), ("kB", 1e3)), "events": ()}
_PYPERF = {"ns": ("second", 1e9), "bytes": ("byte", 1), "events": ("integer", 1)}
"""What pyperf calls a unit, and how many of ours it is."""


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}"
