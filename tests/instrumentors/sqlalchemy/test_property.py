"""The promise about SQLAlchemy: whatever happens, the events are what was committed, no more and no less."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import StaticPool, create_engine, delete, event, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ezlogs.testing import capture
from tests.preparing import capture_prepared

from .shop import Base, Depot, Order, Seat, Tag, order_tags

TABLES = ("depots", "tags", "orders", "order_tags")
MODELS = {"depot": "depots", "tag": "tags", "order": "orders", "order_tags": "order_tags"}
VERBS = {"create": "insert", "update": "update", "destroy": "delete", "delete": "delete"}

steps = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *["add", "change", "remove", "flush", "link", "unlink"] * 2,
                *["insert", "insert_many", "update_all", "delete_some", "bulk", "compute"],
                *["savepoint", "release", "undo"] * 2,
                *["commit"] * 3,
                "rollback",
                "clash",
                "broken",
                "shrug",
                "close",
            ]
        ),
        st.integers(1, 4),
        st.integers(0, 9),
    ),
    min_size=4,
    max_size=30,
)


def database(url):
    """Make a database with the tables, empty, and a log of each row that is written."""
    engine = create_engine(url, poolclass=StaticPool)

    @event.listens_for(engine, "connect")
    def connect(connection, record):
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")

    Base.metadata.create_all(engine, tables=[Base.metadata.tables[name] for name in TABLES])
    log_rows(engine)
    return engine


TRIGGERS = {
    "sqlite": "{head} BEGIN {row}; END",
    "mysql": "{head} FOR EACH ROW {row}",
    "postgresql": "{head} FOR EACH ROW EXECUTE FUNCTION log_row()",
}
FUNCTION = """
CREATE OR REPLACE FUNCTION log_row() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO log VALUES (TG_TABLE_NAME, lower(TG_OP)); RETURN NULL; END $$
"""


def log_rows(engine):
    """Have the database log each row that is written by itself, in the same transaction."""
    kind = engine.dialect.name
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS log"))
        connection.execute(text("CREATE TABLE log (what TEXT, verb TEXT)"))
        if kind == "postgresql":
            connection.execute(text(FUNCTION))
        for table in TABLES:
            for verb in ("insert", "update", "delete"):
                head = f"CREATE TRIGGER {table}_{verb} AFTER {verb} ON {table}"
                row = f"INSERT INTO log VALUES ('{table}', '{verb}')"
                connection.execute(text(TRIGGERS[kind].format(head=head, row=row)))


class Shopkeeper:
    """Does one step after the other, as an application would, errors included."""

    def __init__(self, engine):
        self.session = Session(engine)
        self.savepoints = []

    def step(self, name, key, value):
        """Do a step; return whether it committed."""
        try:
            return getattr(self, name)(key, value) is True
        except SQLAlchemyError:
            if self.savepoints:
                self.undo(key, value)
            else:
                self.session.rollback()
            return False

    def add(self, key, value):
        if self.session.get(Depot, key) is None:
            self.session.add(Depot(id=key, size=value))
        self.session.add(Tag(name=f"{key}-{value}"))

    def change(self, key, value):
        depot = self.session.get(Depot, key)
        if depot is not None:
            depot.size = value
        order = self.session.get(Order, key)
        if order is not None:
            order.count = value

    def compute(self, key, value):
        order = self.session.get(Order, key)
        if order is not None:
            order.count = Order.count + value

    def remove(self, key, value):
        for model in (Depot, Order, Tag):
            found = self.session.get(model, key)
            if found is not None and value % 2:
                self.session.delete(found)

    def link(self, key, value):
        order = self.session.get(Order, key)
        if order is None:
            self.session.add(order := Order(id=key))
        tag = self.session.get(Tag, value)
        if tag is not None and tag not in order.tags:
            if value % 2:
                order.tags.append(tag)
            else:
                tag.orders.append(order)

    def unlink(self, key, value):
        order = self.session.get(Order, key)
        if order is not None and order.tags:
            order.tags.pop()

    def flush(self, key, value):
        self.session.flush()

    def insert(self, key, value):
        self.session.execute(insert(Depot).values(id=key, size=value))

    def insert_many(self, key, value):
        self.session.execute(insert(Tag), [{"name": f"{key}-{value}"}, {"name": f"{key}+{value}"}])

    def update_all(self, key, value):
        self.session.execute(update(Tag).where(Tag.id > key).values(name=Tag.name + "!"))
        self.session.connection().execute(update(Order.__table__).values(note="x"))

    def delete_some(self, key, value):
        self.session.execute(delete(order_tags).where(order_tags.c.tag_id > value))
        self.session.expire_all()

    def bulk(self, key, value):
        self.session.bulk_insert_mappings(Tag, [{"name": f"{key}b{value}"}])
        self.session.bulk_save_objects([Tag(name=f"{key}c{value}")])

    def clash(self, key, value):
        self.session.add(Tag(name="same"))
        self.session.flush()

    def broken(self, key, value):
        self.session.execute(text("INSERT INTO nowhere VALUES (1)"))

    def shrug(self, key, value):
        with suppress(SQLAlchemyError):
            self.broken(key, value)

    def savepoint(self, key, value):
        self.savepoints.append(self.session.begin_nested())

    def release(self, key, value):
        if self.savepoints:
            self.savepoints[-1].commit()
            self.savepoints.pop()

    def undo(self, key, value):
        if self.savepoints:
            position = value % len(self.savepoints)
            for savepoint in reversed(self.savepoints[position:]):
                savepoint.rollback()
            del self.savepoints[position:]

    def commit(self, key, value):
        while self.savepoints:
            self.release(key, value)
        self.session.commit()
        return True

    def rollback(self, key, value):
        self.savepoints.clear()
        self.session.rollback()

    def close(self, key, value):
        self.savepoints.clear()
        self.session.close()


def written(events):
    """Count the rows that events tell, by table and verb."""
    found = Counter()
    for told in events:
        if told.event_type != "data.change":
            continue
        model, _, verb = told.action.partition(".")
        links = told.metadata.get("m2m")
        if links is not None:
            found["order_tags", "insert"] += len(links["added"])
            found["order_tags", "delete"] += len(links["removed"])
        else:
            found[MODELS[model], VERBS[verb.removeprefix("bulk_")]] += told.metadata.get("rows", 1)
    return +found


def replay(depots, events):
    """Apply what events tell of depots."""
    for told in events:
        if told.event_type != "data.change" or told.subject.type != "depot":
            continue
        key, after = int(told.subject.id), {change.field: change.after for change in told.changes}
        if told.action == "depot.destroy":
            del depots[key]
        else:
            before = {change.field: change.before for change in told.changes}
            if told.action == "depot.update" and isinstance(before["size"], int):
                assert depots[key] == before["size"]
            depots[key] = after["size"]


def tell_and_compare(engine, plan, capture=capture):
    """Do the steps of a plan; after each commit the events must be what the database has."""
    depots: dict[int, int] = {}
    keeper = Shopkeeper(engine)
    with capture(changes="full") as captured:
        for name, key, value in [*plan, ("commit", 1, 0)]:
            committed = keeper.step(name, key, value)
            if not committed:
                assert written(captured.events) == {}, (name, captured.events)
                continue
            events = list(captured.events)
            captured.clear()
            replay(depots, events)
            with engine.connect() as connection:
                rows = connection.execute(select(Depot.id, Depot.size)).all()
                assert depots == {row.id: row.size for row in rows}
                entries = connection.execute(text("SELECT what, verb FROM log")).all()
                assert written(events) == Counter((what, verb) for what, verb in entries)
            with engine.begin() as connection:
                connection.execute(text("DELETE FROM log"))
            captured.clear()
        keeper.session.close()


@settings(max_examples=150)
@given(plan=steps)
def test_events_are_what_was_committed(plan):
    """On SQLite."""
    engine = database("sqlite://")
    try:
        tell_and_compare(engine, plan)
    finally:
        engine.dispose()


def summed(events):
    """Count the rows that events tell, in detail or in sums: by table and verb, links by their table alone."""
    found = Counter()
    for told in events:
        if told.event_type == "data.change":
            table, verb = told.metadata["table"], told.action.partition(".")[2].removeprefix("bulk_")
            links = told.metadata.get("m2m")
            rows = told.metadata.get("rows", 1) if links is None else len(links["added"]) + len(links["removed"])
            found[table, "" if table == "order_tags" else VERBS[verb]] += rows
    return +found


@settings(max_examples=100)
@given(plan=steps, bound=st.integers(0, 3))
def test_sums_are_what_was_committed(plan, bound):
    """Also of the rows beyond the bound, whatever becomes of savepoints, and no more events than there are sums."""
    engine = database("sqlite://")
    keeper = Shopkeeper(engine)
    try:
        with capture(max_rows_in_detail=bound) as captured:
            for name, key, value in [*plan, ("commit", 1, 0)]:
                if not keeper.step(name, key, value):
                    assert summed(captured.events) == {}
                    continue
                events = captured.of("data.change")
                captured.clear()
                assert len(events) <= bound + 3 * len(TABLES)
                with engine.begin() as connection:
                    log = Counter()
                    for what, verb in connection.execute(text("SELECT what, verb FROM log")).all():
                        log[what, "" if what == "order_tags" else verb] += 1
                    connection.execute(text("DELETE FROM log"))
                assert summed(events) == log
                captured.clear()
            keeper.session.close()
    finally:
        engine.dispose()


@contextmanager
def capture_journaled(**options):
    """Capture, with a journal in which nothing may be left of a transaction that ended."""
    with capture_prepared(**options) as (captured, journaled):
        yield captured
        assert journaled.waiting() == 0


@settings(max_examples=50)
@given(plan=steps)
def test_events_are_what_was_committed_where_rows_are_journaled_before(plan):
    """Whatever is taken back, or comes after all, once they are."""
    engine = database("sqlite://")
    try:
        tell_and_compare(engine, plan, capture=capture_journaled)
    finally:
        engine.dispose()


@pytest.mark.timeout(180)
def test_events_are_what_was_committed_on_servers(served):
    """On PostgreSQL and MariaDB."""
    log_rows(served)

    @settings(max_examples=60)
    @given(plan=steps)
    def check(plan):
        with served.begin() as connection:
            for name in ("order_tags", "orders", "tags", "depots"):
                connection.execute(delete(Base.metadata.tables[name]))
            connection.execute(text("DELETE FROM log"))
        tell_and_compare(served, plan)

    check()


def test_the_property_sees_what_is_missing():
    """An event left out, or one too many, is a difference."""
    assert Seat.__tablename__ not in TABLES
    depots = {}
    with capture(changes="full") as captured:
        engine = database("sqlite://")
        with Session(engine) as session:
            session.add(Depot(id=1, size=2))
            session.commit()
        engine.dispose()
    replay(depots, captured.events)
    assert depots == {1: 2}
    assert written(captured.events) == {("depots", "insert"): 1}
    assert written(captured.events * 2) == {("depots", "insert"): 2}
