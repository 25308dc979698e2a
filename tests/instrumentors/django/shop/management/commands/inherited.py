"""A command whose class is defined elsewhere."""

from .stock import Command

__all__ = ["Command"]
