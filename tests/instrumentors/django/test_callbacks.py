"""Callbacks of ``transaction.on_commit``: in the story and as the actor of what asked for them, and else as ever."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

import ezlogs
from ezlogs.actor import actor
from ezlogs.correlation import Correlation, current, placed
from ezlogs.scope import Scope

pytestmark = pytest.mark.usefixtures("database", "instrumented")

FROM_A_JOB = Correlation(correlation_id="story-1", parent_event_id="evt_job")


def mailed():
    """Tell that something was done."""
    ezlogs.event("order.action", "mailed", subject=("order", 42))


def test_a_callback_belongs_to_what_asked_for_it(captured):
    """The flow and the actor are left before the commit; afterwards they are left again."""
    with Scope(placed(FROM_A_JOB)), actor("user", 7):
        with transaction.atomic():
            with ezlogs.flow("checkout", 42), actor("user", 8):
                transaction.on_commit(mailed)
                transaction.on_commit(mailed, robust=True)
            transaction.on_commit(mailed)
        assert current().flow_id is None

    first, second, third = (event for event in captured.events if event.action == "mailed")
    assert [event.actor.id for event in (first, second, third)] == ["8", "8", "7"]
    assert [event.correlation.flow_id for event in (first, second, third)] == ["checkout:42", "checkout:42", None]
    assert {event.correlation.correlation_id for event in (first, second, third)} == {"story-1"}
    assert third.correlation.parent_event_id == "evt_job"


def test_a_callback_of_a_story_that_has_ended_stays_in_it(captured):
    """A transaction that goes on after the scope does not lose what was asked for in it."""
    with transaction.atomic():
        with Scope(placed(FROM_A_JOB)):
            transaction.on_commit(mailed)
        assert current() is None

    assert captured.events[-1].correlation.correlation_id == "story-1"
    assert current() is None


def test_what_a_callback_raises_is_the_application_s_and_the_context_is_left(captured):
    """As ever."""

    def fail():
        raise LookupError("no such order")

    with pytest.raises(LookupError, match="no such order"), transaction.atomic(), Scope(placed(FROM_A_JOB)):
        transaction.on_commit(fail)
    assert current() is None


def test_a_callback_is_the_same_in_all_but_its_identity(captured):
    """Equal, with its name; one that is none is refused by Django as ever."""
    with Scope(placed(FROM_A_JOB)), transaction.atomic():
        transaction.on_commit(mailed)
        (entry,) = connection.run_on_commit
        assert (entry[1] == mailed, entry[1].__qualname__) == (True, "mailed")
        with pytest.raises(TypeError):
            transaction.on_commit("mailed")


def test_callbacks_outside_stories_and_of_no_transaction_are_left_alone(captured):
    """Nothing is put around them."""
    with transaction.atomic():
        transaction.on_commit(mailed)
        (entry,) = connection.run_on_commit
        assert entry[1] is mailed
    with Scope(placed(FROM_A_JOB)):
        transaction.on_commit(mailed)

    assert captured.events[-1].correlation.correlation_id == "story-1"


def test_nothing_is_put_around_callbacks_when_nothing_listens():
    """Without a runtime."""
    with Scope(placed(FROM_A_JOB)), transaction.atomic():
        transaction.on_commit(mailed)
        (entry,) = connection.run_on_commit
        assert entry[1] is mailed
