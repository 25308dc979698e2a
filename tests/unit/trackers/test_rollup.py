"""Roll-up: beyond a bound rows are counted, and the counts are as exact as the rows would be."""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ezlogs
from ezlogs.testing import capture
from ezlogs.trackers.data import Field, Transaction, observe
from ezlogs.trackers.data.rollup import Level


class Instance:
    """An instance as an ORM has it, with what is known of its row."""

    def __init__(self, known=0):
        self.known = known


def saved(instance, value, model="order", **kwargs):
    """Save an instance: it knows the new value, and how to go back."""
    before, instance.known = instance.known, value
    return observe(model, "update", undo=lambda owner: setattr(owner, "known", before), owner=instance, **kwargs)


def test_beyond_its_bound_a_transaction_is_told_in_sums():
    """By model and verb: how many, which fields, from when to when."""
    with capture(max_rows_in_detail=2) as captured:
        transaction = Transaction("default")
        where = {"table": "orders", "database": "default", "verbose_name": "order"}
        for number in range(5):
            fields = [Field("total", 1, 2), Field(f"field_{number}", 1, 2)]
            transaction.add(observe("order", "update", id=str(number), fields=fields, metadata=where))
        transaction.add(observe("item", "bulk_create", rows=7))
        transaction.add(observe("item", "create", id="1"))
        transaction.add(observe("item", "destroy", id="1"))
        assert len(transaction.written()) == 5
        transaction.commit()
    told = [(event.action, event.subject.id, event.metadata.get("rows")) for event in captured.events]
    assert told == [
        ("order.update", "0", None),
        ("order.update", "1", None),
        ("order.bulk_update", None, 3),
        ("item.bulk_create", None, 8),
        ("item.bulk_delete", None, 1),
    ]
    summary = captured.events[2]
    assert [change.field for change in summary.changes] == ["total", "field_2", "field_3", "field_4"]
    assert summary.metadata["rolled_up"] is True
    assert {name: summary.metadata[name] for name in where} == where
    assert summary.metadata["first_at"] <= summary.metadata["last_at"]
    assert summary.correlation.transaction_id == transaction.id


def test_who_wrote_is_kept_apart():
    """A sum is of one actor's rows."""
    with capture(max_rows_in_detail=0) as captured:
        transaction = Transaction("default")
        for user in (1, 2, 1):
            with ezlogs.actor("user", user):
                transaction.add(observe("order", "create"))
        transaction.commit()
    assert [(event.actor.id, event.metadata["rows"]) for event in captured.events] == [("1", 2), ("2", 1)]


def test_statements_as_text_keep_their_verbs():
    """Their sums are of the table, without the fingerprints."""
    with capture(max_rows_in_detail=0, raw_statements=True) as captured:
        transaction = Transaction("default")
        for mark in "ab":
            metadata = {"verb": "insert", "table": "orders", "fingerprint": mark}
            transaction.add(observe("orders", "insert", rows=2, metadata=metadata, event_type="data.raw"))
        transaction.commit()
    (event,) = captured.events
    assert (event.event_type, event.action, event.metadata["rows"]) == ("data.raw", "orders.insert", 4)
    assert "fingerprint" not in event.metadata


def test_the_names_of_fields_are_bounded():
    """There is no end to paths inside documents."""
    with capture(max_rows_in_detail=0) as captured:
        transaction = Transaction("default")
        for number in range(300):
            transaction.add(observe("order", "update", fields=[Field(f"extra.{number}", 1, 2)]))
        transaction.commit()
    assert len(captured.events[0].changes) == 100


def test_a_commit_whose_answer_was_lost_tells_sums_too():
    """As unknown."""
    with capture(max_rows_in_detail=1) as captured:
        transaction = Transaction("default")
        for _ in range(3):
            transaction.add(observe("order", "create"))
        transaction.lose()
    assert [(event.action, event.outcome) for event in captured.events] == [
        ("order.create", "unknown"),
        ("order.bulk_create", "unknown"),
        ("commit", "unknown"),
    ]
    assert captured.events[2].metadata["rows_by_model"] == {"order": 3}


def test_a_hundred_thousand_rows_cost_a_few_events_and_little_memory():
    """What is kept does not grow with the rows, and what is written together is one event from the start."""
    with capture(max_rows_in_detail=10) as captured:
        transaction = Transaction("default")
        transaction.add(observe("order", "bulk_create", rows=100_000))
        for number in range(20):
            transaction.add(observe("order", "create", id=str(number)))
        tracemalloc.start()
        try:
            for number in range(100_000):
                transaction.add(observe("order", "create", id=str(number), fields=[Field("total", 1, number)]))
            gc.collect()
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        transaction.commit()
    assert kept < 100_000
    assert len(captured.events) == 11
    assert captured.events[-1].metadata["rows"] == 100_011


def test_what_is_to_be_undone_keeps_no_instance_alive():
    """For one that is gone there is nothing to undo; one that is there goes back to what it was first."""
    with capture(max_rows_in_detail=1):
        transaction = Transaction("default")
        there = Instance("first")
        for value in range(50):
            transaction.add(saved(Instance(), value))
            transaction.add(saved(there, value))
        gc.collect()
        assert not [found for found in gc.get_objects() if type(found) is Instance and found is not there]
        transaction.rollback()
    assert there.known == "first"


def test_without_an_owner_everything_is_undone_backwards():
    """Also of rows beyond the bound."""
    undone = []
    with capture(max_rows_in_detail=1):
        transaction = Transaction("default")
        for number in range(4):
            if number == 2:
                transaction.savepoint("s")
            transaction.add(observe("order", "create", undo=lambda number=number: undone.append(number)))
        transaction.release("s")
        transaction.rollback()
    assert undone == [3, 2, 1, 0]


def test_a_savepoint_that_is_set_twice_is_the_later_one():
    """As in PostgreSQL and SQLite: releasing it brings the earlier one back."""
    with capture() as captured:
        transaction = Transaction("default")
        for name in ("a", "b", "c"):
            transaction.add(observe(name, "create"))
            transaction.savepoint("s")
        transaction.release("s")
        transaction.rollback_to("s")
        transaction.commit()
    assert [event.action for event in captured.events] == ["a.create", "b.create", "rollback_to_savepoint"]


def test_levels_of_instances_that_are_undone_come_together():
    """The earlier level's word counts, whichever of them has any."""
    one, two = Instance(1), Instance(2)
    earlier, later = Level(None, 0), Level("s", 0)
    later.remember(saved(one, 5))
    later.remember(saved(two, 5))
    earlier.absorb(later)
    further = Level("t", 0)
    further.remember(saved(one, 6))
    further.remember(observe("order", "create"))
    earlier.absorb(further)
    earlier.absorb(Level("u", 0))
    earlier.undo()
    assert (one.known, two.known) == (1, 2)


NAMES = st.sampled_from("abc")
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("write"),
            st.sampled_from(["order", "item"]),
            st.sampled_from(["create", "update", "destroy", "bulk_create"]),
            st.integers(1, 3),
        ),
        st.tuples(st.just("save"), st.integers(0, 2), st.integers()),
        st.tuples(st.just("savepoint"), NAMES),
        st.tuples(st.just("release"), NAMES),
        st.tuples(st.just("rollback_to"), NAMES),
    ),
    max_size=40,
)


class Naive:
    """A transaction that keeps everything: a copy of all there is, at each savepoint."""

    def __init__(self):
        self.rows = []
        self.known = [0, 0, 0]
        self.discarded = Counter()
        self.savepoints = []

    def savepoint(self, name):
        """Copy all."""
        self.savepoints.append((name, list(self.rows), list(self.known)))

    def _find(self, name):
        return next((at for at in reversed(range(len(self.savepoints))) if self.savepoints[at][0] == name), None)

    def release(self, name):
        """Forget a savepoint and those after it."""
        at = self._find(name)
        if at is not None:
            del self.savepoints[at:]

    def rollback_to(self, name):
        """Take back the copy; an unknown savepoint was set before the first write."""
        at = self._find(name)
        _, rows, known = (None, [], [0, 0, 0]) if at is None else self.savepoints[at]
        for model, _, count in self.rows[len(rows) :]:
            self.discarded[model] += count
        self.rows, self.known = list(rows), list(known)
        del self.savepoints[0 if at is None else at + 1 :]


IN_BULK = {"create": "bulk_create", "update": "bulk_update", "destroy": "bulk_delete"}


@pytest.mark.parametrize("end", ["commit", "rollback", "lose"])
@given(steps=STEPS, bound=st.integers(0, 6))
def test_sums_are_what_all_rows_would_add_up_to(end, steps, bound):
    """Whatever is written, released and rolled back: rows up to the bound in order, the rest in exact counts."""
    with capture(max_rows_in_detail=bound) as captured:
        transaction, naive = Transaction("default"), Naive()
        instances = [Instance(), Instance(), Instance()]
        for step, *given_to in steps:
            if step == "write":
                model, verb, rows = given_to
                rows = rows if verb == "bulk_create" else 1
                transaction.add(observe(model, verb, rows=rows, id=str(len(naive.rows))))
                naive.rows.append((model, verb, rows))
            elif step == "save":
                number, value = given_to
                transaction.add(saved(instances[number], value))
                naive.known[number] = value
                naive.rows.append(("order", "update", 1))
            else:
                getattr(transaction, step)(*given_to)
                getattr(naive, step)(*given_to)
            assert [instance.known for instance in instances] == naive.known
            assert sum(row.rows for row in transaction.written()) == sum(rows for _, _, rows in naive.rows)
        getattr(transaction, end)()
    changes = captured.of("data.change")
    if end == "rollback":
        assert changes == []
        naive.rollback_to("everything")
        assert [instance.known for instance in instances] == [0, 0, 0]
    else:
        detail = naive.rows[:bound]
        assert [event.action for event in changes[: len(detail)]] == [f"{model}.{verb}" for model, verb, _ in detail]
        sums = Counter()
        for model, verb, rows in naive.rows[bound:]:
            sums[f"{model}.{IN_BULK.get(verb, verb)}"] += rows
        assert {event.action: event.metadata["rows"] for event in changes[len(detail) :]} == sums
        assert {event.outcome for event in changes} <= {"unknown" if end == "lose" else "success"}
    ended = [event for event in captured.of("data.transaction") if event.outcome == "rolled_back"]
    told = ended[0].metadata["rows_by_model"] if ended else {}
    assert dict(told) == (dict(naive.discarded) if end != "lose" else {})
