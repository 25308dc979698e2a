"""What is told of Django's models as classes and settings say: fields, links, who reads, what is not valid."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import connections, models, transaction
from django.db.migrations.state import ProjectState
from django.forms import ModelForm
from msgspec import UNSET

import ezlogs
from ezlogs.testing import capture
from ezlogs.trackers.data import audit as audits

from .clinic.models import (
    Draft,
    Guest,
    Inpatient,
    Letter,
    Login,
    Note,
    Nurse,
    Patient,
    Plan,
    Shift,
    Unseen,
    Visitor,
    Ward,
)
from .conftest import actions, changes, rows
from .shop.models import Item, Order, RushOrder, Tag

pytestmark = pytest.mark.usefixtures("database", "instrumented")


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
