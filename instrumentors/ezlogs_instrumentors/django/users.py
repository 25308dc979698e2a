"""Django's users as actors: looked at when the application has resolved them, never resolved by looking."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ezlogs.actor import Peek
from ezlogs.event import Actor
from ezlogs.identity import Identity, identify, register_identity
from ezlogs_instrumentors.django.hooks import Hooks


def attach_to_users(hooks: Hooks, module: ModuleType) -> None:
    """Make users known wherever they are given as an actor or a subject."""
    register_identity(module.AbstractBaseUser, user_identity)


def attach_to_anonymous(hooks: Hooks, module: ModuleType) -> None:
    """Make the one who did not log in known."""
    register_identity(module.AnonymousUser, lambda _: Identity("anonymous"))


def peek_at_user(request: Any) -> Peek:
    """Return a function that reads the request's user as far as the application has resolved one.

    Reading ``request.user`` could query the database and would add ``Vary: Cookie`` to the response.
    """

    def peek() -> Actor | None:
        known = vars(request)
        for name in ("user", "_cached_user", "_acached_user"):
            identity = identify(_evaluated(known.get(name)))
            if identity is not None:
                return Actor(*identity)
        return None

    return peek


def user_identity(user: Any) -> Identity:
    """Return a user's identity from what is loaded: the label is the full name, else the name to log in with."""
    known = vars(user)
    names = [known.get(name) for name in ("first_name", "last_name")]
    label = " ".join(name for name in names if isinstance(name, str) and name)
    return Identity("user", loaded_key(user), label or _text(known.get(user.USERNAME_FIELD)))


def loaded_key(instance: Any) -> str | None:
    """Return a model instance's primary key as text, as far as it is loaded; a composite one with commas."""
    meta, known = instance._meta, vars(instance)
    keys = [known.get(field.attname) for field in getattr(meta, "pk_fields", (meta.pk,))]
    return None if None in keys else ",".join(map(str, keys))


def _text(value: object) -> str | None:
    return str(value) if value else None


def _evaluated(user: Any) -> Any:
    """Return what is inside a lazy user, or None when nobody has asked for it yet. Its type is not read: it is lazy."""
    from django.utils.functional import LazyObject, empty

    if issubclass(type(user), LazyObject):
        user = vars_of_lazy(user).get("_wrapped")
        return None if user is empty else user
    return user


def vars_of_lazy(lazy: Any) -> dict[str, Any]:
    """Return a lazy object's own attributes without waking it."""
    found: dict[str, Any] = object.__getattribute__(lazy, "__dict__")
    return found
