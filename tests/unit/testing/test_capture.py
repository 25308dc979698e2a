"""Capture: nothing is sent meanwhile, whatever is configured when; everything is as before afterwards."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import ezlogs
import ezlogs_pytest
from ezlogs import InvalidEvent, InvalidSettings
from ezlogs import runtime as process
from ezlogs.emit import guarded, record
from ezlogs.ids import new_span_id
from ezlogs.runtime import current_runtime
from ezlogs.testing import Captured, Clock, capture, captured_events, test_mode
from ezlogs.testing import capture as _capture_function
from ezlogs.testing.capture import forget_latest
from ezlogs.testing.elsewhere import VARIABLE

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def shut_down() -> Any:
    """Shut ezlogs down after the test."""
    yield
    ezlogs.shutdown()


def test_what_was_configured_counts_and_comes_back(shut_down: None) -> None:
    """Its settings, but for sampling, and nothing reaches its pipeline."""
    ezlogs.configure(endpoint=NOWHERE, instrument="none", deny=("shoe_size",), sample_rate=0.0, durability="memory")
    before = current_runtime()
    assert before is not None
    with capture() as captured:
        ezlogs.event("order.action", "placed", metadata={"shoe_size": 42})
        assert ezlogs.health()["captured"] == 1
    assert current_runtime() is before
    assert captured.exported[0]["ezlogs.metadata.shoe_size"] == "[redacted]"
    assert captured.dropped == {}
    assert ezlogs.health()["emitted"] == 0


def test_what_is_configured_meanwhile_counts_and_is_forgotten() -> None:
    """Such as by an application that a test makes: its events are captured all the same."""
    with capture(changes="full") as captured:
        ezlogs.configure(endpoint=NOWHERE, instrument="none", service_name="shop", deny=("shoe_size",))
        ezlogs.event("order.action", "placed", metadata={"shoe_size": 42})
        runtime = current_runtime()
        assert runtime is not None
        assert (runtime.settings.changes, runtime.settings.strict) == ("full", True)
        assert captured.exported[0]["ezlogs.metadata.shoe_size"] == "[redacted]"
        ezlogs.shutdown()
        assert ezlogs.event("order.action", "lost") is None
        ezlogs.configure(endpoint=NOWHERE, instrument="none", service_name="shop")
        ezlogs.event("order.action", "changed")
    assert current_runtime() is None
    assert [told.service for told in captured.told] == ["shop", "shop"]
    assert [event.action for event in captured.events] == ["placed", "changed"]


def test_captures_end_in_any_order() -> None:
    """What was there before the first comes back after the last."""
    first, second = capture(), capture()
    outer, inner = first.__enter__(), second.__enter__()
    ezlogs.event("order.action", "placed")
    first.__exit__(None, None, None)
    ezlogs.event("order.action", "changed")
    second.__exit__(None, None, None)
    assert current_runtime() is None
    assert ([event.action for event in inner.events], outer.events) == (["placed", "changed"], [])
    assert VARIABLE not in os.environ
    first, second = capture(), capture(processes=False)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert VARIABLE not in os.environ
    with capture(processes=False) as inner, capture() as innermost:
        assert inner.environ != innermost.environ


def test_settings_that_are_wrong_are_refused() -> None:
    """And nothing is left behind."""
    with pytest.raises(InvalidSettings, match="did you mean changes"), capture(chnages="full"):
        pytest.fail("entered")  # pragma: no cover  # it is not
    assert current_runtime() is None


def test_it_is_entered_by_async_with_too() -> None:
    """And the loop runs while something is expected."""

    async def test() -> Captured:
        async with capture() as captured:
            asyncio.get_running_loop().call_later(0.02, record, "order.action", "placed")
            await captured.eventually("order.action", wait=10)
            with pytest.raises(AssertionError, match=r"not found in story#1 \(waited 0.01 s\)"):
                await captured.eventually("payment.action", wait=0.01)
        return captured

    assert len(asyncio.run(test()).events) == 1


def broken() -> None:
    """A hook of ezlogs' own with a bug."""

    @guarded
    def hook() -> None:
        raise KeyError("bug")

    hook()


def swallowing() -> None:
    """An application that swallows whatever is raised in it."""
    with suppress(KeyError):
        broken()


def test_errors_of_ezlogs_are_raised_at_the_end() -> None:
    """For an application may swallow them."""
    with pytest.raises(KeyError, match="bug"), capture():
        swallowing()


def test_the_tests_own_error_is_not_hidden_by_them() -> None:
    """It is what is raised."""

    def test() -> None:
        with capture():
            swallowing()
            print(1 / 0)

    with pytest.raises(ZeroDivisionError):
        test()


def test_they_are_not_raised_where_they_are_expected() -> None:
    """Cleared, or not asked for."""
    with capture() as captured:
        swallowing()
        assert [type(error) for error in captured.errors] == [KeyError]
        captured.errors.clear()
    with capture(strict=False) as captured:
        broken()
    assert len(captured.errors) == 1


def test_an_invalid_event_is_the_applications_error() -> None:
    """It was told where that happened."""
    with capture() as captured, pytest.raises(InvalidEvent):
        ezlogs.event("Wrong", "placed")
    assert captured.errors == []


def test_what_is_dropped_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By reason."""
    with capture(sample_rate=0.0, strict=False) as captured:
        assert captured.dropped == {}
        ezlogs.event("order.action", "placed")
        captured.flush()
        monkeypatch.setattr(captured, "carry", lambda event, ctx: 1 / 0)
        ezlogs.event("order.action", "placed", outcome="failure")
    assert captured.dropped == {"sampled_out.rate": 1, "internal_error": 1}
    assert captured.events == []


def test_a_flush_waits_for_what_others_are_in_the_middle_of() -> None:
    """And not for what the calling thread is in."""
    begun, go_on = threading.Event(), threading.Event()

    @ezlogs.tracked("invoice.action", "rendered")
    def render() -> None:
        begun.set()
        go_on.wait(30)

    with capture() as captured, ezlogs.tracked("page.action", "shown"):  # type: ignore[attr-defined]  # a Work
        thread = threading.Thread(target=render)
        thread.start()
        begun.wait(30)
        assert not captured.flush(timeout=0.01)
        go_on.set()
        assert captured.flush(timeout=30)
        assert [event.event_type for event in captured.events] == ["invoice.action"]
        thread.join()


def test_captured_events_are_those_of_the_innermost_or_latest() -> None:
    """And of none where there was none."""
    forget_latest()
    with pytest.raises(LookupError, match="ezlogs_events"):
        captured_events()
    with capture():
        with test_mode():
            ezlogs.event("order.action", "placed")
            assert len(captured_events()) == 1
        assert captured_events() == []
        assert len(ezlogs.captured_events()) == 0
    forget_latest()


def test_test_mode_keeps_what_it_captured() -> None:
    """After its block, also when the block failed."""
    with suppress(ZeroDivisionError), ezlogs.test_mode():
        ezlogs.event("order.action", "placed")
        print(1 / 0)
    assert [event.action for event in captured_events()] == ["placed"]
    assert current_runtime() is None


def test_without_a_folder_this_process_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be written."""

    def refuse(prefix: str) -> str:
        raise PermissionError(prefix)

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with capture() as captured:
        assert captured.environ == {}
        ezlogs.event("order.action", "placed")
    assert len(captured.events) == 1


def test_the_environment_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever changed it meanwhile, and with a capture around."""
    with capture() as outer:
        with capture(processes=False) as inner:
            assert (inner.environ, os.environ[VARIABLE]) == ({}, outer.environ[VARIABLE])
        with capture() as inner:
            assert inner.environ == {VARIABLE: os.environ[VARIABLE]} != outer.environ
        assert os.environ[VARIABLE] == outer.environ[VARIABLE]
        os.environ[VARIABLE] = "elsewhere"
    assert os.environ.pop(VARIABLE) == "elsewhere"
    assert not os.path.exists(outer.environ[VARIABLE])


def test_clock_and_ids_are_the_same_each_time() -> None:
    """For events of every tracker; Python's random and the time go on."""

    def run() -> list[bytes]:
        with (
            capture(clock=Clock("2026-01-01T01:00:00+01:00", step=0.5), ids=7) as captured,
            ezlogs.flow("checkout", 42),
        ):
            ezlogs.event("order.action", "placed")
            with ezlogs.command("nightly"):
                pass
        return [event.to_json() for event in captured.events]

    first = run()
    assert run() == first
    assert b"2026-01-01T00:00:00" in first[0]
    assert new_span_id() != new_span_id()


def test_a_clock_can_be_moved() -> None:
    """Forwards."""
    clock = Clock("2026-01-01", step=0)
    clock.advance(1.5)
    assert clock() == clock() == 1_767_225_601_500_000_000
    with pytest.raises(ValueError, match="a clock that goes back"):
        Clock(step=-1)


@pytest.mark.parametrize("which", [_capture_function, test_mode])
def test_it_is_no_test(which: Callable[..., Any]) -> None:
    """Whatever pytest thinks of its name."""
    assert not getattr(which, "__test__", False)


def test_clock_or_ids_alone() -> None:
    """Each without the other."""
    with capture(clock=Clock("2026-01-01")) as captured:
        ezlogs.event("order.action", "placed")
    with capture(ids=1) as one, ezlogs.flow("checkout"):
        pass
    with capture(ids=1) as other, ezlogs.flow("checkout"):
        pass
    assert captured.events[0].timestamp == 1_767_225_600_000_000_000
    assert one.events[0].correlation == other.events[0].correlation


def test_what_was_captured_can_be_chosen_and_forgotten() -> None:
    """By type, and all of it."""
    with capture() as captured:
        ezlogs.event("order.action", "placed")
        assert len(captured.of("order.action")) == 1
        assert captured.of("payment.action") == []
        captured.clear()
        assert captured.events == []
        captured.failed("a hook", error := KeyError("bug"))
        captured.failed("another one", error)
        assert captured.errors == [error]
        captured.errors.clear()


def test_pytests_plugin_keeps_what_is_configured_from_sending(monkeypatch: pytest.MonkeyPatch, shut_down: None) -> None:
    """Events are made, and go nowhere."""
    before = threading.enumerate()
    monkeypatch.setattr(ezlogs_pytest, "sending", False)
    ezlogs.configure(endpoint=NOWHERE, instrument="none", sample_rate=0.5)
    assert ezlogs.event("order.action", "placed", outcome="failure") is not None
    with ezlogs.command("nightly"):
        pass
    assert ezlogs.health()["sending"] == "off in this test run"
    assert ezlogs.flush(timeout=0)
    assert set(threading.enumerate()) <= set(before)


def test_a_process_of_a_capture_keeps_from_sending_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shut_down: None
) -> None:
    """It writes to where the capture reads."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(process, "stand_in", None)
    ezlogs.configure(endpoint=NOWHERE, instrument="none", service_name="shop")
    ezlogs.event("order.action", "placed")
    [path] = tmp_path.iterdir()
    assert b'"action":"placed"' in path.read_bytes()
    assert b'"service":"shop"' in path.read_bytes()
