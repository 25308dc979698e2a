"""Starlette's authentication: credentials that do not hold, scopes that are missing, and its user as the actor."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from types import ModuleType
from typing import Any

from ezlogs.actor import Peek
from ezlogs.emit import guarded
from ezlogs.event import Actor
from ezlogs.identity import Identity, identify, register_identity
from ezlogs.loaded import key_text, loaded_identity
from ezlogs.stored import MISSING, stored
from ezlogs.trackers.auth import denied, scheme
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks


class StarletteAuthInstrumentor(HookingInstrumentor):
    """Tells what Starlette's `AuthenticationMiddleware` and `requires` refuse, FastAPI's use of them included.

    Example:
        >>> instrumentor = StarletteAuthInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "starlette"
    versions = ("starlette >= 0.40",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {
            "starlette.authentication": _attach_to_scopes,
            "starlette.middleware.authentication": _attach_to_middleware,
        }


def peek_at_user(scope: Mapping[str, Any]) -> Peek:
    """Return a function that reads the user that `AuthenticationMiddleware` has put into an ASGI scope, if any.

    Args:
        scope: The connection's scope, of which middleware may have made no copy.
    """

    def peek() -> Actor | None:
        identity = identify(user) if (user := scope.get("user")) is not None else None
        return None if identity is None else Actor(*identity)

    return peek


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


def _attach_to_scopes(hooks: Hooks, module: ModuleType) -> None:
    """See what `requires` finds missing, but not what an application merely asks for itself."""
    register_identity(module.BaseUser, user_identity)
    register_identity(module.UnauthenticatedUser, lambda _: Identity("anonymous"))

    def make(has: Callable[[Any, Sequence[str]], bool]) -> Callable[[Any, Sequence[str]], bool]:
        @wraps(has)
        def call(conn: Any, scopes: Sequence[str]) -> bool:
            result = has(conn, scopes)
            if not result and hooks.active and sys._getframe(1).f_globals is vars(module):
                _missing(scopes)
            return result

        return call

    hooks.replace(module, "has_required_scope", make)


def _attach_to_middleware(hooks: Hooks, module: ModuleType) -> None:
    """See errors of authentication on their way to the response, in each middleware that is made from now on."""

    def see(middleware: Any, _: None, *args: Any, **kwargs: Any) -> None:
        respond = middleware.on_error

        @wraps(respond)
        def on_error(conn: Any, error: Exception) -> Any:
            if hooks.active:
                _not_authenticated(conn, middleware.backend)
            return respond(conn, error)

        middleware.on_error = on_error

    hooks.after(module.AuthenticationMiddleware, "__init__", see)


@guarded
def _missing(scopes: Sequence[str]) -> None:
    denied("missing_scope", subject=("permission", ",".join(scopes)))


@guarded
def _not_authenticated(conn: Any, backend: object) -> None:
    """Tell that credentials do not hold. Nobody is known, and the error's text may repeat what was sent."""
    kind = type(backend)
    denied(
        "authentication_error",
        method=scheme(conn.headers.get("authorization")),
        backend=f"{kind.__module__}.{kind.__qualname__}",
        credentials=True,
    )
