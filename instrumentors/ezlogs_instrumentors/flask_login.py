"""Flask-Login: its signals tell who comes, who goes and who is turned away; its user acts."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextvars import ContextVar
from inspect import getattr_static
from types import ModuleType
from typing import Any

from ezlogs.event import ANONYMOUS, Actor, Subject
from ezlogs.identity import Identity, identify, register_identity
from ezlogs.loaded import key_text, row_identity
from ezlogs.stored import MISSING, instance_dict, stored
from ezlogs.trackers.auth import auth, denied, route_of
from ezlogs_instrumentors.flask import template
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks

_before: ContextVar[str | None] = ContextVar("ezlogs_flask_login_session", default=None)
"""The user of the session that Flask-Login is about to check, while that user is as good as just logged in."""


class FlaskLoginInstrumentor(HookingInstrumentor):
    """Tells of sign-ins with Flask-Login 0.6 and later.

    Example:
        >>> instrumentor = FlaskLoginInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "flask_login"
    versions = ("flask-login >= 0.6",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {"flask_login.signals": _attach, "flask_login.mixins": _attach_to_users}


def peek_at_user() -> Actor | None:
    """Return the user that Flask-Login has loaded for the present request; None before anybody asked for one.

    Asking is the application's to do: it reads the session, which makes the response vary by cookie, and mostly
    queries a database.
    """
    flask = sys.modules.get("flask")
    if flask is None or not flask.has_app_context():
        return None
    user = flask.g.get("_login_user")
    return None if user is None else actor_of(user)


def actor_of(user: Any) -> Actor:
    """Return a user of Flask-Login's as an actor, of whatever class the application chose, by what is loaded of it."""
    if (identity := identify(user)) is not None:
        return ANONYMOUS if identity.type == "anonymous" else Actor(*identity)
    anonymous = getattr(sys.modules.get("flask_login"), "AnonymousUserMixin", ())
    if isinstance(user, anonymous) or getattr_static(user, "is_anonymous", None) is True:
        return ANONYMOUS
    found = stored(user, "id")
    return Actor("user", None if found is MISSING else key_text(found))


def user_identity(user: Any) -> Identity:
    """Return a user's identity from what is loaded: the label is the name, else the name to log in with."""
    row = row_identity(user)
    identifier = row.id if row else key_text(stored(user, "id"))
    names = [instance_dict(user).get(name) for name in ("name", "username")]
    return Identity("user", identifier, next((name for name in names if isinstance(name, str) and name), None))


def _attach_to_users(hooks: Hooks, module: ModuleType) -> None:
    register_identity(module.UserMixin, user_identity)
    register_identity(module.AnonymousUserMixin, lambda _: Identity("anonymous"))


def _attach(hooks: Hooks, module: ModuleType) -> None:
    hooks.connect(module.user_logged_in, _logged_in)
    hooks.connect(module.user_logged_out, _logged_out)
    hooks.connect(module.user_loaded_from_cookie, _remembered)
    hooks.connect(module.user_unauthorized, _unauthorized)
    hooks.connect(module.user_needs_refresh, _stale)
    hooks.connect(module.user_accessed, _about_to_load)
    hooks.connect(module.session_protected, _protected)


def _logged_in(_app: Any, user: Any) -> None:
    auth("login", actor_of(user))


def _logged_out(_app: Any, user: Any) -> None:
    who = actor_of(user)
    if who is not ANONYMOUS:  # somebody else's second click
        auth("logout", who)


def _remembered(_app: Any, user: Any) -> None:
    auth("login", actor_of(user), method="remember_me")


def _unauthorized(_app: Any) -> None:
    denied("unauthorized", subject=_route())


def _stale(_app: Any) -> None:
    denied("needs_refresh", subject=_route())


def _about_to_load(_app: Any) -> None:
    """Remember whose session it is: for one that does not fit its client Flask-Login sends a signal every time.

    Flask-Login reads the session itself as the next thing that it does.
    """
    from flask import session

    user = session.get("_user_id")
    _before.set(user if user is not None and session.get("_fresh") is not False else None)


def _protected(_app: Any) -> None:
    """Tell that a session came from another client than the one that logged in; once, not with each request."""
    user = _before.get()
    if user is not None:
        auth("permission_denied", subject=("user", user), reason="session_protected")


def _route() -> Subject | None:
    from flask import request

    rule = request.url_rule
    return None if rule is None else route_of(request.method, template(rule.rule))
