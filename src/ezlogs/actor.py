"""The actor of the present moment: who acts, from explicit scopes, from the application's own user, or from a job."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec
from opentelemetry import context
from opentelemetry.context import Context

from ezlogs.event import SYSTEM, UNKNOWN_ACTOR, Actor, InvalidEvent, type_and_id
from ezlogs.identity import describe, id_text, identify
from ezlogs.loaded import UNRESOLVED, resolved
from ezlogs.otel_compat import current_context
from ezlogs.runtime import current_runtime
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
    """Brought along by a job, or the schedule or command itself."""
    on_behalf_of: str | None = None
    """``type:id`` of the one for whom whoever it is acts, named by ``ezlogs.actor(on_behalf_of=...)``."""


_KEY = context.create_key("ezlogs-acting")
_NOBODY = Acting()


def acting(ctx: Context | None = None) -> Acting:
    """Return what a context knows about who acts."""
    found = (current_context() if ctx is None else ctx).get(_KEY)
    return found if type(found) is Acting else _NOBODY


def with_acting(ctx: Context | None = None, *, peek: Peek | None = None, inherited: Actor | None = None) -> Context:
    """Return a context of a new request or job: its own user or inherited actor, and nobody's before it."""
    return Context(
        {**(context.get_current() if ctx is None else ctx), **acting_anew(ctx, peek=peek, inherited=inherited)}
    )


def acting_anew(
    ctx: Context | None = None, *, peek: Peek | None = None, inherited: Actor | None = None
) -> dict[str, Acting]:
    """Return what `with_acting` puts into a context, by its key."""
    known = acting(ctx)
    return {_KEY: Acting(known.scope, peek, inherited, known.on_behalf_of)}


def without_acting(ctx: Context | None = None) -> Context:
    """Return a context in which nobody acts yet."""
    return context.set_value(_KEY, None, ctx)


def current_actor(ctx: Context | None = None) -> Actor:
    """Return who acts: the scope's actor, else the application's user, else the inherited one, else the system.

    In a request whose user nobody has resolved yet it is ``unknown``; the application knows an ``anonymous`` one.
    """
    known = acting(ctx)
    who = known.scope or (known.peek and _seen(known.peek)) or known.inherited
    if who is None:
        who = SYSTEM if known.peek is None else UNKNOWN_ACTOR
    if known.on_behalf_of is not None and who.on_behalf_of is None:
        return msgspec.structs.replace(who, on_behalf_of=known.on_behalf_of)
    return who


def actor(
    type: object = None,  # the public name of the field
    id: object = None,  # the public name of the field
    label: str | None = None,
    *,
    on_behalf_of: object = None,
) -> Scope:
    """Say who acts from here on, until the ``with`` block ends or the returned scope is closed.

    Args:
        type: ``user``, ``service``, ``job`` ..., ``user`` when left out; or the actor as a whole, in any form that
            events accept: an object such as the application's user, an `Actor`, a pair, a mapping. Without any
            argument, and for None, who acts stays as it is.
        id: The actor's id; kept as text.
        label: A name for people to read, also of an actor given as a whole; never leaves for other hosts.
        on_behalf_of: The one who is impersonated, in any form that events accept, or as ``type:id``. Alone it
            leaves who acts as it is.

    Raises:
        InvalidEvent: With the setting ``strict``, for an object that is nobody; it is ``unknown`` otherwise.

    Example:
        >>> with actor(type="user", id=7, label="Ada"):
        ...     current_actor().label
        'Ada'
        >>> with actor(("user", 8)), actor(on_behalf_of="user:7"):
        ...     current_actor()
        Actor(type='user', id='8', label=None, on_behalf_of='user:7')
    """
    known = acting()
    if resolved(type) is UNRESOLVED:
        known = known._replace(scope=None, peek=partial(_once_resolved, type), on_behalf_of=None)
    elif type is not None or id is not None or label is not None:
        is_spelt_out = type is None or _is_text(type)
        who = Actor(id_text(type) or "user", id_text(id)) if is_spelt_out else _named(type)
        if label is not None:
            who = msgspec.structs.replace(who, label=id_text(label))
        known = known._replace(scope=who, on_behalf_of=None)
    if on_behalf_of is not None:
        other = id_text(on_behalf_of) if _is_text(on_behalf_of) else type_and_id(_named(on_behalf_of))
        if known.scope is None:
            known = known._replace(on_behalf_of=other)
        else:
            known = known._replace(scope=msgspec.structs.replace(known.scope, on_behalf_of=other))
    return Scope(context.set_value(_KEY, known))


def _is_text(value: object) -> bool:
    return issubclass(type(value), str)  # isinstance would ask the value for its class, which wakes what is lazy


def _once_resolved(lazy: object) -> Actor | None:
    return None if resolved(lazy) is UNRESOLVED else _named(lazy)


def _seen(peek: Peek) -> Actor | None:
    try:
        return peek()
    except Exception as problem:  # the application's own objects: an event is worth more than its actor
        runtime = current_runtime()
        if runtime is not None:
            runtime.report("the application's user could not be looked at", problem)
        return None


def _named(value: object) -> Actor:
    """Return the actor that a value stands for; what cannot be one is said, and is ``unknown``."""
    try:
        identity = identify(value)
        reason = ""
    except Exception as error:  # a registered adapter of the application's raised
        identity, reason = None, f", whose identity raised {type(error).__qualname__}"
    if identity is not None and identity.type:
        who = Actor(*identity)
        return msgspec.structs.replace(who, on_behalf_of=value.on_behalf_of) if type(value) is Actor else who
    runtime = current_runtime()
    if runtime is not None:
        problem = f"actor {describe(value)}{reason}: use a user, a ('type', id) pair, or a type and an id"
        if runtime.settings.strict:
            raise InvalidEvent(problem)
        runtime.ledger.note("invalid")
        runtime.warn_once(runtime.scrubber.text(problem, "event", []))
    return UNKNOWN_ACTOR
