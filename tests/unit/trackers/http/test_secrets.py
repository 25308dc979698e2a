"""Secrets in paths, and what else of a request could tell too much."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import ezlogs
from ezlogs.testing import Captured, capture
from ezlogs.trackers.http import CgiArrival, HttpRequest, HttpTracker, PlainArrival

TOKEN = "MjQ1-1rT8aB-x7Yq2LkPz9vW3nR5tM8jH0cD4fG"

tracker = HttpTracker("test")


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """The spans of this test that are finished."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


def begun(path: str, **headers: str) -> HttpRequest:
    """Begin a request that is no part of another."""
    request = tracker.begin(PlainArrival("GET", path, headers))
    assert isinstance(request, HttpRequest)
    return request


def the(exporter: InMemorySpanExporter) -> ReadableSpan:
    """The only span."""
    (span,) = exporter.get_finished_spans()
    return span


@pytest.mark.parametrize("known", ["at its end", "before its view", "by a mount"])
@pytest.mark.parametrize("name", ["token", "reset_token", "activation_key", "password"])
def test_a_secret_in_a_path_is_told_nowhere(
    captured: Captured, finished: InMemorySpanExporter, name: str, known: str
) -> None:
    """Neither as what the request is about, nor in the path of its span; which names are secret privacy says."""
    request = begun(f"/reset/42/{TOKEN}/confirm")
    parameters: dict[str, object] = {"uid": 42, name: TOKEN}
    if known == "at its end":
        request.finish(200, route=f"/reset/{{uid}}/set/{{{name}}}/confirm", parameters=parameters)
    elif known == "before its view":
        request.matched(f"/reset/{{uid}}/set/{{{name}}}/confirm", parameters)
        request.finish(200)
    else:
        request.mounted(f"/reset/{{uid}}/set/{{{name}}}", parameters)
        request.matched("/confirm", {})
        request.finish(200)
    (event,) = captured.events
    assert event.subject == ezlogs.Subject("set", "[redacted]")
    assert the(finished).attributes["url.path"] == "/reset/42/[redacted]/confirm"
    assert TOKEN not in repr((event, event.metadata, the(finished).to_json()))


def test_what_privacy_allows_is_told(finished: InMemorySpanExporter) -> None:
    """A token that is none, as the settings say; and a key that is no secret."""
    with capture(allow=("token",)) as captured:
        begun("/parts/bolt").finish(200, route="/parts/{token}", parameters={"token": "bolt"})
        begun("/parts/bolt").finish(200, route="/parts/{key}", parameters={"key": "bolt"})
    assert [event.subject for event in captured.events] == [ezlogs.Subject("part", "bolt")] * 2
    assert [span.attributes["url.path"] for span in finished.get_finished_spans()] == ["/parts/bolt"] * 2


def test_what_stands_for_a_parameter_is_never_asked_for_its_text(captured: Captured) -> None:
    """A framework's converters make objects, whose text may be a query."""

    class Row:
        def __str__(self) -> str:
            raise AssertionError

        __repr__ = __str__

    begun("/orders/42").finish(200, route="/orders/{order}", parameters={"order": Row()})
    assert captured.events[0].subject is not None
    assert captured.events[0].subject.type == "order"


@pytest.mark.parametrize(
    ("host", "address", "port"),
    [
        ("shop.example.com", "shop.example.com", None),
        ("shop.example.com:8000", "shop.example.com", 8000),
        ("[::1]:8000", "::1", 8000),
        ("[::1]", "::1", None),
        ("shop:", "shop", None),
        ("shop:80x", "shop:80x", None),
        ("\u0661:\u0661", "\u0661:\u0661", None),
        ("x:" * 1000, ("x:" * 256)[:-1], None),
        ("", None, None),
    ],
)
@pytest.mark.usefixtures("captured")
def test_a_host_is_an_address_and_a_port(
    finished: InMemorySpanExporter, host: str, address: str | None, port: int | None
) -> None:
    """As the semantic conventions have it, whatever a client writes there."""
    begun("/", host=host).finish(200)
    attributes = the(finished).attributes
    assert (attributes.get("server.address"), attributes.get("server.port")) == (address, port)


def test_junk_is_told_as_what_it_is_or_not_at_all(captured: Captured, finished: InMemorySpanExporter) -> None:
    """Enormous headers, bytes that are no text, lengths that are no numbers, methods of a client's making."""
    environ = {
        "REQUEST_METHOD": "G\r\nSET-COOKIE: x",
        "PATH_INFO": "/\xff\xfe/\r\n\x00",
        "QUERY_STRING": "\xff=%ff&" * 5000,
        "CONTENT_LENGTH": "abc",
        "CONTENT_TYPE": "\xff" * 100_000,
        "HTTP_HOST": "\udcff" * 100_000,
        "HTTP_USER_AGENT": "\xe9" * 100_000,
        "HTTP_REFERER": "http://[" + "x" * 100_000,
        "HTTP_X_REQUEST_ID": "a\r\nb",
        "HTTP_X_FORWARDED_FOR": "1" * 100_000,
        "HTTP_API_VERSION": "\x00" * 100_000,
        "HTTP_TRACEPARENT": "\xff" * 100_000,
        "HTTP_BAGGAGE": "=,;" * 100_000,
        "REMOTE_ADDR": "\xff",
    }
    request = tracker.begin(CgiArrival(environ))
    assert isinstance(request, HttpRequest)
    request.finish(404)
    (event,) = captured.events
    assert event.action == "_OTHER (unmatched)"
    assert "request_bytes" not in event.metadata
    assert event.correlation is not None
    assert event.correlation.request_id is None
    assert max(len(str(value)) for value in event.metadata.values()) <= 256
    span = the(finished)
    assert span.name == "HTTP"
    assert span.attributes["http.request.method"] == "_OTHER"
    assert all(len(str(value)) <= 512 for value in span.attributes.values())
