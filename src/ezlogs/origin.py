"""Origin: the story that a process was started in, as its environment variables bring it, and takes to its children.

`Environment Variables as Context Propagation Carriers
<https://opentelemetry.io/docs/specs/otel/context/env-carriers/>`_: the variables are ``TRACEPARENT``, ``TRACESTATE``
and ``BAGGAGE``, with the values that the W3C headers of these names have. They are read once, when the process begins;
a child gets a copy of the environment with its own, and the environment of this process is never changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ezlogs.expressions import expression

TRACE_VARIABLES = ("TRACEPARENT", "TRACESTATE")
BAGGAGE_VARIABLE = "BAGGAGE"
VARIABLES = (*TRACE_VARIABLES, BAGGAGE_VARIABLE)

MAX_TRACE_LENGTH = 512
MAX_BAGGAGE_LENGTH = 8192
MAX_MEMBERS = 64

_MEMBER = expression(r"\s*[!#$%&'*+.^_`|~\w-]+\s*=[!#-+\--:<-\[\]-~]*\s*(?:;[!-+\--~\s]*)?", re.ASCII)
"""A member of W3C baggage, with or without properties."""

_STARTED_WITH = {name: os.environ[name] for name in VARIABLES if name in os.environ}

_trace, _baggage = TraceContextTextMapPropagator(), W3CBaggagePropagator()


def started_in(ctx: Context, environ: Mapping[str, str] = _STARTED_WITH) -> Context:
    """Return a context in which a process goes on with what it was started in; what is damaged is ignored.

    Args:
        ctx: The context to add that to.
        environ: The environment variables; those that this process was started with when left out.

    Example:
        >>> from ezlogs.correlation import current
        >>> variables = {"TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
        >>> current(started_in(Context(), variables)).correlation_id
        '0af7651916cd43dd8448eb211c80319c'
    """
    headers = {name.lower(): value for name in TRACE_VARIABLES if _is_printable(value := environ.get(name, ""))}
    ctx = _trace.extract(headers, ctx)
    members = _members(environ.get(BAGGAGE_VARIABLE, ""))
    return _baggage.extract({"baggage": ",".join(members)}, ctx) if members else ctx


def for_child(environ: Mapping[Any, Any], ctx: Context, ids: Context) -> dict[Any, Any] | None:
    """Return a child's environment, in which it goes on with a context; None where it is to be left as it is.

    A value that somebody set for the child wins, as a whole; one that this process was started with does not. Members
    of the baggage that it was started with stay.

    Args:
        environ: The variables that the child would have; not changed.
        ctx: The context whose trace the child goes on with.
        ids: A context with the baggage that may be seen by any program.
    """
    child = dict(environ)
    if any(_text(child, name) not in (None, _STARTED_WITH.get(name)) for name in VARIABLES):
        return None
    trace: dict[str, str] = {}
    members: dict[str, str] = {}
    _trace.inject(trace, ctx)
    _baggage.inject(members, ids)
    if trace:
        _put(child, {name: trace.get(name.lower()) for name in TRACE_VARIABLES})
    if members:
        inherited = [member for member in _members(_text(child, BAGGAGE_VARIABLE) or "") if not _is_ours(member)]
        _put(child, {BAGGAGE_VARIABLE: ",".join([members["baggage"], *inherited])})
    return child if trace or members else None


def _put(environ: dict[Any, Any], values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        environ.pop(os.fsencode(name), None)
        environ.pop(name, None)
        if value is not None:
            environ[name] = value


def _text(environ: Mapping[Any, Any], name: str) -> str | None:
    """Return the value of a variable, whose name and value may be bytes."""
    value = environ.get(name, environ.get(os.fsencode(name)))
    return os.fsdecode(value) if value is not None else None


def _is_printable(value: str) -> bool:
    return 0 < len(value) <= MAX_TRACE_LENGTH and value.isascii() and value.isprintable()


def _members(baggage: str) -> list[str]:
    if len(baggage) > MAX_BAGGAGE_LENGTH:
        return []
    return [member for member in baggage.split(",")[:MAX_MEMBERS] if _MEMBER.fullmatch(member)]


def _is_ours(member: str) -> bool:
    return member.strip().startswith("ezlogs.")
