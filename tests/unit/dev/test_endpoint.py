"""The endpoint of `ezlogs dev`: whatever OpenTelemetry's own exporters send comes in, over HTTP and over gRPC."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from tests.unit.dev.test_store import event, ids, span

from ezlogs.dev.decode import Malformed
from ezlogs.dev.endpoint import Endpoint, UnusableFileError
from ezlogs.dev.metrics import decode_metrics_request
from ezlogs.wire import attributes

RESOURCE = Resource({"service.name": "shop", "service.instance.id": "one"})


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """An endpoint that is named to no exporter by the environment."""
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Endpoint(port=0, grpc_port=0) as running:
        yield running


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_what_official_exporters_send_comes_in(endpoint: Endpoint, protocol: str) -> None:
    """Spans, log records and metrics of an application that knows this endpoint and nothing else of ezlogs."""
    if protocol == "grpc":
        assert endpoint.grpc_address, endpoint.without_grpc
        address = endpoint.grpc_address
        spans: GrpcSpanExporter | OTLPSpanExporter = GrpcSpanExporter(address, insecure=True)
        records: GrpcLogExporter | OTLPLogExporter = GrpcLogExporter(address, insecure=True)
        metrics: GrpcMetricExporter | OTLPMetricExporter = GrpcMetricExporter(address, insecure=True)
    else:
        spans = OTLPSpanExporter(f"{endpoint.address}/v1/traces")
        records = OTLPLogExporter(f"{endpoint.address}/v1/logs")
        metrics = OTLPMetricExporter(f"{endpoint.address}/v1/metrics")
    tracing = TracerProvider(resource=RESOURCE)
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    with tracing.get_tracer("test").start_as_current_span("work") as work:
        work.add_event("order.action", attributes(event(1)))
    tracing.shutdown()
    logging = LoggerProvider(RESOURCE)
    logging.add_log_record_processor(SimpleLogRecordProcessor(records))
    logging.get_logger("test").emit(event_name="order.action", timestamp=1, attributes=attributes(event(2)))
    logging.shutdown()
    metering = MeterProvider([PeriodicExportingMetricReader(metrics)], RESOURCE)
    meter = metering.get_meter("test")
    meter.create_counter("ezlogs.events").add(3, {"ezlogs.result": "delivered"})
    meter.create_histogram("ezlogs.emit.duration").record(0.5)
    meter.create_counter("of.others").add(1)
    metering.shutdown()
    assert sorted(ids(endpoint.store)) == ["story-1", "story-2"]
    assert [found["name"] for found in endpoint.store.spans("story-1")] == ["work"]
    figures = endpoint.store.rows("SELECT name, process FROM newest_figures ORDER BY name")
    assert figures == [("ezlogs.emit.duration", "shop one"), ("ezlogs.events", "shop one")]


def test_a_grpc_request_that_cannot_be_taken_is_refused(endpoint: Endpoint) -> None:
    """What is none with a status that says that trying again is of no use; what is not at fault, with another."""
    grpc = pytest.importorskip("grpc")
    assert endpoint.grpc_address is not None
    with grpc.insecure_channel(endpoint.grpc_address.removeprefix("http://")) as channel:
        export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        with pytest.raises(grpc.RpcError) as refused:
            export(b"\xff", timeout=20)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        endpoint.store.close()
        with pytest.raises(grpc.RpcError) as failed:
            export(ExportTraceServiceRequest(resource_spans=[{}]).SerializeToString(), timeout=20)
        assert failed.value.code() == grpc.StatusCode.INTERNAL  # with which it is tried again


def test_metrics_as_json() -> None:
    """Numbers, whole or not, and histograms; what is no request is said to be none."""
    body = b"""{"resourceMetrics": [{"resource": {}, "scopeMetrics": [{"metrics": [
        {"name": "ezlogs.queue.bytes", "gauge": {"dataPoints": [{"asInt": "7", "timeUnixNano": "1"}]}},
        {"name": "ezlogs.x", "sum": {"dataPoints": [{"asDouble": 0.5}]}},
        {"name": "ezlogs.y", "summary": {"dataPoints": [{}]}},
        {"name": "ezlogs.z", "histogram": {"dataPoints": [{"sum": 2, "count": 1, "bucketCounts": [1, 0],
            "explicitBounds": [5]}]}}]}]}]}"""
    first, second, third = decode_metrics_request(body, "application/json")
    assert (first.value, first.time, second.value) == (7.0, 1, 0.5)
    assert (third.value, third.count, third.bounds, third.buckets) == (2.0, 1, (5.0,), (1, 0))
    for wrong in (b"[1]", b"{", b'{"resourceMetrics": 7}'):
        with pytest.raises(Malformed):
            decode_metrics_request(wrong, "application/json")


def test_without_grpc_there_is_http() -> None:
    """A port that is taken is no reason not to start, and is said."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Endpoint(port=0, grpc_port=port) as running:
            assert running.grpc_address is None
            assert running.without_grpc == f"port {port} is taken"


def test_without_grpcio_there_is_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is said, too."""
    monkeypatch.setitem(sys.modules, "ezlogs.dev.grpc", None)
    with Endpoint(port=0, grpc_port=0) as running:
        assert running.without_grpc == "grpcio is not installed"


def test_a_file_is_there_again_and_is_of_one_at_a_time(tmp_path: Path) -> None:
    """What another `ezlogs dev` has open is refused, with the reason."""
    path = tmp_path / "stories.db"
    with Endpoint(path, port=0, grpc_port=0) as running:
        running.store.take([span(event(1))])
        with pytest.raises(UnusableFileError, match="locked"):
            Endpoint(path)
    with Endpoint(path, port=0, grpc_port=0) as running:
        assert ids(running.store) == ["story-1"]
