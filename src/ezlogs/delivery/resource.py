"""The resource of an application that has no tracer provider: what its service is called, and what detectors find."""

from __future__ import annotations

from opentelemetry.sdk.resources import Resource


def resource_of(service_name: str | None) -> Resource:
    """Return the resource of a service, as the SDK makes it; never raises.

    The SDK asks each detector in a thread of its own, and raises where the system starts no more threads: then nobody
    is asked.

    Args:
        service_name: The attribute ``service.name``; the environment's, or the SDK's default, if left out.

    Example:
        >>> resource_of("shop").attributes["service.name"]
        'shop'
    """
    known = {"service.name": service_name} if service_name else {}
    try:
        return Resource.create(known)
    except Exception:
        return Resource({"service.name": "unknown_service", **known})
