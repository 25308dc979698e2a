"""The local receiver behaves as a collector does, and keeps what it gets."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

import pytest
import urllib3
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from ezlogs.dev import unpacking
from ezlogs.dev.decode import ReceivedLog, ReceivedSpan
from ezlogs.dev.receiver import Receiver
from ezlogs.dev.unpacking import LONGEST_REQUEST
from ezlogs.otlp import (
    Delivered,
    HttpTransport,
    Rejected,
    Retry,
    encode_log_record,
    encode_request,
    encode_resource,
    encode_scope,
    encode_span,
)

PROTOBUF = {"content-type": "application/x-protobuf"}


def body(*names: str) -> bytes:
    """Return an export request of some spans."""
    return encode_spans([ReadableSpan(name, SpanContext(1, 2, False)) for name in names]).SerializeToString()


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that is listening."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def client() -> Iterator[urllib3.PoolManager]:
    """An HTTP client that neither retries nor follows redirects."""
    client = urllib3.PoolManager(retries=False)
    yield client
    client.clear()


def logs_body(*names: str) -> bytes:
    """Return an export request of some events as log records."""
    return encode_request([(b"", "", [(b"", "", [encode_log_record(1, event_name=name) for name in names])])])


def post(
    client: urllib3.PoolManager,
    receiver: Receiver,
    content: bytes,
    headers: dict[str, str] = PROTOBUF,
    path: str = "/v1/traces",
) -> urllib3.BaseHTTPResponse:
    """Post a request to the receiver."""
    return client.request("POST", receiver.endpoint + path, body=content, headers=headers)


def names(spans: list[ReceivedSpan]) -> list[str]:
    """Return the names of some spans."""
    return [span.name for span in spans]


def test_what_our_transport_sends_arrives(receiver: Receiver) -> None:
    """Encoder, transport and receiver fit together, compressed and plain."""
    scope = (encode_scope("shop", "1.0"), "", [encode_span(ReadableSpan("s", SpanContext(1, 2, False)))])
    request = encode_request([(encode_resource({"service.name": "shop"}), "", [scope])])
    for compression in ("gzip", "none"):
        transport = HttpTransport(
            receiver.endpoint + "/v1/traces",
            headers={},
            timeout=5.0,
            compression=compression,
        )
        assert transport.send(request) == Delivered()
        transport.close()
    assert [(span.resource, span.scope_name, span.name) for span in receiver.spans] == [
        ({"service.name": "shop"}, "shop", "s")
    ] * 2


def test_protobuf_is_answered_with_protobuf(receiver: Receiver, client: urllib3.PoolManager) -> None:
    """A request in protobuf gets an empty export response in protobuf."""
    answer = post(client, receiver, body("a", "b"))
    assert (answer.status, answer.data, answer.headers["content-type"]) == (200, b"", "application/x-protobuf")
    assert names(receiver.spans) == ["a", "b"]


def test_json_is_answered_with_json(receiver: Receiver, client: urllib3.PoolManager) -> None:
    """A request in JSON gets an empty export response in JSON."""
    content = b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "a"}]}]}]}'
    answer = post(client, receiver, content, {"content-type": "application/json; charset=utf-8"})
    assert (answer.status, answer.data, answer.headers["content-type"]) == (200, b"{}", "application/json")
    assert names(receiver.spans) == ["a"]


def test_log_records_are_taken_too(receiver: Receiver, client: urllib3.PoolManager) -> None:
    """They have a path and a list of their own, and are answered in the form in which they came."""
    answer = post(client, receiver, logs_body("order.action"), path="/v1/logs")
    assert (answer.status, answer.data, answer.headers["content-type"]) == (200, b"", "application/x-protobuf")
    content = b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"eventName": "mail.sent"}]}]}]}'
    answer = post(client, receiver, content, {"content-type": "application/json"}, "/v1/logs")
    assert (answer.status, answer.data, answer.headers["content-type"]) == (200, b"{}", "application/json")
    assert [record.event_name for record in receiver.logs] == ["order.action", "mail.sent"]
    assert receiver.spans == []


def test_the_spans_are_a_copy(receiver: Receiver, client: urllib3.PoolManager) -> None:
    """What a caller does with the list does not change what was received."""
    post(client, receiver, body("a"))
    receiver.spans.clear()
    assert names(receiver.spans) == ["a"]


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"x", {"content-type": "text/plain"}, 415),
        (b"x", {}, 415),
        (b"x", PROTOBUF | {"content-encoding": "br"}, 415),
        (b"\xff", PROTOBUF, 400),
        (b"[]", {"content-type": "application/json"}, 400),
        (b"no gzip", PROTOBUF | {"content-encoding": "gzip"}, 400),
        (gzip.compress(body("a"))[:-9], PROTOBUF | {"content-encoding": "gzip"}, 400),
        (bytes(LONGEST_REQUEST + 1), PROTOBUF, 413),
        (gzip.compress(bytes(LONGEST_REQUEST + 1)), PROTOBUF | {"content-encoding": "gzip"}, 413),
    ],
)
def test_what_is_no_request_is_refused(
    receiver: Receiver, client: urllib3.PoolManager, content: bytes, headers: dict[str, str], status: int
) -> None:
    """A wrong type, a wrong body and a request beyond the limit get the status that says so, and leave nothing."""
    assert post(client, receiver, content, headers).status == status
    assert receiver.spans == []


def test_the_longest_request_is_taken(receiver: Receiver) -> None:
    """A request of just the limit is read, so a sender that splits at 413 knows where."""
    frame = len(body("a" * LONGEST_REQUEST)) - LONGEST_REQUEST
    transport = HttpTransport(receiver.endpoint + "/v1/traces", headers={}, timeout=20.0, compression="none")
    assert transport.send(body("a" * (LONGEST_REQUEST - frame))) == Delivered()
    refused = transport.send(body("a" * (LONGEST_REQUEST - frame + 1)))
    transport.close()
    assert isinstance(refused, Rejected)
    assert refused.status == 413


@pytest.mark.parametrize("host", ["evil.example.com", "127.0.0.1.evil.example.com", "evil.example.com:80", ""])
def test_a_foreign_name_for_this_machine_is_refused(receiver: Receiver, client: urllib3.PoolManager, host: str) -> None:
    """A page on the web that has its own name point here cannot read or write."""
    assert post(client, receiver, body("a"), PROTOBUF | {"host": host}).status == 400
    assert client.request("GET", receiver.endpoint + "/healthz", headers={"host": host}).status == 400
    assert receiver.spans == []


def test_localhost_is_this_machine(receiver: Receiver, client: urllib3.PoolManager) -> None:
    """The name that everyone uses is accepted, with any port."""
    assert post(client, receiver, body("a"), PROTOBUF | {"host": "localhost:4318"}).status == 200


def test_health_is_answered(receiver: Receiver, client: urllib3.PoolManager) -> None:
    """A demo or a script can ask whether the receiver is up."""
    answer = client.request("GET", receiver.endpoint + "/healthz")
    assert (answer.status, answer.json()) == (200, {"status": "ok"})


def test_waiting_ends_when_the_spans_are_there(receiver: Receiver, client: urllib3.PoolManager) -> None:
    """A wait for spans that come from another thread ends with them."""
    sender = threading.Timer(0.05, post, (client, receiver, body("late")))
    sender.start()
    assert receiver.wait_for(lambda spans: "late" in names(spans), timeout=10)
    sender.join()


def test_waiting_for_log_records_ends_when_they_are_there(receiver: Receiver, client: urllib3.PoolManager) -> None:
    """As for spans."""
    sender = threading.Timer(0.05, post, (client, receiver, logs_body("late"), PROTOBUF, "/v1/logs"))
    sender.start()
    assert receiver.wait_for_logs(lambda logs: [record.event_name for record in logs] == ["late"], timeout=10)
    sender.join()


def test_waiting_for_what_never_comes_ends_with_the_timeout(receiver: Receiver) -> None:
    """A wait is bounded and says that it was in vain."""
    assert not receiver.wait_for(bool, timeout=0.05)


def test_a_callback_gets_the_spans_of_each_request(client: urllib3.PoolManager) -> None:
    """A viewer sees spans as they come, request by request."""
    seen: list[list[str]] = []
    with Receiver(on_spans=lambda spans: seen.append(names(spans))) as receiver:
        post(client, receiver, body("a", "b"))
        post(client, receiver, body("c"))
    assert seen == [["a", "b"], ["c"]]


def test_a_callback_gets_the_log_records_of_each_request(client: urllib3.PoolManager) -> None:
    """As it does the spans."""
    seen: list[list[ReceivedLog]] = []
    with Receiver(on_logs=seen.append) as receiver:
        post(client, receiver, logs_body("a", "b"), path="/v1/logs")
    assert [[record.event_name for record in logs] for logs in seen] == [["a", "b"]]


def test_a_callback_that_fails_makes_the_sender_try_again(caplog: pytest.LogCaptureFixture) -> None:
    """Spans that could not be taken are neither acknowledged nor kept, so that a second try is no duplicate."""
    failures = [RuntimeError("the disk is full")]

    def fail_once(spans: list[ReceivedSpan]) -> None:
        if failures:
            raise failures.pop()

    with Receiver(on_spans=fail_once) as receiver:
        transport = HttpTransport(receiver.endpoint + "/v1/traces", headers={}, timeout=5.0, compression="none")
        assert isinstance(transport.send(body("a")), Retry)
        assert receiver.spans == []
        assert transport.send(body("a")) == Delivered()
        transport.close()
    assert names(receiver.spans) == ["a"]
    assert "the disk is full" in caplog.text


def test_it_can_be_stopped_and_started_again(receiver: Receiver) -> None:
    """A collector that goes away and comes back: same port, nothing received is forgotten."""
    endpoint = receiver.endpoint
    transport = HttpTransport(endpoint + "/v1/traces", headers={}, timeout=5.0, compression="none")
    assert transport.send(body("before")) == Delivered()
    for number in range(3):
        receiver.stop()
        receiver.stop()
        assert isinstance(transport.send(body("lost")), Retry)
        receiver.start()
        receiver.start()
        assert receiver.endpoint == endpoint
        assert transport.send(body(f"after {number}")) == Delivered()
    transport.close()
    assert names(receiver.spans) == ["before", "after 0", "after 1", "after 2"]


def test_a_taken_port_is_an_error_at_the_start() -> None:
    """The caller learns at once that nobody will answer."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        receiver = Receiver(port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            receiver.start()


def test_it_changes_no_logger_of_the_process(client: urllib3.PoolManager, caplog: pytest.LogCaptureFixture) -> None:
    """A receiver beside a server of the application leaves what that one logs alone, and says nothing itself."""
    access = logging.getLogger("uvicorn.access")
    before = (access.level, access.propagate, list(access.handlers), logging.getLogger("uvicorn.error").level)
    with Receiver() as receiver:
        post(client, receiver, body("a"))
    after = (access.level, access.propagate, list(access.handlers), logging.getLogger("uvicorn.error").level)
    assert after == before
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


ZSTD = [
    pytest.param(name, marks=pytest.mark.skipif(find_spec(name.partition(".")[0]) is None, reason=f"needs {name}"))
    for name in ("compression.zstd", "backports.zstd")
]


@pytest.mark.parametrize("module", ZSTD)
def test_zstd_is_read(receiver: Receiver, client: urllib3.PoolManager, module: str) -> None:
    """As our own transport packs it; what is no zstd, is cut off or unpacks to too much is told apart."""
    transport = HttpTransport(f"{receiver.endpoint}/v1/traces", headers={}, timeout=5.0, compression="zstd")
    assert transport.send(body("a")) == Delivered()
    transport.close()
    assert names(receiver.spans) == ["a"]
    packed = {**PROTOBUF, "content-encoding": "zstd"}
    compress = import_module(module).compress
    for content, status in (
        (compress(body("b")), 200),
        (b"no zstd", 400),
        (compress(body("c"))[:-3], 400),
        (compress(bytes(LONGEST_REQUEST + 1)), 413),
    ):
        answer = client.request("POST", f"{receiver.endpoint}/v1/traces", body=content, headers=packed)
        assert answer.status == status, answer.data
    assert names(receiver.spans) == ["a", "b"]


@pytest.mark.parametrize("found", [None, "zstandard"])
def test_where_nothing_reads_zstd_the_answer_says_what_would(
    receiver: Receiver, client: urllib3.PoolManager, monkeypatch: pytest.MonkeyPatch, found: str | None
) -> None:
    """415, and what to send or to install."""
    monkeypatch.setattr(unpacking, "zstd_module", lambda: found)
    headers = {**PROTOBUF, "content-encoding": "zstd"}
    answer = client.request("POST", f"{receiver.endpoint}/v1/traces", body=b"x", headers=headers)
    assert (answer.status, answer.data.decode()) == (415, unpacking.WITHOUT_ZSTD)


def test_a_sender_that_is_killed_in_the_middle_leaves_no_error(
    receiver: Receiver, client: urllib3.PoolManager, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is there to be answered; the next one is."""
    port = urllib3.util.parse_url(receiver.endpoint).port
    head = (b"POST /v1/traces HTTP/1.1", b"Host: 127.0.0.1", b"Content-Type: application/x-protobuf")
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"\r\n".join([*head, b"Content-Length: 9", b"", b"half"]))
    assert client.request("GET", f"{receiver.endpoint}/healthz").status == 200
    receiver.stop()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
