"""Django's sign-ins: its own signals, told as sessions."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ezlogs.trackers.auth import session
from ezlogs_instrumentors.hooks import Hooks


def attach(hooks: Hooks, module: ModuleType) -> None:
    """Hear who logs in and out, and who cannot."""
    hooks.connect(module.user_logged_in, logged_in)
    hooks.connect(module.user_logged_out, logged_out)
    hooks.connect(module.user_login_failed, login_failed)


def logged_in(user: Any, **_: Any) -> None:
    """Tell a login."""
    session("login", user)


def logged_out(user: Any, **_: Any) -> None:
    """Tell a logout; Django also sends it when nobody was logged in."""
    if user is not None:
        session("logout", user)


def login_failed(**_: Any) -> None:
    """Tell an attempt; the credentials that Django passes along are not looked at."""
    session("login_failed")
