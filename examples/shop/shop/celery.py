"""The Celery application; ``celery -A shop worker`` runs its tasks."""

import os

import files_broker  # noqa: F401  # makes files:// known
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
