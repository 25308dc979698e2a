"""Checking out: an order with all its items, or no order at all."""

from django.db import transaction
from store.tasks import send_receipt

import ezlogs


def place_order(customer, form):
    """Save the order that a valid form asks for, and have its receipt sent.

    Raises:
        IntegrityError: When somebody else was faster to buy one of the products; nothing is saved then.
    """
    order, products = form.save(commit=False), form.cleaned_data["products"]
    with ezlogs.flow("checkout", order.reference):
        with transaction.atomic():
            order.customer = customer
            order.card_ending = form.cleaned_data["card_number"][-4:]  # a real shop would charge the card here
            order.total = sum(product.price for product in products)
            order.save()
            for product in products:
                order.items.create(product=product, price=product.price)
            transaction.on_commit(lambda: send_receipt.delay(order.pk))
        facts = {"total": order.total, "receipt_to": order.email}  # privacy takes the address out
        ezlogs.event("order.action", "placed", subject=order, metadata=facts)
    return order
