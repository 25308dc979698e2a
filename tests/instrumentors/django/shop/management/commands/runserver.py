"""A server, which only says what it is in."""

from .stock import Command as Stock


class Command(Stock):
    """Serve."""
