"""The two sides of what goes through a whole pipeline: the same event told to OpenTelemetry's SDK and to ezlogs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.programs.workload import METADATA, otel_attributes

Tell = Callable[[int], object]
"""Tells one event, by its number."""


class Otel:
    """Spans with one event each through BatchSpanProcessor and OTLP/HTTP, as most people configure it.

    Args:
        endpoint: Of the collector.
        **options: Of BatchSpanProcessor.
    """

    def __init__(self, endpoint: str, **options: Any) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

        logging.disable()  # what it says of each lost span is not measured
        self.delivered = 0
        """Spans that the collector took."""

        class Counting(OTLPSpanExporter):
            def export(own, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: N805  # both are needed
                result = super().export(spans)
                if result is SpanExportResult.SUCCESS:
                    self.delivered += len(spans)
                return result

        self._provider = TracerProvider()
        self._provider.add_span_processor(BatchSpanProcessor(Counting(f"{endpoint}/v1/traces"), **options))
        self._tracer = self._provider.get_tracer("bench")
        self.flush = self._provider.force_flush

    def tell(self, number: int) -> None:
        """Tell one event."""
        with self._tracer.start_as_current_span("order") as span:
            span.add_event("order.action", otel_attributes(number))

    @contextmanager
    def telling(self) -> Iterator[Tell]:
        """What tells events in this thread."""
        yield self.tell


class Ezlogs:
    """The same events with no current span.

    Args:
        endpoint: Of the collector.
        **options: Of ``ezlogs.configure``.
    """

    def __init__(self, endpoint: str, **options: Any) -> None:
        import ezlogs

        logging.disable()
        ezlogs.configure(endpoint=endpoint, instrument="none", **options)
        self._event, self.flush, self.health = ezlogs.event, ezlogs.flush, ezlogs.health

    @property
    def delivered(self) -> int:
        """Events that the collector took."""
        delivered = self.health()["delivered"]
        assert isinstance(delivered, int)
        return delivered

    def tell(self, number: int) -> None:
        """Tell one event."""
        self._event(
            "order.action",
            "placed",
            actor=("user", "81723"),
            subject=("order", str(number)),
            metadata={**METADATA, "order_no": number},
            duration=0.08425,
        )

    @contextmanager
    def telling(self) -> Iterator[Tell]:
        """What tells events in this thread: those of one flow."""
        from ezlogs.scope import CorrelationManager

        with CorrelationManager.start_flow_context("checkout", 42):
            yield self.tell
