"""Events of requests: what holds for every client, alone and beside OpenTelemetry's instrumentors."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextlib import ExitStack, nullcontext
from typing import Any
from urllib.error import HTTPError

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.utils import suppress_http_instrumentation, suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.util._once import Once

import ezlogs
from ezlogs.correlation import Correlation, placed
from ezlogs.event import UniversalEvent
from ezlogs.scope import Scope
from ezlogs.testing import Captured
from ezlogs_instrumentors.requests import RequestsInstrumentor
from ezlogs_instrumentors.urllib import UrllibInstrumentor
from ezlogs_instrumentors.urllib3 import Urllib3Instrumentor

from .conftest import CLIENTS, FAR, NEAR, STORY, Client, Server, story, told

FACTS = ("method", "host", "status", "attempt", "redirects", "route", "reason")

ERRORS = {
    "urllib3": ("NewConnectionError",),
    "requests": ("NewConnectionError",),
    "httpx": ("ConnectError",),
    "httpx-async": ("ConnectError",),
    "aiohttp": ("ClientConnectorError",),
    "urllib": ("ConnectionRefusedError",),
}
"""What a refused connection is in each client."""


def facts(event: UniversalEvent) -> dict[str, object]:
    """Return what an event tells, without what differs from run to run."""
    return {name: event.metadata[name] for name in FACTS if name in event.metadata}


def test_one_event_tells_of_a_request(instrumented: Client, server: Server) -> None:
    """With method and host, and neither its path nor its query; its cause is that of the moment."""
    cause = placed(Correlation(correlation_id=STORY, parent_event_id="evt_1"), Context())
    with told() as captured, Scope(cause):
        body = instrumented.get(server.url(FAR, "/secret-path?token=hunter2"), None)

    assert body == ""
    (event,) = captured.events
    assert (event.event_type, event.action) == ("http.client", f"GET {FAR}:{server.port}")
    assert (event.subject.type, event.subject.id) == ("service", FAR)
    assert facts(event) == {"method": "GET", "host": FAR, "status": 200, "attempt": 1}
    assert event.metadata["port"] == server.port
    assert event.metadata["response_bytes"] == 0
    assert event.outcome == "success"
    assert event.duration > 0
    assert (event.correlation.correlation_id, event.correlation.parent_event_id) == (STORY, "evt_1")
    for secret in ("secret-path", "hunter2", "token"):
        captured.assert_absent(secret)


def test_nothing_is_told_unless_the_settings_say_so(captured: Captured, instrumented: Client, server: Server) -> None:
    """As the default is."""
    with story():
        instrumented.get(server.redirect(NEAR, FAR), None)
    assert len(server.received) == 2
    assert captured.events == []


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
@pytest.mark.parametrize("order", ["contrib first", "contrib last"])
def test_the_event_rides_on_the_span_of_opentelemetrys_instrumentor(client: Client, order: str, server: Server) -> None:
    """While it is open; ezlogs makes no span beside it."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with client.instrumented(order, provider), told() as captured, story():
        client.get(server.url(NEAR), None)

    module = client.contrib.partition(":")[0]
    assert captured.spans == [(module, True)]
    (span,) = exporter.get_finished_spans()
    assert (span.instrumentation_scope.name, span.kind) == (module, trace.SpanKind.CLIENT)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_an_event_of_a_failure_rides_on_that_span_too(client: Client) -> None:
    """Each attempt on that of its call."""
    failing = pytest.raises(Exception)  # noqa: PT011  # each client has its own
    with client.instrumented("contrib last"), told() as captured, story(), failing:
        client.get("http://127.0.0.1:1/", None)
    assert set(captured.spans) == {(client.contrib.partition(":")[0], True)}
    assert {event.outcome for event in captured.events} == {"failure"}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_span_that_is_not_sampled_costs_no_event(client: Client, server: Server) -> None:
    """It is told whatever becomes of the trace."""
    with client.instrumented("contrib last", TracerProvider(sampler=ALWAYS_OFF)), told() as captured, story():
        client.get(server.url(NEAR), None)
    assert [facts(event)["host"] for event in captured.events] == [NEAR]


def test_without_opentelemetrys_instrumentor_no_span_is_made(client: Client, server: Server) -> None:
    """The event is on the span that is current anyway."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with client.instrumented("alone"), told() as captured, provider.get_tracer("shop").start_as_current_span("order"):
        client.get(server.url(NEAR), None)
    assert captured.spans == [("shop", True)]
    assert [span.name for span in exporter.get_finished_spans()] == ["order"]


def test_redirects_are_told_as_what_they_are(instrumented: Client, server: Server) -> None:
    """Each is a request of its own and a first attempt; also back to where it began."""
    with told() as captured, story():
        instrumented.get(server.redirect(NEAR, FAR, NEAR), None)

    assert [facts(event) for event in captured.events] == [
        {"method": "GET", "host": NEAR, "status": 302, "attempt": 1},
        {"method": "GET", "host": FAR, "status": 302, "attempt": 1, "redirects": 1},
        {"method": "GET", "host": NEAR, "status": 200, "attempt": 1, "redirects": 2},
    ]
    assert {event.outcome for event in captured.events} == {"success"}


def test_two_calls_are_two_first_attempts(instrumented: Client, server: Server) -> None:
    """What one call did is forgotten in the next."""
    with told() as captured, story():
        instrumented.get(server.redirect(NEAR, FAR), None)
        instrumented.get(server.url(FAR), None)
    assert [event.metadata.get("redirects") for event in captured.events] == [None, 1, None]
    assert {event.metadata["attempt"] for event in captured.events} == {1}


@pytest.mark.parametrize("status", [404, 503])
def test_4xx_and_5xx_are_failures(instrumented: Client, server: Server, status: int) -> None:
    """As OpenTelemetry's conventions have it for clients, whether or not the client raises."""
    with told() as captured, story():
        try:
            instrumented.get(server.url(NEAR, f"/?status={status}"), None)
        except HTTPError as error:  # urllib's
            error.close()
    assert [(event.outcome, event.metadata["status"], event.error) for event in captured.events] == [
        ("failure", status, None)
    ]


def test_a_refused_connection_is_told(instrumented: Client) -> None:
    """By the type of its error, without the error's words; urllib3 by itself tries it four times."""
    user = "" if instrumented.name == "urllib" else "user:hunter2@"  # which urllib takes for a part of the host
    with told() as captured, story(), pytest.raises(Exception) as raised:  # noqa: PT011  # each has its own
        instrumented.get(f"http://{user}127.0.0.1:1/secret-path?q=1", None)

    assert [event.metadata["attempt"] for event in captured.events] == list(
        range(1, 5 if instrumented.name == "urllib3" else 2)
    )
    for number, event in enumerate(captured.events, 1):
        assert (event.action, event.outcome) == ("GET 127.0.0.1:1", "failure")
        assert facts(event) == {"method": "GET", "host": "127.0.0.1", "attempt": number, "reason": "connection"}
        assert event.error.type.rpartition(".")[2] in ERRORS[instrumented.name]
        assert event.error.message is None
    assert raised.value is not None
    for secret in ("hunter2", "secret-path"):
        captured.assert_absent(secret)


def test_the_template_of_an_address_is_told(instrumented: Client, server: Server) -> None:
    """In place of its path."""
    with told(http_client_routes=f"{NEAR}/orders/{{id}}") as captured, story():
        instrumented.get(server.url(NEAR, "/orders/42?full=1"), None)
    (event,) = captured.events
    assert event.action == f"GET {NEAR}:{server.port}/orders/{{id}}"
    assert facts(event)["route"] == "/orders/{id}"


@pytest.mark.parametrize("suppress", [suppress_instrumentation, suppress_http_instrumentation])
def test_nothing_is_told_where_instrumentation_is_suppressed(
    instrumented: Client, server: Server, suppress: Any
) -> None:
    """Of HTTP, or as a whole; also in a span of whoever suppresses it, as around clients of clouds."""
    spans = TracerProvider().get_tracer("opentelemetry.instrumentation.botocore")
    span = spans.start_as_current_span("S3.PutObject", kind=trace.SpanKind.CLIENT)
    with told() as captured, story(), suppress(), span:
        instrumented.get(server.url(NEAR), None)
    assert server.received
    assert captured.events == []


def test_nothing_is_told_where_http_is_suppressed_in_no_span(client: Client, server: Server) -> None:
    """Or in one that is not sampled, while no instrumentor of OpenTelemetry's is at work."""
    with client.instrumented("alone"), told() as captured:
        for scope in (nullcontext(), story()):
            with scope, suppress_http_instrumentation():
                client.get(server.url(NEAR), None)
                with pytest.raises(Exception):  # noqa: B017, PT011  # each client has its own
                    client.get("http://127.0.0.1:1/", None)
    assert len(server.received) == 2
    assert captured.events == []


def test_excluded_addresses_are_not_told(instrumented: Client, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the client, and without such those of all."""
    name = {"httpx-async": "HTTPX", "aiohttp": "AIOHTTP_CLIENT"}.get(instrumented.name, instrumented.name.upper())
    monkeypatch.setenv("OTEL_PYTHON_EXCLUDED_URLS", "/health")
    with told() as captured, story():
        instrumented.get(server.url(NEAR, "/health?full=1"), None)
        instrumented.get(server.url(NEAR, "/other"), None)
        monkeypatch.setenv(f"OTEL_PYTHON_{name}_EXCLUDED_URLS", f"[, ^http://{NEAR}:[0-9]+/other")
        instrumented.get(server.url(NEAR, "/health"), None)
        instrumented.get(server.url(NEAR, "/other"), None)
    assert len(server.received) == 4
    assert len(captured.events) == 2


def test_disabled_and_left_out_events_are_not_made(instrumented: Client, server: Server) -> None:
    """As for any type of event; a failure is left out only by name."""
    for settings in ({"disabled_events": "http.*"}, {"never_events": "http.client"}, {"sample_types": "http.client=0"}):
        with told(**settings) as captured, story():
            instrumented.get(server.url(NEAR), None)
        assert captured.events == []


def test_behind_a_proxy_the_host_that_is_asked_is_told(instrumented: Client, server: Server) -> None:
    """Not the proxy."""
    with told() as captured, story():
        instrumented.get(f"http://{FAR}/orders?id=1", None, proxy=server.url())
    assert [(event.action, event.metadata["port"]) for event in captured.events] == [(f"GET {FAR}", 80)]


def test_a_tunnel_that_is_refused_is_a_failed_request(instrumented: Client, server: Server) -> None:
    """Of which the host behind it never knew."""
    with told() as captured, story(), pytest.raises(Exception):  # noqa: B017, PT011  # each client has its own
        instrumented.get(f"https://{NEAR}/", None, proxy=server.url())
    assert {path for path, _ in server.received} == {f"{NEAR}:443"}
    assert [(event.action, event.outcome, event.metadata["port"]) for event in captured.events] == [
        (f"GET {NEAR}", "failure", 443)
    ]
    assert "status" not in captured.events[0].metadata


def test_a_switched_off_instrumentor_tells_nothing(client: Client, server: Server) -> None:
    """Nor does what somebody hooked on top of it and kept."""
    with client.instrumented("alone"):
        pass
    with told() as captured, story():
        client.get(server.url(NEAR), None)
    assert captured.events == []


def test_what_a_tracker_gets_wrong_does_not_reach_the_application(
    client: Client, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer comes as ever."""

    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("bug")

    with client.instrumented("alone"), told(strict=False) as captured, story():
        for name in ("sending", "Sending.answered"):
            with monkeypatch.context() as patched:
                patched.setattr(f"ezlogs.trackers.http_client.{name}", broken)
                assert client.get(server.url(NEAR), None) == ""
    assert captured.events == []


def test_threads_keep_their_own_causes(instrumented: Client, server: Server) -> None:
    """Each event is caused by what its own thread is in."""

    def ask(number: int) -> None:
        with Scope(placed(Correlation(correlation_id=f"story-{number}", parent_event_id=f"evt_{number}"), Context())):
            instrumented.get(server.url(f"h{number}.internal"), None)

    with told() as captured:
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    found = {(event.metadata["host"], event.correlation.parent_event_id) for event in captured.events}
    assert found == {(f"h{number}.internal", f"evt_{number}") for number in range(8)}
    assert len(captured.events) == 8


def test_exporters_of_telemetry_are_not_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither OpenTelemetry's, by requests, nor ezlogs' own."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)  # the one that is made here is gone afterwards
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    with ExitStack() as stack:
        for instrumentor in (RequestsInstrumentor(), Urllib3Instrumentor(), UrllibInstrumentor()):
            instrumentor.instrument()
            stack.callback(instrumentor.uninstrument)
        with told() as captured:
            for processor in (SimpleSpanProcessor, BatchSpanProcessor):
                provider = TracerProvider()
                provider.add_span_processor(processor(OTLPSpanExporter(server.url(path="/v1/traces"))))
                provider.get_tracer("shop").start_span("order").end()
                provider.shutdown()
        assert [path for path, _ in server.received] == ["/v1/traces"] * 2
        assert captured.events == []

        ezlogs.configure(
            endpoint=server.url(), durability="memory", http_client_events=True, instrument="none", pipeline="owned"
        )
        try:
            for _ in range(3):
                ezlogs.event("order.action", "placed")
                assert ezlogs.flush(10)
        finally:
            ezlogs.shutdown()
    sent = b"".join(server.bodies[2:])
    assert sent.count(b"order.action") >= 3
    assert b"http.client" not in sent


PROGRAM = """
import sys
import ezlogs
ezlogs.configure(endpoint={endpoint!r}, durability="memory", instrument=("ezlogs",))
import urllib.request, requests, httpx, urllib3, aiohttp
assert hasattr(urllib3.connectionpool.HTTPConnectionPool._make_request, "__wrapped__")
urllib.request.urlopen({url!r}).read()
requests.get({url!r})
httpx.get({url!r})
print("ezlogs.trackers.http_client" in sys.modules)
ezlogs.shutdown()
"""


def test_the_tracker_is_not_even_imported_while_requests_give_no_events(server: Server) -> None:
    """Neither at start nor by a request."""
    program = PROGRAM.format(endpoint=server.url(), url=server.url()).replace('instrument=("ezlogs",)', "")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "False", done.stderr
    on = program.replace('durability="memory"', 'durability="memory", http_client_events=True')
    done = subprocess.run([sys.executable, "-c", on], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "True", done.stderr


def test_a_gathering_of_tasks_keeps_its_causes(server: Server) -> None:
    """For each asynchronous client: fifty requests under way at once, each told in the scope of its own task."""
    import aiohttp
    import httpx

    from ezlogs_instrumentors.aiohttp_client import AiohttpClientInstrumentor
    from ezlogs_instrumentors.httpx import HttpxInstrumentor

    async def ask(client: Any, number: int) -> None:
        with Scope(placed(Correlation(correlation_id=f"story-{number}", parent_event_id=f"evt_{number}"), Context())):
            url = server.url(f"h{number}.internal", f"/?{'to=/' if number % 2 else 'status=200'}")
            if isinstance(client, httpx.AsyncClient):
                await client.get(url)
            else:
                async with client.get(url) as response:
                    await response.read()

    async def run() -> None:
        async with httpx.AsyncClient(follow_redirects=True) as client:
            await asyncio.gather(*(ask(client, number) for number in range(25)))
        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(ask(session, number) for number in range(25, 50)))

    with ExitStack() as stack:
        for instrumentor in (HttpxInstrumentor(), AiohttpClientInstrumentor()):
            instrumentor.instrument()
            stack.callback(instrumentor.uninstrument)
        captured = stack.enter_context(told())
        asyncio.run(run())

    found = sorted(
        (event.metadata["host"], event.correlation.parent_event_id, event.metadata.get("redirects", 0))
        for event in captured.events
    )
    assert found == sorted(
        (f"h{number}.internal", f"evt_{number}", redirects)
        for number in range(50)
        for redirects in range(1 + number % 2)
    )
