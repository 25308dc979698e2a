"""The Django instrumentor and many-to-many fields: what was really added and removed, without asking."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.db.models.signals import m2m_changed

from ezlogs_instrumentors.django import DjangoInstrumentor

from .conftest import actions
from .shop.models import Club, Fee, Membership, Order, Person, Tag


def links(events):
    """Return who was changed and how, of the events about links."""
    return [
        (f"{event.subject.type} {event.subject.id}", dict(event.metadata["m2m"]))
        for event in events
        if "m2m" in event.metadata
    ]


def shop_of(number=3):
    """Return an order and tags, with the keys that they have in an empty database."""
    order = Order.objects.create()
    return order, [Tag.objects.create(name=str(n)) for n in range(number)]


def test_what_was_linked_already_is_not_told(told):
    """The database skips it and says so."""

    def shop():
        order, (one, two, _) = shop_of()
        order.tags.add(one, two)
        order.tags.add(one)
        order.tags.add(one.pk, two.pk)
        order.tags.add()
        order.tags.remove(one)
        order.tags.remove(one)
        order.tags.remove()

    found = links(told(shop))
    assert [(owner, sorted(told.get("added", told.get("removed"))), *list(told)[2:]) for owner, told in found] == [
        ("order 1", ["1", "2"], "rows_added"),
        ("order 1", ["1"], "rows_removed"),
    ]


def test_where_it_is_not_known_which_the_keys_given_are_told_as_such(told):
    """One of two was linked: a count that is right, and keys that say what they are."""

    def shop():
        order, (one, two, three) = shop_of()
        order.tags.add(one)
        order.tags.add(one, two)
        order.tags.remove(two, three)

    found = [what for _, what in links(told(shop))[1:]]
    assert [sorted(what[f"{name}_of"]) for what, name in zip(found, ("added", "removed"), strict=True)] == [
        ["1", "2"],
        ["2", "3"],
    ]
    assert (found[0]["rows_added"], found[1]["rows_removed"]) == (1, 1)
    assert not {"added", "removed"} & {*found[0], *found[1]}


def test_set_is_one_event(told):
    """With what it added and what it removed; one that changes nothing is none."""

    def shop():
        order, tags = shop_of()
        order.tags.set(tags[:2])
        order.tags.set(tags[1:])
        order.tags.set(tags[1:])
        order.tags.set(tags[:1], clear=True)
        order.tags.clear()
        order.tags.clear()

    assert [what for _, what in links(told(shop))][1:] == [
        {"field": "tags", "removed": ("1",), "rows_removed": 1, "added": ("3",), "rows_added": 1},
        {"field": "tags", "rows_removed": 2, "added": ("1",), "rows_added": 1},
        {"field": "tags", "rows_removed": 1},
    ]


def test_the_other_side_is_told_as_what_it_is(told):
    """A change of the instance it was made on, by the name of the relation there."""

    def shop():
        order, (tag, *_) = shop_of()
        tag.order_set.add(order)
        tag.order_set.set([])
        tag.order_set.create()
        Tag.objects.get(pk=tag.pk).order_set(manager="objects").clear()

    events = told(shop)
    assert [(owner, what["field"], what["reverse"]) for owner, what in links(events)] == [
        ("tag 1", "order_set", True)
    ] * 4
    assert [action for action, _ in actions(events)].count("order.create") == 2


def test_friends_have_each_other(told):
    """Both rows of a link between equals are counted; the key is told once."""

    def shop():
        one, two, three = [Person.objects.create() for _ in range(3)]
        one.friends.add(two, three)
        two.friends.remove(one)
        one.friends.add(one)
        one.friends.remove(one)
        one.friends.remove(two, three)
        one.friends.clear()

    added, *found = [what for _, what in links(told(shop))]
    assert (sorted(added["added"]), added["rows_added"]) == (["2", "3"], 4)
    assert found == [
        {"field": "friends", "removed": ("1",), "rows_removed": 2},
        {"field": "friends", "added": ("1",), "rows_added": 1},
        {"field": "friends", "removed": ("1",), "rows_removed": 1},
        {"field": "friends", "removed_of": ("2", "3"), "rows_removed": 2},
    ]


def test_links_with_a_model_of_their_own(told):
    """Told like any when they are made through the field, with the model; and by themselves when not."""

    def shop():
        club, ada, bob = Club.objects.create(), Person.objects.create(), Person.objects.create()
        club.members.add(ada, through_defaults={"role": "host"})
        club.members.add(ada, bob)
        Membership.objects.create(club=club, person=ada)
        Fee.objects.create(membership=Membership.objects.last())
        club.members.remove(ada)
        bob.clubs.clear()

    events = told(shop)
    assert links(events) == [
        ("club 1", {"field": "members", "added": ("1",), "rows_added": 1}),
        ("club 1", {"field": "members", "added": ("2",), "rows_added": 1}),
        ("club 1", {"field": "members", "removed": ("1",), "rows_removed": 2}),
        ("person 2", {"field": "clubs", "reverse": True, "rows_removed": 1}),
    ]
    assert [action for action, _ in actions(events)][5:8] == ["membership.create", "fee.create", "fee.bulk_delete"]
    assert {event.metadata["through"] for event in events if "m2m" in event.metadata} == {"shop.Membership"}
    assert {event.metadata["table"] for event in events if "m2m" in event.metadata} == {"shop_membership"}


def test_rows_of_the_hidden_table_are_links_too(told):
    """Written as a model of its own that Django made up."""

    def shop():
        order, tags = shop_of()
        through = Order.tags.through
        through.objects.create(order=order, tag=tags[0])
        rows = [through(order=order, tag=tag) for tag in tags]
        through.objects.bulk_create(rows, ignore_conflicts=True)
        through.objects.bulk_create(rows, ignore_conflicts=True)
        through.objects.get(tag=tags[0]).delete()
        through.objects.filter(tag=tags[1]).delete()
        through.objects.filter(tag=tags[1]).delete()
        Order.objects.create().tags.add(tags[0])
        through.objects.update(tag=tags[0])

    found = links(told(shop))
    assert found == [
        ("order 1", {"field": "tags", "added": ("1",), "rows_added": 1}),
        ("order 1", {"field": "tags", "added_of": ("1", "2", "3"), "rows_added": 2}),
        ("order 1", {"field": "tags", "removed": ("1",), "rows_removed": 1}),
        ("order None", {"field": "tags", "rows_removed": 1}),
        ("order 2", {"field": "tags", "added": ("1",), "rows_added": 1}),
    ]


def test_no_more_than_a_hundred_keys_are_told(told):
    """The count says how many there were."""

    def shop():
        order, tags = shop_of(150)
        order.tags.add(*tags)

    (_, what) = links(told(shop))[0]
    assert (len(what["added"]), what["rows_added"]) == (100, 150)


def test_receivers_of_the_application_see_what_they_saw(told):
    """With a receiver of its own Django asks for itself, and what comes of that is exact."""
    seen = []

    def receive(action, pk_set, **arguments):
        seen.append((action, pk_set))
        if action == "post_add":
            Tag.objects.bulk_create([Tag(name="more")])

    def shop():
        order, (one, two, _) = shop_of()
        order.tags.add(one)
        m2m_changed.connect(receive, sender=Order.tags.through)
        try:
            order.tags.add(one, two)
        finally:
            m2m_changed.disconnect(receive, sender=Order.tags.through)

    events = told(shop)
    assert links(events)[1] == ("order 1", {"field": "tags", "added": ("2",), "rows_added": 1})
    assert [action for action, _ in actions(events)][-2:] == ["tag.bulk_create", "order.update"]
    assert seen == [("pre_add", {2}), ("post_add", {2})] * 2


def test_what_is_run_on_commit_loses_no_links(told):
    """A callback raises out of set(), and the links are there."""

    def fail():
        raise KeyError

    def later(**arguments):
        transaction.on_commit(fail)

    def shop():
        order, tags = shop_of()
        m2m_changed.connect(later, sender=Order.tags.through)
        try:
            with pytest.raises(KeyError):
                order.tags.set(tags)
        finally:
            m2m_changed.disconnect(later, sender=Order.tags.through)
        assert order.tags.count() == 3

    assert len(links(told(shop))) == 1


def test_links_that_are_taken_back_are_not_told(told):
    """Nor is what failed half-way."""

    def fail(action, **arguments):
        if action == "post_add":
            raise KeyError

    def shop():
        order, tags = shop_of()
        with transaction.atomic():
            order.tags.add(*tags)
            transaction.set_rollback(True)
        m2m_changed.connect(fail, sender=Order.tags.through)
        try:
            with pytest.raises(KeyError):
                order.tags.set(tags)
        finally:
            m2m_changed.disconnect(fail, sender=Order.tags.through)

    events = told(shop)
    assert links(events) == []
    assert events[-1].metadata["rows_by_model"] == {"order": 3}


def test_managers_made_before_ezlogs_came_are_seen(database, captured):
    """Django makes their classes once; after ezlogs has gone they are as they were."""
    order, tags = shop_of()
    order.tags.add(tags[0])
    instrumentor = DjangoInstrumentor()
    instrumentor.instrument()
    order.tags.add(tags[1])
    kept = order.tags
    instrumentor.uninstrument()
    order.tags.add(tags[2])
    kept.clear()
    assert len(links(captured.events)) == 1
    assert order.tags.count() == 0
