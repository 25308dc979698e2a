"""What is told of Django's models as their classes and the settings say; what is read for it, and what is not."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import django
import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connections, models, transaction
from django.db.migrations.state import ProjectState
from django.db.models import F
from django.forms import ModelForm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

import ezlogs
from ezlogs.testing import capture
from ezlogs.trackers.data import audit as audits

from .clinic.models import (
    Bill,
    Draft,
    Guest,
    Inpatient,
    Letter,
    Line,
    Login,
    Note,
    Nurse,
    Patient,
    Plan,
    Shift,
    Unseen,
    Visit,
    Visitor,
    Ward,
)
from .conftest import actions, changes, statements
from .shop.models import Item, Order, RushOrder, Tag

pytestmark = pytest.mark.usefixtures("database", "instrumented")


@pytest.fixture
def patients():
    """Five of them."""
    with capture():
        Patient.objects.bulk_create(
            Patient(pk=number, mail=f"p{number}@example.com", weight=number) for number in range(1, 6)
        )


def rows(captured):
    """Return what was told of changes, in short."""
    return [(event.action, event.subject.id, changes(event)) for event in captured.of("data.change")]


def selects(sent):
    """Return the queries among what was sent."""
    return [sql for sql in sent if "SELECT" in sql.split(" ", 2)[1]]


def test_fields_are_told_as_the_class_says(captured):
    """Masked, left out by what an abstract base says, and by type never; nor paths in documents of such a type."""
    patient = Patient.objects.create(pk=1, mail="ada@example.com", diary="dear diary", extra={"pin": "mine"})
    patient.seen = 5
    patient.save()
    patient.mail, patient.seen, patient.extra = None, 6, {"pin": "other"}
    patient.history["ward"] = "North"
    patient.save()
    (create, update) = rows(captured)
    assert create[:2] == ("patient.create", "1")
    assert create[2]["mail"] == (UNSET, "…@example.com")
    assert create[2]["diary"] == create[2]["extra"] == (UNSET, UNSET)
    assert "seen" not in create[2]
    assert update[2] == {
        "mail": ("…@example.com", None),
        "extra.pin": (UNSET, UNSET),
        "history.ward": (UNSET, "North"),
    }
    for secret in ("dear diary", "mine", "other", "ada@"):
        captured.assert_absent(secret)


def test_hashes_are_the_same_for_equal_values():
    """With a key of the application's own."""
    with capture(hash_key="0123456789abcdef0123456789abcdef") as captured:
        for number in (1, 2):
            Patient.objects.create(pk=number, insurance="AOK 1")
    (one, other) = (changes(event)["insurance"][1] for event in captured.of("data.change"))
    assert one == other
    captured.assert_absent("AOK 1")


def test_fields_are_known_by_the_names_of_their_columns_too(captured):
    """``author_id`` in a list is the field ``author``, and the other way round."""
    author, ward = Patient.objects.create(pk=7), Ward.objects.create(pk=9)
    captured.clear()
    letter = Letter.objects.create(author=author, seal=ward, title="Dear Sir", rest=3)
    letter.rest = 4
    letter.save()
    Letter.objects.update(author_id=None, rest=5)
    Letter.objects.update(rest=6)
    (create, update) = rows(captured)
    assert create[2] == {"author": (UNSET, "[redacted]"), "seal": (UNSET, 9), "title": (UNSET, "…ir")}
    assert update == ("letter.bulk_update", None, {"author": (UNSET, None)})
    captured.assert_absent("Dear Sir")


def test_the_stricter_of_two_words_for_one_field_counts():
    """One said by the field's name, one by its column's."""
    from ezlogs_instrumentors.django.data.policies import policy_for

    model = apps.get_model("clinic", "Line")
    try:
        ezlogs.audit(model, exclude=["bill_id"], mask=["bill"])
        assert policy_for(model).telling("bill") == "nothing"
    finally:
        del audits._audits[model]
        ezlogs.audit(type("Other", (), {}))


def test_models_that_are_left_out_are_not_told():
    """By their class or by a setting, whichever way they are written."""
    ward = Ward.objects.create()
    with capture(data_exclude=["shop.tag", "shop_item", "*_person"]) as captured:
        draft = Draft.objects.create(title="a")
        draft.wards.add(ward)
        ward.drafts.add(draft)
        ward.drafts.clear()
        draft.title = "b"
        draft.save()
        Draft.objects.update(title="c")
        draft.delete()
        Draft.objects.bulk_create([Draft(title="d")])
        Draft.objects.bulk_update(list(Draft.objects.all()), ["title"])
        Draft.objects.all().delete()
        Tag.objects.create(name="x")
        Tag.objects.all().delete()
        order = Order.objects.create()
        Item.objects.create(order=order, name="x")
    assert actions(captured.events) == [("order.create", str(order.pk))]


def test_with_the_models_that_are_let_in_their_links_are():
    """Though the table of links has a name of its own; leaving that out by its name leaves out the links."""
    with capture(data_include=["shop.order"]) as captured:
        Order.objects.create().tags.add(Tag.objects.create(name="x"))
    assert [action for action, _ in actions(captured.events)] == ["order.create", "order.update"]
    with capture(data_exclude=["shop_order_tags"]) as captured:
        Order.objects.create().tags.set([Tag.objects.create(name="x")])
        Order.tags.through.objects.all().delete()
    assert [action for action, _ in actions(captured.events)] == ["order.create", "tag.create"]


def test_a_proxy_is_left_out_with_its_model():
    """It is the same rows."""
    with capture(data_exclude=["shop.order"], data_changes={"clinic.patient": "none"}) as captured:
        RushOrder.objects.create()
        Order.objects.create()
    assert captured.events == []
    with capture(data_exclude=["shop.rushorder"]) as captured:
        RushOrder.objects.create()
        Order.objects.create()
    assert [action for action, _ in actions(captured.events)] == ["order.create"]


def test_proxies_and_children_inherit_what_is_said(captured):
    """Unless they say otherwise."""
    Guest.objects.create(pk=1, mail="ada@example.com", seen=3)
    Inpatient.objects.create(pk=2, mail="bob@example.com", bed=4, seen=3)
    guest, inpatient = rows(captured)
    assert guest[:2] == ("guest.create", "1")
    assert guest[2]["mail"] == inpatient[2]["mail"] == (UNSET, "…@example.com")
    assert inpatient[2]["bed"] == (UNSET, 4)
    assert "seen" not in guest[2]
    assert "seen" not in inpatient[2]
    captured.clear()
    Inpatient.objects.update(weight=7, bed=5)
    Unseen.objects.update(weight=8)
    with transaction.atomic():
        Inpatient.objects.update(weight=9, bed=5)
    assert rows(captured) == [
        ("inpatient.bulk_update", None, {"weight": (UNSET, 7), "bed": (UNSET, 5)}),
        ("unseen.bulk_update", None, {"weight": (UNSET, 8)}),
        ("inpatient.update", "2", {"weight": (8, 9)}),
    ]


def test_a_mixin_says_it_for_its_children(captured):
    """Here that names are all."""
    note = Note.objects.create(size=3)
    note.wards.add(Ward.objects.create())
    create, _, links = captured.of("data.change")
    assert changes(create) == {"size": (UNSET, UNSET)}
    assert links.metadata["m2m"] == {"field": "wards", "rows_added": 1}


def test_links_are_told_as_both_their_ends_say(captured):
    """A field that is left out is so from the other side; with nothing told not even the field's name is."""
    ward, patient, plan = Ward.objects.create(), Patient.objects.create(), Plan.objects.create()
    nurse = Nurse.objects.create()
    captured.clear()
    plan.wards.add(ward)
    ward.plan_set.clear()
    Plan.wards.through.objects.create(plan=plan, ward=ward)
    ward.nurses.add(nurse)
    assert captured.events == []
    patient.plan_set.add(plan)
    assert captured.events[0].metadata["m2m"]["added"] == (str(plan.pk),)
    with capture(changes="none") as untold:
        order = Order.objects.create()
        order.tags.add(Tag.objects.create(name="x"))
        Order.tags.through.objects.all().delete()
    assert [event.metadata.get("m2m") for event in untold.events] == [None] * 4
    assert Shift.objects.count() == 1


def test_sessions_are_left_out_unless_they_are_asked_for(captured):
    """Those of the application's own classes, too."""
    for model in (Session, Visitor, Login):
        model.objects.create(session_key=model.__name__, session_data="x", expire_date="2030-01-01T00:00Z")
    assert [action for action, _ in actions(captured.events)] == ["login.create"]


def test_what_is_said_of_a_model_counts_in_its_migrations(captured):
    """They have classes of their own, made from the migration's history; also of models that are gone since."""
    state = ProjectState.from_apps(apps)
    state.models["clinic", "draft"].options["managed"] = True
    history = state.apps
    history.get_model("clinic", "Draft").objects.create(title="a")
    history.get_model("clinic", "Patient").objects.create(pk=1, mail="ada@example.com", seen=1)
    (event,) = captured.of("data.change")
    assert changes(event)["mail"] == (UNSET, "…@example.com")
    assert "seen" not in changes(event)
    gone = type("Gone", (models.Model,), {"__module__": __name__, "Meta": type("Meta", (), {"app_label": "gone"})})
    from ezlogs_instrumentors.django.data import policies

    gone._meta.apps = history
    assert policies.policy_for(gone).told


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


def test_reading_is_told_of_models_that_ask_for_it(patients, captured):
    """Once in each scope, without values; of proxies too, unless they say otherwise, and of no other model."""
    Ward.objects.create()
    Inpatient.objects.create(pk=9)
    captured.clear()
    with ezlogs.flow("visit", 1):
        list(Patient.objects.filter(pk__in=(4, 5)).order_by("pk"))
        list(Ward.objects.all())
        Patient.objects.get(pk=5).refresh_from_db()
        list(Patient.objects.values_list("weight"))
        list(Patient.objects.values())
        Guest.objects.get(pk=4)
        Unseen.objects.get(pk=3)
        Inpatient.objects.get(pk=9)
    with ezlogs.flow("visit", 2):
        Patient.objects.only("weight").get(pk=5).mail  # noqa: B018  # it is loaded by that
        list(Patient.objects.raw("SELECT * FROM clinic_patient WHERE id = 4"))
    views = captured.of("data.access")
    assert [(view.action, view.subject.id) for view in views] == [
        ("patient.view", "4"),
        ("patient.view", "5"),
        ("guest.view", "4"),
        ("inpatient.view", "9"),
        ("patient.view", "5"),
        ("patient.view", "4"),
    ]
    assert views[0].metadata["table"] == "clinic_patient"
    assert {view.changes for view in views} == {()}
    assert views[0].correlation.flow_id == "visit:1"


def test_reading_is_told_from_when_on_a_model_asks(captured):
    """And not of one that a setting leaves out, nor with the events disabled."""
    Ward.objects.create(pk=1)
    captured.clear()
    Ward.objects.get()
    try:
        ezlogs.audit(Ward, access=True)
        Ward.objects.get()
        assert actions(captured.events) == [("ward.view", "1")]
        with capture(data_exclude=["clinic.*"]) as left_out:
            Ward.objects.get()
        with capture(disabled_events=["data.access"]) as disabled:
            Ward.objects.get()
    finally:
        del audits._audits[Ward]
        ezlogs.audit(type("Other", (), {}))
    Ward.objects.get()
    assert left_out.events == disabled.events == []
    assert len(captured.events) == 1


def test_listeners_end_with_the_instrumentor(instrumented):
    """Nobody is left in the list of those who want to know."""
    before = len(audits._listeners)
    instrumented.uninstrument()
    assert len(audits._listeners) == before - 1


def test_what_is_not_valid_is_told_as_the_policy_says(captured):
    """Nothing of a model that is left out, and no field that is."""

    class DraftForm(ModelForm):
        class Meta:
            model = Draft
            fields = ("title",)

    with pytest.raises(ValidationError):
        Draft(title="too long").full_clean()
    assert not DraftForm({"title": "too long"}).is_valid()
    with pytest.raises(ValidationError):
        Patient(seen="often", weight="heavy", mail="x").full_clean()
    (event,) = captured.events
    assert event.action == "patient.invalid"
    assert "weight" in event.metadata["fields"]
    assert "seen" not in event.metadata["fields"]


def test_text_is_left_out_by_its_table():
    """Which is all that is known of it."""
    told = capture(raw_statements=True, data_exclude=["shop_tag"])
    with told as captured, connections["default"].cursor() as cursor:
        cursor.execute("INSERT INTO shop_tag (name) VALUES ('x')")
        cursor.execute("INSERT INTO clinic_ward (name, beds) VALUES ('x', 1)")
    assert [event.subject.id for event in captured.events] == ["clinic_ward"]


def test_a_name_that_privacy_allows_is_no_secret():
    """One list for all; what is always denied stays so."""
    with capture(allow=["note"], deny=["count"], changes="full") as captured:
        Order.objects.create(note="x", count=3, password="hunter2")
    told = changes(captured.events[0])
    assert (told["note"], told["count"], told["password"]) == ((UNSET, "x"), (UNSET, UNSET), (UNSET, UNSET))


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
