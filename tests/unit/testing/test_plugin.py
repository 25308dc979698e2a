"""The pytest plugin: it loads nothing until it is used, sends nothing, and shows what was captured."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ezlogs_pytest

TESTS = """
import threading
import ezlogs
import pytest
from ezlogs.testing import captured_events, event, expect_event_flow


def place():
    return ezlogs.event("order.action", "placed", actor=("user", 42), subject=("order", 9))


def test_expected(ezlogs_events):
    place()
    expect_event_flow(event("order.placed", actor="user:7"))


def test_plain(ezlogs_events):
    place()
    assert 1 == 2


def test_compared(ezlogs_events):
    assert event("order.placed", actor="user:7") == place()


def test_contained(ezlogs_events):
    place()
    assert event("order.placed", actor="user:7") in ezlogs_events.events


def test_mistaken(ezlogs_events):
    ezlogs.event("order", "placed")


def test_leaked(ezlogs_events):
    place()
    ezlogs_events.assert_absent("placed")


@pytest.mark.ezlogs(changes="full", max_rows_in_detail=5)
class TestSettings:
    @pytest.mark.ezlogs(max_rows_in_detail=6)
    def test_settings(self, ezlogs_events):
        from ezlogs.runtime import current_runtime

        settings = current_runtime().settings
        assert (settings.changes, settings.max_rows_in_detail) == ("full", 6)


def test_none_sees_what_another_captured():
    with pytest.raises(LookupError):
        captured_events()


def test_error_of_ezlogs(ezlogs_events):
    ezlogs_events.failed("a hook", KeyError("bug"))


def running():
    ezlogs.configure(endpoint="http://127.0.0.1:9", instrument="none", durability="memory")
    place()
    told = ezlogs.health()
    ezlogs.shutdown()
    return told


def test_nothing_is_sent():
    assert running()["sending"] == "off in this test run"
    assert threading.active_count() == 1


@pytest.mark.ezlogs_send
def test_sent_if_asked_for():
    assert "sending" not in running()
"""


def run(folder: Path, *arguments: str, tests: str = TESTS) -> str:
    """Run some tests in a pytest of their own, and return what it prints."""
    (folder / "test_shop.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "ezlogs_pytest", *arguments]
    environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environ.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        command, cwd=folder, env=environ, check=False, capture_output=True, text=True, encoding="utf-8", timeout=60
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest prints of the tests above."""
    return run(tmp_path_factory.mktemp("shop"))


def test_the_right_ones_pass(printed: str) -> None:
    """And an error of ezlogs' is one of the test that it happened in."""
    assert "6 failed, 5 passed, 1 error" in printed, printed
    assert "ERROR test_shop.py::test_error_of_ezlogs - KeyError: 'bug'" in printed


def test_an_expectation_explains_itself(printed: str) -> None:
    """Where it was made, not inside of ezlogs, and once."""
    part = printed.partition("_ test_expected _")[2].partition("_ test_plain _")[0]
    assert "E       AssertionError: expect_event_flow: step 1 of 1 `order.placed` not found in story#1" in part
    assert "E         ✗ actor  expected 'user:7'  got user:42" in part
    assert "expecting.py" not in part
    assert "functions.py" not in part
    assert "Captured ezlogs events" not in part


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mistaken", "InvalidEvent: event_type 'order': use two lower-case segments"),
        ("leaked", "a text that must be absent is in what is sent, as it is"),
    ],
)
def test_a_mistake_is_shown_where_it_was_made(printed: str, name: str, text: str) -> None:
    """And no line of ezlogs'."""
    part = printed.partition(f"_ test_{name} _")[2].partition("\n___")[0]
    assert text in part
    assert "/ezlogs/" not in part


def test_a_failure_shows_what_was_captured(printed: str) -> None:
    """As a tree."""
    part = printed.partition("_ test_plain _")[2].partition("_ test_compared _")[0]
    assert "Captured ezlogs events" in part
    assert "story#1: 1 event\n  ✓ order.action placed user:42 -> order:9" in part


def test_comparisons_are_explained(printed: str) -> None:
    """Field by field, and with the nearest of many."""
    for name, nearest in (("test_compared", ""), ("test_contained", "nearest: <UniversalEvent order.action 'placed'")):
        part = printed.partition(f"_ {name} _")[2].partition("order:9")[0]
        assert "✗ actor  expected 'user:7'  got user:42" in part
        assert nearest in part


@pytest.mark.parametrize("how", [("--ezlogs-send",), ("-o", "ezlogs_send=true")])
def test_sending_is_asked_for(tmp_path: Path, how: tuple[str, ...]) -> None:
    """By an option, and by the ini file."""
    printed = run(tmp_path, *how, "-k", "sent")
    assert "1 failed, 1 passed" in printed, printed
    assert "KeyError: 'sending'" in printed


def test_workers_of_xdist_have_captures_of_their_own(tmp_path: Path) -> None:
    """And send nothing."""
    printed = run(tmp_path, "-p", "xdist", "-n", "2", "-k", "sent or sees or settings")
    assert "4 passed" in printed, printed


def test_it_loads_nothing_until_it_is_used(tmp_path: Path) -> None:
    """Neither ezlogs nor OpenTelemetry, for a test run that has nothing to do with them."""
    code = (
        "import sys\n"
        "def test_modules():\n"
        "    loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "    assert 'ezlogs_pytest' in loaded\n"
        "    assert not loaded & {'ezlogs', 'ezlogs_instrumentors', 'opentelemetry', 'msgspec', 'wrapt'}\n"
        "def test_failing():\n"
        "    assert [1] == [2]\n"
    )
    printed = run(tmp_path, tests=code)
    assert "1 failed, 1 passed" in printed, printed
    assert "At index 0 diff: 1 != 2" in printed


def test_the_process_of_these_tests_sends() -> None:
    """Since its receivers are its own."""
    assert ezlogs_pytest.sending
