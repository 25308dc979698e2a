"""Correlation: which story, flow and cause the present moment belongs to, held in OpenTelemetry context and baggage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from opentelemetry import baggage, context, trace
from opentelemetry.context import Context

from ezlogs.expressions import expression
from ezlogs.ids import new_trace_id
from ezlogs.origin import started_in
from ezlogs.otel_compat import current_context, current_span


class Correlation(msgspec.Struct, gc=False, frozen=True, cache_hash=True, kw_only=True, omit_defaults=True):
    """Where an event belongs. Immutable; a scope puts a changed copy into the OpenTelemetry context.

    ``correlation_id`` is the story: the hex trace id current when the story began, constant from the first request
    to the last e-mail, over traces, retries and processes.
    """

    correlation_id: str
    parent_event_id: str | None = None
    """The event that caused what happens now."""
    flow_type: str | None = None
    flow_id: str | None = None
    """The innermost business process, as ``type:entity``."""
    parent_flow_id: str | None = None
    session_id: str | None = None
    request_id: str | None = None
    transaction_id: str | None = None
    job_id: str | None = None
    attempt: int | None = None
    """Which run of the job this is, counted from 1."""
    linked_correlation_id: str | None = None
    """Another story that this one belongs with, such as the one in which its flow began."""
    sampling: str | None = None
    """How the services before this one sample the story, as `ezlogs.sampling.travel` writes it."""

    @property
    def primary_correlation_id(self) -> str:
        """The story's id under the name that the Ruby agent gave it."""
        return self.correlation_id

    def replace(self, **changes: Any) -> Correlation:
        """Return a copy with some fields changed."""
        return msgspec.structs.replace(self, **changes)


BAGGAGE_MEMBERS = {
    "correlation_id": "ezlogs.correlation_id",
    "flow_id": "ezlogs.flow_id",
    "parent_event_id": "ezlogs.parent_event_id",
    "session_id": "ezlogs.session_id",
    "sampling": "ezlogs.sampling",
}
"""The opaque ids that travel to other processes, and the names of their W3C baggage members."""

_STORY = BAGGAGE_MEMBERS["correlation_id"]

_CHOSEN = frozenset({"flow_id", "session_id"})

_BAGGAGE = next(iter(baggage.set_baggage("key", "value", Context())))
"""The context key of the baggage, which can be set one member at a time otherwise."""

CORRELATION = context.create_key("ezlogs-correlation")
"""The context key of a scope's correlation."""

_NOTHING: Mapping[str, object] = {}
_ID = expression(r"[A-Za-z0-9_.:@-]{1,64}")


def valid_id(value: object) -> str | None:
    """Return an id that came from outside if it is safe to repeat (charset, at most 64 characters), else None."""
    # By the type alone: isinstance would ask the value for its class, which wakes what is lazy.
    return str.__str__(value) if issubclass(type(value), str) and _ID.fullmatch(value) else None  # type: ignore[call-overload]  # a str


def member_id(value: object) -> str | None:
    """Return the id in a baggage member's value if it is safe to repeat; other services give members properties.

    >>> member_id("checkout:42 ;ttl=60"), member_id("a b")
    ('checkout:42', None)
    """
    if not issubclass(type(value), str):
        return None
    return valid_id(str.partition(value, ";")[0].strip(" \t"))  # type: ignore[arg-type]  # a str


def members_of(ctx: Context) -> Mapping[str, object]:
    """Return the baggage of a context, as ``baggage.get_all`` does at a fifth of the cost."""
    found = ctx.get(_BAGGAGE)
    return found if isinstance(found, dict) else _NOTHING


def current(ctx: Context | None = None) -> Correlation | None:
    """Return the correlation of a context: a scope's, else what arrived in baggage, else the current trace's."""
    ctx = current_context() if ctx is None else ctx
    found = ctx.get(CORRELATION)
    return found if type(found) is Correlation else arrived(ctx)


def arrived(ctx: Context | None = None) -> Correlation | None:
    """Return the correlation that a request or message brought along in its baggage or its trace context.

    Baggage whose story is not safe to repeat is not believed in anything else either: the trace's story stands in, or
    where there is no trace a new one.
    """
    ctx = current_context() if ctx is None else ctx
    span = current_span(ctx)
    under = trace.INVALID_SPAN_CONTEXT if span is None else span.get_span_context()
    members = members_of(ctx)
    if not members:  # as most requests from outside
        return Correlation(correlation_id=f"{under.trace_id:032x}") if under.is_valid else None
    ids: dict[str, Any] = {
        field: member_id(members[name]) for field, name in BAGGAGE_MEMBERS.items() if name in members
    }
    correlation_id = ids.pop("correlation_id", "")
    if correlation_id is None:
        ids = {}
    correlation_id = correlation_id or (f"{under.trace_id:032x}" if under.is_valid else None)
    if correlation_id is None:
        return None
    flow_id = ids.get("flow_id")
    return Correlation(correlation_id=correlation_id, flow_type=flow_id.partition(":")[0] if flow_id else None, **ids)


ORIGIN = arrived(started_in(Context()))
"""Where this process was started, if its environment says so."""


def begun(ctx: Context | None = None) -> Correlation:
    """Return the correlation of a context, else that in which the process was started, else that of a new story."""
    return current(ctx) or ORIGIN or new_story()


def new_story() -> Correlation:
    """Return the correlation of a story that begins now, whatever arrived or is under way."""
    return Correlation(correlation_id=f"{new_trace_id():032x}")


def placed(
    correlation: Correlation,
    ctx: Context | None = None,
    also: Mapping[str, object] = _NOTHING,
    *,
    in_baggage: bool | None = None,
) -> Context:
    """Return a context that holds a correlation, with its ids in the baggage; the user's own baggage is untouched.

    Any client sends the baggage, to whomever it calls: in ids that the application chose, privacy is asked first.

    Args:
        correlation: The correlation.
        ctx: The context to begin with; the current one when left out.
        also: What else is put into it, by context key: each copy of a context costs as much as the first.
        in_baggage: Whether the baggage is to have the ids. Left out, it has them unless there is a story in the
            context already that was kept out of it.
    """
    before = current_context() if ctx is None else ctx
    members = dict(members_of(before))
    if in_baggage is None:
        in_baggage = _STORY in members or type(before.get(CORRELATION)) is not Correlation
    if not in_baggage:
        return Context({**before, CORRELATION: correlation, **also})
    for field, name in BAGGAGE_MEMBERS.items():
        value = getattr(correlation, field)
        if value is not None and field in _CHOSEN:
            from ezlogs.propagation.clean import clean_id  # it imports this module

            value = clean_id(value)
        if value is not None:
            members[name] = value
        elif name in members:
            del members[name]
    values: dict[str, object] = {CORRELATION: correlation}
    if members or _BAGGAGE in before:
        values[_BAGGAGE] = members
    return Context({**before, **values, **also})


def in_baggage(ctx: Context | None = None) -> bool:
    """Return whether the baggage of a context has a story's id."""
    return _STORY in members_of(current_context() if ctx is None else ctx)


def carrying(ctx: Context) -> Context:
    """Return a context whose baggage has the ids of its scope: the same one, unless they were kept out of it."""
    found = ctx.get(CORRELATION)
    return ctx if type(found) is not Correlation or in_baggage(ctx) else placed(found, ctx, in_baggage=True)


def removed(ctx: Context | None = None) -> Context:
    """Return a context outside any story; the user's own baggage is untouched."""
    ctx = context.set_value(CORRELATION, None, ctx)
    for name in BAGGAGE_MEMBERS.values():
        ctx = baggage.remove_baggage(name, ctx)
    return ctx


def from_mapping(fields: Mapping[str, Any]) -> Correlation | None:
    """Return the correlation in a mapping from outside; None without a valid ``correlation_id``."""
    ids: dict[str, Any] = {
        name: valid_id(fields.get(name))
        for name in Correlation.__struct_fields__
        if name not in ("attempt", "correlation_id")
    }
    correlation_id = valid_id(fields.get("correlation_id"))
    return Correlation(correlation_id=correlation_id, **ids) if correlation_id else None
