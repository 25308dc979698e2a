"""``manage.py seed Ada Bob``: fills the shelves, and makes the customers' accounts."""

import os
from itertools import count, cycle

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand
from store.models import Product

WARES = ("Teapot", "Vase", "Bowl", "Candlestick", "Clock", "Lamp", "Mirror")


class Command(BaseCommand):
    """Add products and customers."""

    help = "Add products, and customers with the password in SHOP_PASSWORD."

    def add_arguments(self, parser):
        """Take the customers' names and the number of products."""
        parser.add_argument("names", nargs="*")
        parser.add_argument("--products", type=int, default=20)

    def handle(self, *, names, products, **options):
        """Add them. Customers who exist keep their orders."""
        shelf = zip(range(products), cycle(WARES), count(Product.objects.count() + 1), strict=False)
        Product.objects.bulk_create(Product(name=f"{ware} No. {n}", price=20 + n) for _, ware, n in shelf)
        password = make_password(os.environ["SHOP_PASSWORD"])  # one hash for all: they share it anyway
        for name in names:
            User.objects.update_or_create(username=name.lower(), defaults={"first_name": name, "password": password})
