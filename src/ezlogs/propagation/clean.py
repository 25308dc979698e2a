"""Clean ids: what other processes are told holds nothing that privacy keeps back, whatever the application chose."""

from __future__ import annotations

from functools import cache

from ezlogs.correlation import valid_id
from ezlogs.party import Actor, type_and_id
from ezlogs.privacy import Scrubber
from ezlogs.runtime import current_runtime


def clean_id(value: str | None) -> str | None:
    """Return an id as others may be told it.

    Args:
        value: What the application chose, such as ``signup:ada@example.com``.

    Returns:
        The same id where nothing is found in it; else what the policy puts there, if that is an id that others take
        (a mask or a hash is), or None.

    Example:
        >>> clean_id("signup:42"), clean_id("signup:ada@example.com")
        ('signup:42', None)
    """
    if value is None:
        return None
    clean = _scrubber().text(value, "", [])
    return value if clean is value else valid_id(clean)


def clean_actor(actor: Actor) -> str | None:
    """Return who acts as ``type:id``: the type alone where the id is not for others, None where neither is safe.

    Example:
        >>> clean_actor(Actor("user", "7")), clean_actor(Actor("user", "ada@example.com"))
        ('user:7', 'user')
    """
    told = valid_id(type_and_id(actor))
    return told and (clean_id(told) or clean_id(valid_id(actor.type)))


def _scrubber() -> Scrubber:
    runtime = current_runtime()
    return _default() if runtime is None else runtime.scrubber


@cache
def _default() -> Scrubber:
    return Scrubber()
