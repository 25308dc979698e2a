"""The Django instrumentor and saves: each logical save is one event, with what is known of it and no more."""

from __future__ import annotations

import asyncio
import json

import django
import pytest
from django.core import serializers
from django.core.exceptions import FieldDoesNotExist
from django.core.management import call_command
from django.db import IntegrityError, connections, transaction
from django.db.models import F
from django.db.models.signals import post_save
from msgspec import UNSET

from ezlogs.testing import capture

from .conftest import actions, changes
from .shop.models import Depot, Gift, Item, Ledger, Order, RushOrder, Tag


def test_every_shortcut_is_a_save(told):
    """get_or_create and update_or_create tell what they did: a create, an update, or nothing."""

    def shop():
        Depot.objects.get_or_create(pk=1, defaults={"size": 1})
        Depot.objects.get_or_create(pk=1, defaults={"size": 2})
        Depot.objects.update_or_create(pk=1, defaults={"size": 3})
        Depot.objects.update_or_create(pk=1, defaults={"size": 3})
        Depot.objects.update_or_create(pk=2, defaults={"size": 3})

    events = told(shop)
    assert actions(events) == [("depot.create", "1"), ("depot.update", "1"), ("depot.create", "2")]
    assert changes(events[1]) == {"size": (1, 3)}


def test_the_asynchronous_twins_are_told_alike(database, instrumented, captured):
    """Whatever thread they run in."""

    async def shop():
        order = await Order.objects.acreate(count=1)
        tag = await Tag.objects.acreate(name="a")
        order.count = 2
        await order.asave()
        await Depot.objects.aget_or_create(pk=1)
        await Depot.objects.aupdate_or_create(pk=1, defaults={"size": 3})
        await Tag.objects.abulk_create([Tag(name="b"), Tag(name="c")])
        await order.tags.aset([tag])
        await Order.objects.aupdate(count=5)
        await Order.objects.abulk_update([order], ["count"])
        await order.adelete()
        await Tag.objects.all().adelete()

    asyncio.run(shop())
    assert [action for action, _ in actions(captured.events)] == [
        "order.create",
        "tag.create",
        "order.update",
        "depot.create",
        "depot.update",
        "tag.bulk_create",
        "order.update",
        "order.bulk_update",
        "order.bulk_update",
        "order.destroy",
        "tag.bulk_delete",
    ]


def test_reading_is_no_event(told):
    """However many rows there are."""

    def shop():
        Tag.objects.bulk_create([Tag(name=str(n)) for n in range(5)])
        Tag.objects.in_bulk()
        list(Tag.objects.iterator(chunk_size=2))
        list(Tag.objects.values_list("name"))
        with transaction.atomic():
            list(Tag.objects.select_for_update().only("name"))
        assert Tag.objects.filter(name="1").exists()

    assert len(told(shop)) == 1


def test_a_model_with_two_tables_is_saved_once(told):
    """With the child's name, and the fields of both tables; also where only the parent's differ."""

    def shop():
        gift = Gift.objects.create(count=1, wrapping="red")
        gift = Gift.objects.get(pk=gift.pk)
        gift.count, gift.wrapping = 2, "blue"
        gift.save()
        gift.count = 3
        gift.save(update_fields=["count"])
        gift.delete()

    events = told(shop, changes="full")
    assert actions(events) == [("gift.create", "1"), ("gift.update", "1"), ("gift.update", "1"), ("gift.destroy", "1")]
    assert changes(events[1]) == {"count": (1, 2), "wrapping": ("red", "blue")}
    assert changes(events[2]) == {"count": (2, 3)}
    assert events[0].metadata["table"] == "shop_gift"
    assert "cascade" not in events[3].metadata


def test_a_proxy_says_what_it_stands_for(told):
    """It has its own name, and the table and the name of the model behind it; its managers are seen like any."""

    def shop():
        RushOrder.objects.create(status="paid")
        order = RushOrder.paid.get()
        order.count = 1
        order.save()
        RushOrder.paid.update(count=2)
        RushOrder.paid.all().delete()

    events = told(shop)
    assert [action for action, _ in actions(events)] == [
        "rushorder.create",
        "rushorder.update",
        "rushorder.bulk_update",
        "rushorder.bulk_delete",
    ]
    assert {(event.metadata["table"], event.metadata["proxy_for"]) for event in events} == {("shop_order", "order")}
    assert [event.metadata.get("rows") for event in events] == [None, None, 1, 1]


def test_a_row_locked_for_its_update_is_told_with_both_values(told):
    """select_for_update is a read like any other."""

    def shop():
        Depot.objects.create(pk=1, size=1)
        with transaction.atomic():
            depot = Depot.objects.select_for_update().get()
            depot.size += 1
            depot.save()

    assert changes(told(shop)[1]) == {"size": (1, 2)}


def test_what_was_loaded_from_one_database_says_nothing_of_another(told):
    """A row saved to another database has no values before, unless it was loaded from there."""

    def shop():
        Depot.objects.create(pk=1, size=1)
        Depot.objects.using("ledger").create(pk=1, size=5)
        depot = Depot.objects.get()
        depot.size = 2
        depot.save(using="ledger")
        depot.size = 3
        depot.save()

    events = told(shop)
    assert [event.metadata["database"] for event in events] == ["default", "ledger", "ledger", "ledger"]
    assert changes(events[2])["size"] == (UNSET, 2)
    assert changes(events[3]) == {"size": (2, 3)}


def test_routers_are_asked_no_more_than_django_does(told, settings_of_routers):
    """And where they send a write is where it is told."""

    def shop():
        settings_of_routers.asked.clear()
        Depot.objects.create(pk=1)
        Depot.objects.update(size=2)
        Depot.objects.bulk_create([Depot(pk=2)])
        Depot.objects.all().delete()
        settings_of_routers.counts.append(len(settings_of_routers.asked))

    events = told(shop)
    assert {event.metadata["database"] for event in events} == {"ledger"}
    assert len(set(settings_of_routers.counts)) == 1


@pytest.fixture
def settings_of_routers():
    """Send every write to the second database."""
    from django.db import router

    class Router:
        def __init__(self):
            self.asked, self.counts = [], []

        def db_for_write(self, model, **hints):
            self.asked.append(model)
            return "ledger"

    before, router.routers = router.routers, [Router()]
    yield router.routers[0]
    router.routers = before


def test_a_changed_key_is_another_row(told):
    """Nothing is known of a row that the instance was not loaded from."""

    def shop():
        Depot.objects.bulk_create([Depot(pk=1, size=1), Depot(pk=2, size=2)])
        depot = Depot.objects.get(pk=1)
        depot.pk = 2
        depot.save()
        depot.pk = 3
        depot.save()
        depot.size = 4
        depot.save()

    events = told(shop)
    assert actions(events)[1:] == [("depot.update", "2"), ("depot.create", "3"), ("depot.update", "3")]
    assert changes(events[1])["size"] == (UNSET, 1)
    assert changes(events[3]) == {"size": (1, 4)}


def test_a_receiver_that_raises_loses_no_event(told):
    """The row is saved, whatever the application's receivers do afterwards, and whenever they were connected."""

    def fail(**arguments):
        raise KeyError

    def shop():
        receivers, post_save.receivers = post_save.receivers, []
        post_save.connect(fail, sender=Tag)
        try:
            with pytest.raises(KeyError):
                Tag.objects.create(name="a")
            assert Tag.objects.count() == 1
        finally:
            post_save.disconnect(fail, sender=Tag)
            post_save.receivers = receivers

    assert [action for action, _ in actions(told(shop))] == ["tag.create"]


def test_fixtures_are_told_where_that_is_asked_for(told, tmp_path):
    """Rows that loaddata saves are no news, unless the setting fixtures says that they are."""
    fixture = tmp_path / "tags.json"
    fixture.write_text(json.dumps([{"model": "shop.tag", "pk": 1, "fields": {"name": "x"}}]))
    linked = tmp_path / "orders.json"
    linked.write_text(json.dumps([{"model": "shop.order", "pk": 5, "fields": {"tags": [1]}}]))

    def shop():
        call_command("loaddata", str(fixture), str(linked), verbosity=0)
        for loaded in serializers.deserialize("json", fixture.read_text().replace("1", "2")):
            loaded.save()

    quiet = {"disabled_events": ("cli.command",)}
    assert told(shop, **quiet) == []
    rows = [("tag.create", "1"), ("order.create", "5"), ("order.update", "5"), ("tag.create", "2")]
    assert actions(told(shop, fixtures=True, **quiet)) == rows


def test_fields_may_have_any_name(told):
    """Also those of the arguments of our own functions."""

    def shop():
        row = Ledger.objects.create(instance=1, queryset=2, rows=3, result=4)
        Ledger.objects.update(instance=5, queryset=6, rows=7, result=8)
        Ledger.objects.bulk_update([row], ["instance", "rows"])

    assert len(told(shop)) == 3


def test_instances_that_were_updated_together_are_known_as_they_are_now(told):
    """What is saved afterwards is compared with that; after a rollback with what was before."""

    def shop():
        Depot.objects.bulk_create([Depot(pk=1), Depot(pk=2)])
        one, two = Depot.objects.order_by("pk")
        one.size, two.size = 1, F("size") + 5
        Depot.objects.bulk_update([one, two], ["size"])
        one.save()
        one.size = 0
        one.save()
        with transaction.atomic():
            one.size = 7
            Depot.objects.bulk_update(iter([one]), iter(["size"]), batch_size=1)
            transaction.set_rollback(True)
        one.save()

    events = told(shop)
    assert [action for action, _ in actions(events)] == [
        "depot.bulk_create",
        "depot.bulk_update",
        "depot.update",
        "rollback",
        "depot.update",
    ]
    assert changes(events[2]) == {"size": (1, 0)}
    assert changes(events[4]) == {"size": (0, 7)}


def test_mistakes_of_the_application_are_its_own(database, instrumented, captured):
    """Nothing is told of what Django refuses, and its errors are the ones that it raises."""
    with pytest.raises(FieldDoesNotExist):
        Depot.objects.bulk_update([Depot(pk=1)], ["nothing"])
    with pytest.raises(ValueError, match="primary key"):
        Depot.objects.bulk_update([Depot()], ["size"])
    with pytest.raises(FieldDoesNotExist):
        Depot.objects.update(nothing=1)
    with pytest.raises(IntegrityError):
        Item.objects.bulk_create([Item(order_id=None, name="a")])
    assert Depot.objects.bulk_update([], ["size"]) == 0
    # Since Django 6.1 rows that one statement inserts have no transaction of their own.
    assert [event.action for event in captured.events] == (["rollback"] if django.VERSION < (6, 1) else [])


def test_what_breaks_inside_ezlogs_breaks_nothing_else(database, instrumented, monkeypatch):
    """A write goes through, and its transaction commits, though nothing of it can be told."""
    from ezlogs_instrumentors.django.data import bulk, deletion, links, saves

    def broken(*args, **kwargs):
        raise RuntimeError("ezlogs is broken")

    monkeypatch.setattr(bulk, "observe_bulk", broken)
    for room in (deletion, links, saves):
        monkeypatch.setattr(room, "observe", broken)
    with capture(strict=False) as captured:
        with transaction.atomic():
            order, tag = Order.objects.create(), Tag.objects.create(name="a")
            order.tags.set([tag])
            order.count = 1
            order.save()
            Order.objects.update(count=2)
            Order.objects.bulk_update([order], ["count"])
            Tag.objects.bulk_create([Tag(name="b")])
            Tag.objects.filter(name="b").delete()
            order.tags.clear()
            order.delete()
        Tag.objects.update(name="c")
        Tag.objects.bulk_create([Tag(name="d")])
    assert captured.events == []
    assert sorted(Tag.objects.values_list("name", flat=True)) == ["c", "d"]
    assert connections["default"].get_autocommit()
