"""What the store keeps: products, orders and their items. Customers are Django's users."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.crypto import get_random_string

REFERENCE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def new_reference():
    """Return what a checkout is known by before there is an order: short, and easy to read aloud."""
    return get_random_string(8, REFERENCE_LETTERS)


class Product(models.Model):
    """One of a kind, so it can be sold once."""

    name = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=8, decimal_places=2)

    def __str__(self):
        return f"{self.name} ({self.price})"


class Order(models.Model):
    """What a customer bought at one time."""

    reference = models.SlugField(max_length=8, unique=True, default=new_reference)
    customer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="orders")
    email = models.EmailField()
    card_ending = models.CharField(max_length=4)
    total = models.DecimalField(max_digits=10, decimal_places=2)
    placed_at = models.DateTimeField(auto_now_add=True)

    def __str__(self):
        return f"Order {self.pk}"

    def get_absolute_url(self):
        """Return the address of the order's page."""
        return reverse("order", args=[self.pk])


class OrderItem(models.Model):
    """A product in an order. That a product is in one order at most is for the database to see to."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="items")
    product = models.OneToOneField(Product, models.PROTECT)
    price = models.DecimalField(max_digits=8, decimal_places=2)

    def __str__(self):
        return self.product.name
