"""The whole way: events from the application's call to a collector's answer, in CPU time of the whole process.

The first event has been delivered before: what it needs besides is told by ``start_delivered``.
"""

from __future__ import annotations

from tempfile import TemporaryDirectory
from time import process_time_ns

from benchmarks.programs.workload import METADATA, otel_attributes

_EVENTS = 20_000


def otel(endpoint: str) -> dict[str, float]:
    """A span with one event each through BatchSpanProcessor and OTLP/HTTP; what does not arrive costs nothing."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    processor = BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces"), max_queue_size=_EVENTS + 1)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("bench")

    def tell(number: int) -> None:
        with tracer.start_as_current_span("order") as span:
            span.add_event("order.action", otel_attributes(number))

    tell(0)
    assert provider.force_flush()
    begin = process_time_ns()
    for number in range(_EVENTS):
        tell(number)
    provider.shutdown()
    return {"otel": (process_time_ns() - begin) / _EVENTS}


def ezlogs(endpoint: str) -> dict[str, float]:
    """The same events with no current span, privacy on; that all of them arrived is checked."""
    return {"ezlogs": _ezlogs(endpoint, durability="memory")}


def journaled(endpoint: str) -> dict[str, float]:
    """The same, each event on disk before its call returns."""
    with TemporaryDirectory() as state:
        return {"journaled": _ezlogs(endpoint, durability="process", state_dir=state)}


def _ezlogs(endpoint: str, **options: str) -> float:
    import ezlogs
    from ezlogs.scope import CorrelationManager

    def tell(number: int) -> None:
        ezlogs.event(
            "order.action",
            "placed",
            actor=("user", "81723"),
            subject=("order", str(number)),
            metadata={**METADATA, "order_no": number},
            duration=0.08425,
        )

    ezlogs.configure(service_name="bench", endpoint=endpoint, instrument="none", **options)
    tell(0)
    assert ezlogs.flush(60), ezlogs.health()
    begin = process_time_ns()
    with CorrelationManager.start_flow_context("checkout", 42):
        for number in range(_EVENTS):
            tell(number)
    assert ezlogs.flush(60), ezlogs.health()
    spent = process_time_ns() - begin
    assert ezlogs.health()["delivered"] == 1 + _EVENTS, ezlogs.health()
    ezlogs.shutdown()
    return spent / _EVENTS
