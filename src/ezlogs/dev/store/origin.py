"""Where what was received came from: which service, which process, and on what."""

from __future__ import annotations

from typing import Any

from ezlogs.dev.decode import ReceivedEvent, ReceivedLog, ReceivedSpan

UNNAMED = "unknown_service"
"""What the names of services begin with that nobody named."""


def as_it_came(event: ReceivedEvent, item: ReceivedSpan | ReceivedLog) -> dict[str, Any]:
    """Return an event as it was received, with what it came on."""
    return {
        "resource": item.resource,
        "scope": {"name": item.scope_name, "version": item.scope_version},
        "trace_id": item.trace_id,
        "span_id": item.span_id,
        "span_name": getattr(item, "name", None),
        "name": event.name,
        "time_unix_nano": event.timestamp,
        "attributes": event.attributes,
    }


def service_of(resource: dict[str, Any]) -> str:
    """Return which service a resource is of."""
    return str(resource.get("service.name") or UNNAMED)


def process_of(resource: dict[str, Any]) -> str:
    """Return which process a resource is of, as far as it says so: service, and process id or instance."""
    number = resource.get("process.pid") or resource.get("service.instance.id")
    host = resource.get("host.name")
    name = service_of(resource)
    if number:
        name += f" {str(number)[:12]}"
    return f"{name} @ {host}" if host else name
