"""Saves of rows that are alike: encoded, journaled and delivered together, they are told as each by itself would be."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.db import connection, transaction

import ezlogs
from ezlogs.testing import capture
from ezlogs_instrumentors.django.transactions import open_transaction
from tests.preparing import as_one, as_sent, capture_prepared

from .shop.models import Item, Ledger, Order, Tag


class UndoError(Exception):
    """Ends a savepoint."""


def take_back(ledgers) -> None:
    """Write rows, and one more, that never existed."""
    with suppress(UndoError), transaction.atomic():
        for ledger in ledgers:
            ledger.rows += 1
            ledger.save()
        Ledger.objects.create(instance=99)
        raise UndoError


def write() -> None:
    """Write rows of some models: many are alike, some are not, and some never existed."""
    order = Order.objects.create()
    with transaction.atomic():
        ledgers = [Ledger(instance=number, rows=7) for number in range(5)]
        for ledger in ledgers:
            ledger.save()
        tags = [Tag.objects.create(name=name) for name in ("a", "b", "ä", "ada@example.com", "e", "f")]
        take_back(ledgers)
        for ledger in Ledger.objects.order_by("pk"):
            ledger.queryset = ledger.instance
            ledger.save()
            ledger.save()
        for tag in tags[:3]:
            tag.name += "b"
            tag.save()
        tags[4].save(update_fields=["name"])
        for number in range(3):
            Item.objects.create(order=order, name=f"item {number}")
        with ezlogs.actor(("user", 7)):
            for number in range(3):
                Item.objects.create(order=order, name=f"more {number}")
        for ledger in ledgers:  # what is known of them is what they were before the savepoint, or nothing
            ledger.result = 5
            ledger.save()


@pytest.mark.parametrize("takes_rows", [True, False], ids=["together", "one by one after all"])
def test_rows_that_are_alike_are_told_as_each_by_itself(database, instrumented, takes_rows):
    """In the same order, with the same values, whoever takes them in the end."""
    with capture() as captured, ezlogs.flow("checkout", 42):
        write()
    expected = [told for _, told in as_sent(captured.of("data.change"))]
    for model in (Order, Ledger, Tag):
        model.objects.all().delete()
    with capture_prepared(strict=False) as (others, journaled), ezlogs.flow("checkout", 42):
        journaled.takes_rows = takes_rows
        write()
        assert journaled.waiting() == 0
    told = sorted([*as_one(journaled.rows), *as_sent(others.of("data.change"))], key=lambda one: one[0])
    assert bool(journaled.rows) == takes_rows
    assert len(told) == len(expected)
    for (_, one), other in zip(told, expected, strict=True):
        assert _without_keys(one) == _without_keys(other)


def _without_keys(attributes) -> dict[str, object]:
    """Leave out keys, which databases count up."""
    return {key: value for key, value in attributes.items() if key != "ezlogs.subject.id" and ".order." not in key}


def test_rows_that_are_alike_are_found_by_who_comes_after(database, instrumented):
    """If the process ends before it has word of the commit, nobody knows whether they came about."""
    with capture_prepared(strict=False) as (_, journaled), transaction.atomic():
        for number in range(10):
            Ledger.objects.create(instance=number)
        _, opened = open_transaction(connection.alias)
        opened.writes.prepare()
        left = journaled.left()
    assert {one.ending.value for one in left} == {"unknown"}
    assert len(left) == 2  # the first by itself, and all that are like it


def test_rows_beyond_those_in_detail_are_counted(database, instrumented):
    """As they would be if none was like another; and undone with their savepoint."""
    with capture(max_rows_in_detail=3) as captured, transaction.atomic():
        kept = [Ledger.objects.create(instance=number) for number in range(10)]
        take_back(kept)
        for ledger in kept:
            ledger.rows = 2
            ledger.save()
    changes = captured.of("data.change")
    assert [event.action for event in changes] == [*["ledger.create"] * 3, "ledger.bulk_create", "ledger.bulk_update"]
    assert [event.metadata["rows"] for event in changes[3:]] == [7, 10]
