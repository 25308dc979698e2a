"""Rows kept by their values: the events are the same as if each row were told at once."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import func
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from ezlogs.testing import capture
from ezlogs_instrumentors.sqlalchemy import flushes

from .shop import Customer, Depot, Manager, Order, Point, Seat, Status


class Texts(DeclarativeBase):
    """Tables of their own."""


class Text(Texts):
    __tablename__ = "texts"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    data: Mapped[bytes]


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
