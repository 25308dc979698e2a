"""Exceptions that leave a thread or the program are told, and shown as they would be without ezlogs."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

import ezlogs
from ezlogs.testing import Captured
from ezlogs_instrumentors.exceptions import ExceptionsInstrumentor
from ezlogs_instrumentors.threading import ThreadingInstrumentor

pytestmark = pytest.mark.errors_told

PROGRAM = """
import sys
import ezlogs
from ezlogs.testing import capture
from ezlogs_instrumentors.exceptions import ExceptionsInstrumentor

ExceptionsInstrumentor().instrument()
with capture() as captured:
    try:
        raise ValueError("order 42 has no items")
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
(event,) = captured.events
print(event.event_type, event.metadata["left"], event.metadata["place"])
{last}
"""


@pytest.fixture(autouse=True)
def instrumented() -> Iterator[None]:
    """Instrument exceptions, and leave the hooks as they were."""
    before = sys.excepthook, threading.excepthook
    ExceptionsInstrumentor().instrument()
    yield
    ExceptionsInstrumentor().uninstrument()
    assert (sys.excepthook, threading.excepthook) == before


def fail() -> None:
    """Fail in a thread."""
    raise ValueError("lost in a thread")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_in_a_thread_is_told_in_the_story_that_started_it(captured: Captured) -> None:
    """Once, whoever carries the story there; the thread's own hook is called as before."""
    shown: list[type[BaseException]] = []
    before, threading.excepthook = threading.excepthook, lambda args: shown.append(args.exc_type)
    ThreadingInstrumentor().instrument()
    try:
        with ezlogs.flow("checkout", 42) as checkout:
            thread = threading.Thread(target=fail)
            thread.start()
            thread.join()
    finally:
        ThreadingInstrumentor().uninstrument()
        threading.excepthook = before
    (error,) = [event for event in captured.events if event.event_type == "system.error"]
    assert error.correlation.flow_id == "checkout:42"
    assert error.correlation.correlation_id == checkout.correlation.correlation_id  # type: ignore[union-attr]
    assert error.metadata["left"] == "thread"
    assert str(error.metadata["place"]).endswith("test_exceptions.fail")
    assert shown == [ValueError]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_in_a_thread_of_no_story_is_told(captured: Captured) -> None:
    """By the hook of threads alone."""
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    (error,) = captured.events
    assert (error.event_type, error.metadata["left"]) == ("system.error", "thread")


def test_a_program_ends_as_it_would_without() -> None:
    """It says the same on standard error, and has the same exit status."""
    last = "raise KeyError('the end')"
    ran = subprocess.run([sys.executable, "-c", PROGRAM.format(last=last)], capture_output=True, text=True, check=False)
    assert ran.stdout == "system.error program __main__.<module>\n", ran.stderr
    assert ran.returncode == 1
    assert ran.stderr.count("Traceback") == 2
    assert ran.stderr.rstrip().endswith("KeyError: 'the end'")
    assert "ezlogs" not in ran.stderr.rpartition("Traceback")[2]


def test_mistakes_in_a_session_are_no_errors(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever types at Python's prompt sees them anyway."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    monkeypatch.setattr("traceback.print_exception", lambda *_: None)
    try:
        fail()
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    assert captured.events == []
