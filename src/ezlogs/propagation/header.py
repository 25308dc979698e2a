"""ezlogs' one own header: a story's ids in compact, versioned JSON, for jobs and for those who drop W3C baggage.

JSON, because some brokers turn every header into text; plain ASCII, because HTTP does.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ezlogs.correlation import Correlation, valid_id
from ezlogs.party import Actor
from ezlogs.propagation.clean import clean_actor, clean_id

HEADER = "ezlogs"
"""The header's name."""

MAX_LENGTH = 6144
"""Characters that are read at most."""

VERSION = 1
"""The version that is written. Readers ignore members that they do not know, and other versions as a whole."""


class Header(msgspec.Struct, omit_defaults=True, frozen=True):
    """What travels in the `HEADER`: opaque ids, and for jobs who enqueued them and when."""

    v: int
    correlation_id: str
    parent_event_id: str | None = None
    flow_type: str | None = None
    flow_id: str | None = None
    parent_flow_id: str | None = None
    session_id: str | None = None
    request_id: str | None = None
    sampling: str | None = None
    """How the story is sampled, as `ezlogs.sampling.travel` writes it."""
    actor: str | None = None
    """``type:id`` of whoever enqueued the job; never sent to other services."""
    on_behalf_of: str | None = None
    """``type:id`` of the one who was impersonated."""
    joins: tuple[str, ...] = ()
    """The jobs that this one had to wait for, as `ezlogs.trackers.job_joins` writes them."""
    at: int | None = None
    """When the job was enqueued, or when it may run at the earliest if that is later; Unix time in nanoseconds."""

    @property
    def correlation(self) -> Correlation:
        """The story, as it was where the header was written."""
        return Correlation(**{name: getattr(self, name) for name in _CARRIED})

    @property
    def acting(self) -> Actor | None:
        """Who enqueued the job, if that was told."""
        if self.actor is None:
            return None
        kind, _, actor_id = self.actor.partition(":")
        return Actor(kind, actor_id or None, on_behalf_of=self.on_behalf_of)


_CARRIED = tuple(name for name in Header.__struct_fields__ if name in Correlation.__struct_fields__)
_CHOSEN = ("flow_id", "parent_flow_id", "session_id", "request_id")
"""What the application chose: an e-mail address is somebody's id of a flow."""
_TEXTS = (*_CARRIED, "actor", "on_behalf_of")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Header).decode


def written(
    correlation: Correlation, *, acting: Actor | None = None, at: int | None = None, joins: tuple[str, ...] = ()
) -> str | None:
    """Return the header's text; None for a story whose id nobody would accept. Other unsafe ids are left out, and those
    in which privacy finds something.

    Args:
        correlation: The story.
        acting: Who enqueues the job; its label stays behind.
        at: When the job may run, as Unix time in nanoseconds.
        joins: The jobs that it had to wait for.

    Example:
        >>> written(Correlation(correlation_id="story-1", flow_id="checkout:42"))
        '{"v":1,"correlation_id":"story-1","flow_id":"checkout:42"}'
    """
    ids: dict[str, Any] = {name: valid_id(getattr(correlation, name)) for name in _CARRIED}
    for name in _CHOSEN:
        ids[name] = clean_id(ids[name])
    if ids["correlation_id"] is None:
        return None
    if acting is not None:
        ids["actor"] = clean_actor(acting)
        ids["on_behalf_of"] = clean_id(valid_id(acting.on_behalf_of))
    return _encode(Header(v=VERSION, at=at, joins=joins, **ids)).decode()


def read(text: object) -> Header | None:
    """Return the header in a text; None for one that is not ours, is damaged, or is not safe to repeat. Never raises.

    Example:
        >>> read('{"v":1,"correlation_id":"story-1"}').correlation.correlation_id
        'story-1'
        >>> read('{"v":1,"correlation_id":"<script>"}')
    """
    if not isinstance(text, str) or len(text) > MAX_LENGTH:
        return None
    try:
        header = _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    safe = all(value is None or valid_id(value) for value in (getattr(header, name) for name in _TEXTS))
    return header if header.v == VERSION and safe else None
