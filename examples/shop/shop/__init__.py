"""The project: its settings, its URLs and its Celery application."""

from shop.celery import app as celery_app

__all__ = ["celery_app"]
