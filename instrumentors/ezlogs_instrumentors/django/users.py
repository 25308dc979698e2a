"""Django's users as actors: looked at when the application has resolved them, never resolved by looking."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ezlogs.actor import Peek
from ezlogs.event import Actor, type_and_id
from ezlogs.identity import Identity, id_text, identify, register_identity
from ezlogs.loaded import UNRESOLVED, resolved, row_identity
from ezlogs.stored import instance_dict
from ezlogs_instrumentors.hooks import Hooks


def attach_to_users(hooks: Hooks, module: ModuleType) -> None:
    """Make users known wherever they are given as an actor or a subject."""
    register_identity(module.AbstractBaseUser, user_identity)


def attach_to_anonymous(hooks: Hooks, module: ModuleType) -> None:
    """Make the one who did not log in known."""
    register_identity(module.AnonymousUser, lambda _: Identity("anonymous"))


_NAMES = ("user", "_cached_user", "_acached_user")


def peek_at_user(request: Any) -> Peek:
    """Return a function that reads the request's user as far as the application has resolved one.

    Reading ``request.user`` could query the database and would add ``Vary: Cookie`` to the response.
    """

    def peek() -> Actor | None:
        known = vars(request)
        for name in _NAMES:
            given = known.get(name)
            if given is None or (user := resolved(given)) is UNRESOLVED:
                continue
            if (identity := identify(user)) is not None:
                return _really(known.get("session"), Actor(*identity))
        return None

    return peek


def _really(session: Any, user: Actor) -> Actor:
    """Return who acts as a user: somebody else in a session that django-hijack has put that user into.

    Only what is loaded of the session is looked at, past what would make the response vary by cookie.
    """
    loaded = instance_dict(session).get("_session_cache")
    people = loaded.get("hijack_history") if isinstance(loaded, dict) else None
    if not people or user.id is None:
        return user
    return Actor("user", id_text(people[0]), on_behalf_of=type_and_id(user))


def user_identity(user: Any) -> Identity:
    """Return a user's identity from what is loaded: the label is the full name, else the name to log in with."""
    known = vars(user)
    names = [known.get(name) for name in ("first_name", "last_name")]
    label = " ".join(name for name in names if isinstance(name, str) and name)
    return Identity("user", loaded_key(user), label or _text(known.get(user.USERNAME_FIELD)))


def loaded_key(instance: Any) -> str | None:
    """Return a model instance's primary key as text, as far as it is loaded; a composite one with commas."""
    identity = row_identity(instance)
    return identity.id if identity else None


def _text(value: object) -> str | None:
    return str(value) if value else None
