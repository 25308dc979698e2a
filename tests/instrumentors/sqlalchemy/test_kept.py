"""Rows kept by their values: the events are the same as if each row were told at once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

import pytest
from msgspec import UNSET
from sqlalchemy import ForeignKey, func
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import ezlogs
from ezlogs.testing import capture
from ezlogs_instrumentors.sqlalchemy import flushes

from .conftest import changes
from .shop import Customer, Depot, Manager, Order, Point, Seat, Status


class Texts(DeclarativeBase):
    """Tables of their own."""


class Text(Texts):
    __tablename__ = "texts"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    data: Mapped[bytes]


class Animal(Texts):
    """Of two tables, of which one has columns that an update of it gives a value."""

    __tablename__ = "animals"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    age: Mapped[int] = mapped_column(default=0)
    weight: Mapped[float] = mapped_column(default=0.5, onupdate=lambda: 0.5)
    story: Mapped[str] = mapped_column(default="", onupdate=lambda: "x" * 300)
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}


class Dog(Animal):
    __tablename__ = "dogs"

    id: Mapped[int] = mapped_column(ForeignKey("animals.id"), primary_key=True)
    name: Mapped[str]
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "dog"}


def orders(session):
    """Do to rows what can be done to them."""
    order = Order(status=Status.PAID, total=Decimal("9.90"), note="n", password="p", extra={"a": 1}, big="b" * 99)
    plain = Order(note="m", position=Point(1, 2))
    session.add_all([order, plain, Manager(name="Ada"), Customer(points=3)])
    session.flush()
    plain.count, plain.note = 3, "m"
    session.flush()
    session.commit()
    plain.count = 4  # expired: not known what it was
    order.extra["a"] = 2
    order.status = Status.PENDING
    session.commit()
    session.refresh(plain)
    plain.count = Order.count + 1
    plain.total = Decimal("1.50")
    session.commit()
    plain.note = "long" * 20
    plain.state = func.lower("NEW")
    session.commit()


def others(session):
    """Inheritance, versions and keys of several columns."""
    session.add_all([Seat(row=1, letter="a"), Depot(size=func.abs(-3)), manager := Manager(name="Ada", grade=2)])
    session.commit()
    manager.grade, manager.name = 3, "Eve"
    seat = session.get(Seat, (1, "a"))
    seat.taken = True
    session.commit()
    session.refresh(seat)
    seat.taken = True  # as it was
    session.flush()
    seat.letter = "b"
    session.commit()
    session.delete(seat)
    session.flush()
    session.add(Seat(row=1, letter="b", taken=False))
    session.commit()


def shown(captured):
    """Return all that is told, in an order of its own: the unit of work has none."""
    found = [
        (
            event.action,
            event.subject.id,
            dict(event.metadata),
            [(change.field, change.before, change.after) for change in event.changes],
        )
        for event in captured.events
    ]
    return sorted(found, key=repr)


@pytest.mark.parametrize("changes", ["safe", "full", "names"])
@pytest.mark.parametrize("work", [orders, others])
def test_what_is_kept_is_told_as_what_is_told_at_once(work, changes, engine, monkeypatch):
    """Whatever is written, and whatever may be told of it."""
    found = []
    for is_kept in (True, False):
        if not is_kept:
            monkeypatch.setattr(flushes, "keep_created", lambda *args: None)
            monkeypatch.setattr(flushes, "keep_updated", lambda *args: False)
        with engine.begin() as connection:
            for table in reversed(Order.metadata.sorted_tables):
                connection.execute(table.delete())
        with capture(changes=changes, service_name="shop") as captured, Session(engine) as session:
            work(session)
        found.append(shown(captured))
    assert found[0] == found[1]
    assert found[0]


def test_what_is_kept_does_not_change(session, captured):
    """Objects that are changed after the flush are told as they were flushed."""
    session.add(depot := Depot(id=1, size=1))
    session.flush()
    depot.size = 2
    with session.no_autoflush:
        assert captured.events == []
    session.flush()
    depot.size = 3
    session.commit()
    told = [[(change.field, change.after) for change in event.changes] for event in captured.events]
    assert told == [[("size", 1)], [("size", 2)], [("size", 3)]]


def test_long_values(session, captured):
    """Are not kept, and told all the same."""
    Texts.metadata.create_all(session.connection())
    session.add(note := Text(text="a", data=b"b"))
    session.flush()
    note.text = "x" * 300
    session.flush()
    note.data = b"y" * 300
    session.flush()
    session.add(Text(text="x" * 300, data=b"y" * 300))
    session.commit()
    assert [event.action for event in captured.events] == ["text.create", "text.update", "text.update", "text.create"]
    assert [change.field for change in captured.events[1].changes] == ["text"]


@pytest.mark.parametrize("rows", [1, 3], ids=["the first", "and what is like it"])
def test_what_an_update_entails(rows, session):
    """Is told where its table was updated, however long it is, and whatever was known of it before."""
    Texts.metadata.create_all(session.connection())
    session.add_all(dogs := [Dog(name="a") for _ in range(rows)])
    session.commit()
    with capture(changes="full") as captured:
        for dog in dogs:
            dog.name = "b"  # expired, so that nothing is known of it
        session.commit()
        for dog in dogs:
            assert (dog.story, dog.age) == ("", 0)
            dog.age = 3
        session.flush()
        for dog in dogs:
            dog.age = 4
        session.commit()
    found = [set(changes(event)) for event in captured.events]
    assert found == [{"name"}] * rows + [{"age", "story"}] * rows + [{"age"}] * rows


def test_what_is_not_told_of_the_first_row_of_a_transaction(session):
    """Is not told of it alone either; and that a document is there no more is told as that."""
    session.add(order := Order(note="a", extra={"a": 1}))
    session.commit()
    ezlogs.audit(Order, exclude=["note", "touched"])
    try:
        with capture(changes="full") as captured:
            order.note = "b"
            session.commit()
            order.extra = None
            session.commit()
    finally:
        ezlogs.audit(Order)
    assert [changes(event) for event in captured.events] == [{"extra": (UNSET, None)}]
