"""The SQLAlchemy instrumentor and the unit of work: each row that was committed, with what is known of its values."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec import UNSET
from sqlalchemy import create_engine, event, func, select
from sqlalchemy.orm import Session, scoped_session, sessionmaker

import ezlogs
from ezlogs.testing import capture
from ezlogs_instrumentors.sqlalchemy import SqlalchemyInstrumentor

from .conftest import changes, told
from .shop import Base, Book, ColdDepot, Customer, Depot, Item, Manager, Order, Point, Seat, Shelf, Status, Tag


def test_a_created_row_is_told_with_its_key_and_table(session, captured):
    """An insert becomes one data.change event about the row, once it is committed."""
    session.add(order := Order(status=Status.PAID, total=Decimal("9.90"), note="for Ada", password="s3cret"))
    session.flush()
    assert captured.events == []
    session.commit()
    (event,) = captured.events
    assert (event.event_type, event.action) == ("data.change", "order.create")
    assert event.subject == ezlogs.Subject("order", str(order.id))
    assert event.metadata == {"table": "orders", "database": "shop"}
    assert event.correlation.transaction_id.startswith("txn_")
    found = changes(event)
    assert found["total"] == (UNSET, "9.90")
    assert found["status"] == (UNSET, "paid")
    assert found["note"] == found["password"] == (UNSET, UNSET)
    assert "extra" not in found
    assert "twice" not in found


def test_actor_story_and_time_are_those_of_the_flush(session, captured):
    """Rows ride with who wrote them, though somebody else commits."""
    with ezlogs.actor("user", 7), ezlogs.flow("checkout", 1):
        session.add(Order())
        session.flush()
    moment = ezlogs.event("order.action", "placed").timestamp
    captured.clear()
    session.commit()
    (event,) = captured.events
    assert event.actor == ezlogs.Actor("user", "7")
    assert event.correlation.flow_id == "checkout:1"
    assert event.timestamp < moment


def test_an_update_of_a_loaded_row_tells_old_and_new(session, captured):
    """Of harmless fields both sides, of the others the name; what comes with every update is told, too."""
    session.add(order := Order(note="a", password="b"))
    session.commit()
    session.refresh(order)
    captured.clear()
    order.status, order.count, order.note, order.password = Status.PAID, 3, "c", "d"
    session.commit()
    (event,) = captured.events
    assert event.action == "order.update"
    assert changes(event) == {
        "status": ("pending", "paid"),
        "count": (0, 3),
        "note": (UNSET, UNSET),
        "password": (UNSET, UNSET),
        "touched": (0, 7),
    }


def test_what_was_not_loaded_is_not_known(session, captured):
    """An expired or deferred attribute that is set has no old value, and none is fetched."""
    session.add(order := Order(count=1, big="x"))
    session.commit()
    captured.clear()
    order.count, order.big = 2, "y"
    with capture(changes="full") as full:
        session.commit()
    assert changes(full.events[0]) == {"count": (UNSET, 2), "big": (UNSET, "y"), "touched": (UNSET, 7)}


def test_an_update_that_changes_nothing_is_not_told(session, captured):
    """Setting what is there already, or there and back again, writes nothing."""
    session.add(order := Order(count=1, total=Decimal("9.90")))
    session.commit()
    session.refresh(order)
    captured.clear()
    order.count, order.total = 1, Decimal("9.900")
    session.commit()
    session.refresh(order)
    order.count = 5
    order.count = 1
    session.commit()
    assert captured.events == []


def test_an_expression_has_no_value_to_tell(session, captured):
    """What the database computes is told by name, with the old value."""
    session.add(order := Order(count=1))
    session.commit()
    session.refresh(order)
    captured.clear()
    order.count = Order.count + 1
    session.commit()
    assert changes(captured.events[0])["count"] == (1, UNSET)


def test_a_default_of_the_database_is_unknown_until_it_is_loaded(session, captured):
    """It is named; its value where the insert itself returned it."""
    session.add(Order())
    session.flush()
    session.add(Shelf(id=1, books=[Book()]))
    session.commit()
    found = {event.action: changes(event) for event in captured.events}
    assert found["order.create"]["state"] == (UNSET, UNSET)  # text is told by name only
    assert found["book.create"]["read"] in ((UNSET, 0), (UNSET, UNSET))


def test_documents_composites_and_hybrids_are_told_by_their_columns(session):
    """A document changed in place has no old value; a composite is its columns, a hybrid what it sets."""
    with capture(changes="full") as captured:
        session.add(order := Order(extra={"a": 1}, position=Point(1, 2), amount=4))
        session.commit()
        session.refresh(order)
        order.extra["a"] = 2
        order.position = Point(1, 3)
        order.amount = 5
        session.commit()
    created, updated = captured.events
    assert changes(created)["x"] == (UNSET, 1)
    assert changes(created)["count"] == (UNSET, 4)
    assert changes(updated)["extra"] == (UNSET, (("a", 2),))
    assert changes(updated)["y"] == (2, 3)
    assert "x" not in changes(updated)
    assert changes(updated)["count"] == (4, 5)


def test_deletes_and_orphans_are_told(session, captured):
    """What cascades through the session is told row by row."""
    session.add(order := Order(items=[Item(), Item()]))
    session.commit()
    captured.clear()
    order.items.pop()
    session.commit()
    assert told(captured) == [("item.destroy", "2")]
    captured.clear()
    session.delete(order)
    session.commit()
    assert sorted(told(captured)) == [("item.destroy", "1"), ("order.destroy", "1")]


def test_what_the_database_deletes_is_flagged(session, captured):
    """Rows that go with others unseen cannot be told; that there may be some is."""
    session.add(Shelf(id=1, books=[Book()]))
    session.commit()
    session.expunge_all()
    captured.clear()
    session.delete(session.get(Shelf, 1))
    session.commit()
    (event,) = captured.events
    assert event.action == "shelf.destroy"
    assert event.metadata["cascade"] == "db"
    assert session.scalar(select(func.count()).select_from(Book)) == 0


@pytest.mark.parametrize(
    ("instance", "action", "table"),
    [
        (Customer(name="Ada"), "customer.create", "people"),
        (Manager(name="Ada"), "manager.create", "managers"),
        (Depot(), "depot.create", "depots"),
        (ColdDepot(), "cold_depot.create", "cold_depots"),
    ],
)
def test_each_kind_of_inheritance_tells_a_row_once(session, captured, instance, action, table):
    """Single, joined and concrete: one event, under the name of the class."""
    session.add(instance)
    session.commit()
    (event,) = captured.events
    assert (event.action, event.metadata["table"]) == (action, table)


def test_an_update_of_the_other_table_of_a_joined_model_is_told(session, captured):
    """Whichever table a field is in."""
    session.add(manager := Manager(name="Ada"))
    session.commit()
    session.refresh(manager)
    captured.clear()
    manager.grade = 2
    session.commit()
    manager.name = "Eve"
    session.commit()
    assert [list(changes(event)) for event in captured.events] == [["grade"], ["name"]]


def test_composite_keys_and_versions(session, captured):
    """All parts of a key make the id; a version that was counted is a change of the row."""
    session.add(seat := Seat(row=7, letter="c"))
    session.commit()
    session.refresh(seat)
    captured.clear()
    seat.taken = True
    session.commit()
    (event,) = captured.events
    assert event.subject.id == "7,c"
    assert changes(event) == {"taken": (False, True), "version": (1, 2)}


def test_a_changed_key_is_told_of_the_row_that_had_the_old_one(session, captured):
    """The subject is who it was; both keys are told."""
    session.add(tag := Tag(id=1, name="a"))
    session.commit()
    session.refresh(tag)
    captured.clear()
    tag.id = 5
    session.commit()
    (event,) = captured.events
    assert event.subject.id == "1"
    assert changes(event) == {"id": (1, 5)}


def test_a_row_deleted_and_made_anew_in_one_flush_is_an_update(session, captured):
    """As SQLAlchemy does it."""
    session.add(depot := Depot(id=1, size=1))
    session.commit()
    session.refresh(depot)
    captured.clear()
    session.delete(depot)
    session.add(Depot(id=1, size=2))
    session.commit()
    (event,) = captured.events
    assert (event.action, event.subject.id) == ("depot.update", "1")
    assert changes(event) == {"size": (1, 2)}


def test_merged_and_expunged_instances(session, captured):
    """Merging tells what differs from the row; what was expunged is not written, so not told."""
    session.add(Depot(id=1, size=1))
    session.commit()
    captured.clear()
    session.merge(Depot(id=1, size=3))
    session.merge(Depot(id=2))
    session.add(gone := Depot(id=3))
    session.expunge(gone)
    session.commit()
    assert sorted(told(captured)) == [("depot.create", "2"), ("depot.update", "1")]
    assert changes(next(event for event in captured.events if event.subject.id == "1")) == {"size": (1, 3)}


def test_a_type_that_cannot_compare_tells_a_change(session, captured, monkeypatch):
    """A type's own code that raises does not lose the event."""
    session.add(depot := Depot(size=1))
    session.commit()
    session.refresh(depot)
    captured.clear()
    depot.size = 2
    session.flush()
    session.refresh(depot)

    def fail(self, x, y):
        raise TypeError

    monkeypatch.setattr(type(Depot.__table__.c.size.type), "compare_values", fail)
    depot.size = 3
    session.commit()
    assert [changes(event)["size"] for event in captured.events] == [(1, 2), (2, 3)]


def test_every_session_is_heard(engine, captured):
    """Those of makers, of subclasses and of a scope, made before or after."""

    class Own(Session):
        pass

    scoped = scoped_session(sessionmaker(engine))
    for make in (sessionmaker(engine), sessionmaker(engine, class_=Own), lambda: Own(engine), scoped):
        with make() as session:
            session.add(Depot())
            session.commit()
    scoped.remove()
    assert [event.action for event in captured.events] == ["depot.create"] * 4


def test_several_databases_each_have_transactions_of_their_own(tmp_path, captured):
    """A session on two binds commits two transactions, each under its database's name."""
    shop = create_engine(f"sqlite:///{tmp_path / 'shop.sqlite3'}")
    ledger = create_engine("sqlite://", logging_name="ledger")
    Base.metadata.create_all(shop)
    Base.metadata.create_all(ledger)
    with Session(binds={Order: shop, Depot: ledger}) as session:
        session.add_all([Order(), Depot()])
        session.commit()
    assert {event.action: event.metadata["database"] for event in captured.events} == {
        "order.create": "shop",
        "depot.create": "ledger",
    }
    assert len({event.correlation.transaction_id for event in captured.events}) == 2
    shop.dispose()
    ledger.dispose()


def test_listeners_of_the_application_may_write_and_change_rows(session, captured):
    """What they execute in a flush is told as theirs; what they set is told with the row."""

    def count_tags(mapper, connection, target):
        connection.execute(Depot.__table__.insert(), {"size": 9})

    def settle(mapper, connection, target):
        target.note = "settled"

    event.listen(Tag, "after_insert", count_tags)
    event.listen(Order, "before_update", settle)
    try:
        session.add(Tag(name="a"))
        session.add(order := Order())
        session.commit()
        session.refresh(order)
        assert sorted(told(captured)) == [("depot.create", "1"), ("order.create", "1"), ("tag.create", "1")]
        captured.clear()
        order.count = 3
        session.commit()
        assert set(changes(captured.events[0])) == {"count", "note", "touched"}
    finally:
        event.remove(Tag, "after_insert", count_tags)
        event.remove(Order, "before_update", settle)


def test_a_flush_of_another_session_inside_of_a_flush(engine, captured):
    """Each is told once."""
    other = create_engine("sqlite://")
    Base.metadata.create_all(other)

    def log(mapper, connection, target):
        with Session(other) as inner:
            inner.add(Depot())
            inner.commit()

    event.listen(Tag, "after_insert", log)
    try:
        with Session(engine) as session:
            session.add(Order(tags=[Tag(name="a")]))
            session.commit()
    finally:
        event.remove(Tag, "after_insert", log)
        other.dispose()
    assert sorted(told(captured)) == [
        ("depot.create", "1"),
        ("order.create", "1"),
        ("order.update", "1"),
        ("tag.create", "1"),
    ]


def test_as_many_statements_as_without(engine, statements, captured):
    """Nothing is asked of the database."""

    def work():
        statements.clear()
        with Session(engine) as session:
            session.add(order := Order(items=[Item()], tags=[Tag(name="a"), Tag(name="b")]))
            session.commit()
            order.count += 1
            order.tags.pop()
            order.items.clear()
            session.commit()
            for tag in session.scalars(select(Tag)).all():
                session.delete(tag)
            session.delete(order)
            session.commit()
        return list(statements)

    with_ezlogs = work()
    assert captured.events
    SqlalchemyInstrumentor().uninstrument()
    without = work()
    SqlalchemyInstrumentor().instrument()
    assert with_ezlogs == without


def test_taken_back_nothing_is_heard(session, captured):
    """After uninstrumenting, SQLAlchemy is as it was."""
    SqlalchemyInstrumentor().uninstrument()
    session.add(Order())
    session.commit()
    SqlalchemyInstrumentor().instrument()
    assert captured.events == []


def test_without_anybody_listening_nothing_is_done(session):
    """The application works the same while ezlogs does not run."""
    session.add(order := Order(tags=[Tag(name="a")]))
    session.commit()
    order.count = 2
    session.commit()
    session.rollback()
    assert session.get(Order, order.id).count == 2


def test_a_mistake_at_a_statement_is_not_the_applications(engine, monkeypatch):
    """Neither before it is executed nor after."""

    def broken():
        raise ZeroDivisionError

    monkeypatch.setattr("ezlogs_instrumentors.sqlalchemy.statements.latest", broken)
    instrumentor = SqlalchemyInstrumentor()
    instrumentor.uninstrument()
    instrumentor.instrument()
    with capture(strict=False), Session(engine) as session:
        session.add(Depot(size=1))
        session.commit()
        assert session.query(Depot).count() == 1
        assert ezlogs.health()["internal_errors"]
