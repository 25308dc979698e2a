"""Starlette's users as actors, by what is stored of them; other classes are known by their row, or as registered."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ezlogs.identity import Identity, register_identity
from ezlogs.loaded import key_text, loaded_identity
from ezlogs.stored import MISSING, stored
from ezlogs_instrumentors.hooks import Hooks


def attach_to_users(hooks: Hooks, module: ModuleType) -> None:
    """Make users known, wherever they are given as an actor."""
    register_identity(module.BaseUser, user_identity)
    register_identity(module.UnauthenticatedUser, lambda _: Identity("anonymous"))


def user_identity(user: Any) -> Identity:
    """Return a user's identity from what is stored: properties such as ``identity`` are the application's code."""
    known = loaded_identity(user)
    name = stored(user, "username")
    label = name if isinstance(name, str) else None
    if known is not None and known.id is not None:
        return Identity("user", known.id, known.label or label)
    found = (stored(user, attribute) for attribute in ("id", "user_id", "username"))
    return Identity(
        "user", next((text for value in found if value is not MISSING and (text := key_text(value))), None), label
    )
