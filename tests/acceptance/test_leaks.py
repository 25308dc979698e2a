"""The benchmark of leaks: it counts what gets through each side, and tells nothing where a side is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.leaks.count import document, measure, table
from benchmarks.leaks.places import Placed, placed, read
from benchmarks.leaks.sides import PEERS, Side
from tests.corpus import Sample

ROOT = Path(__file__).parents[2]
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"

needs_peers = pytest.mark.skipif(
    not PEERS_PYTHON.exists(), reason="no .venv-peers with the scrubbers of others: run `make leaks`"
)

SECRETS = [
    Sample("otp", "message", {"exception.message": "otp=482913"}, "482913"),
    Sample("otp", "note", {"app.note": '{"code": "482913"}'}, "482913"),
    Sample("pem", "body", {"log.body": "a\nb\nc\nd\ne"}, "a\nb\nc\nd\ne"),
]
BENIGN = [Sample("name", "own_name", {"app.author": "Ada"}), Sample("price", "own_name", {"app.price": "9.50"})]


def _same(sample: Placed) -> Any:
    return sample


def _nothing_left(_: Placed) -> Any:
    return "gone"


def test_leaks_and_changes_are_counted_by_kind() -> None:
    """A side that does nothing leaks all and changes nothing; one that leaves nothing does the contrary."""
    result = measure([Side("ezlogs", _nothing_left, _same), Side("other", _same, _same)], SECRETS, BENIGN)
    assert dict(result.leaked.totals) == {"otp": 2, "pem": 1}
    assert dict(result.leaked.wrong["other"]) == {"otp": 2, "pem": 1}
    assert result.leaked.of("ezlogs") == 0
    assert result.changed.of("ezlogs") == 2
    assert result.changed.of("other") == 0
    assert result.worse == []
    told = document(result)
    assert told["leaked"]["totals"] == {"otp": 2, "pem": 1}
    assert told["changed"]["wrong"]["ezlogs"] == {"name": 1, "price": 1}


def test_a_kind_of_which_a_peer_lets_less_through_is_told() -> None:
    """One kind is enough, however many the others are."""

    def leaves_bodies(sample: Placed) -> Any:
        return sample.body

    result = measure([Side("ezlogs", leaves_bodies, _same), Side("other", _nothing_left, _same)], SECRETS, BENIGN)
    assert result.worse == ["pem"]


def test_the_table_has_a_line_for_each_kind_and_one_for_all() -> None:
    """Leaked of all for each side, and below them the look-alikes that anybody changed."""
    result = measure([Side("ezlogs", _nothing_left, _same), Side("other", _same, _same)], SECRETS, BENIGN)
    lines = [" ".join(line.split()) for line in table(result).splitlines()]
    assert {"leaked ezlogs other", "otp 0 / 2 2 / 2", "pem 0 / 1 1 / 1", "all secrets 0 / 3 3 / 3"} <= set(lines)
    assert {"look-alikes changed ezlogs other", "name 1 / 1 0 / 1", "all look-alikes 2 / 2 0 / 2"} <= set(lines)


def test_a_sample_is_put_where_telemetry_has_such_things() -> None:
    """The texts of exceptions into an exception, a body into a log record, all else into attributes."""
    sample = Sample("otp", "", {"log.body": "b", "exception.message": "m", "exceptional": 1, "app.a": (1, 2)}, "b")
    assert placed(sample) == Placed({"exceptional": 1, "app.a": (1, 2)}, "b", {"exception.message": "m"})


def test_what_leaves_is_read_as_a_reader_does() -> None:
    """Escapes of JSON hide nothing; what only looks like JSON is text."""
    assert read({"a": ('{"b": "c\\nd"}', "[x", 1)}) == {"a": [['{"b": "c\\nd"}', {"b": "c\nd"}], "[x", 1]}


@pytest.mark.parametrize("module", PEERS)
def test_without_a_peer_nothing_is_counted(module: str) -> None:
    """It says which one is missing and how to install it: half a table would be taken for a whole one."""
    program = f"import sys, runpy; sys.argv[1:] = []; sys.modules[{module!r}] = None; "
    program += "runpy.run_module('benchmarks.leaks', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert PEERS[module] in done.stderr
    assert "make leaks" in done.stderr


@needs_peers
def test_beside_its_peers_ezlogs_lets_the_least_through() -> None:
    """Of every kind, at default settings, in one run over the whole corpus."""
    command = [str(PEERS_PYTHON), "-m", "benchmarks.leaks", "--json", "-"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    leaked = json.loads(done.stdout)["leaked"]
    assert set(leaked["wrong"]) == {"nothing", "ezlogs", "logfire", "sentry", "sentry, recursive"}
    assert leaked["wrong"]["nothing"] == leaked["totals"], "a leak is not seen"
    totals = {side: sum(wrong.values()) for side, wrong in leaked["wrong"].items()}
    assert totals["ezlogs"] < min(total for side, total in totals.items() if side != "ezlogs")
