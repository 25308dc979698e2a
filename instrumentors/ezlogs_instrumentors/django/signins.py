"""Django's sign-ins: its own signals, changed passwords, refused requests, and those who act as somebody else."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs.event import Subject
from ezlogs.loaded import resolved
from ezlogs.stored import instance_dict
from ezlogs.trackers.auth import auth, denied, route_of, scheme
from ezlogs_instrumentors.django.routes import template
from ezlogs_instrumentors.hooks import Hooks

_impersonating: ContextVar[bool] = ContextVar("ezlogs_impersonating", default=False)
"""Whether django-hijack is putting one user in the place of another, which is no login."""


def attach(hooks: Hooks, module: ModuleType) -> None:
    """Hear who logs in and out, and who cannot."""
    hooks.connect(module.user_logged_in, logged_in)
    hooks.connect(module.user_logged_out, logged_out)
    hooks.connect(module.user_login_failed, login_failed)


def attach_to_passwords(hooks: Hooks, module: ModuleType) -> None:
    """See users saved with a password that was set since; of that Django sends no signal."""

    def make(save: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(save)
        def call(user: Any, /, *args: Any, **kwargs: Any) -> Any:
            changes = hooks.active and changes_password(user, kwargs.get("update_fields"))
            result = save(user, *args, **kwargs)
            if changes:
                password_changed(user)
            return result

        return call

    hooks.replace(module.AbstractBaseUser, "save", make)


def attach_to_exceptions(hooks: Hooks, module: ModuleType) -> None:
    """See `PermissionDenied` from views and middleware where Django turns it into a response."""
    refusal = module.PermissionDenied

    def make(respond: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(respond)
        def call(request: Any, exc: Exception) -> Any:
            if hooks.active and isinstance(exc, refusal):
                permission_denied(request, exc)
            return respond(request, exc)

        return call

    hooks.replace(module, "response_for_exception", make)


def attach_to_csrf(hooks: Hooks, module: ModuleType) -> None:
    """See requests whose token against forgery is missing or wrong."""
    hooks.after(module.CsrfViewMiddleware, "_reject", forged)


def attach_to_rest_framework(hooks: Hooks, module: ModuleType) -> None:
    """See what Django REST framework refuses; it makes the responses itself."""
    failed: type[Exception] = module.exceptions.AuthenticationFailed

    def see(view: Any, response: Any, exc: Exception) -> None:
        api_refused(view, response, exc, credentials=isinstance(exc, failed))

    hooks.after(module.APIView, "handle_exception", see)


def attach_to_impersonation(hooks: Hooks, module: ModuleType) -> None:
    """Hear django-hijack."""
    hooks.connect(module.hijack_started, impersonation_started)
    hooks.connect(module.hijack_ended, impersonation_ended)


def attach_to_impersonating_views(hooks: Hooks, module: ModuleType) -> None:
    """Know the logins by which django-hijack puts one user in the place of another."""

    def make(login: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(login)
        def call(*args: Any, **kwargs: Any) -> Any:
            token = _impersonating.set(True)
            try:
                return login(*args, **kwargs)
            finally:
                _impersonating.reset(token)

        return call

    hooks.replace(module, "login", make)


def logged_in(user: Any, **_: Any) -> None:
    """Tell a login."""
    if not _impersonating.get():
        user = resolved(user)
        auth("login", user, backend=instance_dict(user).get("backend"))


def logged_out(user: Any, **_: Any) -> None:
    """Tell a logout; Django also sends it when nobody was logged in."""
    if user is not None:
        auth("logout", resolved(user))


def login_failed(credentials: Any = None, **_: Any) -> None:
    """Tell an attempt, and of its credentials the name alone, masked."""
    from django.contrib.auth import get_user_model

    given = credentials or {}
    auth("login_failed", username=given.get(get_user_model().USERNAME_FIELD) or given.get("username"))


@guarded
def changes_password(user: Any, fields: Any) -> bool:
    """Return whether saving changes the password: not that of a new user, nor how the same one is hashed."""
    known = vars(user)
    is_set = known.get("_password") is not None and not known["_state"].adding
    return is_set and (fields is None or "password" in fields)


@guarded
def password_changed(user: Any) -> None:
    """Tell whose password was changed, by whoever acts."""
    auth("password_changed", user)


@guarded
def permission_denied(request: Any, error: Exception) -> None:
    """Tell what was refused to whom."""
    denied("permission_denied", subject=_route(request), error=error)


def forged(_middleware: Any, _response: Any, request: Any, reason: str) -> None:
    """Tell a request that might be forged; Django's text of the reason may hold what the client sent."""
    denied("csrf", subject=_route(request))


def api_refused(view: Any, response: Any, error: Exception, *, credentials: bool) -> None:
    """Tell a refusal, or credentials that do not hold."""
    request = vars(view.request)["_request"]
    code = getattr(getattr(error, "detail", None), "code", None)
    denied(
        code if isinstance(code, str) else None,
        status=response.status_code,
        subject=None if credentials else _route(request),
        method=scheme(request.META.get("HTTP_AUTHORIZATION")) if credentials else None,
        credentials=credentials,
    )


def impersonation_started(hijacker: Any, hijacked: Any, **_: Any) -> None:
    """Tell who acts as whom from now on."""
    auth("impersonation_started", resolved(hijacked), actor=resolved(hijacker))


def impersonation_ended(hijacker: Any, hijacked: Any, **_: Any) -> None:
    """Tell who acted as whom until now."""
    auth("impersonation_ended", resolved(hijacked), actor=resolved(hijacker))


def _route(request: Any) -> Subject | None:
    match = request.resolver_match
    return None if match is None else route_of(request.method, template(match.route))
