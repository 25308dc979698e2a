"""Starlette and FastAPI: requests and WebSockets become events, one each, however applications are put together.

OpenTelemetry's own instrumentors, and what FastAPI measures by itself, go first: ours is inside their span.
"""

from __future__ import annotations

from types import MappingProxyType

from ezlogs_instrumentors.hooks import HookingInstrumentor


class StarletteInstrumentor(HookingInstrumentor):
    """Instruments Starlette and what is built on it, such as FastAPI, also applications that are there already.

    Example:
        >>> instrumentor = StarletteInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "starlette"
    versions = ("starlette >= 0.37",)
    parts = MappingProxyType(
        {
            "starlette.applications": "applications.attach",
            "starlette.routing": "routes.attach_to_starlette",
            "fastapi.routing": "routes.attach_to_fastapi",
            "starlette.middleware.exceptions": "routes.attach_to_handlers",
            "starlette.requests": "requests.attach",
            "starlette.authentication": "users.attach_to_users",
        }
    )
