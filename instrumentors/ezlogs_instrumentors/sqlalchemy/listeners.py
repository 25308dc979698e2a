"""Listeners to SQLAlchemy's events that can be taken back, and whose errors never reach the application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ezlogs.emit import guarded
from ezlogs_instrumentors.hooks import Hooks


def listen(hooks: Hooks, target: Any, name: str, see: Callable[..., None], **options: Any) -> None:
    """Listen to an event of all instances of a class and its subclasses.

    Args:
        hooks: What takes the listener back; after its `undo` this does nothing.
        target: The class, such as ``sqlalchemy.orm.Session``.
        name: The event.
        see: Called with what the event gives.
        options: Of ``sqlalchemy.event.listen``.
    """
    from sqlalchemy import event

    if not hooks.active:
        return
    listener = guarded(see)
    event.listen(target, name, listener, **options)
    hooks.on_undo(lambda: event.remove(target, name, listener))
