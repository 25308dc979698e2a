"""The Django instrumentor and data: what was committed is told once, without a query of its own."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal

import django
import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core import serializers
from django.db import IntegrityError, connection, connections, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from msgspec import UNSET

import ezlogs
from ezlogs.testing import capture

from .shop.models import Gift, Item, Order, Review, Tag

pytestmark = pytest.mark.usefixtures("database", "instrumented")


def actions(captured):
    """Return what happened, in short."""
    return [event.action for event in captured.events]


def changes(event):
    """Return an event's changes by field."""
    return {change.field: (change.before, change.after) for change in event.changes}


def test_a_created_row_is_told_with_its_key_and_table(captured):
    """An insert becomes one data.change event about the row."""
    order = Order.objects.create(status="paid", total=Decimal("9.90"), note="for Ada", password="s3cret")
    (event,) = captured.events
    assert (event.event_type, event.action) == ("data.change", "order.create")
    assert event.subject == ezlogs.Subject("order", str(order.pk))
    assert event.metadata == {
        "table": "shop_order",
        "database": "default",
        "verbose_name": "order",
        "verbose_name_plural": "orders",
        "choices": {"status": (None, "Paid")},
    }
    told = changes(event)
    assert told["status"] == (UNSET, "paid")
    assert told["total"] == (UNSET, "9.90")
    assert told["note"] == told["password"] == (UNSET, UNSET)
    assert "shipped_on" not in told


def test_an_update_tells_old_and_new_values_of_harmless_fields_only(captured):
    """An update of a loaded row tells what changed: choices and numbers with values, text by name."""
    order = Order.objects.get(pk=Order.objects.create(note="a", password="b").pk)
    captured.clear()
    order.status, order.count, order.note, order.password = "paid", 3, "c", "d"
    order.save()
    (event,) = captured.events
    assert event.action == "order.update"
    assert changes(event) == {
        "status": ("pending", "paid"),
        "count": (0, 3),
        "note": (UNSET, UNSET),
        "password": (UNSET, UNSET),
    }


def test_full_tells_text_but_never_passwords():
    """With changes="full" text is told too; passwords are not, whatever the setting."""
    with capture(changes="full") as captured:
        Order.objects.create(note="a", password="b")
    told = changes(captured.events[0])
    assert told["note"] == (UNSET, "a")
    assert told["password"] == (UNSET, UNSET)


def test_an_update_that_changes_nothing_is_not_told(captured):
    """Saving a row as it is, also with text for a decimal, is no change."""
    order = Order.objects.get(pk=Order.objects.create(total=Decimal("9.90"), extra={"a": [1]}).pk)
    captured.clear()
    order.total = "9.90"
    order.save()
    assert actions(captured) == []


def test_what_a_field_cannot_compare_is_told_as_changed(captured):
    """A field's own code that raises does not lose the event."""
    order = Order.objects.get(pk=Order.objects.create().pk)
    captured.clear()
    order.rank = "5"
    order.save()
    assert [change.field for change in captured.events[0].changes] == ["rank"]


def test_a_file_is_known_by_its_name(captured):
    """A file field, whose value is an object tied to its row, is compared by name."""
    order = Order.objects.get(pk=Order.objects.create(receipt="a.txt").pk)
    captured.clear()
    assert order.receipt.name == "a.txt"
    order.save()
    order.receipt.name = "b.txt"
    with capture(changes="full") as full:
        order.save()
    assert changes(full.events[0]) == {"receipt": ("a.txt", "b.txt")}
    assert captured.events == []


def test_values_that_are_not_plain_data_are_remembered_too(captured):
    """A list of decimals changed in place is a change; left alone it is none."""
    order = Order.objects.get(pk=Order.objects.create(prices=[Decimal(1)]).pk)
    captured.clear()
    order.save()
    order.prices.append(Decimal(2))
    order.save()
    assert [change.field for change in captured.events[0].changes] == ["prices"]
    assert len(captured.events) == 1


def test_a_document_changed_in_place_is_a_change(captured):
    """A JSON field is compared with what was loaded, not with the very same object."""
    order = Order.objects.get(pk=Order.objects.create(extra={"a": [1]}).pk)
    captured.clear()
    order.extra["a"].append(2)
    order.save()
    assert changes(captured.events[0]) == {"extra.a": (UNSET, UNSET)}


def test_an_expression_has_no_value_to_tell(captured):
    """A field set by an expression is named; its new value is the database's, which Django 6 asks for it itself."""
    order = Order.objects.create(count=1)
    captured.clear()
    order.count = F("count") + 1
    order.save()
    order.refresh_from_db()
    order.count = 5
    order.save()
    new = 2 if django.VERSION >= (6,) else UNSET
    assert [changes(event) for event in captured.events] == [{"count": (1, new)}, {"count": (2, 5)}]


def test_deferred_fields_are_neither_loaded_nor_told(captured):
    """A field that was not loaded stays so; loading it later makes its old value known."""
    pk = Order.objects.create(count=1).pk
    captured.clear()
    order = Order.objects.only("status").get(pk=pk)
    order.status = "paid"
    with CaptureQueriesContext(connection) as queries:
        order.save()
    assert len(queries) == 1
    assert changes(captured.events[0]) == {"status": ("pending", "paid")}
    assert order.count == 1
    order.count = 2
    order.save(update_fields=["count"])
    assert changes(captured.events[1]) == {"count": (1, 2)}


def test_update_fields_leaves_the_other_fields_unsaved_and_untold(captured):
    """What was not written is not told, and still differs at the next save."""
    order = Order.objects.get(pk=Order.objects.create().pk)
    captured.clear()
    order.count, order.status = 1, "paid"
    order.save(update_fields=["count"])
    order.save()
    assert [changes(event) for event in captured.events] == [{"count": (0, 1)}, {"status": ("pending", "paid")}]


def test_an_unknown_old_value_is_left_out(captured):
    """A row that was never loaded has no old values."""
    pk = Order.objects.create().pk
    captured.clear()
    Order(pk=pk, count=1).save(update_fields=["count"])
    assert changes(captured.events[0]) == {"count": (UNSET, 1)}


def test_what_is_remembered_stays_out_of_pickles_and_copies():
    """Pickles and deep copies of instances hold nothing of ezlogs."""
    order = Order.objects.get(pk=Order.objects.create().pk)
    assert b"ezlogs" not in pickle.dumps(order).replace(b"ezlogs_loaded", b"")
    assert pickle.loads(pickle.dumps(order)) == order
    assert copy.deepcopy(order)._state.ezlogs_loaded is None


def test_a_model_with_two_tables_is_one_row(captured):
    """Multi-table inheritance is one event about the child."""
    gift = Gift.objects.create(count=1, wrapping="red")
    gift.delete()
    assert [(event.action, event.subject.id) for event in captured.events] == [
        ("gift.create", "1"),
        ("gift.destroy", "1"),
    ] or actions(captured) == ["gift.create", "gift.destroy"]


def test_a_deleted_row_is_told_with_what_went_along(captured):
    """A delete is one event with its key and the counts of other models; rows that stay are told as updated."""
    order = Order.objects.create()
    pk = str(order.pk)
    Item.objects.create(order=order, name="a")
    Review.objects.create(order=order)
    captured.clear()
    order.delete()
    assert [(event.action, event.subject.id) for event in captured.events] == [
        ("review.bulk_update", None),
        ("order.destroy", pk),
    ]
    assert captured.events[1].metadata["cascade"] == {"shop.Item": 1}


def test_deleting_what_is_gone_is_not_told(captured):
    """A delete that found no row is no change."""
    order = Order.objects.create()
    Order.objects.filter(pk=order.pk).delete()
    captured.clear()
    order.delete()
    Order.objects.all().delete()
    assert actions(captured) == []


def test_bulk_writes_are_one_event_with_the_number_of_rows(captured):
    """bulk_create, update, bulk_update and delete of a queryset are one event each."""
    orders = Order.objects.bulk_create([Order(count=n) for n in range(3)])
    tag = Order.objects.first()
    Order.objects.update(status="paid", note="x", count=F("count") + 1)
    Order.objects.bulk_update(orders, ["count"])
    Order.objects.filter(pk=0).update(count=1)
    Order.objects.all().delete()
    assert tag is not None
    assert [(event.action, event.metadata.get("rows")) for event in captured.events] == [
        ("order.bulk_create", 3),
        ("order.bulk_update", 3),
        ("order.bulk_update", 3),
        ("order.bulk_delete", 3),
    ]
    assert changes(captured.events[1]) == {
        "status": (UNSET, "paid"),
        "note": (UNSET, UNSET),
        "count": (UNSET, UNSET),
    }
    assert all(event.subject == ezlogs.Subject("order") for event in captured.events)


def test_an_updated_relation_is_told_by_its_key(captured):
    """A model instance given to update() is told as its key."""
    order = Order.objects.create()
    Review.objects.create()
    captured.clear()
    Review.objects.update(order=order)
    assert changes(captured.events[0]) == {"order": (UNSET, order.pk)}


def test_rows_that_the_database_skipped_are_not_counted_as_written(captured):
    """bulk_create(ignore_conflicts=True) tells how many rows there are; none is no event."""
    order = Order.objects.create()
    items = [Item(order=order, name="a"), Item(order=order, name="b")]
    Item.objects.bulk_create(items[:1])
    captured.clear()
    Item.objects.bulk_create(items[:1], ignore_conflicts=True)
    Item.objects.bulk_create([Item(order_id=None, name="c")], ignore_conflicts=True)
    Item.objects.bulk_create([])
    Item.objects.bulk_create(items, ignore_conflicts=True, batch_size=1)
    (event,) = captured.events
    assert event.metadata["rows"] == 1


def test_a_driver_that_does_not_count(captured, monkeypatch):
    """Then the rows that it was given are told, as such."""
    from django.db.backends.sqlite3.base import SQLiteCursorWrapper

    order = Order.objects.create()
    tag = Tag.objects.create()
    captured.clear()
    monkeypatch.setattr(SQLiteCursorWrapper, "rowcount", -1, raising=False)
    Item.objects.bulk_create([Item(order=order, name="a"), Item(order=order, name="b")], ignore_conflicts=True)
    order.tags.add(tag)
    bulk, links = captured.events
    assert (bulk.metadata["rows_given"], bulk.metadata.get("rows")) == (2, None)
    assert links.metadata["m2m"] == {"field": "tags", "added_of": (str(tag.pk),)}


def test_rows_that_were_inserted_or_updated_are_counted_together(captured):
    """bulk_create(update_conflicts=True) tells how many rows it wrote, whichever way."""
    Tag.objects.bulk_create([Tag(pk=1, name="a"), Tag(pk=2, name="b")])
    captured.clear()
    Tag.objects.bulk_create(
        [Tag(pk=2, name="x"), Tag(pk=3, name="y")],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["name"],
    )
    (event,) = captured.events
    assert (event.action, event.metadata["rows"]) == ("tag.bulk_create", 2)


def test_links_are_updates_of_the_model_that_has_them(captured):
    """Adding and removing many-to-many links is told about the order, not about a hidden table."""
    order, tag = Order.objects.create(), Tag.objects.create(name="new")
    captured.clear()
    order.tags.add(tag)
    order.tags.remove(tag)
    add, remove = captured.events
    assert add.action == remove.action == "order.update"
    assert add.subject == ezlogs.Subject("order", str(order.pk))
    assert add.metadata["m2m"] == {"field": "tags", "added": (str(tag.pk),), "rows_added": 1}
    assert remove.metadata["m2m"] == {"field": "tags", "removed": (str(tag.pk),), "rows_removed": 1}


def test_fixtures_and_sessions_are_not_told(captured):
    """Loading a fixture and the rows of Django's own bookkeeping are no events."""
    for loaded in serializers.deserialize("json", '[{"model": "shop.tag", "pk": 1, "fields": {"name": "x"}}]'):
        loaded.save()
    Session.objects.create(session_key="k", expire_date=timezone.now())
    Session.objects.update(session_data="x")
    Session.objects.bulk_create([Session(session_key="l", expire_date=timezone.now())])
    Session.objects.bulk_update(Session.objects.all(), ["session_data"])
    Session.objects.all().delete()
    assert actions(captured) == []


def test_an_instance_is_a_subject_and_a_user_an_actor(captured):
    """Model instances can be given to ezlogs as they are."""
    user = User.objects.create_user("ada", first_name="Ada", last_name="Byron")
    nameless = User.objects.create_user("grace")
    captured.clear()
    ezlogs.event("order.action", "placed", actor=user, subject=Order(pk=7))
    ezlogs.event("order.action", "seen", actor=nameless, subject=Order())
    first, second = captured.events
    assert first.actor == ezlogs.Actor("user", str(user.pk), "Ada Byron")
    assert first.subject == ezlogs.Subject("order", "7")
    assert second.actor.label == "grace"
    assert second.subject == ezlogs.Subject("order")


def test_as_many_queries_with_ezlogs_as_without(instrumented, captured):
    """Nothing that ezlogs does reaches the database."""

    def queries():
        with CaptureQueriesContext(connection) as found:
            order = Order.objects.create()
            Item.objects.create(order=order, name="a")
            tag = Tag.objects.create(name="t")
            order.tags.set([tag])
            order = Order.objects.get(pk=order.pk)
            order.count = 1
            order.save()
            Order.objects.bulk_update([order], ["count"])
            with transaction.atomic(), transaction.atomic():
                Order.objects.update(count=2)
            order.refresh_from_db()
            order.tags.clear()
            Order.objects.only("count").get().delete()
            Tag.objects.all().delete()
        return [query["sql"].split()[0] for query in found]

    with_ezlogs = queries()
    assert captured.events
    instrumented.uninstrument()
    assert queries() == with_ezlogs


def test_nothing_is_observed_when_nothing_listens():
    """Without a runtime every write goes through unseen."""
    order = Order.objects.create()
    Order.objects.update(count=1)
    Order.objects.bulk_update([order], ["count"])
    Order.objects.bulk_create([Order()])
    Order.objects.all().delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        Item.objects.create(order_id=None, name="a")
    assert Order.objects.count() == 0


def test_each_database_is_told_by_its_alias(captured):
    """A row of another database says so, and is not held up by this one's transaction."""
    with transaction.atomic():
        Order.objects.create()
        Order.objects.using("ledger").create()
        assert [event.metadata["database"] for event in captured.events] == ["ledger"]
    assert [event.metadata["database"] for event in captured.events] == ["ledger", "default"]
    assert connections["ledger"].alias == "ledger"
