"""requests: it sends by urllib3, whose hook serves it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # its file is exempt from typing

from ezlogs_instrumentors.urllib3 import shared_hook


class RequestsInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # as above
    """Carries stories to near hosts and keeps them from all others, for requests made by requests.

    Example:
        >>> instrumentor = RequestsInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the versions of requests that this works with."""
        return ("requests >= 2.30",)

    def _instrument(self, **kwargs: Any) -> None:
        shared_hook.add("requests")

    def _uninstrument(self, **kwargs: Any) -> None:
        shared_hook.remove("requests")
