"""The form that customers order with."""

from django import forms
from django.core.exceptions import ValidationError
from store.models import Order, Product

LUHN_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(number):
    """Refuse a card number with a mistyped digit (ISO/IEC 7812-1, annex B)."""
    digits = [int(digit) for digit in reversed(number) if digit.isdigit()]
    checksum = sum(digits[::2]) + sum(LUHN_DOUBLED[digit] for digit in digits[1::2])
    if len(digits) < 12 or checksum % 10:
        raise ValidationError("This is not a card number.", code="invalid")


class OrderForm(forms.ModelForm):
    """The products wanted, where the receipt goes, and the card to charge."""

    products = forms.ModelMultipleChoiceField(Product.objects.order_by("pk"), widget=forms.CheckboxSelectMultiple)
    card_number = forms.CharField(max_length=23, validators=[luhn])

    class Meta:
        """The fields that the order itself has."""

        model = Order
        fields = ("reference", "email")
        widgets = {"reference": forms.HiddenInput}  # noqa: RUF012  # as Django wants it
