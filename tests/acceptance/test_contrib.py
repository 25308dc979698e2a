"""What runs OpenTelemetry's own test suites: how outcomes are read, compared and told. `make contrib` runs them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from benchmarks.contrib import sources
from benchmarks.contrib.__main__ import TRIES, Runs, collector
from benchmarks.contrib.compare import Difference, Row, compare, document, table
from benchmarks.contrib.runs import Run, environment, run, settings, troubles
from benchmarks.contrib.suites import MODES, SUITES, Mode, Suite

pytestmark = pytest.mark.timeout(180)  # some start a pytest of their own

ROOT = Path(__file__).parents[2]
ATTACHED, LOG, SPAN, NO_ENDPOINT = MODES
SUITE = Suite("flask", counting_events=("test_a.py::test_events",), counting_spans={"test_a.py::test_spans": "counts"})
FINE = {
    "running": True,
    "events": {},
    "instrumentors": [],
    "warnings": [],
    "emitted": 0,
    "delivered": 0,
    "lost": {},
    "internal_errors": 0,
    "privacy_errors": 0,
}

SUITE_OF_FIVE = """
import unittest

import pytest

class Tests(unittest.TestCase):
    def test_passes(self):
        with self.subTest():
            pass

    def test_fails(self):
        assert False

    @unittest.skip("not here")
    def test_is_skipped(self):
        raise AssertionError

    def test_fails_in_a_part(self):
        with self.subTest():
            raise AssertionError

@pytest.fixture
def broken():
    yield
    raise RuntimeError

def test_fails_when_it_is_over(broken):
    pass
"""

SUITE_WITH_A_SPAN = """
import unittest

import ezlogs
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

class Tests(unittest.TestCase):
    def test_event_in_a_provider_of_its_own(self):
        trace._TRACER_PROVIDER_SET_ONCE = type(trace._TRACER_PROVIDER_SET_ONCE)()
        trace._TRACER_PROVIDER = None
        trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
        with trace.get_tracer("suite").start_as_current_span("span") as span:
            assert ezlogs.event("order.action", "placed") is not None
            assert [event.name for event in span.events] == ["order.action"]
"""


def suite(folder: Path, text: str) -> Path:
    """A folder of sources with one file of tests."""
    (folder / "tests").mkdir()
    (folder / "tests" / "test_it.py").write_text(text)
    return folder


def row(
    without: dict[str, str], outcomes: dict[str, str], mode: Mode = ATTACHED, ezlogs: dict[str, Any] | None = None
) -> Row:
    """One suite in one mode, tried once."""
    found = compare(without, outcomes, SUITE.known(mode))
    return Row(SUITE, mode, Run(without), Run(outcomes, ezlogs or FINE), found, found)


def test_a_test_has_failed_when_any_part_of_it_has(tmp_path: Path) -> None:
    """A subtest, or what follows a test, fails the test; each is counted once, by the name that pytest gives."""
    ran = run(suite(tmp_path, SUITE_OF_FIVE), None, "http://127.0.0.1:9")

    assert {name.split("::")[-1]: outcome for name, outcome in ran.outcomes.items()} == {
        "test_passes": "passed",
        "test_fails": "failed",
        "test_is_skipped": "skipped",
        "test_fails_in_a_part": "failed",
        "test_fails_when_it_is_over": "failed",
    }
    assert ran.ezlogs is None
    assert ran.trouble == ""


def test_a_file_that_cannot_be_imported_has_failed(tmp_path: Path) -> None:
    """Not one of its tests would be missed otherwise."""
    ran = run(suite(tmp_path, "import there_is_no_such_module"), None, "http://127.0.0.1:9")

    assert ran.outcomes == {"tests/test_it.py": "failed"}


def test_a_run_without_a_report_says_why(tmp_path: Path) -> None:
    """A process that dies is told with its last words."""
    ran = run(suite(tmp_path, "import os; os._exit(7)"), None, "http://127.0.0.1:9")

    assert ran == Run({}, trouble="ended with 7: and said nothing")
    assert troubles(ran, SUITE, ATTACHED) == ["ended with 7: and said nothing"]


def test_ezlogs_is_active_on_whatever_provider_a_test_sets(tmp_path: Path) -> None:
    """Events ride on the spans of a provider that took the place of the one that ezlogs met, and are delivered."""
    with collector() as endpoint:
        ran = run(suite(tmp_path, SUITE_WITH_A_SPAN), SPAN, endpoint)

    assert list(ran.outcomes.values()) == ["passed"]
    assert ran.ezlogs is not None
    assert ran.ezlogs["events"] == {"order.action": 1}
    assert (ran.ezlogs["emitted"], ran.ezlogs["delivered"]) == (2, 2), "the suite's, and one before it"
    assert "ezlogs_threading" in ran.ezlogs["instrumentors"]
    assert troubles(ran, Suite("x", ours="ezlogs_threading", tells="order.action"), SPAN) == []


def test_only_what_passes_without_ezlogs_is_compared() -> None:
    """What fails without it does not count, whatever becomes of it; what is skipped or missing with it does."""
    without = {"a": "passed", "b": "passed", "c": "failed", "d": "passed", "e": "skipped"}
    outcomes = {"a": "passed", "b": "skipped", "c": "passed", "e": "skipped", "f": "passed"}

    assert compare(without, outcomes, ()) == Difference(unknown=("b", "d", "f"))
    assert compare(without, without, ()).is_expected


def test_known_tests_must_fail() -> None:
    """One that is listed and passes, or is gone, is not as expected; nor is one that is listed and skipped."""
    without = dict.fromkeys("abc", "passed")
    found = compare(without, {"a": "failed", "b": "passed", "c": "skipped"}, ("a", "b", "c", "d"))

    assert found == Difference(unknown=("c",), known=("a",), gone=("b", "c", "d"))
    assert not found.is_expected


def test_those_who_count_events_or_spans_differ_only_where_ezlogs_has_some() -> None:
    """In the other modes the same test must pass."""
    events, spans = "test_a.py::test_events", "test_a.py::test_spans"

    assert {mode.name: SUITE.known(mode) for mode in MODES} == {
        "attached": (),
        "log": (),
        "span": (spans, events),
        "span, no endpoint": (spans, events),
    }


def test_a_difference_counts_that_comes_each_time() -> None:
    """A test that differed once is told, and fails nothing."""
    first = Difference(unknown=("clock", "always"), gone=("busy",))
    last = first.settled(Difference(unknown=("always",), known=("busy",)))
    found = Row(SUITE, ATTACHED, Run({"x": "passed"}), Run({"x": "passed"}, FINE), first, last)

    assert last == Difference(unknown=("always",), known=("busy",))
    assert found.flaky == ["busy", "clock"]
    assert found.wrong == ["differs: always"]


def test_what_differs_is_run_again_together_with_its_yardstick() -> None:
    """A few times at most, and only that: what is as expected runs once."""
    seen: list[tuple[str, str]] = []

    def one(suite: Suite, mode: Mode | None) -> Run:
        seen.append((suite.name, mode.name if mode else "without"))
        fails = mode is not None and (suite.name == "always" or (suite.name == "once" and seen.count(seen[-1]) == 1))
        return Run({"test": "failed" if fails else "passed"}, FINE)

    fine, once, always = Runs(one, 1).rows([Suite("fine"), Suite("once"), Suite("always")], [ATTACHED])

    assert {pair: seen.count(pair) for pair in seen} == {
        ("fine", "without"): 1,
        ("fine", "attached"): 1,
        ("once", "without"): 2,
        ("once", "attached"): 2,
        ("always", "without"): 1 + TRIES,
        ("always", "attached"): 1 + TRIES,
    }
    assert (fine.wrong, fine.flaky) == ([], [])
    assert (once.wrong, once.flaky) == ([], ["test"])
    assert (always.wrong, always.flaky) == (["differs: test"], [])


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"running": False}, "ezlogs was not active to the end"),
        ({"instrumentors": ["ezlogs_celery"]}, "ezlogs_flask was not active"),
        ({"events": {"job.enqueue": 2}}, "no http.request was told of, only {'job.enqueue': 2}"),
        ({"emitted": 2, "delivered": 1}, "1 of 2 events were delivered; lost: {}"),
        ({"lost": {"queue_full": 1}}, "0 of 0 events were delivered; lost: {'queue_full': 1}"),
        ({"internal_errors": 1}, "1 internal_errors"),
    ],
)
def test_a_run_in_which_ezlogs_did_not_do_its_work_is_wrong(told: dict[str, Any], says: str) -> None:
    """That all tests pass means nothing where ezlogs was away, lost events or failed inside."""
    one = Suite("flask", ours="ezlogs_flask", tells="http.request")
    active = {**FINE, "instrumentors": ["ezlogs_flask"], "events": {"http.request": 1}}

    assert troubles(Run({}, active), one, LOG) == []
    assert troubles(Run({}, {**active, **told}), one, LOG) == [says]


def test_a_suite_most_of_which_fails_without_ezlogs_measures_nothing() -> None:
    """It is wrong even where nothing differs; so is one that did not run."""
    outcomes = {**dict.fromkeys(map(str, range(8)), "passed"), "8": "failed", "9": "failed"}

    assert row(outcomes, outcomes)._replace(difference=Difference()).wrong == [
        "too many of its tests fail without ezlogs"
    ]


def test_the_table_names_what_differs_and_why() -> None:
    """By suite and test, and what is not as it should be comes last."""
    events, spans = "test_a.py::test_events", "test_a.py::test_spans"
    without = {events: "passed", spans: "passed", "old": "failed", **dict.fromkeys(map(str, range(18)), "passed")}
    found = row(without, {**without, events: "failed", spans: "failed", "1": "failed"}, SPAN)

    text = table([found])

    assert [line.split() for line in text.splitlines()[:2]] == [
        ["suite", "mode", "tests", "pass", "without", "ezlogs", "with", "it", "events", "differ"],
        ["flask", "span", "21", "20", "17", "0", "2", "known,", "1", "not"],
    ]
    assert text.splitlines()[2:] == [
        "",
        "Fail without ezlogs, and do not count:",
        "  flask: old",
        "",
        "Known to count the events of spans, and to differ where events are on spans:",
        f"  flask: {events}",
        "",
        "Known to count all spans, and to differ where ezlogs opens some:",
        f"  flask: {spans}: counts",
        "",
        "Not as it should be:",
        "  flask (span): differs: 1",
    ]
    (told,) = json.loads(json.dumps(document([found])))
    assert (told["unknown"], told["wrong"]) == (["1"], ["differs: 1"])


def test_settings_of_others_change_nothing() -> None:
    """Neither OpenTelemetry's variables nor ours reach the suites, and only some modes are told an endpoint."""
    given = {"OTEL_PYTHON_EXCLUDED_URLS": "x", "EZLOGS_CARRIER": "log", "DJANGO_SETTINGS_MODULE": "y", "HOME": "/h"}

    found = environment(given, {"A": "b"})

    assert found == {"HOME": "/h", "A": "b", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    assert settings(None, "http://c") is None
    assert settings(NO_ENDPOINT, "http://c") == {"pipeline": "attached"}
    assert settings(LOG, "http://c") == {"carrier": "log", "endpoint": "http://c"}


def test_sources_are_those_of_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive with the locked hash is unpacked anew each time; any other is none."""
    stem = f"pytest-{version('pytest')}"
    archive = tmp_path / f"{stem}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo(f"{stem}/tests/test_it.py")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"pass"))
    right = hashlib.sha256(archive.read_bytes()).hexdigest()
    lock = tmp_path / "lock.txt"
    lock.write_text(f"pytest=={version('pytest')} ; x \\\n    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{right}\n")
    monkeypatch.setattr(sources, "LOCK", lock)
    (tmp_path / stem).mkdir()
    (tmp_path / stem / "left.txt").write_text("by an earlier run")

    folders = sources.unpacked(["pytest"], tmp_path)

    assert folders == {"pytest": tmp_path / stem}
    assert [path.name for path in folders["pytest"].rglob("*.*")] == ["test_it.py"]
    archive.write_bytes(b"another")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(subprocess.CalledProcessError):  # a file with another hash is none, and is fetched anew
        sources.unpacked(["pytest"], tmp_path)
    assert not archive.exists()


def test_a_version_that_is_not_locked_is_refused() -> None:
    """The suites must be those of what is installed."""
    lock = "flask==3.1 \\\n    --hash=sha256:" + "a" * 64 + "\nflask-login==1 \\\n    --hash=sha256:" + "b" * 64 + "\n"

    assert sources.hashes(lock, "flask", "3.1") == ["a" * 64]
    for name, installed in (("flask", "3.0"), ("django", "5")):
        with pytest.raises(sources.NotLockedError, match="run `make contrib` anew"):
            sources.hashes(lock, name, installed)


def test_the_lock_holds_every_suite_and_opentelemetry_as_the_neighbours_have_it() -> None:
    """What `make contrib` runs is what `.venv-neighbours` holds, where that has it at all."""

    def pins(name: str) -> dict[str, str]:
        lines = (ROOT / "constraints" / name).read_text().splitlines()
        found = (line.split(" ")[0].split("==") for line in lines if line.startswith("opentelemetry-"))
        return dict(found)

    ours, neighbours = pins("contrib.txt"), pins("neighbours.txt")

    assert {one.distribution for one in SUITES} <= set(ours)
    assert {name: ours[name] for name in neighbours.keys() & ours.keys()} == {
        name: neighbours[name] for name in neighbours.keys() & ours.keys()
    }


def test_an_unknown_suite_is_refused_with_the_names_of_all() -> None:
    """Nothing runs."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.contrib", "bottle"],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert done.returncode == 2
    assert "there is no suite bottle; there are: celery, httpx," in done.stderr
