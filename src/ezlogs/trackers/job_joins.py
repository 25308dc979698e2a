"""Joins: a job that others had to end for. Its span links to theirs, its events name them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanContext, TraceFlags

from ezlogs.correlation import valid_id
from ezlogs.emit import guarded
from ezlogs.expressions import expression
from ezlogs.propagation.clean import clean_id
from ezlogs.runtime import current_runtime

MAX_JOINED = 32
"""Jobs that are named and linked to; with them the header is as long as it may be."""

_SPAN = expression(r"(?:00-)?([0-9a-f]{32})-([0-9a-f]{16})(?:-([0-9a-f]{2}))?")


class Joined(NamedTuple):
    """A job that another one has waited for."""

    job: str
    """Its id."""
    span: str | None = None
    """Its span's ids, as in a ``traceparent``."""


def span_now() -> str | None:
    """Return the present span as `Joined.span`; None where there is none.

    Source: W3C Trace Context, ``traceparent``.
    """
    found = trace.get_current_span().get_span_context()
    if not found.is_valid:
        return None
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"


def links_wanted() -> bool:
    """Return whether a job is to link to spans that have to be asked for, by the setting ``job_join_links``."""
    runtime = current_runtime()
    return runtime is not None and runtime.settings.job_join_links


def joined_in(texts: object) -> tuple[Joined, ...]:
    """Return what was `written`, as far as it is safe to repeat. Never raises.

    Example:
        >>> joined_in(["j-1", "j-2 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "<script>"])[1].job
        'j-2'
    """
    if not isinstance(texts, (list, tuple)):
        return ()
    found = []
    for text in texts[:MAX_JOINED]:
        job, _, span = text.partition(" ") if isinstance(text, str) else ("", "", "")
        if valid_id(job) is not None:
            found.append(Joined(job, span if _SPAN.fullmatch(span) else None))
    return tuple(found)


def written(joins: Iterable[Joined]) -> tuple[str, ...]:
    """Return joined jobs as texts of a header, without those whose ids nobody would accept."""
    safe = ((clean_id(valid_id(one.job)), one.span) for one in list(joins)[:MAX_JOINED])
    return tuple(job if span is None else f"{job} {span}" for job, span in safe if job is not None)


def names(joins: Sequence[Joined]) -> tuple[str, ...] | None:
    """Return the ids to tell; None for none."""
    return tuple(one.job for one in joins[:MAX_JOINED]) or None


def links(joins: Iterable[Joined]) -> list[Link]:
    """Return the links to the spans that are known."""
    found = ((one.job, _context(one.span)) for one in list(joins)[:MAX_JOINED])
    return [Link(span, {"messaging.message.id": job}) for job, span in found if span is not None]


@guarded
def link(span: Span, joins: Iterable[Joined]) -> None:
    """Link a span that somebody else has made."""
    if span.is_recording():
        for one in links(joins):
            span.add_link(one.context, one.attributes)


def _context(text: str | None) -> SpanContext | None:
    found: re.Match[str] | None = _SPAN.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    flags = TraceFlags(int(found[3] or "0", 16))
    context = SpanContext(int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=flags)
    return context if context.is_valid else None
