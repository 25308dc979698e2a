"""A schedule's run begins a story of its own, acts itself, and says how late it was only when that was measured."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import ezlogs
from ezlogs import Actor, Subject
from ezlogs.correlation import current
from ezlogs.testing import Captured, capture


def test_a_schedule_runs_in_a_story_of_its_own(captured: Captured) -> None:
    """Whatever the scheduler's process is in the middle of; afterwards that is as it was."""
    with ezlogs.actor("user", 7), ezlogs.flow("deploy", 1) as around:
        with ezlogs.schedule("close_day", metadata={"cron": "0 3 * * *"}):
            ezlogs.event("day.action", "closed")
        assert current() == around.correlation
    start, closed, tick, _ = captured.events
    assert (tick.event_type, tick.action) == ("schedule.run", "close_day.tick")
    assert tick.correlation.correlation_id == closed.correlation.correlation_id != start.correlation.correlation_id
    assert closed.correlation.parent_event_id == tick.event_id
    assert tick.actor == closed.actor == Actor("scheduler", "close_day")
    assert tick.subject == Subject("schedule", "close_day")
    assert tick.metadata == {"cron": "0 3 * * *"}


def test_whom_a_run_names_and_forgets_about_does_not_act_in_it(captured: Captured) -> None:
    """The schedule does, as it did when the run began; the actor is there for the rest of the run only."""
    with ezlogs.schedule("close_day"):
        ezlogs.actor("user", 7)
        ezlogs.event("day.action", "closed")
    ezlogs.event("day.action", "after")

    closed, tick, after = captured.events
    assert (closed.actor.id, tick.actor, after.actor.type) == ("7", Actor("scheduler", "close_day"), "system")


def test_a_function_may_be_scheduled(captured: Captured) -> None:
    """Each call is a run and a story."""

    @ezlogs.schedule("close_day")
    def close_day() -> None:
        """Close it."""

    close_day()
    close_day()
    assert len({event.correlation.correlation_id for event in captured.events}) == 2


def test_lateness_is_measured_from_when_it_was_due(captured: Captured) -> None:
    """At the beginning of each run."""
    due = datetime.now(timezone.utc) - timedelta(minutes=5)
    with ezlogs.schedule("close_day", due=due):
        pass
    (tick,) = captured.events
    assert tick.metadata["lateness"] == pytest.approx(300, abs=10)
    assert tick.metadata["due"] == due.isoformat()


@pytest.mark.parametrize("due", [datetime.now(timezone.utc) + timedelta(hours=1), "at noon", 5])
def test_lateness_that_cannot_be_measured_is_left_out(captured: Captured, due: Any) -> None:
    """Clocks that disagree measure nothing."""
    with ezlogs.schedule("close_day", due=due):
        pass
    assert "lateness" not in captured.events[0].metadata


def test_a_time_out_of_range_costs_the_lateness_only(caplog: pytest.LogCaptureFixture) -> None:
    """The error is ezlogs' own affair."""
    with capture(strict=False) as captured, caplog.at_level(logging.WARNING):
        ezlogs.schedule("close_day", due=datetime.min)(list)()
    assert "lateness" not in captured.events[0].metadata
