"""The benchmarks run and tell ratios; how good these are is for the benchmarks to say, not for a test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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
        assert row["ratio"] == round(row["ours_ns"][0] / row["theirs_ns"][0], 4)
        assert row["holds"] is (row["ratio"] <= row["must"])
    names = [benchmark["metadata"]["name"] for benchmark in json.loads(suite.read_text())["benchmarks"]]
    assert names == ["off ezlogs", "off peer", "start ezlogs", "start peer"]


def test_an_unknown_row_is_answered_with_the_known_ones() -> None:
    """A misspelled row measures nothing."""
    command = [sys.executable, "-m", "benchmarks", "of"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 2
    assert "no row is called of" in done.stderr
