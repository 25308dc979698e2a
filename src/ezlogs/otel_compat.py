"""The only module that uses private names of OpenTelemetry, each behind a check, each with a public way round it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar, Token
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:  # the SDK is loaded by whoever needs one: `import ezlogs` stays light
    from opentelemetry.sdk.trace import Event, Span, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.sampling import SamplingResult

    from ezlogs.readable import EventLike, SpanLike

SUPPRESSION_KEYS: tuple[str, str] = (
    "suppress_instrumentation",
    getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation"),
)
"""The context keys that say that nothing may be instrumented: what users set, and what the SDK's exporters set."""

_W3C = frozenset({TraceContextTextMapPropagator, W3CBaggagePropagator})

SPAN_KEY: str = next(iter(trace.set_span_in_context(trace.INVALID_SPAN, Context())))
"""The context key of the current span."""


def context_reader() -> Callable[[], Context]:
    """Return what reads the current context: its variable itself where contextvars keep it, else the public way."""
    variable = getattr(getattr(context, "_RUNTIME_CONTEXT", None), "_current_context", None)
    return variable.get if type(variable) is ContextVar else context.get_current


current_context = context_reader()
"""Returns the current context, as ``context.get_current`` does at four times the cost."""


def leave(token: Token[Context]) -> None:
    """Detach a context. Never raises: what stands in the place of OpenTelemetry's function, as in tests, may.

    Args:
        token: From ``context.attach``.
    """
    with suppress(Exception):
        context.detach(token)


def suppressing(ctx: Context | None = None) -> Context:
    """Return a context in which nothing is instrumented.

    What ``opentelemetry.instrumentation.utils.suppress_instrumentation`` attaches, without loading wrapt for it.
    """
    for key in SUPPRESSION_KEYS:
        ctx = context.set_value(key, True, ctx)
    return ctx or Context()


def links_jobs(instrumentor: object) -> bool:
    """Return whether contrib's instrumentor of Celery was told to link the spans of jobs to those that enqueued them.

    There is no public way to ask; without an answer they are children, as they are by default.
    """
    return bool(getattr(instrumentor, "_use_span_links", False))


def is_switched_off(module: str, name: str) -> bool:
    """Return whether an instrumentor of contrib's was active in this process and was taken back.

    There is no public way to ask without making one; without an answer it never was.

    Args:
        module: Its module, which is not imported.
        name: Its class.
    """
    instrumentor = getattr(getattr(sys.modules.get(module), name, None), "_instance", None)
    return getattr(instrumentor, "__dict__", {}).get(_INSTRUMENTED) is False  # its class says so until it is begun


def was_taken_in_hand(application: object) -> bool:
    """Return whether contrib's instrumentor has, or had, one application in its hands; it leaves a mark on each."""
    return hasattr(application, _INSTRUMENTED)


_INSTRUMENTED = "_is_instrumented_by_opentelemetry"


def reads_w3c_only(propagator: object) -> bool:
    """Return whether a propagator is made of OpenTelemetry's own for W3C Trace Context and W3C Baggage, and no other.

    Such a one reads no other headers, and leaves a context as it is where none of them is there. Where the SDK does
    not show what a propagator is made of, it may be anything.
    """
    if type(propagator) is not CompositePropagator:
        return False
    return _W3C.issuperset(map(type, getattr(propagator, "_propagators", (None,))))


def append_event(span: Span, event: Event) -> bool:
    """Put a ready event on a recording span without copying its attributes.

    Returns:
        Whether the span took it. The public way round copies the attributes with ``Span.add_event``.
    """
    if not span.is_recording():
        return False
    add = getattr(span, "_add_event", None)
    if add is None:
        span.add_event(event.name, event.attributes, event.timestamp)
    else:
        add(event)
    return True


class TracerParts:
    """What a tracer of the SDK's makes spans of, as far as it shows; see `tracer_parts`.

    Args:
        tracer: The tracer.
        watch: Tells whether its provider's processors are the same as when this was made.
        provider: The provider.
    """

    __slots__ = ("_processors", "_provider", "_watch", "has_random_ids", "limits", "scope", "tracer")

    def __init__(self, tracer: Any, watch: ProcessorWatch, provider: object) -> None:
        self.tracer = tracer
        self.limits = tracer._span_limits
        self.scope = tracer._instrumentation_scope
        self.has_random_ids = hasattr(tracer.id_generator, "is_trace_id_random")
        """Whether this SDK says of trace ids that they are random."""
        self._watch = watch
        self._provider = provider
        self._processors = watch.processors or ()

    def is_enabled(self) -> bool:
        """Return whether the tracer is to make spans at all."""
        return bool(self.tracer._is_enabled())

    def begin(self, span: Span, ctx: Context) -> None:
        """Show a span that has begun to the processors."""
        for processor in self._processors:
            processor.on_start(span, parent_context=ctx)

    def hand_over(self, span: Span) -> None:
        """Give a span that has ended to the processors that there are now."""
        if self._watch.unchanged(self._provider):
            for processor in self._processors:
                processor.on_end(span)
            return
        every = self.tracer.span_processor
        if (ending := getattr(every, "_on_ending", None)) is not None:
            ending(span)
        every.on_end(span)


def tracer_parts(tracer: object, watch: ProcessorWatch, provider: object) -> TracerParts | None:
    """Return what a tracer makes spans of; None where that does not show, or spans have limits or are counted."""
    from opentelemetry.sdk.trace import Tracer

    if type(tracer) is not Tracer or type(watch.processors) is not tuple:
        return None
    counting = getattr(tracer, "_tracer_metrics", None)
    if counting is not None and type(counting).__name__ != "NoOpTracerMetrics":
        return None
    try:
        parts = TracerParts(tracer, watch, provider)
        parts.is_enabled()
        limits = parts.limits
        few = limits.max_span_attributes is not None and limits.max_span_attributes < _MOST_OWN
        cut = limits.max_span_attribute_length is not None or limits.max_attribute_length is not None
    except AttributeError:
        return None
    return None if few or cut else parts


_MOST_OWN = 32
"""Attributes that ezlogs puts on a span, at most."""


def samples_blindly(sampler: object) -> bool:
    """Return whether a sampler is one of the SDK's own that decide by the parent and the trace id alone."""
    from opentelemetry.sdk.trace.sampling import ParentBased, StaticSampler, TraceIdRatioBased

    simple = (StaticSampler, TraceIdRatioBased)
    if type(sampler) is not ParentBased:
        return type(sampler) in simple
    parts = ("root", "remote_parent_sampled", "remote_parent_not_sampled")
    local = ("local_parent_sampled", "local_parent_not_sampled")
    return all(type(getattr(sampler, f"_{part}", None)) in simple for part in (*parts, *local))


def verdict_without_parent(sampler: Any) -> SamplingResult | None:
    """Return what a sampler that `samples_blindly` says of every span without a parent.

    Returns:
        The verdict, but for the attributes; None where it is another one for each trace.
    """
    from opentelemetry.sdk.trace.sampling import ParentBased, StaticSampler

    root = getattr(sampler, "_root", None) if type(sampler) is ParentBased else sampler
    return root.should_sample(Context(), 1, "") if type(root) is StaticSampler else None


def current_span(ctx: Context) -> Span | None:
    """Return the span that is current in a context, or None where none is; a tenth of the public way's cost."""
    return ctx.get(SPAN_KEY)  # type: ignore[return-value]  # what `set_span_in_context` puts there


_SPAN = {
    "context": "_context",
    "parent": "_parent",
    "name": "_name",
    "kind": "_kind",
    "start_time": "_start_time",
    "end_time": "_end_time",
    "status": "_status",
    "attributes": "_attributes",
    "dropped_attributes": "_attributes.dropped",
    "events": "_events",
    "dropped_events": "_events.dropped",
    "links": "_links",
    "dropped_links": "_links.dropped",
}
"""What is read of a span that has ended, and the field from which the SDK's class takes it."""

_EVENT = {
    "name": "_name",
    "timestamp": "_timestamp",
    "attributes": "_attributes",
    "dropped_attributes": "_attributes.dropped",
}
_public_of_span, _public_of_event = attrgetter(*_SPAN), attrgetter(*_EVENT)
_private_of_span, _private_of_event = attrgetter(*_SPAN.values()), attrgetter(*_EVENT.values())


@lru_cache(maxsize=64)
def _is_the_sdks(kind: type) -> bool:
    """Return whether the public properties of a class of spans or events are those of the SDK's own class."""
    from opentelemetry.sdk.trace import Event, ReadableSpan

    for base, names in ((ReadableSpan, _SPAN), (Event, _EVENT)):
        if issubclass(kind, base):
            return all(getattr(kind, name) is getattr(base, name) for name in names)
    return False


def read_span(span: SpanLike) -> tuple[Any, ...]:
    """Return what a span that has ended shows in public, at a fifth of the cost of asking it.

    Returns:
        Context, parent, name, kind, start time, end time, status, attributes and how many were dropped, events and how
        many, links and how many. Attributes, events and links may be those that the span itself holds.
    """
    if _is_the_sdks(type(span)):
        try:
            return _private_of_span(span)
        except AttributeError:  # made by hand of what knows of no limits, or the SDK has changed
            pass
    return _public_of_span(span)


def read_event(event: EventLike) -> tuple[Any, ...]:
    """Return the same of an event on a span: name, time, attributes and how many were dropped."""
    if _is_the_sdks(type(event)):
        try:
            return _private_of_event(event)
        except AttributeError:
            pass
    return _public_of_event(event)


def span_processors(provider: TracerProvider) -> tuple[SpanProcessor, ...] | None:
    """Return the processors of a provider, or None where the SDK does not show them.

    The tuple is replaced, never changed, when a processor is added: identity tells whether anything is new.
    """
    found = getattr(getattr(provider, "_active_span_processor", None), "_span_processors", None)
    return found if isinstance(found, tuple) else None


class ProcessorWatch:
    """Tells at little cost whether a tracer provider, or the processors on it, have changed since it was made.

    Args:
        provider: The provider to look at. Where the SDK does not show its processors they are None, and never change.
    """

    __slots__ = ("_multi", "_provider", "processors")

    def __init__(self, provider: object) -> None:
        from opentelemetry.sdk.trace import TracerProvider

        self._provider = provider
        self.processors = span_processors(provider) if isinstance(provider, TracerProvider) else None
        self._multi = getattr(provider, "_active_span_processor", None)

    def unchanged(self, provider: object) -> bool:
        """Return whether this is the same provider with the same processors."""
        return provider is self._provider and (
            self.processors is None or self._multi._span_processors is self.processors  # type: ignore[union-attr]  # it had them
        )


class LogProcessorWatch:
    """What `ProcessorWatch` is for a logger provider."""

    __slots__ = ("_provider", "processors")

    def __init__(self, provider: object) -> None:
        self._provider = provider
        self.processors = log_processors(provider)

    def unchanged(self, provider: object) -> bool:
        """Return whether this is the same provider with the same processors."""
        return provider is self._provider and log_processors(provider) is self.processors


def log_processors(provider: object) -> tuple[object, ...] | None:
    """Return the processors of a logger provider, or None where the SDK does not show them."""
    found = getattr(getattr(provider, "_multi_log_record_processor", None), "_log_record_processors", None)
    return found if isinstance(found, tuple) else None


def configure_sdk(processor: SpanProcessor | None, **options: Any) -> bool:
    """Build the OpenTelemetry SDK as its environment variables say, with a span processor on the tracer provider.

    Args:
        processor: ezlogs' processor; None to leave everything to the SDK and its configuration file.
        **options: What the auto-instrumentation loader passes on.

    Returns:
        False where the SDK's own configurator is not to be had; ezlogs then builds a plain ``TracerProvider``.
    """
    try:
        from opentelemetry.sdk._configuration import _OTelSDKConfigurator
    except ImportError:
        return False

    class Configurator(_OTelSDKConfigurator):  # a class of its own: the base class keeps one instance for all
        _instance = None

    if processor is not None:
        options["span_processors"] = [processor]
    configurator: Any = Configurator
    configurator().configure(**options)
    return True
