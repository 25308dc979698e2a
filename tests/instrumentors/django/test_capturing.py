"""Rows of bulk writes of Django's ORM, which are read before it where a model asks for that."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import django
import pytest
from django.db import DatabaseError, connections, models, transaction
from django.db.models import F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

import ezlogs
from ezlogs.testing import capture

from .clinic.models import (
    Bill,
    Inpatient,
    Line,
    Patient,
    Plan,
    Visit,
    Ward,
)
from .conftest import changes, rows, selects, statements
from .shop.models import Order, Tag

pytestmark = pytest.mark.usefixtures("database", "instrumented")


def test_rows_of_an_update_are_told_where_their_class_wants_them(patients, captured):
    """Before and after, up to the limit, read by one query before it; what stays the same is no change."""
    with statements() as sent, transaction.atomic():
        assert Patient.objects.filter(pk__lte=3).order_by("weight").update(weight=2, seen=F("seen") + 1) == 3
    assert rows(captured) == [
        ("patient.update", "1", {"weight": (1, 2)}),
        ("patient.update", "2", {}),
        ("patient.update", "3", {"weight": (3, 2)}),
    ]
    assert captured.events[0].metadata["bulk"] == 3
    assert "expressions" not in captured.events[0].metadata
    read, _ = sent[-2:]
    assert "LIMIT 4" in read
    assert "ORDER" not in read


def test_rows_beyond_the_limit_are_counted(patients, captured):
    """Of deleted rows what they were."""
    with transaction.atomic():
        Patient.objects.filter(weight__gt=0)._raw_delete("default")
    *told, rest = rows(captured)
    assert [row[:2] for row in told] == [("patient.destroy", "1"), ("patient.destroy", "2"), ("patient.destroy", "3")]
    assert told[0][2]["weight"] == (1, UNSET)
    assert told[0][2]["mail"] == ("…@example.com", UNSET)
    assert rest == ("patient.bulk_delete", None, {})
    assert captured.of("data.change")[-1].metadata["rows"] == 2


def test_a_document_is_compared_inside(captured):
    """In a row that was read as in one that was loaded."""
    Patient.objects.create(pk=1, history={"ward": "North", "bed": 1})
    captured.clear()
    with transaction.atomic():
        Patient.objects.update(history={"ward": "South", "bed": 1}, ward=Ward.objects.create(pk=4))
    (update,) = [row for row in rows(captured) if row[0] == "patient.update"]
    assert update[2] == {"history.ward": ("North", "South"), "ward": (None, 4)}


def test_keys_are_told_of_what_a_cascade_deletes(captured):
    """Beside the count that the delete has of them; rows that Django reads for it are not read again."""
    ward = Ward.objects.create(pk=1)
    patient = Patient.objects.create(pk=1, ward=ward, weight=3)
    Visit.objects.bulk_create(Visit(pk=number, patient=patient) for number in range(1, 4))
    bill = Bill.objects.create(pk=8, patient=patient)
    Line.objects.create(bill=bill)
    captured.clear()
    patient.delete()
    own, bills, visits = sorted(captured.of("data.change"), key=lambda event: event.action != "patient.destroy")
    assert own.metadata["cascade"] == {"clinic.Line": 1, "clinic.Bill": 1, "clinic.Visit": 3}
    bills, visits = (bills, visits) if bills.action.startswith("bill") else (visits, bills)
    assert (bills.action, bills.subject.id, bills.metadata["cause"]) == ("bill.destroy", "8", "cascade")
    assert (visits.action, visits.metadata["cause"], visits.metadata["truncated"]) == (
        "visit.bulk_delete",
        "cascade",
        True,
    )
    assert set(visits.metadata["pks"]) <= {"1", "2", "3"}


def test_rows_that_stay_without_what_they_belonged_to_are_told(captured):
    """By which statement Django ever detaches them."""
    ward = Ward.objects.create(pk=1)
    Bill.objects.create(pk=8, ward=ward)
    Patient.objects.create(pk=7, ward=ward)
    captured.clear()
    ward.delete()
    told = {event.action: event for event in captured.of("data.change")}
    assert told.keys() == {"ward.destroy", "bill.update", "patient.update"}
    assert changes(told["patient.update"]) == {"ward": (1, None)}
    assert changes(told["bill.update"]) == {"ward": (UNSET, None)}  # of what it reads for this Django leaves that out
    assert told["bill.update"].metadata["cause"] == "cascade"


def test_no_more_rows_that_stay_are_told_than_their_model_says(captured):
    """The rest is counted."""
    Bill.objects.bulk_create(Bill(ward=ward) for ward in [Ward.objects.create(pk=1)] * 4)
    captured.clear()
    Ward.objects.all().delete()
    found = [event for event in captured.of("data.change") if event.action.startswith("bill")]
    assert [event.action for event in found] == ["bill.update", "bill.update", "bill.bulk_update"]
    assert found[-1].metadata["rows"] == 2


def test_rows_of_a_queryset_that_is_deleted_with_a_cascade_are_told(patients, captured):
    """As Django has read them."""
    Patient.objects.filter(pk__lte=2).delete()
    assert [(row[0], row[1], row[2]["weight"]) for row in rows(captured)] == [
        ("patient.destroy", "1", (1, UNSET)),
        ("patient.destroy", "2", (2, UNSET)),
    ]


def test_rows_that_an_insert_was_given_are_told_without_a_query(captured):
    """A conflict that may be passed over is only counted; a key that the database made is known after it."""
    with statements() as sent:
        Patient.objects.bulk_create([Patient(mail="ada@example.com"), Patient(weight=3)])
        Visit.objects.bulk_create([Visit(patient_id=1) for _ in range(3)])
        Patient.objects.bulk_create([Patient(pk=1), Patient(pk=900)], ignore_conflicts=True)
    one, other, visits, last = rows(captured)
    assert one[0] == other[0] == "patient.create"
    assert (one[2]["mail"], other[2]["weight"]) == ((UNSET, "…@example.com"), (UNSET, 3))
    assert visits[0] == "visit.bulk_create"
    assert captured.events[2].metadata["pks"] == tuple(map(str, Visit.objects.values_list("pk", flat=True)[:2]))
    assert last[:2] == ("patient.bulk_create", None)
    assert not selects(sent)


def test_instances_that_are_updated_together_are_told_as_they_changed(patients, captured):
    """Against what they were loaded with, without a query; some that were not there are only counted."""
    one, two, three = Patient.objects.filter(pk__lte=3)
    one.weight = two.weight = 50
    with statements() as sent:
        Patient.objects.bulk_update([one, two, three], ["weight"])
    assert not selects(sent)
    assert rows(captured)[-2:] == [
        ("patient.update", "1", {"weight": (1, 50)}),
        ("patient.update", "2", {"weight": (2, 50)}),
    ]
    with capture():
        Patient.objects.filter(pk=3).delete()
    captured.clear()
    Patient.objects.bulk_update([one, three], ["weight"])
    visits = [Visit(pk=number, patient=one) for number in (1, 2)]
    Visit.objects.bulk_create(visits)
    Visit.objects.bulk_update(visits, ["note"])
    assert rows(captured)[0][:2] == ("patient.bulk_update", None)
    assert captured.events[-1].metadata["pks"] == ("1", "2")


def test_a_mark_deletes_the_rows_that_did_not_have_it(patients):
    """Each row is told for itself: of one that had the mark it is a change of it, or none."""
    with capture(soft_deletes=["left_at"]) as captured:
        with transaction.atomic():
            Patient.objects.filter(pk=1).update(left_at=1)
        with transaction.atomic():
            Patient.objects.filter(pk__lte=2).update(left_at=1)
        with transaction.atomic():
            Patient.objects.filter(pk__lte=3).update(left_at=2)
        with transaction.atomic():
            Patient.objects.filter(pk=1).update(left_at=None)
    assert [(*row[:2], row[2]["left_at"]) for row in rows(captured)] == [
        ("patient.destroy", "1", (None, 1)),
        ("patient.destroy", "2", (None, 1)),
        ("patient.update", "1", (1, 2)),
        ("patient.update", "2", (1, 2)),
        ("patient.destroy", "3", (None, 2)),
        ("patient.update", "1", (2, None)),
    ]
    facts = [(event.metadata.get("soft_delete"), event.metadata.get("restored")) for event in captured.events]
    assert facts == [
        *[("left_at", None)] * 2,
        *[(None, None)] * 2,
        ("left_at", None),
        (None, "left_at"),
    ]


def test_a_row_that_a_join_finds_twice_is_one(captured):
    """It is read through its key, as Django updates it."""
    patient, plans = Patient.objects.create(pk=1), [Plan.objects.create() for _ in range(2)]
    patient.plan_set.set(plans)
    captured.clear()
    with transaction.atomic():
        Patient.objects.filter(plan__pk__gt=0).update(weight=9)
    assert rows(captured) == [("patient.update", "1", {"weight": (1, 9)})]


@pytest.mark.skipif(django.VERSION < (5, 2), reason="no keys of several columns before Django 5.2")
def test_keys_of_several_columns_are_told_as_elsewhere(captured):
    """Parts joined by commas; through another table they are not read."""
    from .clinic.models import Bed

    ward = Ward.objects.create(pk=1)
    Bed.objects.bulk_create(Bed(ward=ward, number=number) for number in (1, 2))
    captured.clear()
    with transaction.atomic():
        Bed.objects.update(size=2)
        Bed.objects.filter(ward__name="").update(size=3)
        Bed.objects.filter(number=2).delete()
    assert [event.metadata.get("pks") for event in captured.events] == [("1,1", "1,2"), None, ("1,2",)]


def test_a_child_of_several_tables_is_deleted_once(captured):
    """With the values of both."""
    Inpatient.objects.create(pk=1, bed=4, weight=5)
    captured.clear()
    Inpatient.objects.all().delete()
    (row,) = rows(captured)
    assert row[:2] == ("inpatient.destroy", "1")
    assert (row[2]["bed"], row[2]["weight"]) == ((4, UNSET), (5, UNSET))


def test_outside_of_a_transaction_nothing_is_read(patients, captured):
    """It would be another one than that of the write."""
    with statements() as sent:
        Patient.objects.update(weight=2)
        Patient.objects.filter(pk__lt=3)._raw_delete("default")
    assert not selects(sent)
    assert [row[0] for row in rows(captured)] == ["patient.bulk_update", "patient.bulk_delete"]


def test_a_queryset_deletes_in_a_transaction_of_its_own_so_its_rows_are_read(captured):
    """Django opens one, also in autocommit mode."""
    Patient.objects.create(pk=1)
    Visit.objects.bulk_create(Visit(pk=number, patient_id=1) for number in (1, 2))
    captured.clear()
    Visit.objects.filter(pk__lte=1).delete()
    assert [event.metadata["pks"] for event in captured.events] == [("1",)]


def test_what_cannot_be_read_the_same_way_is_counted(patients, captured):
    """Groups, and what Django refuses itself."""
    with statements() as sent, transaction.atomic():
        with pytest.raises(TypeError):
            Patient.objects.all()[:2].update(weight=1)
        Patient.objects.values("weight").annotate(many=models.Count("pk")).update(weight=9)
    assert not selects(sent)
    assert [row[0] for row in rows(captured)] == ["patient.bulk_update"]


def test_in_a_transaction_that_can_only_be_rolled_back_nothing_is_read(patients, captured):
    """Django's own error is the application's."""
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(transaction.TransactionManagementError):
            Patient.objects.update(weight=9)


def test_models_that_do_not_ask_for_it_cost_no_query(told):
    """Statements are the same with ezlogs and without."""

    def application():
        with transaction.atomic():
            order = Order.objects.create(count=1)
            Order.objects.bulk_create([Order(), Order()])
            Order.objects.filter(tags__name="x").update(count=2)
            order.count = 3
            Order.objects.bulk_update([order], ["count"])
            Order.objects.get(pk=order.pk).save()
            order.delete()
            Order.objects.all().delete()
            Tag.objects.all().delete()

    told(application)


def test_a_failing_query_of_ours_leaves_the_statement_alone(patients, monkeypatch):
    """It is executed, and counted."""
    from ezlogs_instrumentors.django.data import capturing

    with capture():
        Visit.objects.bulk_create([Visit(pk=1, patient_id=1), Visit(pk=2, patient_id=2)])
    monkeypatch.setattr(capturing, "_is_plain", lambda *_: 1 / 0)
    with capture(strict=False) as captured, transaction.atomic():
        Patient.objects.update(weight=2)
        Visit.objects.filter(pk=1).delete()
        Patient.objects.filter(pk=2).delete()
    assert [row[0] for row in rows(captured)] == ["patient.bulk_update", "visit.bulk_delete", "patient.destroy"]
    _, visits, patient = captured.of("data.change")
    assert "pks" not in visits.metadata
    assert patient.metadata["bulk"] == 1


def test_rows_that_are_saved_as_they_are_read_from_a_fixture_are_not_told(captured):
    """Whoever does it."""
    Ward(pk=1).save_base(raw=True)
    assert captured.events == []
    assert Ward.objects.count() == 1


def test_of_a_model_whose_keys_are_told_those_of_an_update_are(captured):
    """Up to the limit."""
    Visit.objects.bulk_create(Visit(pk=number, patient=Patient.objects.create(pk=number)) for number in (1, 2, 3))
    captured.clear()
    with transaction.atomic():
        Visit.objects.update(note="x")
    (event,) = captured.events
    assert (event.metadata["rows"], len(event.metadata["pks"]), event.metadata["truncated"]) == (3, 2, True)


def test_in_postgresql_a_failing_query_does_not_take_the_transaction_along(postgresql, monkeypatch):
    """It is in a savepoint; after an error of the application's that nobody told Django of there is none."""
    from ezlogs_instrumentors.django.data import capturing

    with capture():
        Patient.objects.using(postgresql).bulk_create([Patient(pk=1), Patient(pk=2)])
    with capture() as captured, transaction.atomic(postgresql):
        Patient.objects.using(postgresql).update(weight=5)
    assert [row[1:] for row in rows(captured)] == [("1", {"weight": (1, 5)}), ("2", {"weight": (1, 5)})]
    monkeypatch.setattr(capturing, "to_capture", lambda _: 2**70)  # more than fits the LIMIT
    with capture(strict=False) as captured, transaction.atomic(postgresql):
        Patient.objects.using(postgresql).update(weight=6)
        assert {patient.weight for patient in Patient.objects.using(postgresql)} == {6}
    assert [row[0] for row in rows(captured)] == ["patient.bulk_update"]


def test_in_postgresql_nothing_is_read_after_an_error_that_nobody_told_django_of(postgresql):
    """The statement's own error is the application's."""
    with capture(), transaction.atomic(postgresql):
        with suppress(DatabaseError), connections[postgresql].cursor() as cursor:
            cursor.execute("SELECT nothing")
        with pytest.raises(DatabaseError, match="current transaction is aborted"):
            Patient.objects.using(postgresql).update(weight=6)
        transaction.set_rollback(True, postgresql)


def test_a_statement_that_fails_tells_nothing_of_what_was_read(patients, captured):
    """Nor is what is written next taken for it."""
    with pytest.raises(DatabaseError), transaction.atomic():
        Patient.objects.filter(pk__lt=3).update(id=5)
    captured.clear()
    with transaction.atomic():
        Patient.objects.filter(pk=5).update(weight=9)
    assert rows(captured) == [("patient.update", "5", {"weight": (5, 9)})]


def test_a_rollback_takes_back_what_was_captured(patients, captured):
    """It is told in its place; what an instance is known to be is what it was."""
    (one,) = Patient.objects.filter(pk=1)
    one.weight = 40
    with transaction.atomic():
        Patient.objects.bulk_update([one], ["weight"])
        Patient.objects.all().update(weight=9)
        transaction.set_rollback(True)
    (event,) = captured.of("data.transaction")
    assert event.metadata["rows_by_model"] == {"patient": 6}
    captured.clear()
    one.weight = 50
    one.save()
    assert rows(captured) == [("patient.update", "1", {"weight": (1, 50)})]


def test_what_is_read_through_async_code(patients, captured):
    """The same."""
    with transaction.atomic():
        Patient.objects.filter(pk=1).update(weight=3)

    async def read():
        with ezlogs.flow("visit", 3):
            return [patient.pk async for patient in Patient.objects.filter(pk=2)]

    connections.close_all()
    assert asyncio.run(read()) == [2]
    assert rows(captured) == [("patient.update", "1", {"weight": (1, 3)})]
    assert [event.subject.id for event in captured.of("data.access")] == ["2"]


CELLS = st.lists(st.tuples(st.integers(0, 2), st.none() | st.integers(0, 2)), max_size=7)
WRITES = st.lists(
    st.tuples(
        st.sampled_from(["update", "compute", "many", "delete", "raw_delete"]),
        st.integers(0, 2),
        st.none() | st.integers(0, 2),
    ),
    min_size=1,
    max_size=5,
)


def write(name, size, value):
    """Write to the patients that weigh as much, in some way."""
    chosen = Patient.objects.filter(weight__gte=size)
    if name == "update":
        chosen.update(left_at=value)
    elif name == "compute":
        chosen.update(left_at=F("left_at") + 1, weight=F("weight"))
    elif name == "many":
        loaded = list(chosen)
        for one in loaded:
            one.left_at = value
        Patient.objects.bulk_update(loaded, ["left_at"])
    elif name == "delete":
        chosen.delete()
    else:
        chosen._raw_delete("default")


def table():
    """Return the rows as they are."""
    return {row["pk"]: row for row in Patient.objects.values("pk", "weight", "left_at")}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=CELLS, writes=WRITES)
def test_rows_that_are_told_are_those_that_changed(cells, writes):
    """Before and after each statement the table is read, and the difference is what is told, as far as it is known."""
    with capture() as captured:
        Patient.objects.all().delete()
        Patient.objects.bulk_create(
            Patient(pk=at, weight=size, left_at=left) for at, (size, left) in enumerate(cells, 1)
        )
        for name, size, value in writes:
            before = table()
            captured.clear()
            with transaction.atomic():
                write(name, size, value)
            after = table()
            chosen = {key for key, row in before.items() if row["weight"] >= size}
            events = captured.of("data.change")
            told = {int(event.subject.id): event for event in events if event.subject.id is not None}
            rest = sum(event.metadata["rows"] for event in events if event.subject.id is None)
            assert set(told) <= chosen
            assert rest == max(0, len(chosen) - 3)
            if len(chosen) <= 3:
                is_each = name in ("compute", "delete", "raw_delete")
                assert set(told) == (chosen if is_each else {key for key in chosen if after[key] != before[key]})
            for key, event in told.items():
                assert event.action == ("patient.destroy" if "delete" in name else "patient.update")
                for field, (was, now) in changes(event).items():
                    if field in before[key]:
                        assert was == before[key][field]
                        assert now is UNSET or now == after[key][field]
