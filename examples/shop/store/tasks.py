"""What the store does after it has answered: sending receipts."""

import smtplib

from celery import shared_task
from django.core.mail import send_mail
from django.template.loader import render_to_string
from store.models import Order


@shared_task(autoretry_for=(smtplib.SMTPException, OSError), retry_backoff=1, retry_jitter=False, max_retries=5)
def send_receipt(order_id):
    """Send the receipt of an order to its customer, again and later if the mail server refuses it."""
    order = Order.objects.select_related("customer").get(pk=order_id)
    send_mail(
        subject=f"Your order {order.pk}",
        message=render_to_string("store/receipt.txt", {"order": order}),
        from_email=None,
        recipient_list=[order.email],
    )
