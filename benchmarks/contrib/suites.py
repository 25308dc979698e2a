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
    """The tests that count a span's events, and so find ezlogs' among them: those fail where events are on spans."""

    counting_spans: Mapping[str, str] = {}
    """The tests that count all spans, and so find ezlogs' among them where it opens any, each with the reason."""

    waits: bool = False
    """Whether its tests mostly wait, so that its runs need no processor of their own."""

    @property
    def distribution(self) -> str:
        """The distribution that the suite belongs to."""
        return f"opentelemetry-instrumentation-{self.name}"

    def known(self, mode: Mode) -> tuple[str, ...]:
        """Return the tests that are known to fail in a mode."""
        return (*self.counting_spans, *self.counting_events) if mode.on_spans else ()


class Mode(NamedTuple):
    """One way in which ezlogs is active."""

    name: str
    settings: Mapping[str, Any]
    """Beside the endpoint."""

    delivers: bool = True
    """Whether ezlogs is given an endpoint, and sends the events there itself."""

    on_spans: bool = False
    """Whether events are seen on the spans that the tests look at, and ezlogs opens spans where there are none."""


OWN_COMMAND = "counts all spans where contrib makes none, and ezlogs makes the command's"
OWN_SERVER = "counts all spans, and the server that it asks is a Flask application, whose requests ezlogs tells"

_AIOHTTP = "tests/test_aiohttp_client_integration.py::TestAioHttpIntegration::"
_CLICK = "tests/test_click.py::ClickTestCase::"
_FASTAPI = "tests/test_fastapi_instrumentation.py::"
_FASTAPI_ERRORS = _FASTAPI + "TestTraceableExceptionHandling::"
_CELERY = "tests/test_tasks.py::TestCeleryInstrumentation::"
_DJANGO = "tests/test_middleware.py::TestMiddleware::"
_DJANGO_ASGI = "tests/test_middleware_asgi.py::TestMiddlewareAsgi::"

# The suites that take longest come first, so that nothing is left to wait for in the end.
SUITES = (
    Suite(
        "celery",
        ours="ezlogs_celery",
        tells="job.execution",
        counting_events=tuple(_CELERY + test for test in ("test_task", "test_task_raises", "test_task_use_span_links")),
        waits=True,
    ),
    Suite("httpx", ours="ezlogs_httpx"),
    Suite(
        "aiohttp-client",
        ours="ezlogs_aiohttp_client",
        counting_spans={
            _AIOHTTP + test: OWN_SERVER
            for test in (
                "test_nonstandard_http_method",
                "test_nonstandard_http_method_new_semconv",
                "test_remove_sensitive_params",
            )
        },
    ),
    Suite("asgi"),
    Suite(
        "click",
        ours="ezlogs_click",
        tells="cli.command",
        counting_spans={
            _CLICK + "test_flask_run_command_ignored": OWN_COMMAND,
            _CLICK + "test_uninstrument": OWN_COMMAND,
        },
    ),
    Suite(
        "django",
        ours="ezlogs_django",
        tells="http.request",
        counting_events=tuple(
            where + test
            for where in (_DJANGO, _DJANGO_ASGI)
            for test in ("test_error", "test_error_both_semconv", "test_error_new_semconv")
        ),
    ),
    Suite(
        "fastapi",
        ours="ezlogs_starlette",
        tells="http.request",
        counting_events=tuple(
            _FASTAPI_ERRORS + test
            for test in ("test_error_handler_context", "test_exception_span_recording", "test_middleware_exceptions")
        ),
    ),
    Suite(
        "flask",
        ours="ezlogs_flask",
        tells="http.request",
    ),
    Suite("requests", ours="ezlogs_requests"),
    Suite("sqlalchemy", ours="ezlogs_sqlalchemy"),
    Suite("starlette", ours="ezlogs_starlette", tells="http.request"),
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
