"""Privacy alone: what looking for secrets costs an event or a span, beside one bare ``add_event`` of the same size."""

from __future__ import annotations

from typing import Any

from benchmarks.programs.stopwatch import each_call
from benchmarks.programs.workload import METADATA, otel_attributes
from ezlogs.privacy import Scrubber, scrub_span

_TURNS, _CALLS = 20, 500
_SERVER_SPAN = {
    "http.request.method": "GET",
    "url.scheme": "https",
    "url.path": "/orders/42",
    "url.query": "page=2&sort=date",
    "http.route": "/orders/{id}",
    "http.response.status_code": 200,
    "server.address": "shop.example.com",
    "server.port": 443,
    "network.protocol.version": "1.1",
    "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
    "app.tenant": "tenant-7",
    "app.locale": "de-DE",
    "app.items": 3,
    "app.total": 99.9,
}
"""What a framework's instrumentation says of a request; with the order's number there are 15 attributes."""


def scrubbing() -> dict[str, float]:
    """The metadata of the reference event without a finding and with two, and a span that somebody else made.

    The two are a password and the address of one of fifty customers, or of one who was never seen before.
    """
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider

    tracer = TracerProvider(span_limits=SpanLimits(max_events=1000)).get_tracer("bench")
    open_span = tracer.start_span("bench")
    scrubber = Scrubber()

    def add_event(attributes: dict[str, Any]) -> None:
        open_span.add_event("order.action", attributes)

    def metadata(values: dict[str, Any]) -> None:
        scrubber.value("", values, "metadata", [])

    def span(given: Any) -> None:
        scrub_span(given, scrubber)

    def ended(number: int) -> Any:
        made = tracer.start_span("GET /orders/{id}", attributes={**_SERVER_SPAN, "order.no": number})
        made.end()
        return made

    return each_call(
        {
            "add_event": (add_event, otel_attributes),
            "clean": (metadata, lambda number: {**METADATA, "order_no": number}),
            "two": (
                metadata,
                lambda number: {**METADATA, "note": f"to u{number % 50}@example.com", "password": str(number)},
            ),
            "two_new": (
                metadata,
                lambda number: {**METADATA, "note": f"to u{number}@example.com", "password": str(number)},
            ),
            "span": (span, ended),
        },
        turns=_TURNS,
        calls=_CALLS,
    )
