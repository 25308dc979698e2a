"""What is counted: secrets that leak, by kind, and look-alikes that were changed."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from tests.corpus import Sample

from benchmarks.leaks.places import placed, read
from benchmarks.leaks.sides import PEERS, Side

OURS = "ezlogs"


class Tally(NamedTuple):
    """How many of each kind there are, and how many of them a side got wrong."""

    totals: Counter[str]
    wrong: dict[str, Counter[str]]
    """By side."""

    def of(self, side: str) -> int:
        """How many a side got wrong."""
        return sum(self.wrong[side].values())


class Result(NamedTuple):
    """What the sides came to."""

    leaked: Tally
    """Secrets of which enough is left to know them."""

    changed: Tally
    """Look-alikes that are not what they were."""

    @property
    def worse(self) -> list[str]:
        """The kinds of which ezlogs lets more through than another side does."""
        others = [wrong for side, wrong in self.leaked.wrong.items() if side != OURS]
        ours = self.leaked.wrong[OURS]
        return [kind for kind in self.leaked.totals if any(other[kind] < ours[kind] for other in others)]


def measure(sides: Iterable[Side], secrets: Iterable[Sample], benign: Iterable[Sample]) -> Result:
    """Take every sample through every side."""
    sides = list(sides)
    leaked = Tally(Counter(), {side.name: Counter() for side in sides})
    changed = Tally(Counter(), {side.name: Counter() for side in sides})
    for sample in secrets:
        leaked.totals[sample.kind] += 1
        for side in sides:
            leaked.wrong[side.name][sample.kind] += bool(sample.leak_in(read(side.scrubbing(placed(sample)))))
    for sample in benign:
        changed.totals[sample.kind] += 1
        for side in sides:
            before, after = read(side.plain(placed(sample))), read(side.scrubbing(placed(sample)))
            changed.wrong[side.name][sample.kind] += before != after
    return Result(leaked, changed)


def table(result: Result) -> str:
    """Return the result for people."""
    sides = list(result.leaked.wrong)
    rows = [["leaked", *sides]]
    rows += _rows(result.leaked, sorted(result.leaked.totals))
    rows += [["all secrets", *_cells(result.leaked)], ["", *[""] * len(sides)], ["look-alikes changed", *sides]]
    touched = {kind for wrong in result.changed.wrong.values() for kind, number in wrong.items() if number}
    rows += _rows(result.changed, sorted(touched))
    rows += [["all look-alikes", *_cells(result.changed)]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    return "\n".join([_versions(), "", *lines])


def document(result: Result) -> dict[str, Any]:
    """Return the result for programs."""
    return {"versions": _versions(), **{name: _told(getattr(result, name)) for name in Result._fields}}


def _told(tally: Tally) -> dict[str, Any]:
    wrong = {side: {kind: counts[kind] for kind in sorted(tally.totals)} for side, counts in tally.wrong.items()}
    return {"totals": dict(sorted(tally.totals.items())), "wrong": wrong}


def _rows(tally: Tally, kinds: Iterable[str]) -> list[list[str]]:
    return [[kind, *(f"{wrong[kind]} / {tally.totals[kind]}" for wrong in tally.wrong.values())] for kind in kinds]


def _cells(tally: Tally) -> list[str]:
    return [f"{tally.of(side)} / {sum(tally.totals.values())}" for side in tally.wrong]


def _aligned(row: list[str], widths: list[int]) -> Iterable[str]:
    return (
        cell.ljust(width) if place == 0 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    )


def _versions() -> str:
    installed = (f"{package} {_version(package)}" for package in PEERS.values())
    return f"CPython {platform.python_version()}, {', '.join(installed)}, at their default settings; less is better"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
