"""Exporters that scrub: what ezlogs does with spans and log records of its own, for every other exporter."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, Status

from ezlogs.otel_logs import LogRecordExporter
from ezlogs.privacy import DROPPED, REDACTED, Scrubber, scrub_span
from ezlogs.readable import SpanLike
from ezlogs.runtime import current_runtime

_REMEMBERED = 64

T = TypeVar("T")


class _Scrubbing:
    """What both exporters share: whose rules count, and the resources, which hardly ever change."""

    def __init__(self, scrubber: Scrubber | None) -> None:
        self._scrubber = scrubber
        self._default = Scrubber()
        self._resources: dict[int, tuple[Resource, Scrubber, Resource]] = {}

    def rules(self) -> Scrubber:
        """Return the scrubber that was given, else that of the running configuration, else the default one."""
        runtime = current_runtime()
        return self._scrubber or (runtime.scrubber if runtime else self._default)

    def resource(self, resource: Resource, scrubber: Scrubber) -> Resource:
        """Return a resource without its secrets: command lines hold passwords."""
        known = self._resources.get(id(resource))
        if known is None or known[1] is not scrubber:
            if len(self._resources) >= _REMEMBERED:
                self._resources.clear()
            attributes = scrubber.attributes(resource.attributes, [], "resource.")
            clean = resource if attributes is resource.attributes else Resource(attributes, resource.schema_url)
            known = self._resources[id(resource)] = (resource, scrubber, clean)
        return known[2]

    def scope(self, scope: InstrumentationScope | None, scrubber: Scrubber) -> InstrumentationScope | None:
        """Return an instrumentation scope without what its attributes hold; most have none."""
        if scope is None or not scope.attributes:
            return scope
        attributes = scrubber.attributes(scope.attributes, [], "scope.")
        if attributes is scope.attributes:
            return scope
        return InstrumentationScope(scope.name, scope.version, scope.schema_url, attributes)

    def each(self, given: Iterable[T], scrubbed: Callable[[T, Scrubber], T]) -> list[T]:
        """Return everything scrubbed; what cannot be is left out, since it must not leave in clear."""
        scrubber = self.rules()
        kept: list[T] = []
        for one in given:
            try:
                kept.append(scrubbed(one, scrubber))
            except Exception as problem:  # whoever made it: nothing is known of what is in it
                if (runtime := current_runtime()) is not None:
                    runtime.ledger.note("unscrubbable")
                    runtime.warn_once(f"what cannot be scrubbed is not exported: {type(problem).__qualname__}")
        return kept


class ScrubbingSpanExporter(SpanExporter):
    """Hands spans on to another exporter without what privacy keeps back; see the documentation on privacy.

    Names, attributes, events with their exceptions, links, status and resource are scrubbed in copies: the spans
    themselves are never changed, since other processors hold them too. A span that cannot be scrubbed is left out.

    Args:
        inner: The exporter that gets the copies.
        scrubber: Whose rules count; those of `ezlogs.configure` when left out.

    Example:
        >>> from opentelemetry.sdk.trace import TracerProvider
        >>> from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        >>> from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        >>> memory, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
        >>> provider.add_span_processor(SimpleSpanProcessor(ScrubbingSpanExporter(memory)))
        >>> with provider.get_tracer("shop").start_as_current_span("mail to ada@example.com"):
        ...     pass
        >>> memory.get_finished_spans()[0].name
        'mail to [redacted]'
    """

    def __init__(self, inner: SpanExporter, *, scrubber: Scrubber | None = None) -> None:
        self._inner = inner
        self._scrubbing = _Scrubbing(scrubber)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Scrub spans and hand them on; return what the other exporter does."""
        return self._inner.export(self._scrubbing.each(spans, self._scrubbed))

    def shutdown(self) -> None:
        """Shut the other exporter down."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the other exporter within ``timeout_millis`` milliseconds."""
        return self._inner.force_flush(timeout_millis)

    def _scrubbed(self, span: ReadableSpan, scrubber: Scrubber) -> ReadableSpan:
        clean: SpanLike = scrub_span(span, scrubber)
        resource = self._scrubbing.resource(span.resource, scrubber)
        scope = self._scrubbing.scope(span.instrumentation_scope, scrubber)
        if clean is span and resource is span.resource and scope is span.instrumentation_scope:
            return span
        return ReadableSpan(
            name=clean.name,
            context=span.context,
            parent=span.parent,
            resource=resource,
            attributes=_bounded(clean.attributes or {}, span.dropped_attributes),
            events=[
                Event(event.name, _bounded(event.attributes or {}, event.dropped_attributes), event.timestamp)
                for event in clean.events
            ],
            links=[
                Link(link.context, _bounded(link.attributes or {}, link.dropped_attributes)) for link in clean.links
            ],
            kind=span.kind,
            status=Status(clean.status.status_code, clean.status.description),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=scope,
        )


class ScrubbingLogRecordExporter(LogRecordExporter):
    """Hands log records on to another exporter without what privacy keeps back: body, attributes and resource.

    Args:
        inner: The exporter that gets the copies.
        scrubber: Whose rules count; those of `ezlogs.configure` when left out.

    Example:
        >>> from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter
        >>> exporter = ScrubbingLogRecordExporter(ConsoleLogRecordExporter())
    """

    def __init__(self, inner: LogRecordExporter, *, scrubber: Scrubber | None = None) -> None:
        self._inner = inner
        self._scrubbing = _Scrubbing(scrubber)

    def export(self, batch: Sequence[Any]) -> Any:
        """Scrub log records and hand them on; return what the other exporter does."""
        return self._inner.export(self._scrubbing.each(batch, self._scrubbed))

    def shutdown(self) -> None:
        """Shut the other exporter down."""
        self._inner.shutdown()  # type: ignore[no-untyped-call]  # the SDK gives it no types

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the other exporter within ``timeout_millis`` milliseconds, where it can."""
        flush = getattr(self._inner, "force_flush", None)
        return flush is None or bool(flush(timeout_millis))

    def _scrubbed(self, readable: Any, scrubber: Scrubber) -> Any:
        found: list[str] = []
        record = copy.copy(readable.log_record)
        body = scrubber.value("", record.body, "body", found)
        record.body = REDACTED if body is DROPPED else body
        if record.severity_text:
            record.severity_text = scrubber.text(record.severity_text, "severity_text", found)
        attributes = scrubber.attributes(record.attributes or {}, found, "attributes.")
        if found:
            told = {**attributes, "ezlogs.redacted": tuple(dict.fromkeys(found))[:32]}
            record.attributes = _bounded(told, readable.dropped_attributes)
        resource = self._scrubbing.resource(readable.resource, scrubber)
        scope = self._scrubbing.scope(readable.instrumentation_scope, scrubber)
        if not found and resource is readable.resource and scope is readable.instrumentation_scope:
            return readable
        return dataclasses.replace(readable, log_record=record, resource=resource, instrumentation_scope=scope)


def _bounded(attributes: Mapping[str, Any], dropped: int) -> Mapping[str, Any]:
    if not dropped:
        return attributes
    bounded = BoundedAttributes(attributes=attributes, immutable=False, extended_attributes=True)
    bounded.dropped = dropped
    return bounded
