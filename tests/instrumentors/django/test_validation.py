"""The Django instrumentor and validation: which field was wrong and how, told once, never what was typed."""

from __future__ import annotations

import django
import pytest
from django import forms
from django.core.exceptions import ValidationError
from rest_framework import serializers

import ezlogs

from .shop.models import Depot, Item, Order

pytestmark = pytest.mark.usefixtures("instrumented")


class ContactForm(forms.Form):
    """A form without a model."""

    email = forms.EmailField()
    text = forms.CharField()

    def clean(self):
        """Refuse, for a reason without a code."""
        raise forms.ValidationError("not today")


class OrderForm(forms.ModelForm):
    """A form of an order."""

    class Meta:
        model = Order
        fields = ("count",)


def test_a_rejected_form_is_told_by_fields_and_codes(captured):
    """Errors are told once, as codes."""
    form = ContactForm({"email": "ada at example"})
    assert not form.is_valid()
    form.full_clean()
    (event,) = captured.events
    assert (event.event_type, event.action, event.outcome) == ("data.validation", "contact_form.invalid", "failure")
    assert event.metadata == {
        "fields": ("email", "text", "__all__"),
        "codes": ("invalid", "required", "invalid"),
        "source": "form",
    }
    assert "example" not in repr(event)


def test_a_form_of_a_model_is_about_its_row(captured):
    """The subject is the row that was to be changed, or the model."""
    assert not OrderForm({"count": "many"}, instance=Order(pk=7)).is_valid()
    assert not OrderForm({"count": "many"}).is_valid()
    assert [event.subject for event in captured.events] == [ezlogs.Subject("order", "7"), ezlogs.Subject("order")]
    assert captured.events[0].action == "order.invalid"


def test_accepted_and_unbound_forms_are_not_told(captured):
    """Only errors are events."""
    assert OrderForm({"count": "1"}).is_valid()
    assert not OrderForm().is_valid()
    assert captured.events == []


def test_a_form_rejected_while_nothing_listens_is_left_alone():
    """Without a runtime nothing is put on the form."""
    form = OrderForm({"count": "many"})
    assert not form.is_valid()
    assert "_ezlogs_told" not in vars(form)


class ItemForm(forms.ModelForm):
    """A form whose errors are the model's."""

    class Meta:
        model = Item
        fields = ("name",)


class Strict(Order):
    """An order that refuses itself."""

    class Meta:
        proxy = True
        app_label = "shop"

    def clean(self):
        """Refuse."""
        raise ValidationError({"count": ValidationError("too many", code="limit")})


class StrictForm(forms.ModelForm):
    """A form of it."""

    class Meta:
        model = Strict
        fields = ("count",)


class AddressSerializer(serializers.Serializer):
    """An address."""

    street = serializers.CharField(max_length=3)


class OrderSerializer(serializers.ModelSerializer):
    """An order with addresses, whose model has the last word."""

    addresses = AddressSerializer(many=True, required=False)

    class Meta:
        model = Order
        fields = ("count", "addresses")

    def validate(self, attrs):
        """Ask the model."""
        if attrs.get("count") == 13:
            Strict(count=13).full_clean(exclude={field.name for field in Order._meta.fields} - {"count"})
        if attrs.get("count") == 14:
            raise serializers.ValidationError("not today", code="unlucky")
        return attrs


def errors(event):
    """Return an event's errors by field, and who found them."""
    faults = zip(event.metadata["fields"], event.metadata["codes"], strict=True)
    return event.action, sorted(faults), event.metadata["source"]


def test_a_model_that_the_application_validates_itself(database, captured):
    """By field and code; about the row, where there is one."""
    with pytest.raises(ValidationError):
        Item(pk=7, name="x" * 30).full_clean()
    with pytest.raises(ValidationError):
        Item().full_clean(exclude={"name"})
    Depot(pk=1, settings={"a": 1}, closed_at=None).full_clean(exclude={"closed_at", "kind", "zone"})
    assert [errors(event) for event in captured.events] == [
        ("item.invalid", [("name", "max_length"), ("order", "null")], "model"),
        ("item.invalid", [("order", "null")], "model"),
    ]
    assert [event.subject.id for event in captured.events] == ["7", None]
    assert "xxx" not in repr(captured.events)


def test_a_form_that_asks_its_model_is_told_once(captured):
    """The model's errors are the form's."""
    assert not StrictForm({"count": "1"}, instance=Strict(pk=3)).is_valid()
    (event,) = captured.events
    assert errors(event) == ("strict.invalid", [("count", "limit")], "form")
    assert event.subject.id == "3"


def test_each_form_of_a_set_is_told_and_what_is_wrong_with_the_set(database, captured):
    """Once each."""
    formset_class = forms.modelformset_factory(Item, ItemForm, extra=2, max_num=1, validate_max=True)
    data = {"form-TOTAL_FORMS": "2", "form-INITIAL_FORMS": "0", "form-0-name": "x" * 30, "form-1-name": "y"}
    formset = formset_class(data)
    assert not formset.is_valid()
    assert not formset.is_valid()
    formset.full_clean()
    assert not forms.formset_factory(ContactForm)({}).is_valid()
    name = "contact_form_set" if django.VERSION >= (5,) else "contact_form_form_set"  # as Django names the class
    assert [errors(event) for event in captured.events] == [
        ("item.invalid", [("name", "max_length")], "form"),
        ("item.invalid", [("__all__", "too_many_forms")], "formset"),
        (f"{name}.invalid", [("__all__", "missing_management_form")], "formset"),
    ]


def test_serializers_are_told_with_those_inside_them(captured):
    """By paths; whether they raise or not, and once however often they are asked."""
    serializer = OrderSerializer(
        Order(pk=5), data={"count": "many", "addresses": [{"street": "a"}, {"street": "long"}]}
    )
    assert not serializer.is_valid()
    with pytest.raises(serializers.ValidationError):
        serializer.is_valid(raise_exception=True)
    (event,) = captured.events
    assert errors(event) == (
        "order.invalid",
        [("addresses.1.street", "max_length"), ("count", "invalid")],
        "serializer",
    )
    assert event.subject == ezlogs.Subject("order", "5")
    captured.clear()
    with pytest.raises(serializers.ValidationError):
        OrderSerializer(data=[{"count": "many"}, {"count": 1}], many=True).is_valid(raise_exception=True)
    assert not AddressSerializer(data={}).is_valid()
    assert AddressSerializer(data={"street": "a"}).is_valid()
    assert [errors(event)[:2] for event in captured.events] == [
        ("order.invalid", [("0.count", "invalid")]),
        ("address_serializer.invalid", [("street", "required")]),
    ]


def test_a_serializer_that_asks_its_model_is_told_once(captured):
    """And what is wrong with it as a whole is told under one name."""
    assert not OrderSerializer(data={"count": 13}).is_valid()
    assert not OrderSerializer(data={"count": 14}).is_valid()
    assert [errors(event) for event in captured.events] == [
        ("order.invalid", [("count", "limit")], "serializer"),
        ("order.invalid", [("__all__", "unlucky")], "serializer"),
    ]


def test_no_more_than_a_hundred_faults_are_told(captured):
    """Of a body with thousands of rows."""
    assert not OrderSerializer(data=[{"count": "many"}] * 1000, many=True).is_valid()
    assert len(captured.events[0].metadata["fields"]) == 100


def test_validation_goes_on_unseen_while_nothing_listens():
    """Without a runtime nothing is put on a serializer either."""
    serializer = AddressSerializer(data={})
    assert not serializer.is_valid()
    assert "_ezlogs_told" not in vars(serializer)
    with pytest.raises(ValidationError):
        Item().full_clean()
