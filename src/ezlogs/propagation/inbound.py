"""Inbound: reading what a request or message brings along. Hostile headers cost little, leave no trace, never raise.

The configured propagator reads the headers; it sees only what is well formed and within bounds, so that it has nothing
to complain about. The bounds are those of W3C Baggage and W3C Trace Context, as OpenTelemetry has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import unquote, unquote_plus

from opentelemetry import baggage, context, propagate
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter, default_getter

from ezlogs import otel_compat
from ezlogs.correlation import BAGGAGE_MEMBERS, member_id, members_of, valid_id
from ezlogs.otel_compat import current_context
from ezlogs.party import Actor
from ezlogs.runtime import current_runtime

MAX_LENGTH = 8192
"""Characters of one header that are looked at, all its lines together."""

MAX_MEMBERS = 180
"""List members of the baggage that are looked at."""

MAX_MEMBER_LENGTH = 4096
MAX_LINES = 64
"""Lines of one header that are looked at."""

MAX_NAMES = 1024
"""Headers that a propagator can search for names of its own."""

_MAX_TRACEPARENT, _MAX_TRACESTATE, _MAX_STATES = 512, 512, 32
ACTOR = "ezlogs.actor"
"""The baggage member in which a caller says, as ``type:id``, who acts."""

_OURS = "ezlogs."
_IDS = frozenset({*BAGGAGE_MEMBERS.values(), ACTOR})
_CLAIM = context.create_key("ezlogs-claimed-actor")

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
_STATE = re.compile(
    r"(?P<key>[a-z][_0-9a-z\-*/]{0,255}|[a-z0-9][_0-9a-z\-*/]{0,240}@[a-z][_0-9a-z\-*/]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


def extract(carrier: Any, ctx: Context, getter: Getter[Any] = default_getter) -> Context:
    """Return a context with what the global propagator finds in headers from outside.

    The application's own baggage stays as it came, as far as it is well formed; of members named ``ezlogs.*`` only
    known ones with safe ids are taken. Who acts in the caller's words is not kept as baggage: `claimed_actor` has it.
    What is beyond the bounds is ignored, silently.

    Args:
        carrier: The headers, in any form that ``getter`` reads.
        ctx: The context to put it into.
        getter: Reads one header of the carrier.

    Example:
        >>> from opentelemetry import baggage
        >>> headers = {"baggage": "tenant=acme;p=1, ezlogs.flow_id=checkout%3A42;q ,ezlogs.session_id=a b"}
        >>> dict(baggage.get_all(extract(headers, Context())))
        {'tenant': 'acme;p=1', 'ezlogs.flow_id': 'checkout:42'}
    """
    try:
        if _brings_nothing(carrier, getter):  # as most requests from outside
            return claim_kept(ctx)
        return claim_kept(propagate.extract(carrier, ctx, Bounded(getter)))
    except Exception as problem:  # a propagator or carrier of somebody's making
        runtime = current_runtime()
        if runtime is not None:
            runtime.report("what came with a request or message could not be read", problem)
        return ctx


def _brings_nothing(carrier: Any, getter: Getter[Any]) -> bool:
    """Return whether there is no header that the global propagator would read."""
    get = getter.get
    return (
        not get(carrier, "traceparent")
        and not get(carrier, "baggage")
        and otel_compat.reads_w3c_only(propagate.get_global_textmap())
    )


def claimed_actor(ctx: Context | None = None) -> Actor | None:
    """Return who acts in the words of the service that called, if it said so; nobody has proved it.

    An application that knows its caller can believe it: ``ezlogs.actor(claimed_actor())``.

    Example:
        >>> claimed_actor(extract({"baggage": "ezlogs.actor=user:7"}, Context()))
        Actor(type='user', id='7', label=None, on_behalf_of=None)
    """
    claim = (current_context() if ctx is None else ctx).get(_CLAIM)
    if not isinstance(claim, str):
        return None
    kind, _, actor_id = claim.partition(":")
    return Actor(kind, actor_id or None)


def claim_kept(ctx: Context) -> Context:
    """Return a context in which who acts in the caller's words is kept apart, and travels no further as baggage."""
    said = members_of(ctx).get(ACTOR)
    if said is not None:
        ctx = baggage.remove_baggage(ACTOR, ctx)
    elif ctx.get(_CLAIM) is None:
        return ctx
    return context.set_value(_CLAIM, member_id(said), ctx)


def claim_dropped(ctx: Context) -> Context:
    """Return a context in which no caller has said who acts."""
    return ctx if ctx.get(_CLAIM) is None else context.set_value(_CLAIM, None, ctx)


class Bounded(Getter[Any]):
    """Reads headers by another getter, as far as they are well formed and within bounds."""

    def __init__(self, getter: Getter[Any]) -> None:
        self._getter = getter

    def get(self, carrier: Any, key: str) -> list[str] | None:
        """Return a header's lines; None where nothing of it is usable."""
        found = self._getter.get(carrier, key)
        if not found:
            return None
        first: Iterable[object] = islice(found, MAX_LINES)  # whatever its type says, it came from outside
        lines = [line for line in first if isinstance(line, str)]
        usable = _READERS.get(key.lower())
        if usable is None:
            return [line for line in lines if len(line) <= MAX_LENGTH] or None
        text = usable(lines)
        return [text] if text else None

    def keys(self, carrier: Any) -> list[str]:
        """Return the names of the headers, as many as may be looked at."""
        return list(islice(self._getter.keys(carrier), MAX_NAMES))


def members(lines: Iterable[str]) -> Iterator[str]:
    """Yield the list members of a header's lines, without the blanks around them, as many as fit into the bounds.

    Example:
        >>> list(members(["a=1 , b=2", "c=3"]))
        ['a=1', 'b=2', 'c=3']
    """
    room, places = MAX_LENGTH, MAX_MEMBERS
    for line in lines:
        text = line[: room + 1]
        pieces = text.split(",", places)
        if len(text) > room or len(pieces) > places:  # the last piece is cut off, or is all the rest
            pieces.pop()
        for piece in pieces:
            yield piece.strip(" \t")
        room -= len(line) + 1
        places -= len(pieces)
        if room <= 0 or places <= 0:
            return


def _usable_member(member: str) -> str | None:
    """Return a member of the baggage in its plainest form; None for one that breaks the format or is not safe."""
    if len(member) > MAX_MEMBER_LENGTH:
        return None
    pair, *properties = member.split(";")
    key, equals, value = (part.strip(" \t") for part in pair.partition("="))
    if not (equals and _TOKEN.fullmatch(key) and _VALUE.fullmatch(value)):
        return None
    name = unquote_plus(key).strip()  # as OpenTelemetry reads it
    if name.startswith(_OURS):
        known = valid_id(unquote(value)) if name in _IDS else None
        return f"{name}={known}" if known else None
    kept = [f"{key}={value}"]
    for part in properties:
        name, equals, about = (piece.strip(" \t") for piece in part.partition("="))
        if _TOKEN.fullmatch(name) and _VALUE.fullmatch(about):
            kept.append(f"{name}{equals}{about}")
    return ";".join(kept)


def _baggage(lines: list[str]) -> str:
    return ",".join(filter(None, map(_usable_member, members(lines))))


def _traceparent(lines: list[str]) -> str | None:
    """Return the one trace context; several different ones are none."""
    return lines[0] if len(set(lines)) == 1 and len(lines[0]) <= _MAX_TRACEPARENT else None


def _tracestate(lines: list[str]) -> str | None:
    """Return the trace state if all of it is well formed, which W3C Trace Context asks for."""
    if sum(map(len, lines)) + len(lines) - 1 > _MAX_TRACESTATE:
        return None
    states = [state for line in lines for piece in line.split(",") if (state := piece.strip(" \t"))]
    keys = {match["key"] for state in states if (match := _STATE.fullmatch(state))}
    return ",".join(states) if len(keys) == len(states) <= _MAX_STATES else None


_READERS: dict[str, Callable[[list[str]], str | None]] = {
    "baggage": _baggage,
    "traceparent": _traceparent,
    "tracestate": _tracestate,
}
