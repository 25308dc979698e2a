"""Parties: who acts in an event, and what is acted on."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from ezlogs.identity import describe, id_text, identify
from ezlogs.snapshot import text


class Actor(msgspec.Struct, gc=False, frozen=True, omit_defaults=True):
    """Who acts: a user, a service, a job, the system.

    ``unknown`` is an actor that the application had not resolved; ``anonymous`` one that it knows to be nobody.
    """

    type: str
    id: str | None = None
    label: str | None = None
    """A name for people to read; never leaves for other hosts."""
    on_behalf_of: str | None = None
    """``type:id`` of the one who is impersonated."""


class Subject(msgspec.Struct, gc=False, frozen=True, omit_defaults=True):
    """What is acted on."""

    type: str
    id: str | None = None
    label: str | None = None


SYSTEM = Actor("system", "system")
UNKNOWN_ACTOR = Actor("unknown")
ANONYMOUS = Actor("anonymous")

_SHORT = 256
_NEEDED = {"actor": ("type", "id"), "subject": ("type",)}
_NAMELESS: Final = frozenset({"anonymous", "unknown"})
"""Types of actors of whom there is nothing more to say."""

Party = TypeVar("Party", Actor, Subject)


def type_and_id(party: Actor | Subject) -> str:
    """Return ``type:id``, the only form in which an actor travels to another process."""
    return party.type if party.id is None else f"{party.type}:{party.id}"


def party(kind: type[Party], role: str, value: object, problems: list[str]) -> Party:
    """Return an actor or subject; what cannot be one is reported and repaired to ``unknown``.

    Args:
        kind: `Actor` or `Subject`.
        role: ``actor`` or ``subject``, for the report.
        value: One of the kind, a ``(type, id[, label])`` tuple, a mapping with ``type`` and ``id``, an object that
            `ezlogs.identity` knows.
        problems: Receives a text for each thing that is wrong.
    """
    if type(value) is kind and _is_sound(value):
        return value
    if type(value) is tuple and len(value) == 2 and _is_plain(value[0]) and _is_plain(value[1]):
        return kind(*value)
    try:
        identity = identify(value)
    except Exception as error:  # a registered adapter of the application's raised
        problems.append(f"{role}: the identity registered for {describe(value)} raised {type(error).__qualname__}")
        return kind("unknown")
    if identity is None:
        problems.append(
            f"{role} {describe(value)}: use a ('type', id) pair, a mapping with 'type' and 'id', or an object whose "
            "class was given to ezlogs.register_identity"
        )
        return kind("unknown")
    if identity.type not in _NAMELESS:
        problems.extend(
            f"{role}: missing {part!r} (got {describe(value)})" for part in _NEEDED[role] if not getattr(identity, part)
        )
    found = kind(text(identity.type or "unknown"), _known(identity.id), _known(identity.label))
    if type(value) is Actor and type(found) is Actor:
        return msgspec.structs.replace(found, on_behalf_of=_known(id_text(value.on_behalf_of)))
    return found


def _is_sound(value: Any) -> bool:
    """Return whether a party holds texts, as it says: nothing checks them when it is made."""
    return (
        type(value.type) is str
        and (value.id is None or type(value.id) is str)
        and (value.label is None or type(value.label) is str)
        and (type(value) is Subject or value.on_behalf_of is None or type(value.on_behalf_of) is str)
    )


def _is_plain(value: object) -> bool:
    """Return whether a part of a pair is a text that needs no conversion, as most are."""
    return type(value) is str and 0 < len(value) <= _SHORT and value.isascii()


def _known(value: str | None) -> str | None:
    return None if value is None else text(value)
