"""Documents in columns are told by path, and rows that a mark deletes as deleted, as of any ORM."""

from __future__ import annotations

import pytest
from msgspec import UNSET
from sqlalchemy import JSON, TypeDecorator, create_engine, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.mutable import MutableDict, MutableList
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import ezlogs
from ezlogs.testing import capture
from ezlogs_instrumentors.sqlalchemy.documents import changed

from .conftest import changes


def any_json():
    """Return a type of its own: what is watched for changes is known by it."""
    return JSON().with_variant(JSONB(), "postgresql")


class Odd:
    """What cannot be compared."""

    def __eq__(self, other):
        raise RuntimeError

    __hash__ = None


class EncryptedJSON(TypeDecorator):
    """A document that is nobody's business."""

    impl = JSON
    cache_ok = True


class Base(DeclarativeBase):
    """The tables of a shop."""


@ezlogs.audit(exclude=["extra.card"], capture="rows", limit=3)
class Basket(Base):
    __tablename__ = "baskets"

    id: Mapped[int] = mapped_column(primary_key=True)
    extra: Mapped[dict | None] = mapped_column(any_json())
    watched: Mapped[dict | None] = mapped_column(MutableDict.as_mutable(any_json()))
    items: Mapped[list | None] = mapped_column(MutableList.as_mutable(any_json()))
    hidden: Mapped[dict | None] = mapped_column(EncryptedJSON)
    closed_at: Mapped[int | None]


@pytest.fixture(params=["sqlite", "postgresql"])
def session(request):
    """A session on a database with those tables, which keeps what it has loaded."""
    engine = create_engine("sqlite://") if request.param == "sqlite" else request.getfixturevalue("postgresql")
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with Session(engine, expire_on_commit=False) as session:
        yield session
    Base.metadata.drop_all(engine)
    if request.param == "sqlite":
        engine.dispose()


def rows(captured):
    """Return what was told of changes, in short."""
    return [(event.action, event.subject.id, changes(event)) for event in captured.of("data.change")]


def test_a_document_that_is_replaced_is_compared_with_the_old_one(session, captured):
    """Also one that is watched for changes in place; nothing of an encrypted one, and no path that is left out."""
    session.add(
        basket := Basket(
            id=1, extra={"gift": True, "card": 1, "to": {"zip": 7}}, watched={"a": 1}, items=[1, 2], hidden={"pin": 1}
        )
    )
    session.commit()
    captured.clear()
    basket.extra = {"gift": False, "card": 2, "to": {"zip": 8}}
    basket.watched = {"a": 2}
    basket.items = [1, 3]
    basket.hidden = {"pin": 2}
    session.commit()
    basket.extra = dict(basket.extra)
    basket.items = [1, 3, 4]
    session.commit()
    assert rows(captured) == [
        (
            "basket.update",
            "1",
            {
                "extra.gift": (True, False),
                "extra.to.zip": (7, 8),
                "watched.a": (1, 2),
                "items.1": (2, 3),
                "hidden.pin": (UNSET, UNSET),
            },
        ),
        ("basket.update", "1", {"items": (UNSET, UNSET)}),
    ]


def test_of_a_document_that_changes_in_place_the_field_is_told(session, captured):
    """SQLAlchemy does not know what it was."""
    session.add(basket := Basket(id=1, watched={"a": 1}))
    session.commit()
    captured.clear()
    basket.watched["a"] = 2
    session.commit()
    basket.extra, basket.watched = {"a": 1}, None
    session.commit()
    assert [row[2] for row in rows(captured)] == [
        {"watched": (UNSET, UNSET)},
        {"extra": (UNSET, UNSET), "watched": (UNSET, UNSET)},
    ]


def test_documents_of_rows_that_a_statement_updates_are_compared(session, captured):
    """Before and after; ``true`` is not ``1``, though Python says so."""
    with capture():
        session.execute(insert(Basket), [{"id": 1, "extra": {"a": 1}}, {"id": 2, "extra": {"a": True}}])
        session.commit()
    session.execute(update(Basket).values(extra={"a": 1}))
    session.execute(update(Basket.__table__).where(Basket.__table__.c.id == 1).values(extra={"a": 2}))
    session.commit()
    assert rows(captured) == [
        ("basket.update", "2", {"extra.a": (True, 1)}),
        ("basket.update", "1", {"extra.a": (1, 2)}),
    ]


def test_a_row_that_was_deleted_and_made_anew_is_compared(session, captured):
    """SQLAlchemy updates it."""
    session.add(old := Basket(id=1, extra={"a": 1}, closed_at=1))
    session.commit()
    captured.clear()
    session.delete(old)
    session.add(Basket(id=1, extra={"a": 2}, closed_at=1))
    session.commit()
    assert rows(captured) == [("basket.update", "1", {"extra.a": (1, 2)})]


@pytest.mark.parametrize(
    ("before", "after"), [({"a": Odd()}, {"a": Odd()}), (Odd(), Odd()), ({"a": 1}, [1]), ("a", "b"), (UNSET, {"a": 1})]
)
def test_what_cannot_be_compared_is_told_as_a_whole(before, after):
    """As is what is not of the same kind."""
    (field,) = changed("extra", before, after, secret=False)
    assert (field.name, field.before, field.after) == ("extra", before, after) or field.before.keys() == before.keys()


def test_a_mark_deletes_a_row(session):
    """By the unit of work, statements and bulk methods; taking it off restores it."""
    with capture(soft_deletes=["closed_at"]) as captured:
        session.add_all([basket := Basket(id=1), Basket(id=2, closed_at=None)])
        session.commit()
        session.refresh(basket)
        captured.clear()
        basket.closed_at = 1
        session.commit()
        basket.closed_at = None
        session.commit()
        session.execute(update(Basket).where(Basket.id == 1).values(closed_at=1))
        session.execute(update(Basket).values(closed_at=2))
        session.commit()
        session.expire_all()
        one, two = session.scalars(select(Basket).order_by(Basket.id)).all()
        session.expunge_all()
        one.closed_at = two.closed_at = None
        session.bulk_save_objects([one, two])
        session.commit()
    events = captured.events
    events[3:5] = sorted(events[3:5], key=lambda event: event.subject.id)  # a query of ours asks for no order
    assert [(event.action, event.subject.id, changes(event)["closed_at"]) for event in events] == [
        ("basket.destroy", "1", (None, 1)),
        ("basket.update", "1", (1, None)),
        ("basket.destroy", "1", (None, 1)),
        ("basket.update", "1", (1, 2)),
        ("basket.destroy", "2", (None, 2)),
        ("basket.update", "1", (2, None)),
        ("basket.update", "2", (2, None)),
    ]
    facts = [(event.metadata.get("soft_delete"), event.metadata.get("restored")) for event in events]
    deleted, restored = ("closed_at", None), (None, "closed_at")
    assert facts == [deleted, restored, deleted, (None, None), deleted, restored, restored]


def test_rows_that_a_mark_deletes_together_are_counted_as_deleted(session):
    """Where their class wants no more told."""
    ezlogs.audit(Basket, capture="count")
    try:
        with capture(soft_deletes=["closed_at"]) as captured:
            session.execute(insert(Basket), [{"id": 1}, {"id": 2}])
            session.execute(update(Basket).values(closed_at=2))
            session.execute(update(Basket).values(closed_at=None))
            session.commit()
    finally:
        ezlogs.audit(Basket, exclude=["extra.card"], capture="rows", limit=3)
    _, deleted, restored = captured.of("data.change")
    assert (deleted.action, deleted.metadata["soft_delete"]) == ("basket.bulk_delete", "closed_at")
    assert (restored.action, restored.metadata["restored"]) == ("basket.bulk_update", "closed_at")
