"""The Django instrumentor and fields: expressions, choices, documents and marks, told as far as they may be."""

from __future__ import annotations

import django
from django.db.models import F, Value
from django.db.models.functions import Lower
from django.utils import timezone
from msgspec import UNSET

from .conftest import actions, changes
from .shop.models import Depot, Order


def test_expressions_are_told_without_their_values(told):
    """What was added to what, not how much."""

    def shop():
        order = Order.objects.create(count=1)
        order.count = F("count") + 7
        order.note = Lower("note")
        order.save()
        Order.objects.update(count=F("rank") * F("count"), note=Value("secret"))
        long = F("count")
        for _ in range(20):
            long += F("count")
        Order.objects.update(count=long, rank=F("rank") + Lower("note"))

    events = told(shop)
    if django.VERSION < (6,):
        assert events[1].metadata["expressions"] == {"count": "F(count) + ?"}
    assert events[2].metadata["expressions"] == {"count": "F(rank) * F(count)", "note": "?"}
    assert changes(events[2]) == {"count": (UNSET, UNSET), "note": (UNSET, UNSET)}
    assert "expressions" not in events[3].metadata
    assert "secret" not in repr(events)


def test_a_value_is_known_again_once_the_expression_was_loaded(told):
    """refresh_from_db makes what the database computed known."""

    def shop():
        depot = Depot.objects.create(pk=1, size=1)
        depot.size = F("size") + 1
        depot.save()
        depot.refresh_from_db(fields=["size"])
        depot.size = 9
        depot.save()

    assert changes(told(shop)[2]) == {"size": (2, 9)}


def test_choices_are_told_by_their_names_too(told):
    """For whoever reads the story; where values are not told their names are not either."""

    def shop():
        order = Order.objects.create()
        order.status = "paid"
        order.save()
        Order.objects.update(status="unheard of")

    events = told(shop)
    assert [event.metadata["choices"] for event in events] == [
        {"status": (None, "Pending")},
        {"status": ("Pending", "Paid")},
        {"status": (None, None)},
    ]
    for policy in ("names", "none"):
        assert all("choices" not in event.metadata for event in told(shop, changes=policy))


def test_choices_in_groups_have_names_as_well(told):
    """Those that a function makes up are not asked for: it may query."""

    def shop():
        Depot.objects.create(pk=1, kind="shed", zone="n")

    (event,) = told(shop)
    assert event.metadata["choices"]["kind"] == (None, "A shed")
    assert ("zone" in event.metadata["choices"]) is (django.VERSION < (5,))  # before which there were no such functions
    assert changes(event)["zone"] == (UNSET, "n")


def test_documents_are_told_by_path(told):
    """What differs inside a JSON field, as far as its values may be told."""

    def shop():
        Depot.objects.create(pk=1, settings={"theme": "dark", "font": {"size": 9}, "password": 1})
        depot = Depot.objects.get()
        depot.settings["theme"] = "light"
        depot.settings["font"]["size"] = 10
        depot.settings["password"] = 2
        depot.save()
        depot.settings = {"lamps": True}
        depot.settings["lamps"] = 1
        depot.save()
        depot.settings["lamps"] = True
        depot.save()

    events = told(shop)
    assert changes(events[1]) == {
        "settings.theme": (UNSET, UNSET),
        "settings.font.size": (9, 10),
        "settings.password": (UNSET, UNSET),
    }
    assert changes(events[3]) == {"settings.lamps": (1, True)}
    assert changes(told(shop, changes="full")[1])["settings.theme"] == ("dark", "light")


def test_a_row_that_is_marked_as_deleted_is_told_as_deleted(told):
    """With the setting soft_deletes; and as restored when the mark is taken off."""
    now = timezone.now()

    def shop():
        depot = Depot.objects.create(pk=1)
        for mark in (now, None):
            depot.closed_at = mark
            depot.save()
        Depot.objects.update(closed_at=now)
        Depot.objects.update(closed_at=None)
        Depot(pk=1, closed_at=now).save()

    events = told(shop, soft_deletes=("closed_at",))
    marks = [(event.metadata.get("soft_delete"), event.metadata.get("restored")) for event in events]
    assert [action for action, _ in actions(events)] == [
        "depot.create",
        "depot.destroy",
        "depot.update",
        "depot.bulk_delete",
        "depot.bulk_update",
        "depot.update",
    ]
    assert marks == [
        (None, None),
        ("closed_at", None),
        (None, "closed_at"),
        ("closed_at", None),
        (None, "closed_at"),
        (None, None),
    ]
    assert {action for action, _ in actions(told(shop))} == {"depot.create", "depot.update", "depot.bulk_update"}
