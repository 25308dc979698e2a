"""Starting: importing and configuring, in CPU time; the interpreter's own start is not counted."""

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
    return {"otel": process_time_ns() - _BEGIN}


def ezlogs(endpoint: str) -> dict[str, float]:
    """ezlogs with everything but instrumentors, of which the SDK has none either."""
    import ezlogs

    ezlogs.configure(service_name="bench", endpoint=endpoint, instrument="none")
    return {"ezlogs": process_time_ns() - _BEGIN}
