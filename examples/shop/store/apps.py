"""The store as a Django application."""

from django.apps import AppConfig


class StoreConfig(AppConfig):
    """The store."""

    name = "store"
