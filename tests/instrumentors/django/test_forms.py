"""The Django instrumentor and forms: which field was wrong and how, never what was typed."""

from __future__ import annotations

import pytest
from django import forms

import ezlogs

from .shop.models import Order

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
