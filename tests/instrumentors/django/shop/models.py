"""The shop's models: every kind of field and relation that the instrumentor treats in its own way."""

from __future__ import annotations

from decimal import Decimal

import django
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


class PaidOrders(models.Manager):
    """Orders that are paid."""

    def get_queryset(self):
        """Return them."""
        return super().get_queryset().filter(status="paid")


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


class RushOrder(Order):
    """An order by another name, in the same table, with a manager of its own."""

    objects = models.Manager()
    paid = PaidOrders()

    class Meta:
        proxy = True


class Gift(Order):
    """An order with a second table."""

    wrapping = models.CharField(max_length=20, default="")


def zones():
    """Return the zones of depots, as something may that asks a database."""
    return [("n", "North")]


class Depot(models.Model):
    """Where things are kept; its key is the application's."""

    id = models.IntegerField(primary_key=True)
    size = models.IntegerField(default=0)
    settings = models.JSONField(default=dict)
    closed_at = models.DateTimeField(null=True)
    kind = models.CharField(max_length=10, null=True, choices=[("In the yard", [("shed", "A shed")]), ("hall", "Hall")])
    zone = models.CharField(max_length=10, null=True, choices=zones if django.VERSION >= (5,) else [("n", "North")])


class Person(models.Model):
    """Somebody, with friends, who has them as a friend, too."""

    name = models.CharField(max_length=20, default="")
    friends = models.ManyToManyField("self")


class Club(models.Model):
    """What people are members of."""

    members = models.ManyToManyField(Person, through="Membership", related_name="clubs")


class Membership(models.Model):
    """A link with more to it."""

    club = models.ForeignKey(Club, on_delete=models.CASCADE)
    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    role = models.CharField(max_length=10, default="guest")


class Fee(models.Model):
    """What a membership costs; goes with it."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE)


class Ledger(models.Model):
    """A table whose fields have the names of what functions call their arguments."""

    instance = models.IntegerField(default=0)
    queryset = models.IntegerField(default=0)
    rows = models.IntegerField(default=0)
    result = models.IntegerField(default=0)
