"""Spans that ezlogs opens itself: as the SDK's tracer opens them, at two thirds of the cost.

Of what a span costs more than a third is that the SDK looks at each attribute, which may be anything. Those of ezlogs'
own are texts and numbers, and few. They are put on the span without that where nobody could tell the difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Tracer

from ezlogs.otel_compat import ProcessorWatch, put_attributes, samples_blindly
from ezlogs.version import __version__


class SpanSource:
    """Opens the spans of one instrumentation scope.

    Args:
        scope: Its name, such as ``ezlogs.django``; its version is ezlogs' own.

    Example:
        >>> source = SpanSource("ezlogs.example")
        >>> span = source.start("POST", Context(), SpanKind.SERVER, {"http.request.method": "POST"})
        >>> span.end()
    """

    def __init__(self, scope: str) -> None:
        self._scope = scope
        self._get_tracer: object = None
        self._watch: ProcessorWatch
        self._tracer: Tracer
        self._may_follow = False
        """Whether nobody looks at attributes when a span starts."""

    def start(
        self,
        name: str,
        ctx: Context,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, str | int] | None = None,
        links: Sequence[Link] = (),
    ) -> Span:
        """Open a span, as ``Tracer.start_span`` does.

        Args:
            name: What it is called.
            ctx: Where it belongs.
            kind: Its kind.
            attributes: What is known when it starts.
            links: To other spans.
        """
        provider = trace.get_tracer_provider()
        if self._get_tracer is not trace.get_tracer or not self._watch.unchanged(provider):
            self._look(provider)
        if not self._may_follow or not attributes:
            return self._tracer.start_span(name, ctx, kind, attributes, links)
        span = self._tracer.start_span(name, ctx, kind, None, links)
        put(span, attributes)
        return span

    def _look(self, provider: object) -> None:
        """Ask for a tracer, once: the SDK has whoever does filter the warnings of the whole process."""
        self._watch = ProcessorWatch(provider)
        self._tracer = trace.get_tracer(self._scope, __version__)
        self._get_tracer = trace.get_tracer
        processors = self._watch.processors
        self._may_follow = (
            processors is not None
            and all(getattr(type(processor), "starts_blindly", False) for processor in processors)
            and samples_blindly(getattr(provider, "sampler", None))
        )


@lru_cache(maxsize=64)
def span_source(scope: str) -> SpanSource:
    """Return what opens the spans of an instrumentation scope, the same one each time.

    Args:
        scope: Its name.
    """
    return SpanSource(scope)


def put(span: Span, attributes: Mapping[str, str | int]) -> None:
    """Set attributes of a span, as ``Span.set_attributes`` does.

    Args:
        span: The span.
        attributes: The attributes.
    """
    if not put_attributes(span, attributes):
        span.set_attributes(attributes)
