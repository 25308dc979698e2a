"""One way out for every event: nothing is made when nothing listens, and nothing ever reaches the application."""

from __future__ import annotations

import logging

import pytest
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_instrumentation

import ezlogs
from ezlogs.emit import guarded, listening, record
from ezlogs.event import InvalidEvent
from ezlogs.runtime import Emitted, Runtime, current_runtime, install
from ezlogs.settings import load
from ezlogs.testing import Captured, capture


class Broken(Captured):
    """A carrier that raises."""

    def carry(self, emitted: Emitted, ctx: Context | None) -> None:
        """Raise."""
        raise OSError("no carrier today")


@pytest.fixture
def production() -> Runtime:
    """A runtime as in production, with a carrier that raises; the test's end takes it down."""
    runtime = Runtime(load({}).settings, Broken())
    install(runtime)
    yield runtime
    install(None)


def test_events_are_numbered_in_order(captured: Captured) -> None:
    """The sequence orders what happened in the same nanosecond."""
    for _ in range(3):
        record("order.action", "placed")
    assert [event.sequence for event in captured.events] == [1, 2, 3]


def test_nothing_is_made_when_nothing_listens() -> None:
    """Without a runtime, or with ezlogs switched off, an event costs a look and no more."""
    assert not listening()
    assert record("not even", "checked") is None
    install(Runtime(load({}, {"enabled": False}).settings))
    assert not listening()
    assert record("not even", "checked") is None
    install(None)


def test_nothing_is_made_inside_suppressed_instrumentation(captured: Captured) -> None:
    """Exporters and health checks that ask for silence get it."""
    with suppress_instrumentation():
        assert record("order.action", "placed") is None
    assert captured.events == []


def test_in_tests_a_wrong_event_raises(captured: Captured) -> None:
    """The developer sees what is wrong, with what is allowed."""
    with pytest.raises(InvalidEvent, match="use two lower-case segments"):
        ezlogs.event("Order Placed", "placed")


def test_in_production_a_wrong_event_is_repaired_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """It is delivered, marked, and named in the log without what privacy keeps back."""
    with capture(strict=False) as captured, caplog.at_level(logging.WARNING, "ezlogs"):
        for _ in range(3):
            ezlogs.event("Order Placed ada@example.com", "placed")
    assert {event.event_type for event in captured.events} == {"order.placed_ada_example_com"}
    assert len(caplog.records) == 1
    assert "use two lower-case segments" in caplog.text
    assert "ada@example.com" not in caplog.text


def test_a_repaired_event_is_counted_as_such() -> None:
    """It is no error of ezlogs' own."""
    with capture(strict=False):
        ezlogs.event("Order Placed", "placed")
        runtime = current_runtime()
        assert runtime is not None
        assert runtime.ledger.counts() == {"emitted": 1, "invalid": 1}


def test_an_internal_error_never_reaches_the_application(production: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted, and said once."""
    assert ezlogs.event("order.action", "placed") is None
    assert ezlogs.event("order.action", "placed") is None
    assert production.ledger.counts()["internal_errors"] == 2
    assert [entry.getMessage() for entry in caplog.records] == ["ezlogs: an event was lost: OSError"]


def test_a_hooks_error_never_reaches_the_application(production: Runtime) -> None:
    """A guarded hook returns None instead."""

    @guarded
    def hook(value: int) -> float:
        return 1 / value

    assert hook(2) == 0.5
    assert hook(0) is None
    assert production.ledger.counts()["internal_errors"] == 1
    install(None)
    assert hook(0) is None


def test_in_tests_a_hooks_error_is_raised(captured: Captured) -> None:
    """So that it is found."""

    @guarded
    def hook() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        hook()


def test_captures_nest() -> None:
    """The inner one takes the events, and the outer one comes back."""
    with capture() as outer:
        with capture() as inner:
            ezlogs.event("order.action", "placed")
        assert (len(inner.of("order.action")), outer.events) == (1, [])
        assert ezlogs.health()["captured"] == 0
        assert ezlogs.flush()
        ezlogs.event("order.action", "placed", metadata={"password": "x"})
        assert outer.exported[0]["ezlogs.metadata.password"] == "[redacted]"
        outer.clear()
        assert outer.events == []
