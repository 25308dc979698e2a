"""Edge: where a request enters, and whether the story that it brings along goes on there or is only linked."""

from __future__ import annotations

from typing import NamedTuple

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link

from ezlogs import runtime as process
from ezlogs.correlation import CORRELATION, Correlation, arrived, current, new_story, placed, removed
from ezlogs.propagation.inbound import claim_dropped, claim_kept
from ezlogs.scope import outside


class Edge(NamedTuple):
    """How a request enters."""

    context: Context
    """What goes on in the request."""
    linked: str | None = None
    """The story that came with it, where that does not go on."""
    links: tuple[Link, ...] = ()
    """The inbound span, where the request's own does not continue its trace."""

    def story(self, ctx: Context) -> Correlation:
        """Return the story of the request, once its span is in a context."""
        story = current(ctx) or new_story()
        return story if self.linked is None else story.replace(linked_correlation_id=self.linked)


def entered(ctx: Context) -> Edge:
    """Return how a request enters whose headers were read into a context, and whose span is yet to be opened.

    With ``trust_inbound = link`` it begins a trace and a story of its own, which are linked with what came.
    """
    if not _links():
        return Edge(ctx)
    span = trace.get_current_span(ctx).get_span_context()
    return Edge(outside(claim_dropped(ctx)), _id(arrived(ctx)), (Link(span),) if span.is_valid else ())


def entered_in_span(ctx: Context) -> Edge:
    """Return how a request enters whose span another instrumentation has opened, in whatever trace.

    With ``trust_inbound = link`` the trace can no longer be changed, but the story can: it is named after the trace
    where that begins here, which its root span shows, and is a new one otherwise. A request inside one that is tracked
    already does not come from outside.
    """
    ctx = claim_kept(ctx)
    if type(ctx.get(CORRELATION)) is Correlation or not _links():
        return Edge(ctx)
    linked = _id(arrived(ctx))
    ctx = removed(claim_dropped(ctx))
    if getattr(trace.get_current_span(ctx), "parent", "unknown") is not None:  # unsampled spans have no such attribute
        ctx = placed(new_story(), ctx)
    return Edge(ctx, linked if linked != _id(current(ctx)) else None)


def _id(story: Correlation | None) -> str | None:
    return story.correlation_id if story else None


def _links() -> bool:
    runtime = process.current
    return runtime is not None and runtime.settings.trust_inbound == "link"
