"""The Django instrumentor and deletes: one event with what went along, and as fast as Django alone."""

from __future__ import annotations

import pytest
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models.deletion import Collector
from django.db.models.signals import post_delete, pre_delete
from django.utils import timezone

from ezlogs.testing import capture

from .conftest import actions, changes, statements
from .shop.models import Club, Fee, Gift, Item, Membership, Order, Person, Review, RushOrder, Tag


def rows(event):
    """Return what of a delete is counted."""
    return event.metadata.get("rows"), dict(event.metadata.get("cascade", {}))


def test_a_cascade_is_counted_by_model(told):
    """Whether Django deletes the rows of a model in one statement or one by one."""

    def shop():
        club, person = Club.objects.create(), Person.objects.create()
        club.members.add(person)
        Fee.objects.create(membership=Membership.objects.get())
        order = Order.objects.create()
        Item.objects.bulk_create([Item(order=order, name="a"), Item(order=order, name="b")])
        order.tags.add(Tag.objects.create())
        order.delete()
        Club.objects.all().delete()

    *_, order, clubs = told(shop)
    assert order.action == "order.destroy"
    assert rows(order) == (None, {"shop.Item": 2, "shop.Order_tags": 1})
    assert clubs.action == "club.bulk_delete"
    assert rows(clubs) == (1, {"shop.Membership": 1, "shop.Fee": 1})


def test_a_fast_delete_stays_one_statement(database, instrumented, captured):
    """No receiver of ours makes Django look at rows first."""
    Tag.objects.bulk_create([Tag(name="a"), Tag(name="b")])
    Membership.objects.create(club=Club.objects.create(), person=Person.objects.create())
    Fee.objects.create(membership=Membership.objects.get())
    captured.clear()
    with statements() as sent:
        Fee.objects.all().delete()
    assert [statement.split()[1] for statement in sent] == ["BEGIN", "DELETE"]
    assert [(event.action, rows(event)) for event in captured.events] == [("fee.bulk_delete", (1, {}))]


def test_rows_that_stay_are_told_as_updated_by_the_cascade(told):
    """SET_NULL, whether Django knows which rows it is about or not."""

    def shop(is_evaluated):
        def keep(**arguments):
            pass

        order = Order.objects.create()
        Review.objects.bulk_create([Review(order=order), Review(order=order)])
        Review.objects.update(order=order)
        collector = Collector(using="default", origin=order)
        collector.collect([order])
        for instances in collector.field_updates.values():
            for queryset in instances if is_evaluated else ():
                len(queryset)  # as a receiver that looks at them would have it
        collector.delete()

    for is_evaluated in (False, True):
        *_, own, update, destroy = told(lambda is_evaluated=is_evaluated: shop(is_evaluated))
        assert "cause" not in own.metadata
        assert update.action == "review.bulk_update"
        assert (update.metadata["rows"], update.metadata["cause"]) == (2, "cascade")
        assert changes(update) == {"order": (pytest.approx(update.changes[0].before), None)}
        assert destroy.action == "order.destroy"


def test_what_a_receiver_updates_meanwhile_is_no_cascade(told):
    """It is the application's own."""

    def rename(**arguments):
        Tag.objects.update(name="x")

    def shop():
        Tag.objects.create()
        order = Order.objects.create()
        Review.objects.create(order=order)
        pre_delete.connect(rename, sender=Order)
        try:
            order.delete()
        finally:
            pre_delete.disconnect(rename, sender=Order)

    causes = {event.action: event.metadata.get("cause") for event in told(shop)}
    assert causes["tag.bulk_update"] is None
    assert causes["review.bulk_update"] == "cascade"


def test_parents_are_the_same_row(told):
    """A child's row in its parent's table is no cascade; a parent that is deleted takes the child along."""

    def shop():
        gift = Gift.objects.create()
        Item.objects.create(order=gift, name="a")
        gift.delete()
        Order.objects.get_or_create(pk=Gift.objects.create().pk)[0].delete()
        RushOrder.objects.create()
        Gift.objects.create()
        Gift.objects.all().delete()
        RushOrder.objects.get().delete()

    deleted = [event for event in told(shop) if event.action.rpartition(".")[2] in ("destroy", "bulk_delete")]
    assert [(event.action, *rows(event)) for event in deleted] == [
        ("gift.destroy", None, {"shop.Item": 1}),
        ("order.destroy", None, {"shop.Gift": 1}),
        ("gift.bulk_delete", 1, {}),
        ("rushorder.destroy", None, {}),
    ]


def test_deletes_that_django_was_not_asked_for_as_such_are_told_by_model(told):
    """A collector of the application's own, and the statement behind a fast delete."""

    def shop():
        order = Order.objects.create()
        order.tags.add(Tag.objects.create())
        Item.objects.create(order=order, name="a")
        collector = Collector(using="default")
        collector.collect([order])
        collector.delete()
        Tag.objects.all()._raw_delete("default")
        Tag.objects.all()._raw_delete("default")
        Order.tags.through.objects.all()._raw_delete("default")

    deleted = told(shop)[4:]
    assert sorted((event.action, event.metadata.get("rows")) for event in deleted) == [
        ("item.bulk_delete", 1),
        ("order.bulk_delete", 1),
        ("order.update", None),
        ("tag.bulk_delete", 1),
    ]


def test_what_goes_along_with_bookkeeping_is_told(told):
    """The bookkeeping is not."""

    def shop():
        kind = ContentType.objects.create(app_label="x", model="y")
        kind.permission_set.create(codename="z", name="Z")
        kind.delete()

    assert [action for action, _ in actions(told(shop))] == ["permission.create", "permission.bulk_delete"]


def test_bookkeeping_that_is_deleted_by_a_collector_is_not_told(told):
    """Whatever it was not asked for."""

    def shop():
        Session.objects.create(session_key="k", expire_date=timezone.now())
        collector = Collector(using="default")
        collector.collect(Session.objects.all())
        collector.delete()

    assert told(shop) == []


def test_rows_that_would_have_stayed_and_are_gone_are_not_told(told):
    """The database says how many there were."""

    def shop():
        order = Order.objects.create()
        Review.objects.create(order=order)
        collector = Collector(using="default", origin=order)
        collector.collect([order])
        for querysets in collector.field_updates.values():
            list(map(len, querysets))
        Review.objects.all().delete()
        collector.delete()

    assert [action for action, _ in actions(told(shop))][2:] == ["review.bulk_delete", "order.destroy"]


def test_an_instance_that_was_gone_is_told_by_what_went_with_it(told):
    """No row, no event about it."""

    def shop():
        order = Order.objects.create()
        with connection.constraint_checks_disabled(), connection.cursor() as cursor:
            Item.objects.create(order=order, name="a")
            cursor.execute("DELETE FROM shop_order")
            order.delete()

    assert [action for action, _ in actions(told(shop))] == ["order.create", "item.create", "item.bulk_delete"]


def test_what_is_run_on_commit_loses_no_delete(told):
    """A callback of a receiver raises out of delete(), and the rows are gone all the same."""

    def fail():
        raise KeyError

    def later(**arguments):
        transaction.on_commit(fail)

    def shop():
        order = Order.objects.create()
        Item.objects.create(order=order, name="a")
        post_delete.connect(later, sender=Order)
        try:
            with pytest.raises(KeyError):
                order.delete()
        finally:
            post_delete.disconnect(later, sender=Order)
        assert not Order.objects.exists()

    (_, _, event) = told(shop)
    assert event.action == "order.destroy"
    assert rows(event) == (None, {"shop.Item": 1})
    assert event.correlation.transaction_id


def test_a_delete_that_fails_is_none(told):
    """Django takes back what it had deleted; what deleted it says nothing."""

    def fail(**arguments):
        raise KeyError

    def shop():
        order = Order.objects.create()
        Item.objects.create(order=order, name="a")
        post_delete.connect(fail, sender=Order)
        try:
            with pytest.raises(KeyError):
                order.delete()
        finally:
            post_delete.disconnect(fail, sender=Order)

    assert [action for action, _ in actions(told(shop))] == ["order.create", "item.create"]


def test_a_delete_inside_a_delete_is_told_by_itself(told):
    """A receiver's own delete is not a part of what it is called for."""

    def more(**arguments):
        Tag.objects.all().delete()

    def shop():
        Tag.objects.create()
        order = Order.objects.create()
        post_delete.connect(more, sender=Order)
        try:
            order.delete()
        finally:
            post_delete.disconnect(more, sender=Order)

    assert [action for action, _ in actions(told(shop))][2:] == ["tag.bulk_delete", "order.destroy"]


def test_nothing_is_watched_where_nobody_listens(database, instrumented):
    """With both kinds of events disabled deletes go unseen."""
    with capture(disabled_events=("data.*",)) as captured:
        order = Order.objects.create()
        order.tags.add(Tag.objects.create())
        order.delete()
        Tag.objects.all()._raw_delete("default")
    assert captured.events == []
