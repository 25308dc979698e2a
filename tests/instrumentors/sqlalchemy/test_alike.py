"""Rows that are alike: encoded, journaled and delivered together, they are told as each by itself would be."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import context
from sqlalchemy import Column, Integer, StaticPool, String, TypeDecorator, create_engine, event
from sqlalchemy.orm import Session, declarative_base

import ezlogs
from ezlogs.actor import with_acting
from ezlogs.testing import capture
from ezlogs_instrumentors.sqlalchemy import alike
from ezlogs_instrumentors.sqlalchemy.transactions import writes_of
from tests.preparing import as_one, as_sent, capture_prepared

from .conftest import changes, told
from .shop import Depot, Order, Seat, Tag
from .things import Keeper, model_of, plans


@contextmanager
def none_is_like_another():
    """Have each row told by itself."""
    learn = alike.learn
    alike.learn = lambda *args: None
    try:
        yield
    finally:
        alike.learn = learn


def work(engine, plan):
    """Do what a plan says to an empty table."""
    model, names, hidden, steps = plan
    by_how = {how: [name for name, other in hidden.items() if other == how] for how in hidden.values()}
    ezlogs.audit(model, **by_how)
    model.metadata.drop_all(engine)
    model.metadata.create_all(engine)
    with Session(engine) as session, ezlogs.flow("checkout", 42):
        Keeper(session, model, names).work(steps)


def of_data(captured):
    """Return what was told of data."""
    return [event for event in captured.events if event.event_type.startswith("data.")]


def shown(events):
    """Return events in an order of their own: the unit of work has none."""
    return sorted(repr(sorted(attributes.items())) for _, attributes in events)


def assert_same(found, expected):
    """The same events were told, each as often."""
    found, expected = Counter(found), Counter(expected)
    assert (found - expected, expected - found) == (Counter(), Counter())


def tell_and_compare(engine, plan, **options):
    """Do what a plan says, in all ways; each tells the same."""
    options = {"strict": False, "hash_key": "k", "soft_deletes": ("deleted_at",), **options}
    with capture(**options) as captured, none_is_like_another():
        work(engine, plan)
    expected = shown(as_sent(of_data(captured)))
    with capture(**options) as captured:
        work(engine, plan)
    assert_same(shown(as_sent(of_data(captured))), expected)
    for takes_rows in (True, False):
        with capture_prepared(**options) as (captured, journaled):
            journaled.takes_rows = takes_rows
            work(engine, plan)
            assert journaled.waiting() == 0
        assert_same(shown([*as_one(journaled.rows), *as_sent(of_data(captured))]), expected)
    return len(expected)


@pytest.fixture
def memory():
    """A database in memory, with transactions as SQLAlchemy's documentation sets them up."""
    engine = create_engine("sqlite://", poolclass=StaticPool)

    @event.listens_for(engine, "connect")
    def connect(connection, record):
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")

    yield engine
    engine.dispose()


@pytest.mark.timeout(180)
def test_rows_that_are_alike_are_told_as_each_by_itself(memory):
    """Whatever they are made of, whatever is taken back, and whoever takes them in the end."""

    @settings(max_examples=150)
    @given(plan=plans(), changes=st.sampled_from(["safe", "full", "names", "none"]))
    def check(plan, changes):
        tell_and_compare(memory, plan, changes=changes)

    check()


@pytest.mark.timeout(180)
def test_rows_that_are_alike_are_told_so_on_postgresql(postgresql):
    """Where the database returns what it has computed, and has types that SQLite has not."""

    @settings(max_examples=30)
    @given(plan=plans(), changes=st.sampled_from(["safe", "full"]))
    def check(plan, changes):
        tell_and_compare(postgresql, plan, changes=changes)

    try:
        check()
    finally:
        model_of(("number",), "id", False).metadata.drop_all(postgresql)


def test_rows_that_are_alike_are_found_by_who_comes_after(session):
    """If the process ends before it has word of the commit, nobody knows whether they came about."""
    with capture_prepared(strict=False) as (_, journaled):
        depots = [Depot(size=number) for number in range(10)]
        for depot in depots:
            session.add(depot)
            session.flush()
        session.add_all(Tag(name=str(number)) for number in range(10))
        session.flush()
        for depot in depots:
            depot.size += 1
        session.flush()
        writes_of(session.connection()).prepare()
        left = journaled.left()
    assert {one.ending.value for one in left} == {"unknown"}
    assert len(left) == 4  # the first of each model by itself, and what is like it and comes next to each other


def test_rows_beyond_those_in_detail_are_counted(session):
    """As they would be if none was like another, and without those that were taken back."""
    with capture(max_rows_in_detail=3) as captured:
        session.add_all(kept := [Depot(size=number) for number in range(10)])
        session.flush()
        savepoint = session.begin_nested()
        session.add_all(Depot() for _ in range(5))
        session.flush()
        savepoint.rollback()
        for depot in kept:
            depot.size += 1
        session.commit()
    found = captured.of("data.change")
    assert [event.action for event in found] == [*["depot.create"] * 3, "depot.bulk_create", "depot.bulk_update"]
    assert [event.metadata["rows"] for event in found[3:]] == [7, 10]


def test_rows_are_alike_only_as_long_as_all_is_as_it_was(session):
    """Who acts may become another one, and what is told of a model be said meanwhile."""
    with capture(changes="full") as captured:
        for number in range(9):
            session.add(Depot(size=number))
            if number == 6:
                ezlogs.audit(Depot, exclude=["size"])
            if number < 3:
                session.flush()
            else:
                with ezlogs.actor(("user", number // 6)):
                    session.flush()
        session.commit()
        ezlogs.audit(Depot)
    assert [event.actor.id for event in captured.events] == [*["system"] * 3, *["0"] * 3, *["1"] * 3]
    assert [bool(event.changes) for event in captured.events] == [*[True] * 6, *[False] * 3]


def test_the_user_of_the_application_is_asked_anew(session):
    """Views and dependencies set it late."""
    users = [None, None, ezlogs.Actor("user", "7"), ezlogs.Actor("user", "7")]
    token = context.attach(with_acting(peek=lambda: users[0]))
    try:
        with capture() as captured:
            while users:
                session.add(Depot())
                session.flush()
                users.pop(0)
            users.append(None)
            session.commit()
    finally:
        context.detach(token)
    assert [event.actor.type for event in captured.of("data.change")] == ["unknown", "unknown", "user", "user"]


class Strange:
    """A value whose comparison is no answer."""

    __hash__ = None

    def __init__(self, number):
        self.number = number

    def __ne__(self, other):
        return [self.number]

    def __eq__(self, other):
        return isinstance(other, Strange) and self.number == other.number


class OfStrange(TypeDecorator):
    """Strange values, as texts."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return str(id(value))


def test_values_with_code_of_their_own_are_told_all_the_same(memory):
    """As rows are that are like no other."""
    base = declarative_base()
    columns = {"id": Column(Integer, primary_key=True), "value": Column(OfStrange), "size": Column(Integer)}
    model = type("Thing", (base,), {"__module__": __name__, "__tablename__": "things", **columns})
    base.metadata.create_all(memory)
    with capture(changes="full") as captured, Session(memory) as session:
        session.add_all(things := [model(value="a", size=1), model(value="b", size=1), model(value="c", size=1)])
        session.flush()
        things[0].value, things[1].value = Strange(1), Strange(2)
        session.flush()
        things[0].value, things[1].value = Strange(3), None
        session.flush()
        things[2].size = 1
        session.flush()
        things[2].size = 2
        session.commit()
    assert [event.action for event in captured.events] == [*["thing.create"] * 3, *["thing.update"] * 5]
    assert changes(captured.events[-1]) == {"size": (1, 2)}


def test_what_an_update_entails_is_no_change_by_itself(session):
    """A row that was given the values that it had is not told, whatever is not known of it."""
    with capture(changes="full") as captured:
        session.add_all(seats := [Seat(row=number, letter="a", taken=True) for number in range(3)])
        session.flush()
        session.expire(seats[0], ["version"])
        for seat in seats[:2]:
            seat.taken = seat.taken
        seats[2].taken = False
        session.commit()
    assert sorted(told(captured)) == [*[("seat.create", f"{row},a") for row in range(3)], ("seat.update", "2,a")]
    assert changes(captured.events[-1]) == {"taken": (True, False), "version": (1, 2)}


def test_a_number_that_an_update_entails_may_be_none(memory):
    """Such a one differs from itself: whether it was given anew, only a look at it tells."""
    model = model_of(("number", "weighed"), "id", False)
    model.metadata.create_all(memory)
    with capture(changes="full") as captured, Session(memory) as session:
        session.add_all(things := [model(number=1, weighed=weight) for weight in (float("nan"), 0.5, 2.5)])
        session.flush()
        for thing in things:
            thing.number = 2
        session.flush()
        for thing in things:
            thing.number = 2
        session.commit()
    found = [changes(event) for event in captured.of("data.change")[3:]]
    assert sorted(map(len, found)) == [1, 2, 2]
    assert all(change["number"] == (1, 2) for change in found)


def test_what_fails_is_told_one_by_one(session, monkeypatch):
    """An error of ezlogs' own costs no event."""

    def fail(*args):
        raise RuntimeError("of ezlogs")

    monkeypatch.setattr(alike, "AlikeRow", fail)
    with capture(strict=False) as captured:
        session.add_all(Depot(size=number) for number in range(3))
        session.commit()
    assert sorted(told(captured)) == [("depot.create", "1"), ("depot.create", "2"), ("depot.create", "3")]


def test_what_is_known_of_models_is_bounded(session, monkeypatch):
    """Any set of attributes may be changed together."""
    monkeypatch.setattr(alike, "_MOST_TAKINGS", 1)
    with capture(changes="full") as captured:
        session.add(order := Order())
        session.flush()
        for names in (["note"], ["state"], ["note", "state"], ["note"]):
            for name in names:
                setattr(order, name, f"{getattr(order, name)}+")
            session.flush()
        session.commit()
    found = [set(changes(event)) - {"touched"} for event in captured.events[1:]]
    assert found == [{"note"}, {"state"}, {"note", "state"}, {"note"}]


def test_long_texts_are_told_at_once(session):
    """They are not kept, though rows were alike before."""
    with capture(changes="full") as captured:
        session.add_all(orders := [Order(big="b"), Order(big="b")])
        session.flush()
        monstrous = "x" * 300
        for order in orders:
            order.note = monstrous
        session.commit()
    assert [event.action for event in captured.events] == ["order.create"] * 2 + ["order.update"] * 2
