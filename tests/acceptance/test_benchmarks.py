"""The benchmarks run and tell ratios; how good these are is for the benchmarks to say, not for a test."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from importlib import import_module
from math import inf
from pathlib import Path

import pytest
from benchmarks.report import Result, document, table
from benchmarks.row import Row, Side
from benchmarks.rows import LONG, ROWS, TAKING_LONG, WITH_COLLECTOR

ROOT = Path(__file__).parents[2]


def test_rows_are_told_for_programs_and_for_pyperf(tmp_path: Path) -> None:
    """One round of two rows: figures of both sides, the ratio of their medians, and a suite that pyperf can load."""
    suite = tmp_path / "suite.json"
    options = ["--rounds", "1", "--json", "-", "--pyperf", str(suite)]
    command = [sys.executable, "-m", "benchmarks", "off", "start", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode in (0, 1), done.stderr  # 1 where a ratio exceeds its limit
    told = json.loads(done.stdout)
    assert set(told["rows"]) == {"off", "start"}
    for row in told["rows"].values():
        assert row["ratio"] == round(row["ours"][0] / row["theirs"][0], 4)
        assert row["holds"] is (row["ratio"] <= row["must"])
    names = [benchmark["metadata"]["name"] for benchmark in json.loads(suite.read_text())["benchmarks"]]
    assert names == ["off ezlogs", "off peer", "start ezlogs", "start peer"]


def test_an_unknown_row_is_answered_with_the_known_ones() -> None:
    """A misspelled row measures nothing."""
    command = [sys.executable, "-m", "benchmarks", "of"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 2
    assert "no row is called of" in done.stderr


PROGRAMS = sorted({side.program for row in ROWS for side in (row.ours, row.theirs)})


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_row_has_its_programs_and_they_get_what_they_ask_for(program: str) -> None:
    """A program that takes a collector's endpoint is listed as such, and the other way round."""
    module, _, function = program.partition(".")
    taken = list(inspect.signature(getattr(import_module(f"benchmarks.programs.{module}"), function)).parameters)
    assert ("endpoint" in taken) is (program in WITH_COLLECTOR)
    assert len(taken) == (program in WITH_COLLECTOR) + len(LONG.get(program, ()))


def test_names_are_told_once_and_lists_name_programs_that_there_are() -> None:
    """Rows are asked for by name."""
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert {*WITH_COLLECTOR, *TAKING_LONG, *LONG} <= {*PROGRAMS}


LOST = Row("lost", "lost / lost", Side("a", "b"), Side("c", "d"), 0.0, unit="events", worst=True)


def test_what_must_not_happen_once_is_judged_by_the_worst_round() -> None:
    """A median would not show that one round of three lost something."""
    result = Result(LOST, [0, 7, 0], [1000, 2000, 3000])
    assert (result.ratio, result.holds) == (0.0035, False)
    assert Result(LOST, [0, 0, 0], [1000, 2000, 3000]).holds is True


def test_nothing_against_nothing_is_no_difference() -> None:
    """Where the other side loses nothing either, a ratio is told all the same."""
    assert Result(LOST, [0], [0]).ratio == 0.0
    assert Result(LOST, [1], [0]).ratio == inf


def test_figures_are_told_in_their_units() -> None:
    """Bytes are no nanoseconds, for people and for programs."""
    grown = Row("grown", "memory / memory", Side("a", "b"), Side("c", "d"), unit="bytes")
    results = [Result(grown, [54_280_000], [389_970_000]), Result(LOST, [0], [64_672])]
    assert "54.28 MB / 389.97 MB; grown" in table(results)
    assert "0 events / 64,672 events; lost" in table(results)
    assert [row["unit"] for row in document(results)["rows"].values()] == ["bytes", "events"]
