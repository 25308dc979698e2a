"""Which suites are run, in which modes, and which of their tests are known to differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Suite(NamedTuple):
    """The tests of one of OpenTelemetry's instrumentors."""

    name: str
    """As in ``opentelemetry-instrumentation-<name>``."""

    ours: str = ""
    """ezlogs' own instrumentor for that library, which must be active, if there is one."""

    tells: str = ""
    """The type of event that ezlogs must make of what the tests do, where its instrumentor makes events."""

    counting_events: tuple[str, ...] = ()
    """The tests that look at all events of a span, and so find ezlogs' on it: those fail with the span carrier."""

    @property
    def distribution(self) -> str:
        """The distribution that the suite belongs to."""
        return f"opentelemetry-instrumentation-{self.name}"


class Mode(NamedTuple):
    """One way in which ezlogs is active."""

    name: str
    settings: Mapping[str, Any]
    """Beside the endpoint."""

    delivers: bool = True
    """Whether ezlogs is given an endpoint, and sends the events there itself."""

    on_spans: bool = False
    """Whether events are seen on the spans that the tests look at."""


# The suites that take longest come first, so that nothing is left to wait for in the end.
SUITES = (
    Suite("celery", ours="ezlogs_celery", tells="job.execution"),
    Suite("httpx", ours="ezlogs_httpx"),
    Suite("aiohttp-client", ours="ezlogs_aiohttp_client"),
    Suite("asgi"),
    Suite("click"),
    Suite("django", ours="ezlogs_django", tells="http.request"),
    Suite("fastapi"),
    Suite("flask"),
    Suite("requests", ours="ezlogs_requests"),
    Suite("sqlalchemy"),
    Suite("starlette"),
    Suite("threading", ours="ezlogs_threading"),
    Suite("urllib3", ours="ezlogs_urllib3"),
    Suite("wsgi"),
)

# The tests' own exporter in memory is another pipeline beside ezlogs.
MODES = (
    Mode("attached", {}),
    Mode("log", {"carrier": "log"}),
    Mode("span", {"pipeline": "owned"}, on_spans=True),
    Mode("span, no endpoint", {"pipeline": "attached"}, delivers=False, on_spans=True),
)
