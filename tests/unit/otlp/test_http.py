"""The HTTP transport says what became of each request, whatever stands at the other end."""

from __future__ import annotations

import gzip
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from email.utils import formatdate
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from ezlogs.otlp import Delivered, HttpTransport, Rejected, Retry
from ezlogs.version import __version__

from .collectors import Collector, Request, respond, unused_port


def partial(rejected: int, message: str = "") -> bytes:
    """Return an export response that rejects some spans."""
    success = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    return ExportTraceServiceResponse(partial_success=success).SerializeToString()


class Transports:
    """Makes transports and closes them."""

    def __init__(self) -> None:
        self._made: list[HttpTransport] = []

    def __call__(self, url: str, **options: Any) -> HttpTransport:
        defaults: dict[str, Any] = {"headers": {}, "timeout": 5.0, "compression": "none"}
        self._made.append(HttpTransport(url, **(defaults | options)))
        return self._made[-1]

    def close(self) -> None:
        """Close all of them."""
        for transport in self._made:
            transport.close()


@pytest.fixture
def transport() -> Iterator[Transports]:
    """Makes transports; those are closed at the end of the test."""
    transports = Transports()
    yield transports
    transports.close()


def test_a_request_is_posted_to_the_endpoint(collector: Collector, transport: Transports) -> None:
    """The bytes arrive as they are, with the headers that a collector needs and those that the user set."""
    sender = transport(collector.url + "?tenant=1", headers={"X-Tenant": "shop"})
    assert sender.send(b"the bytes") == Delivered()
    (request,) = collector.requests
    assert request.line == "POST /v1/traces?tenant=1 HTTP/1.1"
    assert request.body == b"the bytes"
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["x-tenant"] == "shop"
    assert request.headers["user-agent"].startswith(f"ezlogs-opentelemetry/{__version__} OTel-OTLP-Exporter-Python")
    assert "content-encoding" not in request.headers


def test_a_compressed_request_is_the_same_each_time(collector: Collector, transport: Transports) -> None:
    """A request that is sent again is byte for byte the one before, and unpacks to what was given."""
    sender = transport(collector.url, compression="gzip")
    sender.send(b"bytes " * 100)
    sender.send(b"bytes " * 100)
    first, second = collector.requests
    assert first.headers["content-encoding"] == "gzip"
    assert gzip.decompress(first.body) == b"bytes " * 100
    assert first.body == second.body


def test_one_connection_serves_all_requests(collector: Collector, transport: Transports) -> None:
    """The connection stays open from request to request, whatever the answers were."""
    sender = transport(collector.url)
    answers = [
        respond(200, partial(1)),
        respond(204),
        respond(503, b"overloaded", "text/plain"),
        respond(400, b"x" * 5000, "text/plain"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\x0a\x00\r\n0\r\n\r\n",
        respond(302, Location="https://login.example.com"),
    ]
    for answer in answers:
        collector.answer = lambda request, answer=answer: answer  # type: ignore[misc]  # bound in the loop
        sender.send(b"x")
    assert [request.connection for request in collector.requests] == [1] * len(answers)


def test_a_connection_that_the_collector_closed_meanwhile_is_replaced(
    collector: Collector, transport: Transports
) -> None:
    """An idle connection that was closed costs no request."""
    sender = transport(collector.url)
    assert sender.send(b"1") == Delivered()
    collector._connections[0].shutdown(socket.SHUT_RDWR)
    assert sender.send(b"2") == Delivered()
    assert [request.connection for request in collector.requests] == [1, 2]


def test_after_close_a_request_opens_a_new_connection(collector: Collector, transport: Transports) -> None:
    """Closing ends the connections, not the transport; closing twice is closing once."""
    sender = transport(collector.url)
    sender.send(b"1")
    sender.close()
    sender.close()
    assert sender.send(b"2") == Delivered()
    assert [request.connection for request in collector.requests] == [1, 2]


def test_nobody_listening_is_worth_another_try(transport: Transports) -> None:
    """A refused connection names the address and what the system said."""
    port = unused_port()
    result = transport(f"http://127.0.0.1:{port}/v1/traces").send(b"x")
    assert result == Retry(f"no collector at http://127.0.0.1:{port}: Connection refused")


def test_an_unknown_host_is_worth_another_try(transport: Transports) -> None:
    """A name that does not resolve is a failure like a refused connection."""
    result = transport("http://collector.invalid:4318/v1/traces").send(b"x")
    assert isinstance(result, Retry)
    assert result.reason.startswith("no collector at http://collector.invalid:4318: ")


def test_a_reset_connection_is_worth_another_try(collector: Collector, transport: Transports) -> None:
    """A connection that breaks under the request says nothing about the request."""
    collector.answer = lambda request: None
    result = transport(collector.url).send(b"x")
    assert isinstance(result, Retry)
    assert "reset" in result.reason.lower() or "RemoteDisconnected" in result.reason


def test_a_collector_that_hangs_is_left_after_the_timeout(collector: Collector, transport: Transports) -> None:
    """No answer within the timeout is worth another try."""

    def hang(request: Request) -> bytes | None:
        collector.ended.wait(10)
        return None

    collector.answer = hang
    started = time.monotonic()
    result = transport(collector.url, timeout=0.2).send(b"x")
    assert time.monotonic() - started < 5
    assert result == Retry(f"no collector at http://127.0.0.1:{collector.port}: no answer within 0.2 s")


def test_an_answer_that_never_ends_counts_by_its_status(collector: Collector, transport: Transports) -> None:
    """Once the status says that the spans were taken, a body that stalls cannot turn that into a failure."""
    collector.answer = lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"
    sender = transport(collector.url, timeout=0.2)
    assert sender.send(b"1") == Delivered()
    collector.answer = lambda request: respond(200)
    assert sender.send(b"2") == Delivered()
    assert [request.connection for request in collector.requests] == [1, 2]


def test_an_endless_answer_is_cut(collector: Collector, transport: Transports) -> None:
    """More than 64 KiB of an answer are not read, and the connection that they are on is not used again."""
    collector.answer = lambda request: respond(503, b"a" * 1_000_000, "text/plain")
    sender = transport(collector.url)
    result = sender.send(b"1")
    assert isinstance(result, Retry)
    assert len(result.reason) < 400
    sender.send(b"2")
    assert [request.connection for request in collector.requests] == [1, 2]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_transient_failures_are_worth_another_try(collector: Collector, transport: Transports, status: int) -> None:
    """Statuses of overload and of failing gateways keep the request."""
    collector.answer = lambda request: respond(status)
    result = transport(collector.url).send(b"x")
    assert isinstance(result, Retry)
    assert result.reason.startswith(f"the collector at http://127.0.0.1:{collector.port} answered {status} ")
    assert result.after is None


@pytest.mark.parametrize("status", [300, 302, 304, 307, 400, 401, 403, 404, 413, 415, 501, 505, 599])
def test_other_failures_reject_the_request(collector: Collector, transport: Transports, status: int) -> None:
    """A status that another try would not change rejects the request; a redirect is not followed."""
    collector.answer = lambda request: respond(status, Location=collector.url + "/elsewhere")
    result = transport(collector.url).send(b"x")
    assert isinstance(result, Rejected)
    assert result.status == status
    assert len(collector.requests) == 1


NOON, A_MINUTE_LATER = formatdate(1_800_000_000, usegmt=True), formatdate(1_800_000_060, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": " 0 "}, 0.0),
        ({"Retry_After": A_MINUTE_LATER, "Date": NOON}, 60.0),
        ({"Retry_After": NOON, "Date": A_MINUTE_LATER}, 0.0),
        ({"Retry_After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"Retry_After": "Thu, 99 Foo 1970 00:00:00 GMT"}, None),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "-5"}, None),
        ({"Retry_After": "1e999"}, None),
        ({"Retry_After": "9" * 5000}, None),
        ({"Retry_After": ""}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_pause_that_the_collector_asks_for_is_reported(
    collector: Collector, transport: Transports, status: int, headers: dict[str, Any], after: float | None
) -> None:
    """Retry-After is read in seconds and as a date by the collector's own clock; nonsense asks for nothing."""
    collector.answer = lambda request: respond(status, **headers)
    result = transport(collector.url).send(b"x")
    assert isinstance(result, Retry)
    assert result.after == after


def test_a_date_without_the_collectors_clock_is_read_by_ours(collector: Collector, transport: Transports) -> None:
    """Without a Date header the pause ends when our clock shows the date."""
    collector.answer = lambda request: respond(503, Retry_After=formatdate(time.time() + 3600, usegmt=True))
    result = transport(collector.url).send(b"x")
    assert isinstance(result, Retry)
    assert result.after == pytest.approx(3600, abs=60)


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (partial(3, "no trace id"), "application/x-protobuf", Delivered(3, "no trace id")),
        (partial(300), "application/x-protobuf", Delivered(300)),
        (partial(0, "deprecated"), "application/x-protobuf", Delivered(0, "deprecated")),
        (partial(-1), "application/x-protobuf", Delivered()),
        (
            b'{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "no id"}}',
            "application/json; charset=utf-8",
            Delivered(3, "no id"),
        ),
        (b'{"partialSuccess": {"rejectedSpans": 3}}', "application/json", Delivered(3)),
        (b'{"partialSuccess": {"rejectedLogRecords": "3"}}', "application/json", Delivered(3)),
        (b'{"partialSuccess": {"rejectedSpans": -3}}', "application/json", Delivered()),
        (b"{}", "application/json", Delivered()),
        (b"", "application/x-protobuf", Delivered()),
    ],
)
def test_partial_success_is_read(
    collector: Collector, transport: Transports, body: bytes, content_type: str, expected: Delivered
) -> None:
    """Spans that the collector refused out of a request it took are counted, in protobuf and in JSON."""
    collector.answer = lambda request: respond(200, body, content_type)
    assert transport(collector.url).send(b"x") == expected


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "text/html"),
        (b"ok", "text/html; charset=utf-8"),
        (b"<html>hello</html>", "text/plain"),
        (b"<html>hello</html>", "application/octet-stream"),
        (b"<html>hello</html>", ""),
        (b"\x0a", "application/x-protobuf"),
        (b"\x0a\x7f\x08", "application/x-protobuf"),
        (b"\x0a\x02\x08\xff", "application/x-protobuf"),
        (b"\xff" * 30, "application/x-protobuf"),
        (b"\x08\x05", "application/x-protobuf"),
        (b"\x0a\x03\x0a\x01x", "application/x-protobuf"),
        (b"\x09" + b"\x00" * 8 + b"\x0d" + b"\x00" * 4, "application/x-protobuf"),
        (b"\x0d\x00", "application/x-protobuf"),
        (b"\x0b", "application/x-protobuf"),
        (b"{", "application/json"),
        (b"\xff", "application/json"),
        (b'{"partialSuccess": "\xff"}', "application/json"),
        (b"[" * 60_000, "application/json"),
        (b'{"partialSuccess": {"rejectedSpans": "many"}}', "application/json"),
        (b"[]", "application/json"),
    ],
)
def test_an_answer_that_makes_no_sense_is_still_an_answer(
    collector: Collector, transport: Transports, body: bytes, content_type: str
) -> None:
    """A request answered with 200 was taken, whatever stands in the answer."""
    collector.answer = lambda request: respond(200, body, content_type)
    assert transport(collector.url).send(b"x") == Delivered()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html>hello</html>", "text/html"),
        (b"\xef\xbb\xbf \n<!doctype html><title>Sign in</title>" + b"x" * 100_000, "Text/HTML; charset=utf-8"),
        (b'<?xml version="1.0"?><html/>', "application/xhtml+xml"),
    ],
)
@pytest.mark.parametrize("status", [200, 203])
def test_a_page_is_no_answer_of_a_collector(
    collector: Collector, transport: Transports, status: int, body: bytes, content_type: str
) -> None:
    """A proxy or a portal that asks for a login has not taken the request, though it says that all is well."""
    collector.answer = lambda request: respond(status, body, content_type)
    result = transport(collector.url).send(b"x")
    assert isinstance(result, Retry)
    assert f"answered {status} " in result.reason
    assert "a page of HTML" in result.reason


def test_an_answer_that_is_no_http_is_worth_another_try(collector: Collector, transport: Transports) -> None:
    """Whatever listens there, it is no collector, and may be one later."""
    collector.answer = lambda request: b"SSH-2.0-OpenSSH_9.6\r\n"
    assert isinstance(transport(collector.url).send(b"x"), Retry)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"no such tenant", "text/plain; charset=utf-8"),
        (b'{"code": 3, "message": "no such tenant"}', "application/json"),
        (b"\x08\x03\x12\x0eno such tenant", "application/x-protobuf"),
        (b"no\n\x1b[31msuch\x00 tenant", "text/plain"),
    ],
)
def test_a_failure_is_reported_in_the_collectors_words(
    collector: Collector, transport: Transports, body: bytes, content_type: str
) -> None:
    """The reason quotes the answer, in any of the forms it has, on one line and without control characters."""
    collector.answer = lambda request: respond(400, body, content_type)
    result = transport(collector.url).send(b"x")
    assert isinstance(result, Rejected)
    assert result.reason.split("Bad Request: ")[1].replace("[31m", "") == "no such tenant"


SECRET = "s3cr3t-t0k3n"


def test_the_values_of_headers_appear_in_no_reason(collector: Collector, transport: Transports) -> None:
    """A collector that echoes credentials does not bring them into the log, whole, in part or at the cut."""
    headers = {"Authorization": f"Bearer {SECRET}", "X-Api-Key": "key-of-the-shop"}
    sender = transport(collector.url, headers=headers)
    for echo in (f"bad Bearer {SECRET}", f"bad token {SECRET}, key-of-the-shop", "x" * 195 + SECRET):
        collector.answer = lambda request, echo=echo: respond(401, echo.encode(), "text/plain")  # type: ignore[misc]  # bound in the loop
        result = sender.send(b"x")
        assert isinstance(result, Rejected)
        assert "s3c" not in result.reason
        assert "key-of" not in result.reason


def test_a_header_that_cannot_be_sent_appears_in_no_reason(collector: Collector, transport: Transports) -> None:
    """A value with a line break fails each request without being quoted."""
    result = transport(collector.url, headers={"authorization": f"{SECRET}\n"}).send(b"x")
    assert isinstance(result, Retry)
    assert SECRET not in result.reason


def test_user_and_password_in_the_endpoint_become_a_header(collector: Collector, transport: Transports) -> None:
    """Credentials in the URL are sent as basic authorization, and shown nowhere."""
    collector.answer = lambda request: respond(401, request.headers["authorization"].encode(), "text/plain")
    result = transport(f"http://ada:p%40ss-word@127.0.0.1:{collector.port}/v1/traces").send(b"x")
    assert collector.requests[0].headers["authorization"] == "Basic YWRhOnBAc3Mtd29yZA=="
    assert isinstance(result, Rejected)
    assert "p%40ss" not in result.reason
    assert "YWRh" not in result.reason


@pytest.mark.parametrize("endpoint", ["", "collector:4318", "ftp://collector/v1/traces", "http://[::1/v1/traces"])
def test_an_endpoint_that_is_no_address_fails_without_raising(transport: Transports, endpoint: str) -> None:
    """A transport never raises, not even for settings that can never work."""
    assert isinstance(transport(endpoint).send(b"x"), Retry)


def test_a_missing_certificate_file_fails_without_raising(transport: Transports) -> None:
    """The reason says what the system said, so that a path can be corrected."""
    result = transport(f"https://127.0.0.1:{unused_port()}/", certificate_file="/nowhere/ca.pem").send(b"x")
    assert isinstance(result, Retry)


def test_an_error_of_the_application_is_not_mistaken_for_the_transports(transport: Transports) -> None:
    """A request sent while the application handles an exception reports its own failure, not that one."""
    try:
        raise PermissionError(13, "the application's own trouble")
    except PermissionError:
        result = transport("http://[::1/v1/traces").send(b"x")
    assert isinstance(result, Retry)
    assert "own trouble" not in result.reason


def test_a_proxy_of_the_environment_is_used(
    collector: Collector, transport: Transports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests go to the proxy that the environment names, with its credentials, in absolute form."""
    monkeypatch.setenv("http_proxy", f"ada:pw@127.0.0.1:{collector.port}")
    assert transport("http://collector.invalid:4318/v1/traces").send(b"x") == Delivered()
    (request,) = collector.requests
    assert request.line == "POST http://collector.invalid:4318/v1/traces HTTP/1.1"
    assert request.headers["proxy-authorization"] == "Basic YWRhOnB3"


def test_a_proxy_is_not_used_for_hosts_that_are_excepted(
    collector: Collector, transport: Transports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts in no_proxy are reached directly."""
    monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert transport(collector.url).send(b"x") == Delivered()


FORKING = """
import json, os, sys
from ezlogs.otlp import Delivered, HttpTransport

transport = HttpTransport(sys.argv[1], headers={}, timeout=5.0, compression="none")
results = [transport.send(b"parent 1")]
child = os.fork()
if not child:
    if sys.argv[2] == "forget":
        transport.forget()
        transport.forget()
    sent = [transport.send(b"child 1"), transport.send(b"child 2")]
    transport.close()
    os._exit(0 if sent == [Delivered(), Delivered()] else 1)
_, status = os.waitpid(child, 0)
results.append(transport.send(b"parent 2"))
transport.close()
print(json.dumps([status, results == [Delivered(), Delivered()]]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("told", ["forget", "not told"])
def test_a_forked_child_opens_its_own_connection(collector: Collector, told: str) -> None:
    """Parent and child share no connection, and the parent's survives the child."""
    done = subprocess.run(
        [sys.executable, "-c", FORKING, collector.url, told], check=True, capture_output=True, text=True, timeout=30
    )
    assert json.loads(done.stdout) == [0, True]
    assert [(request.connection, request.body) for request in collector.requests] == [
        (1, b"parent 1"),
        (2, b"child 1"),
        (2, b"child 2"),
        (1, b"parent 2"),
    ]


def test_forgetting_works_while_the_parents_pool_was_in_use(collector: Collector, transport: Transports) -> None:
    """A lock that another thread held at the fork is never waited for."""
    sender = transport(collector.url)
    sender.send(b"1")
    assert sender._pool is not None
    assert sender._pool.connections.pool is not None
    sender._pool.connections.pool.mutex.acquire()
    sender.forget()
    assert sender.send(b"2") == Delivered()
    assert [request.connection for request in collector.requests] == [1, 2]


@pytest.fixture
def tls_port(certificate: tuple[str, str]) -> Iterator[int]:
    """A TLS server that asks for a client certificate signed by its own, and answers one request a connection."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificate[0])
    context.load_cert_chain(*certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError), context.wrap_socket(connection, server_side=True) as stream:
                received = b""
                while not received.endswith(b"\r\n\r\nx"):  # closing on unread bytes would reset the connection
                    chunk = stream.recv(65536)
                    if not chunk:
                        break
                    received += chunk
                stream.sendall(respond(200, Connection="close"))

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def test_certificates_of_both_sides_are_used(
    tls_port: int, certificate: tuple[str, str], transport: Transports
) -> None:
    """With the authority and a client certificate set, a collector that demands both is reached."""
    sender = transport(
        f"https://127.0.0.1:{tls_port}/v1/traces",
        certificate_file=certificate[0],
        client_certificate_file=certificate[0],
        client_key_file=certificate[1],
    )
    assert sender.send(b"x") == Delivered()


def test_an_unknown_authority_is_not_trusted(tls_port: int, transport: Transports) -> None:
    """A certificate that nobody vouches for keeps the request here, and the reason says so."""
    result = transport(f"https://127.0.0.1:{tls_port}/v1/traces").send(b"x")
    assert isinstance(result, Retry)
    assert "certificate verify failed" in result.reason
