"""Starlette's own users, as actors; every other class is known by its row, or by whom it was registered for."""

from __future__ import annotations

from types import ModuleType

from ezlogs.identity import Identity, register_identity
from ezlogs_instrumentors.hooks import Hooks


def attach(hooks: Hooks, module: ModuleType) -> None:
    """Make Starlette's own users known, wherever they are given as an actor."""
    register_identity(module.SimpleUser, lambda user: Identity("user", vars(user).get("username")))
    register_identity(module.UnauthenticatedUser, lambda user: Identity("anonymous"))
