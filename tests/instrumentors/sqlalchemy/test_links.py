"""The SQLAlchemy instrumentor and association tables: collections that had something added or removed."""

from __future__ import annotations

import warnings

import pytest
from sqlalchemy.exc import SAWarning

from .conftest import told
from .shop import Order, Person, Tag


def links(captured):
    """Return what was added to and removed from which collection of whom."""
    return [
        (event.action, event.subject.id, *(event.metadata["m2m"][key] for key in ("field", "added", "removed")))
        for event in captured.events
        if "m2m" in event.metadata
    ]


@pytest.fixture
def order(session, captured):
    """An order with the tags 1 and 2."""
    session.add_all(tags := [Tag(name="a"), Tag(name="b")])
    session.flush()
    session.add(order := Order(tags=tags))
    session.commit()
    assert links(captured) == [("order.update", "1", "tags", ("1", "2"), ())]
    assert captured.events[-1].metadata["table"] == "order_tags"
    captured.clear()
    return order


def test_both_directions_tell_the_same(session, captured, order):
    """Whichever end the application appends to or removes from, it is told of the end that the table names first."""
    session.add(tag := Tag(name="c"))
    tag.orders.append(order)
    session.commit()
    order.tags.remove(tag)
    session.commit()
    tag.orders.append(order)
    session.commit()
    assert links(captured) == [
        ("order.update", "1", "tags", ("3",), ()),
        ("order.update", "1", "tags", (), ("3",)),
        ("order.update", "1", "tags", ("3",), ()),
    ]


def test_replacing_a_collection_tells_the_difference(session, captured, order):
    """What stays is not told."""
    order.tags = [order.tags[1], Tag(name="c")]
    session.commit()
    assert links(captured) == [("order.update", "1", "tags", ("3",), ("1",))]


def test_what_was_undone_before_the_flush_is_not_told(session, captured, order):
    """Removed and appended again is no change."""
    tag = order.tags[0]
    order.tags.remove(tag)
    order.tags.append(tag)
    session.commit()
    assert captured.events == []


@pytest.mark.parametrize("kind", [Order, Tag])
def test_a_deleted_row_takes_its_links_along(session, captured, order, kind):
    """From either end."""
    session.delete(session.get(kind, 1))
    session.commit()
    removed = ("1", "2") if kind is Order else ("1",)
    assert links(captured) == [("order.update", "1", "tags", (), removed)]
    assert (f"{kind.__name__.lower()}.destroy", "1") in told(captured)


def test_a_collection_of_its_own_kind(session, captured):
    """People who follow people, in one direction."""
    ada, eve = Person(name="Ada"), Person(name="Eve")
    ada.follows.append(eve)
    session.add(ada)
    session.commit()
    (link,) = links(captured)
    assert link == ("person.update", str(ada.id), "follows", (str(eve.id),), ())


def test_a_link_to_what_is_not_in_the_session_is_not_told(session, captured, order):
    """SQLAlchemy does not write it, and warns where it looks."""
    tag = Tag(name="c")
    tag.orders.append(order)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)
        session.commit()
    assert captured.events == []


def test_many_links_are_told_by_the_first(session, captured):
    """Memory and events stay bounded."""
    session.add(Order(tags=[Tag(name=str(number)) for number in range(120)]))
    session.commit()
    ((*_, added, removed),) = links(captured)
    assert (len(added), len(removed)) == (100, 0)
