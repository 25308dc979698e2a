"""How a suite's outcomes with ezlogs differ from those without it, and what of that is known."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from benchmarks.contrib.runs import Run, troubles
from benchmarks.contrib.suites import Mode, Suite

ENOUGH = 0.9
"""The share of its tests that must pass without ezlogs, else a suite measures nothing."""


class Difference(NamedTuple):
    """Which tests came to something else with ezlogs."""

    unknown: tuple[str, ...] = ()
    """Those that were not expected to."""

    known: tuple[str, ...] = ()
    """Those that were."""

    gone: tuple[str, ...] = ()
    """Those that were expected to, and did not."""

    @property
    def is_expected(self) -> bool:
        """Whether all is as the list of known differences says."""
        return not self.unknown and not self.gone

    def settled(self, again: Difference) -> Difference:
        """Return what is left of a difference when the same was tried again: what differed both times.

        >>> Difference(unknown=("a", "b")).settled(Difference(unknown=("b", "c"), known=("d",)))
        Difference(unknown=('b',), known=('d',), gone=())
        """
        return Difference(
            tuple(sorted({*self.unknown} & {*again.unknown})),
            tuple(sorted({*self.known, *again.known})),
            tuple(sorted({*self.gone} & {*again.gone})),
        )


class Row(NamedTuple):
    """One suite in one mode."""

    suite: Suite
    mode: Mode
    without: Run
    run: Run
    first: Difference
    """How the runs differ."""

    difference: Difference
    """What is left of that after further tries."""

    @property
    def wrong(self) -> list[str]:
        """What fails the whole: differences that are not known, and whatever is wrong with ezlogs itself."""
        found = [f"without ezlogs it {self.without.trouble}"] if self.without.trouble else []
        if not self.without.trouble and self.without.number("passed") < ENOUGH * len(judged(self.without)):
            found.append("too many of its tests fail without ezlogs")
        found += [f"differs: {name}" for name in self.difference.unknown]
        found += [f"is in the list of those that differ, and does not: {name}" for name in self.difference.gone]
        return found + troubles(self.run, self.suite, self.mode)

    @property
    def flaky(self) -> list[str]:
        """The tests that differed once and not each time."""
        first, last = self.first, self.difference
        return sorted({*first.unknown, *first.gone} - {*last.unknown, *last.gone})


def judged(run: Run) -> list[str]:
    """Return the tests that were not skipped."""
    return [test for test, outcome in run.outcomes.items() if outcome != "skipped"]


def compare(without: Mapping[str, str], outcomes: Mapping[str, str], known: Collection[str]) -> Difference:
    """Return how outcomes differ; what fails without ezlogs does not count.

    Args:
        without: Outcomes by test, without ezlogs.
        outcomes: The same with ezlogs.
        known: The tests that are expected to fail with ezlogs.

    Example:
        >>> compare({"a": "passed", "b": "failed"}, {"a": "failed", "b": "passed"}, ["c"])
        Difference(unknown=('a',), known=(), gone=('c',))
    """
    differing = {
        test
        for test in {*without, *outcomes}
        if without.get(test) != "failed" and without.get(test) != outcomes.get(test)
    }
    expected = {test for test in known if outcomes.get(test) == "failed"} & differing
    return Difference(
        tuple(sorted(differing - expected)), tuple(sorted(expected)), tuple(sorted(set(known) - expected))
    )


def table(rows: Iterable[Row]) -> str:
    """Return the rows for people, and under them whatever is to be said of single tests."""
    rows = list(rows)
    cells = [["suite", "mode", "tests", "pass without ezlogs", "with it", "events", "differ"], *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in cells]
    return "\n".join([*lines, *_notes(rows)])


def document(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return the rows for programs."""
    return [
        {
            "suite": row.suite.name,
            "mode": row.mode.name,
            "without": dict(row.without.outcomes),
            "outcomes": dict(row.run.outcomes),
            "ezlogs": row.run.ezlogs,
            **row.difference._asdict(),
            "flaky": row.flaky,
            "wrong": row.wrong,
        }
        for row in rows
    ]


def _cells(row: Row) -> list[str]:
    differing = len(row.difference.known), len(row.difference.unknown)
    return [
        row.suite.name,
        row.mode.name,
        str(len(judged(row.without))),
        str(row.without.number("passed")),
        str(row.run.number("passed")),
        str(sum(row.run.ezlogs["events"].values()) if row.run.ezlogs else "-"),
        "none" if differing == (0, 0) else f"{differing[0]} known" + (f", {differing[1]} not" if differing[1] else ""),
    ]


def _notes(rows: list[Row]) -> list[str]:
    failing = {(row.suite.name, test) for row in rows for test, one in row.without.outcomes.items() if one == "failed"}
    known = sorted(
        {
            (row.suite.name, test, row.suite.counting_spans.get(test, ""))
            for row in rows
            for test in row.difference.known
        }
    )
    counting = [f"  {suite}: {test}" for suite, test, reason in known if not reason]
    others = [f"  {suite}: {test}: {reason}" for suite, test, reason in known if reason]
    flaky = [f"  {row.suite.name} ({row.mode.name}): {test}" for row in rows for test in row.flaky]
    said = [
        f"  {row.suite.name} ({row.mode.name}): {text}"
        for row in rows
        for text in (row.run.ezlogs or {}).get("warnings", ())
    ]
    wrong = [f"  {row.suite.name} ({row.mode.name}): {what}" for row in rows for what in row.wrong]
    return [
        *_part("Fail without ezlogs, and do not count:", [f"  {suite}: {test}" for suite, test in sorted(failing)]),
        *_part("Known to count the events of spans, and to differ where events are on spans:", counting),
        *_part("Known to count all spans, and to differ where ezlogs opens some:", others),
        *_part("Differed once and not again:", flaky),
        *_part("ezlogs logged:", said),
        *_part("Not as it should be:", wrong),
    ]


def _part(title: str, lines: list[str]) -> list[str]:
    return ["", title, *lines] if lines else []


def _aligned(row: list[str], widths: list[int]) -> Iterable[str]:
    return (
        cell.ljust(width) if place in (0, 1, 6) else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
