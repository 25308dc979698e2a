"""Starlette and FastAPI: requests and WebSockets become events, one each, however applications are put together.

OpenTelemetry's own instrumentors, and what FastAPI measures by itself, go first: ours is inside their span.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType

from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks


def _later(attach: str) -> Attach:
    """Return what imports our own part only once the library's is: most processes serve nothing."""
    part, _, name = attach.partition(".")

    def attach_now(hooks: Hooks, module: ModuleType) -> None:
        getattr(import_module(f"{__name__}.{part}"), name)(hooks, module)

    return attach_now


_ATTACH: dict[str, Attach] = {
    "starlette.applications": _later("applications.attach"),
    "starlette.routing": _later("routes.attach_to_starlette"),
    "fastapi.routing": _later("routes.attach_to_fastapi"),
    "starlette.middleware.exceptions": _later("routes.attach_to_handlers"),
    "starlette.requests": _later("requests.attach"),
    "starlette.authentication": _later("users.attach_to_users"),
}


class StarletteInstrumentor(HookingInstrumentor):
    """Instruments Starlette and what is built on it, such as FastAPI, also applications that are there already.

    Example:
        >>> instrumentor = StarletteInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "starlette"
    versions = ("starlette >= 0.37",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return _ATTACH
