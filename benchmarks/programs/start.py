"""Starting, in CPU time: importing and configuring, and what the first event needs besides.

The interpreter's own start is not counted.
"""

from time import process_time_ns

_BEGIN = process_time_ns()


def otel(endpoint: str) -> dict[str, float]:
    """OpenTelemetry's SDK with the exporter that most people configure."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "bench"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces")))
    trace.set_tracer_provider(provider)
    started = process_time_ns() - _BEGIN
    with provider.get_tracer("bench").start_as_current_span("order") as span:
        span.add_event("order.action")
    assert provider.force_flush()
    return {"otel": started, "delivered": process_time_ns() - _BEGIN}


def ezlogs(endpoint: str) -> dict[str, float]:
    """ezlogs with everything but instrumentors, of which the SDK has none either."""
    import ezlogs

    ezlogs.configure(service_name="bench", endpoint=endpoint, instrument="none")
    started = process_time_ns() - _BEGIN
    ezlogs.event("order.action", "placed")
    assert ezlogs.flush(60), ezlogs.health()
    return {"ezlogs": started, "delivered": process_time_ns() - _BEGIN}
