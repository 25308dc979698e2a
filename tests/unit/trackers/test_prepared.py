"""Prepared transactions: what is in the journal at each moment, and what is told of it."""

from __future__ import annotations

import pytest
from tests.preparing import capture_prepared

import ezlogs
from ezlogs.event import InvalidEvent
from ezlogs.runtime import current_runtime, install
from ezlogs.trackers.data import Row, Transaction, observe


def row(number: int) -> Row:
    """A row that was written."""
    return observe("order", "create", id=str(number))


def transaction(*numbers: int) -> Transaction:
    """A transaction that wrote some rows."""
    made = Transaction("default")
    for number in numbers:
        made.add(row(number))
    return made


def ids(events: list[ezlogs.UniversalEvent]) -> list[str]:
    """Return the ids of rows."""
    return [event.event_id for event in events if event.event_type == "data.change"]


def test_what_is_prepared_is_journaled_and_not_told() -> None:
    """If the process ends here, nobody knows what became of it."""
    with capture_prepared() as (captured, journaled):
        one = transaction(1, 2)
        one.prepare()
        assert captured.events == []
        assert [ending for _, ending in journaled.ids_left()] == ["unknown", "unknown"]


def test_what_is_committed_and_was_not_delivered_is_told_as_written() -> None:
    """Of a process that ended between the two, in the order in which it was."""
    with capture_prepared() as (captured, journaled):
        journaled.deliver = lambda event, sealed, ctx: captured.carry(event, ctx)  # type: ignore[method-assign]  # for ever
        one = transaction(1, 2)
        one.prepare()
        one.commit()
        assert journaled.ids_left() == [(event_id, "committed") for event_id in ids(captured.events)]


def test_what_was_told_or_taken_back_is_gone() -> None:
    """With each way that a transaction can end."""
    with capture_prepared() as (captured, journaled):
        for end in (Transaction.commit, Transaction.rollback, Transaction.lose, Transaction.withdraw):
            one = transaction(1, 2)
            one.prepare()
            end(one)
            assert journaled.waiting() == 0
        assert [event.outcome for event in captured.of("data.change")] == ["success"] * 2 + ["unknown"] * 2
        assert journaled.left() == []


def test_nothing_is_prepared_twice_or_for_nothing() -> None:
    """A transaction without rows, or one that was prepared already, leaves nothing to do."""
    with capture_prepared() as (captured, journaled):
        transaction().prepare()
        assert journaled.prepared == 0
        one = transaction(1)
        one.prepare()
        one.prepare()
        assert journaled.prepared == 1
        one.add(row(2))
        assert (journaled.prepared, journaled.waiting()) == (1, 2)
        one.commit()
        assert [event.outcome for event in captured.events] == ["success", "success"]
        assert current_runtime().ledger.counts().get("not_made", 0) == 0  # type: ignore[union-attr]  # there is one


def test_what_is_added_up_in_one_event_is_prepared_again() -> None:
    """Its number of rows was another one before."""
    with capture_prepared(max_rows_in_detail=1) as (captured, journaled):
        one = transaction(1, 2)
        one.prepare()
        one.add(row(3))
        assert journaled.waiting() == 0
        one.prepare()
        assert journaled.waiting() == 2
        one.commit()
        assert [event.metadata.get("rows") for event in captured.events] == [None, 2]


def test_a_row_that_comes_late_and_cannot_be_told_takes_the_others_out_of_the_journal() -> None:
    """They are told after the commit all the same."""
    with capture_prepared() as (_, journaled):
        one = transaction(1)
        one.prepare()
        wrong = row(2)
        wrong.event_type = "wrong"
        with pytest.raises(InvalidEvent):
            one.add(wrong)
        assert journaled.waiting() == 0


def test_rows_after_the_most_are_one_record() -> None:
    """What is told in one event is journaled in one."""
    with capture_prepared(max_rows_in_detail=2) as (captured, journaled):
        one = transaction(*range(10))
        one.prepare()
        assert len(journaled.left()) == 3
        one.commit()
        assert [event.metadata.get("rows") for event in captured.events] == [None, None, 8]


def test_a_type_that_is_not_made_is_not_prepared() -> None:
    """Rows whose events are disabled leave nothing in the journal."""
    with capture_prepared(disabled_events=("data.change",)) as (captured, journaled):
        one = transaction(1)
        one.prepare()
        assert journaled.waiting() == 0
        one.commit()
        assert captured.events == []


def test_a_row_that_cannot_be_told_does_not_stay_in_the_journal() -> None:
    """Nor do those before it: with ``strict`` the commit is not even sent."""
    with capture_prepared() as (captured, journaled):
        one = transaction(1)
        wrong = row(2)
        wrong.event_type = "wrong"
        one.add(wrong)
        with pytest.raises(InvalidEvent):
            one.prepare()
        assert journaled.waiting() == 0
        assert current_runtime().ledger.counts()["emitted"] == current_runtime().ledger.counts()["not_made"]  # type: ignore[union-attr]  # there is one
        assert captured.events == []


def test_trouble_with_one_row_does_not_cost_the_others() -> None:
    """It is counted as lost."""
    with capture_prepared(strict=False) as (captured, journaled):
        deliver = journaled.deliver

        def in_trouble(event: ezlogs.UniversalEvent, *rest: object) -> None:
            if event.subject is not None and event.subject.id == "1":
                raise OSError("gone")
            deliver(event, *rest)  # type: ignore[arg-type]  # as it was called

        journaled.deliver = in_trouble  # type: ignore[method-assign]  # somebody's trouble
        one = transaction(1, 2)
        one.prepare()
        one.commit()
        assert [event.subject.id for event in captured.events if event.subject] == ["2"]
        assert current_runtime().ledger.counts()["lost.internal_error"] == 1  # type: ignore[union-attr]  # there is one


def test_what_sampling_leaves_out_is_not_even_journaled() -> None:
    """It is left out, and counted, when it is committed."""
    with capture_prepared(sample_types={"data.change": 0.0}, keep_errors=False) as (captured, journaled):
        one = transaction(1)
        one.prepare()
        assert journaled.waiting() == 0
        one.commit()
        assert captured.events == []
        assert current_runtime().ledger.counts()["sampled_out_by.type"] == 1  # type: ignore[union-attr]  # there is one


def test_what_sampling_may_keep_yet_is_journaled_and_then_left_to_it() -> None:
    """Undecided means keep, if the process ends here; else it is gone from the journal."""
    with capture_prepared(sample_rate=0.0) as (captured, journaled), ezlogs.CorrelationManager.start_request_context():
        one = transaction(1)
        one.prepare()
        assert journaled.waiting() == 1
        one.commit()
        assert captured.events == []
        assert journaled.waiting() == 0


def test_what_sampling_keeps_is_told() -> None:
    """Under the id that was reserved."""
    with capture_prepared(sample_types={"data.other": 0.0}) as (captured, journaled):
        one = transaction(1)
        one.prepare()
        assert journaled.waiting() == 1
        one.commit()
        assert [event.outcome for event in captured.events] == ["success"]
        assert journaled.waiting() == 0


@pytest.mark.parametrize("listening", [True, False], ids=["nobody who would carry", "nobody"])
def test_nothing_is_prepared_where_nobody_listens(listening: bool) -> None:
    """Without a runtime, or without a carrier."""
    with capture_prepared() as (_, journaled):
        one = transaction(1)
        runtime = current_runtime()
        assert runtime is not None
        if listening:
            runtime.carrier = None
        else:
            install(None)
        one.prepare()
        install(runtime)
        assert journaled.prepared == 0
