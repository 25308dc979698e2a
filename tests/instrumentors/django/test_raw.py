"""The Django instrumentor and SQL written as text: told where that is asked for, and never what the ORM sends."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, connections, transaction

from ezlogs.testing import capture

from .shop.models import Depot, Gift, Item, Order, Tag


def raw(events):
    """Return what of the events is about statements."""
    return [
        (event.action, event.metadata.get("rows"), event.metadata["database"])
        for event in events
        if event.event_type == "data.raw"
    ]


def test_writes_of_the_application_are_told_with_the_setting_only(told):
    """Verb, table and rows; nothing of the values, nothing of what reads or changed nothing."""

    def shop():
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO shop_tag (name) VALUES (%s)", ["s3cret"])
            cursor.executemany("INSERT INTO shop_tag (name) VALUES (%s)", [["a"], ["b"]])
            cursor.execute("UPDATE shop_tag SET name = 's3cret'")
            cursor.execute("UPDATE shop_tag SET name = 'x' WHERE id = 0")
            cursor.execute("SELECT * FROM shop_tag")
            cursor.execute(sql="DELETE FROM shop_tag")
        with connections["ledger"].cursor() as cursor:
            cursor.execute("INSERT INTO shop_tag (name) VALUES ('a')")

    assert told(shop) == []
    events = told(shop, raw_statements=True)
    assert raw(events) == [
        ("shop_tag.insert", 1, "default"),
        ("shop_tag.insert", 2, "default"),
        ("shop_tag.update", 3, "default"),
        ("shop_tag.delete", 3, "default"),
        ("shop_tag.insert", 1, "ledger"),
    ]
    assert "s3cret" not in repr([(event.metadata, event.changes) for event in events])


def test_what_the_orm_sends_is_not_told_twice(told):
    """However it writes."""

    def shop():
        order, tag = Order.objects.create(), Tag.objects.create()
        gift = Gift.objects.create()
        order.tags.set([tag])
        order.count = 1
        order.save()
        Depot.objects.bulk_create([Depot(pk=1), Depot(pk=2)])
        Depot.objects.bulk_create([Depot(pk=1)], ignore_conflicts=True)
        Depot.objects.bulk_update(Depot.objects.all(), ["size"])
        Gift.objects.update(count=1, wrapping="x")
        Item.objects.create(order=order, name="a")
        gift.delete()
        order.delete()
        Tag.objects.all()._raw_delete("default")
        Depot.objects.all().delete()

    assert raw(told(shop, raw_statements=True)) == []


def test_a_raw_query_that_writes_is_the_applications(told):
    """Also where it gives instances; how many rows there are SQLite knows only later."""

    def shop():
        assert len(Tag.objects.raw("INSERT INTO shop_tag (name) VALUES ('a') RETURNING id, name")) == 1

    assert raw(told(shop, raw_statements=True)) == [("shop_tag.insert", None, "default")]


def test_a_statement_is_told_when_its_transaction_commits(told):
    """And only then."""

    def shop():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("INSERT INTO shop_tag (name) VALUES ('a')")
            transaction.set_rollback(True)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("INSERT INTO shop_tag (name) VALUES ('b')")

    events = told(shop, raw_statements=True)
    assert [event.action for event in events] == ["rollback", "shop_tag.insert"]
    assert events[0].metadata["rows_by_model"] == {"shop_tag": 1}


def test_a_statement_that_fails_is_not_told(database, instrumented):
    """Its error is the application's."""
    with capture(raw_statements=True) as captured, connection.cursor() as cursor:
        with pytest.raises(IntegrityError):
            cursor.execute("INSERT INTO shop_tag (name) VALUES (NULL)")
        with pytest.raises(IntegrityError):
            Tag.objects.create(name=None)
        cursor.execute("INSERT INTO shop_tag (name) VALUES ('a')")
    assert raw(captured.events) == [("shop_tag.insert", 1, "default")]


def test_statements_composed_for_the_driver_are_read_too(postgresql, instrumented):
    """PostgreSQL's driver has objects for them; it says how many rows it returned."""
    from psycopg import sql

    statement = sql.SQL("INSERT INTO {} (name) VALUES (%s) RETURNING id").format(sql.Identifier("shop_tag"))
    with capture(raw_statements=True) as captured, connections[postgresql].cursor() as cursor:
        cursor.execute(statement, ["a"])
        cursor.execute("DELETE FROM shop_tag WHERE name = %s RETURNING id", ["a"])
        cursor.execute("DELETE FROM shop_tag WHERE name = %s", ["a"])
    assert raw(captured.events) == [("shop_tag.insert", 1, postgresql), ("shop_tag.delete", 1, postgresql)]
