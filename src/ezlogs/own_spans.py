"""Spans that ezlogs opens itself: as the SDK's tracer opens them, at half the cost where nobody could tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Tracer

from ezlogs import runtime as process
from ezlogs.forks import OWN_LOADING
from ezlogs.otel_compat import ProcessorWatch, samples_blindly, tracer_parts
from ezlogs.runtime import Carrier
from ezlogs.version import __version__

Opener = Callable[[str, Context, SpanKind, Mapping[str, str | int] | None], Span | None]


class _Way(NamedTuple):
    """How spans are opened as long as the carrier, the provider and its processors stay as they are."""

    get_tracer: object
    carrier: Carrier | None
    opens: bool
    """Whether spans are opened at all."""
    watch: ProcessorWatch
    tracer: Tracer
    light: Opener | None
    """Opens spans at half the cost, where nobody looks at them but ezlogs."""


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
        self._way: _Way | None = None

    def start(
        self,
        name: str,
        ctx: Context,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, str | int] | None = None,
        links: Sequence[Link] = (),
    ) -> Span | None:
        """Open a span, as ``Tracer.start_span`` does; none where which spans there are is another pipeline's affair.

        Args:
            name: What it is called.
            ctx: Where it belongs.
            kind: Its kind.
            attributes: What is known when it starts.
            links: To other spans.
        """
        runtime = process.current
        carrier = None if runtime is None else runtime.carrier
        provider, way = trace.get_tracer_provider(), self._way
        if (
            way is None
            or way.carrier is not carrier
            or way.get_tracer is not trace.get_tracer
            or not way.watch.unchanged(provider)
        ):
            way = self._way = self._found(provider, carrier)
        if not way.opens:
            return None
        if way.light is None or links:
            return way.tracer.start_span(name, ctx, kind, attributes, links)
        return way.light(name, ctx, kind, attributes) or way.tracer.start_span(name, ctx, kind, attributes)

    def _found(self, provider: object, carrier: Carrier | None) -> _Way:
        """Ask for a tracer, once: the SDK has whoever does filter the warnings of the whole process."""
        opens = carrier is None or carrier.opens_spans
        watch, tracer, light = ProcessorWatch(provider), trace.get_tracer(self._scope, __version__), None
        if (
            watch.processors is not None
            and all(getattr(type(processor), "is_ezlogs_own", False) for processor in watch.processors)
            and samples_blindly(getattr(tracer, "sampler", None))
        ):
            with OWN_LOADING:
                from ezlogs.light_span import opener  # it loads the SDK, which is there by now
            light = opener(tracer_parts(tracer, watch, provider))
        return _Way(trace.get_tracer, carrier, opens, watch, tracer, light)


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
    take = getattr(span, "put_facts", None)  # of a light span alone
    if take is None or not take(attributes):
        span.set_attributes(attributes)
