"""From an OTLP export request of metrics, protobuf or JSON, to the points of it that tell of delivery."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint, Metric, NumberDataPoint

from ezlogs.dev.decode import JSON, PROTOBUF, Malformed, attributes_of

WANTED = ("ezlogs.", "otel.sdk.")
"""What names begin with that are kept: an application's own metrics are for others."""


class ReceivedPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of a service, as it was collected."""

    resource: dict[str, Any]
    name: str
    attributes: dict[str, Any]
    time: int
    """Nanoseconds since 1970."""
    value: float
    """The number; of a histogram the sum of what was recorded."""
    count: int = 0
    """Of a histogram: how often something was recorded."""
    bounds: tuple[float, ...] = ()
    """Of a histogram: the upper bounds of all buckets but the last."""
    buckets: tuple[int, ...] = ()
    """Of a histogram: how often in each bucket."""


def decode_metrics_request(body: bytes, content_type: str = PROTOBUF) -> list[ReceivedPoint]:
    """Read an ``ExportMetricsServiceRequest``.

    Args:
        body: The request's body, unpacked.
        content_type: ``application/x-protobuf`` or ``application/json``.

    Returns:
        Its points whose names begin with one of `WANTED`; sums, gauges and histograms.

    Raises:
        Malformed: The body is not what the content type says.

    Example:
        >>> decode_metrics_request(b'{"resourceMetrics": []}', "application/json")
        []
    """
    try:
        if content_type == JSON:
            request = ParseDict(json.loads(body), ExportMetricsServiceRequest(), ignore_unknown_fields=True)
        else:
            request = ExportMetricsServiceRequest.FromString(body)
    except (DecodeError, ParseError, ValueError, TypeError, AttributeError, RecursionError) as problem:
        raise Malformed("the body is no export request of metrics") from problem
    return [
        point
        for of_resource in request.resource_metrics
        for resource in [attributes_of(of_resource.resource.attributes)]
        for of_scope in of_resource.scope_metrics
        for metric in of_scope.metrics
        if metric.name.startswith(WANTED)
        for point in _points(metric, resource)
    ]


def _points(metric: Metric, resource: dict[str, Any]) -> Iterator[ReceivedPoint]:
    kind = metric.WhichOneof("data")
    if kind not in ("sum", "gauge", "histogram"):
        return
    for point in getattr(metric, kind).data_points:
        figures = _histogram(point) if kind == "histogram" else _number(point)
        yield ReceivedPoint(
            resource=resource,
            name=metric.name,
            attributes=attributes_of(point.attributes),
            time=point.time_unix_nano,
            **figures,
        )


def _number(point: NumberDataPoint) -> dict[str, Any]:
    return {"value": float(point.as_int if point.WhichOneof("value") == "as_int" else point.as_double)}


def _histogram(point: HistogramDataPoint) -> dict[str, Any]:
    return {
        "value": point.sum,
        "count": point.count,
        "bounds": tuple(point.explicit_bounds),
        "buckets": tuple(point.bucket_counts),
    }
