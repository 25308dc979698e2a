"""What a job's message carries: the headers that are written for it, and what is read of those that arrived."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from time import time_ns
from typing import NamedTuple

import msgspec
from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from ezlogs.actor import current_actor
from ezlogs.correlation import Correlation, placed
from ezlogs.emit import guarded
from ezlogs.event import Actor
from ezlogs.own_spans import span_source
from ezlogs.propagation.header import HEADER, Header, written
from ezlogs.propagation.inbound import extract
from ezlogs.runtime import current_runtime
from ezlogs.trackers import job_joins
from ezlogs.trackers.job_joins import Joined

ENQUEUE, EXECUTION = "job.enqueue", "job.execution"
_EARLY = 0.1
"""Seconds before the time it was planned for that a job may begin, as timers go."""


class Job(NamedTuple):
    """One job, the same for all its attempts."""

    name: str
    """What it does, such as ``shop.tasks.send_receipt``."""
    id: str
    queue: str | None = None
    max_retries: int | None = None
    """How many retries it has after the first attempt; None without a limit."""
    system: str = "celery"


class Arguments(NamedTuple):
    """A call that a job makes."""

    function: Callable[..., object] | None
    """What is called, where this process has it: its parameters name the positional arguments."""
    args: object = ()
    kwargs: object = None
    given: int = 0
    """How many of the first parameters the framework fills by itself."""


def headers_for(
    correlation: Correlation,
    ctx: Context,
    eta: datetime | str | None,
    traced: bool,
    joins: Sequence[Joined] = (),
) -> dict[str, str]:
    """Return the headers of a message: ezlogs' own, and unless another makes them those of the global propagator."""
    carried: dict[str, str] = {}
    if not traced:
        _inject(carried, placed(correlation, ctx, in_baggage=True))
    at = max(time_ns(), _nanoseconds(eta))
    text = written(correlation, acting=_travelling_actor(ctx), at=at, joins=job_joins.written(joins))
    if text is not None:
        carried[HEADER] = text
    return carried


@guarded
def _inject(carried: dict[str, str], ctx: Context) -> None:
    propagate.inject(carried, ctx)


def _travelling_actor(ctx: Context) -> Actor | None:
    runtime = current_runtime()
    return current_actor(ctx) if runtime is not None and runtime.settings.propagate_actor else None


def waited(sent: Header) -> float | None:
    """Return the seconds since a job could have run; None where clocks disagree by more than timers do."""
    since = None if sent.at is None else (time_ns() - sent.at) / 1e9
    return max(0.0, since) if since is not None and since >= -_EARLY else None


def arrived(headers: Mapping[str, object]) -> Context:
    """Return the context in a message's W3C headers, on top of nothing: a worker's own story is not the job's."""
    return _extract(headers) or Context()


@guarded
def _extract(headers: Mapping[str, object]) -> Context:
    fields = propagate.get_global_textmap().fields
    texts = {name: value for name in fields if isinstance(value := headers.get(name), str)}
    return extract(texts, Context())


def producer(job: Job, traced: bool, joins: Sequence[Joined] = ()) -> tuple[Context, Span | None]:
    """Return the context that a message is sent in, and its span if nobody else makes one."""
    ctx = context.get_current()
    if traced:
        return ctx, None
    span = open_span(job, "create", SpanKind.PRODUCER, ctx, joins)
    return ctx if span is None else trace.set_span_in_context(span, ctx), span


@guarded
def open_span(job: Job, operation: str, kind: SpanKind, ctx: Context, joins: Sequence[Joined] = ()) -> Span | None:
    """Return a new span with the attributes of OpenTelemetry's semantic conventions for messaging."""
    attributes = {
        "messaging.system": job.system,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.message.id": job.id,
    }
    if job.queue is not None:
        attributes["messaging.destination.name"] = job.queue
    source = span_source(f"ezlogs.{job.system}")
    return source.start(f"{operation} {job.name}", ctx, kind, attributes, job_joins.links(joins))


def known(**facts: object) -> dict[str, object]:
    """Return those facts that are known."""
    return {name: fact for name, fact in facts.items() if fact is not None}


def _nanoseconds(when: datetime | str | None) -> int:
    """Return Unix time in nanoseconds; 0 for no time, and for one of an unknown zone or form."""
    if isinstance(when, str):
        try:
            when = msgspec.convert(when, datetime)
        except msgspec.ValidationError:
            return 0
    return int(when.timestamp() * 1e9) if isinstance(when, datetime) and when.tzinfo is not None else 0
