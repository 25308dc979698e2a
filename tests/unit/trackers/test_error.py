"""Exceptions that nobody handled are told once, where they left their story, with the place they came from."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import ezlogs
from ezlogs.correlation import current
from ezlogs.event import UniversalEvent
from ezlogs.testing import Captured, capture
from ezlogs.trackers.error import logged, unhandled
from ezlogs.trackers.error_frames import MOST_FRAMES, origin_of
from ezlogs.trackers.http import HttpTracker, PlainArrival
from ezlogs.trackers.job import Job, started

pytestmark = pytest.mark.errors_told

SHOP = """
class Till:
    def take(self, amount):
        raise ValueError(f"{amount} is not enough")

def pay(amount):
    [Till().take(one) for one in [amount]]

def again(depth):
    again(depth - 1) if depth else pay(1)

def retold(amount):
    try:
        pay(amount)
    except ValueError as error:
        raise RuntimeError("not paid") from error
"""


def shop(source: str = SHOP, name: str = "shop.views", file: str = "/srv/releases/7/shop/views.py") -> ModuleType:
    """Return an application's module."""
    module = ModuleType(name)
    exec(compile(source, file, "exec"), vars(module))  # a module of the test's own
    return module


def raised(call: Callable[..., Any], *args: object) -> Exception:
    """Return the exception that a call raises."""
    try:
        call(*args)
    except Exception as error:
        return error
    raise AssertionError("it did not raise")


def told(captured: Captured) -> list[UniversalEvent]:
    """Return the errors that were told."""
    return [event for event in captured.events if event.event_type == "system.error"]


def test_an_error_says_where_it_came_from(captured: Captured) -> None:
    """What left what, the calls as their modules are called, and the innermost of the application's own."""
    unhandled(raised(shop().pay, 5), "program")
    (error,) = told(captured)
    assert (error.action, error.outcome, error.severity) == ("unhandled", "failure", "error")
    assert error.error == ezlogs.event("x.y", "z", error=ValueError("5 is not enough")).error  # type: ignore[union-attr]
    assert error.metadata["left"] == "program"
    assert error.metadata["place"] == "shop.views.take"
    assert [dict(frame) for frame in error.metadata["frames"]][1:] == [
        {"file": "shop/views.py", "line": 7, "function": "pay", "in_app": True},
        {"file": "shop/views.py", "line": 4, "function": "take", "in_app": True},
    ]
    assert error.subject is not None
    assert (error.subject.type, error.subject.label) == ("error", "ValueError in shop.views.take")


def test_a_fingerprint_outlives_edits_elsewhere() -> None:
    """Lines, messages and the place of the installation are not in it; types and functions are."""
    original = origin_of(raised(shop().pay, 5)).fingerprint
    moved = shop("\n\n\n# moved\n" + SHOP, file="/srv/releases/8/shop/views.py")
    renamed = shop(SHOP.replace("def pay", "def settle").replace("pay(", "settle("))
    other = shop(SHOP.replace("ValueError(f", "TypeError(f"))
    assert origin_of(raised(moved.pay, 6)).fingerprint == original
    assert origin_of(raised(renamed.settle, 5)).fingerprint != original
    assert origin_of(raised(other.pay, 5)).fingerprint != original
    assert origin_of(raised(shop().retold, 5)).fingerprint != original


def test_a_recursion_is_the_same_however_deep() -> None:
    """And what is told of it is bounded."""
    module = shop()
    shallow, deep = (raised(module.again, depth) for depth in (3, 300))
    assert origin_of(shallow).fingerprint == origin_of(deep).fingerprint
    with capture() as captured:
        unhandled(deep, "program")
    metadata = told(captured)[0].metadata
    assert len(metadata["frames"]) == MOST_FRAMES
    assert metadata["frames_left_out"] > 200
    assert metadata["frames"][-1]["function"] == "take"


def test_what_is_in_libraries_counts_where_nothing_else_is() -> None:
    """An error is the application's if any of its frames is; the culprit is its innermost own one."""
    library = shop(name="lib.till", file="/venv/lib/python3/site-packages/lib/till.py")
    own = shop("def buy(pay):\n    pay(5)\n")
    within = origin_of(raised(own.buy, library.pay))
    assert within.culprit is not None
    assert within.culprit.place == "shop.views.buy"
    error = raised(library.pay, 5)
    error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # without this test's own
    alone = origin_of(error)
    assert [frame.in_app for frame in alone.frames] == [False, False]
    assert alone.culprit is not None
    assert alone.culprit.place == "lib.till.take"
    assert alone.fingerprint != within.fingerprint


def test_what_an_error_was_raised_from_is_named(captured: Captured) -> None:
    """By type; what merely was being handled is named too, and is not in the fingerprint."""
    unhandled(raised(shop().retold, 5), "program")
    assert told(captured)[0].metadata["causes"] == ("ValueError",)

    def while_handling(first: Exception) -> None:
        try:
            raise first
        except Exception:
            raise RuntimeError("second")  # noqa: B904  # that is the point

    one, other = origin_of(raised(while_handling, KeyError("a"))), origin_of(raised(while_handling, OSError("b")))
    assert (one.causes, other.causes) == (["KeyError"], ["OSError"])
    assert one.fingerprint == other.fingerprint


def test_causes_in_a_circle_end() -> None:
    """An exception can be made its own cause's cause."""
    first, second = raised(shop().pay, 1), raised(shop().retold, 2)
    first.__cause__, second.__cause__ = second, first
    assert origin_of(first).causes == ["RuntimeError"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="groups of exceptions came with Python 3.11")
def test_a_group_is_what_it_holds() -> None:
    """The same group with other members is another error, and their number and order mean nothing."""
    module = shop()

    def group(*errors: Exception) -> str:
        def fail() -> None:
            raise ExceptionGroup("several", errors)  # noqa: F821  # where there is one

        return origin_of(raised(fail)).fingerprint

    pay, retold = raised(module.pay, 1), raised(module.retold, 1)
    assert group(pay, retold) == group(retold, pay, pay) != group(pay)


def test_an_error_is_told_once_in_its_story(captured: Captured) -> None:
    """However many places it leaves on its way: a job that runs in its caller, the request, the program."""
    error = raised(shop().pay, 5)
    request = HttpTracker("shop").begin(PlainArrival("POST", "/orders", {}))
    assert request is not None
    job = started(Job("charge", "j-1"), nested=True)
    assert job is not None
    job.failed(error)
    job.close()
    request.finish(500, route="/orders", error=error)
    unhandled(error, "program")
    ran, requested = (
        next(e for e in captured.events if e.event_type == kind) for kind in ("job.execution", "http.request")
    )
    (only,) = told(captured)
    assert only.correlation.parent_event_id == ran.event_id
    assert only.correlation.correlation_id == requested.correlation.correlation_id
    assert only.metadata["left"] == "job.execution"


@pytest.mark.parametrize(("status", "number"), [(503, 0), (500, 1), (None, 1)])
def test_an_exception_that_is_an_answer_is_no_error(captured: Captured, status: int | None, number: int) -> None:
    """The application has given the request up with just this response; any other was made of what nobody handled."""

    class Unavailable(Exception):  # noqa: N818  # as frameworks call theirs
        status_code = 503

    def fail() -> None:
        raise Unavailable

    request = HttpTracker("shop").begin(PlainArrival("GET", "/orders", {}))
    assert request is not None
    request.finish(status, route="/orders", error=raised(fail))
    assert len(told(captured)) == number


def test_one_object_that_is_raised_in_two_stories_is_told_in_both(captured: Captured) -> None:
    """Some libraries raise the same exception again and again."""
    error = raised(shop().pay, 5)
    for entry in ("morning", "evening"):
        with pytest.raises(ValueError, match="enough"), ezlogs.schedule(entry):
            raise error
    first, second = told(captured)
    assert first.correlation.correlation_id != second.correlation.correlation_id
    assert first.correlation.parent_event_id == captured.events[1].event_id


def test_a_command_that_made_an_exit_code_of_it_handled_it(captured: Captured) -> None:
    """Else it leaves the command."""

    def run(exit_code: int | None) -> None:
        with ezlogs.command("import") as command:
            command.exit_code = exit_code
            shop().pay(5)

    for exit_code in (3, None):
        assert isinstance(raised(run, exit_code), ValueError)
    assert len(told(captured)) == 1
    assert told(captured)[0].metadata["left"] == "cli.command"
    assert told(captured)[0].actor.type == "cli"


def test_what_will_be_tried_again_is_no_error_yet(captured: Captured) -> None:
    """A retried attempt is told as such; only the last one is an error."""
    for end in ("retried", "failed"):
        job = started(Job("charge", "j-1"))
        assert job is not None
        getattr(job, end)(raised(shop().pay, 5))
        job.close()
    assert len(told(captured)) == 1


def test_ends_from_outside_are_no_errors(captured: Captured) -> None:
    """Ctrl-C, an exit and a cancelled task end a story, and are nobody's mistake."""
    for end in (KeyboardInterrupt(), SystemExit(1), GeneratorExit(), None):
        unhandled(end, "program")
    assert captured.events == []


def test_local_variables_are_told_only_when_asked_and_then_redacted() -> None:
    """Those of the application's innermost calls, by name, as privacy leaves them."""
    module = shop(
        "def arrives():\n    sign_in('ada', 'hunter2')\n\n"
        "def sign_in(user, password):\n    attempts = [1, 2]\n    check(user, password)\n\n"
        "def check(user, password):\n    raise ValueError('no')\n"
    )
    with capture() as captured:
        unhandled(raised(module.arrives), "program")
    assert "locals" not in told(captured)[0].metadata
    captured.assert_absent("hunter2")
    with capture(error_locals=True) as captured:
        unhandled(raised(module.arrives), "program")
    found = told(captured)[0].metadata["locals"]
    assert found["shop.views.sign_in"]["attempts"] == (1, 2)
    assert found["shop.views.check"]["user"] == "ada"
    captured.assert_absent("hunter2")


def test_logged_errors_are_told_where_they_are_asked_for() -> None:
    """And are not told again when they leave the story after all."""
    error = raised(shop().pay, 5)
    with capture() as captured:
        logged(error, "shop")
    assert captured.events == []

    def run() -> None:
        with ezlogs.schedule("nightly"):
            logged(error, "shop")
            raise error

    with capture(errors="logged") as captured, pytest.raises(ValueError, match="enough"):
        run()
    (only,) = told(captured)
    assert (only.action, only.metadata["logger"]) == ("logged", "shop")


def test_errors_can_be_switched_off() -> None:
    """With the setting, or as any other type of event."""
    for settings in ({"errors": "none"}, {"disabled_events": ("system.error",)}):
        with capture(**settings) as captured:
            unhandled(raised(shop().pay, 5), "program")
        assert captured.events == []


def test_an_exception_that_resists_is_no_trouble(captured: Captured) -> None:
    """One that cannot even say what it is is told by its type."""

    class Sealed(Exception):  # noqa: N818
        def __setattr__(self, name: str, value: object) -> None:
            raise TypeError("sealed")

        def __str__(self) -> str:
            raise RuntimeError("no text")

    def fail() -> None:
        raise Sealed

    unhandled(raised(fail), "program")
    assert told(captured)[0].error is not None
    assert told(captured)[0].error.message is None  # type: ignore[union-attr]
    assert current() is None
