"""Starlette's authentication: credentials that do not hold, scopes that are missing, and its user as the actor."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs.trackers.auth import denied, scheme
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks
from ezlogs_instrumentors.starlette.users import attach_to_users


class StarletteAuthInstrumentor(HookingInstrumentor):
    """Tells what Starlette's `AuthenticationMiddleware` and `requires` refuse, FastAPI's use of them included.

    Example:
        >>> instrumentor = StarletteAuthInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "starlette"
    versions = ("starlette >= 0.37",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {
            "starlette.authentication": _attach_to_scopes,
            "starlette.middleware.authentication": _attach_to_middleware,
        }


def _attach_to_scopes(hooks: Hooks, module: ModuleType) -> None:
    """See what `requires` finds missing, but not what an application merely asks for itself."""
    attach_to_users(hooks, module)

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
