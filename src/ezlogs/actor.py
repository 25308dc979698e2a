"""The actor of the present moment: who acts, from explicit scopes, from the application's own user, or from a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from opentelemetry import context
from opentelemetry.context import Context

from ezlogs.event import SYSTEM, UNKNOWN_ACTOR, Actor, type_and_id
from ezlogs.scope import Scope

Peek = Callable[[], "Actor | None"]
"""Reads the user that the application has already resolved; never resolves one, never queries."""


class Acting(NamedTuple):
    """What is known about who acts, nearest first."""

    scope: Actor | None = None
    """Named by ``ezlogs.actor(...)``."""
    peek: Peek | None = None
    """The application's own user, looked at when an event happens: views and dependencies set it late."""
    inherited: Actor | None = None
    """Brought along by a job."""


_KEY = context.create_key("ezlogs-acting")
_NOBODY = Acting()


def acting(ctx: Context | None = None) -> Acting:
    """Return what a context knows about who acts."""
    found = context.get_value(_KEY, ctx)
    return found if isinstance(found, Acting) else _NOBODY


def with_acting(ctx: Context | None = None, *, peek: Peek | None = None, inherited: Actor | None = None) -> Context:
    """Return a context of a new request or job: its own user or inherited actor, and nobody's before it."""
    return context.set_value(_KEY, Acting(acting(ctx).scope, peek, inherited), ctx)


def current_actor(ctx: Context | None = None) -> Actor:
    """Return who acts: the scope's actor, else the application's user, else the inherited one, else the system.

    In a request whose user nobody has resolved yet it is ``unknown``.
    """
    known = acting(ctx)
    if known.scope is not None:
        return known.scope
    if known.peek is not None:
        return known.peek() or known.inherited or UNKNOWN_ACTOR
    return known.inherited or SYSTEM


def actor(
    type: str = "user",  # the public name of the field
    id: object = None,  # the public name of the field
    label: str | None = None,
    *,
    on_behalf_of: Actor | None = None,
) -> Scope:
    """Say who acts from here on, until the ``with`` block ends.

    Args:
        type: ``user``, ``service``, ``job`` ...
        id: The actor's id; kept as text.
        label: A name for people to read; never leaves for other hosts.
        on_behalf_of: The one who is impersonated.

    Example:
        >>> with actor(type="user", id=7, label="Ada"):
        ...     current_actor().label
        'Ada'
    """
    who = Actor(
        type,
        None if id is None else str(id),
        label,
        on_behalf_of=type_and_id(on_behalf_of) if on_behalf_of else None,
    )
    return Scope(context.set_value(_KEY, acting()._replace(scope=who)))
