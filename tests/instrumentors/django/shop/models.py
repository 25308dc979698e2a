"""The shop's models: every kind of field and relation that the instrumentor treats in its own way."""

from __future__ import annotations

from decimal import Decimal

from django.db import models


class RankField(models.IntegerField):
    """A number that refuses to be read from text, yet is saved from it."""

    def to_python(self, value):
        """Refuse."""
        raise TypeError(value)


class PricesField(models.TextField):
    """Decimals in one column."""

    def from_db_value(self, value, expression, connection):
        """Return a list."""
        return [Decimal(price) for price in value.split()]

    def get_prep_value(self, value):
        """Return the column's text."""
        return " ".join(map(str, value))


class Tag(models.Model):
    """A word to find orders by."""

    name = models.CharField(max_length=20)


class Order(models.Model):
    """An order, with fields whose values may be told and fields whose values may not."""

    status = models.CharField(max_length=10, default="pending", choices=[("pending", "Pending"), ("paid", "Paid")])
    total = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    count = models.IntegerField(default=0)
    note = models.TextField(default="")
    password = models.CharField(max_length=100, default="")
    extra = models.JSONField(default=dict)
    shipped_on = models.DateField(null=True)
    rank = RankField(default=0)
    prices = PricesField(default=list)
    receipt = models.FileField(default="")
    tags = models.ManyToManyField(Tag)


class Item(models.Model):
    """A line of an order; goes with it."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    name = models.CharField(max_length=20, unique=True)


class Review(models.Model):
    """What somebody said of an order; stays without it."""

    order = models.ForeignKey(Order, on_delete=models.SET_NULL, null=True)


class Gift(Order):
    """An order with a second table."""

    wrapping = models.CharField(max_length=20, default="")
