"""The gRPC transport says what became of each request in the terms of HTTP, whatever stands at the other end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ezlogs.otlp import Delivered, Rejected, Retry
from ezlogs.otlp.forking import CallGate
from ezlogs.otlp.grpc import GrpcTransport, Target, target

from . import http2
from .collectors import Misbehaving, break_off, drain, unused_port

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"


class Call(NamedTuple):
    """A call as the collector saw it."""

    method: str
    metadata: dict[str, Any]
    body: bytes


class Collector(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    """A real gRPC server that answers each call as a test chooses."""

    def __init__(self, credentials: Any = None, options: tuple[tuple[str, int], ...] = ()) -> None:
        self.answer: Callable[[Call, Any], bytes] = lambda call, context: b""
        self.calls: list[Call] = []
        self._server = grpc.server(ThreadPoolExecutor(4), options=options)
        self._server.add_generic_rpc_handlers((self,))
        if credentials is None:
            self.port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self._server.add_secure_port("127.0.0.1:0", credentials)
        self._server.start()
        self.url = f"http://127.0.0.1:{self.port}"

    def service(self, details: Any) -> Any:
        """Take any method."""
        metadata = {entry.key: entry.value for entry in details.invocation_metadata}

        def handle(body: bytes, context: Any) -> bytes:
            call = Call(details.method, metadata, body)
            self.calls.append(call)
            return self.answer(call, context)

        return grpc.unary_unary_rpc_method_handler(handle)

    def close(self) -> None:
        """End, and wait for the end."""
        self._server.stop(0).wait(5)


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that accepts everything until told otherwise."""
    collector = Collector()
    yield collector
    collector.close()


class Transports:
    """Makes transports and closes them."""

    def __init__(self) -> None:
        self._made: list[GrpcTransport] = []

    def __call__(self, url: str, **options: Any) -> GrpcTransport:
        defaults: dict[str, Any] = {"signal": "traces", "headers": {}, "timeout": 5.0, "compression": "none"}
        self._made.append(GrpcTransport(url, **(defaults | options)))
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


@pytest.fixture
def misbehaving() -> Iterator[Callable[..., Misbehaving]]:
    """Makes servers that begin well and then misbehave; those are closed at the end of the test."""
    servers: list[Misbehaving] = []

    def make(behave: Callable[[socket.socket], None], greeting: bytes = http2.SETTINGS) -> Misbehaving:
        servers.append(Misbehaving(behave, until=b"Export", greeting=greeting))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def test_the_bytes_arrive_as_they_are(collector: Collector, transport: Transports) -> None:
    """With the metadata that the user set, in small letters, and under the name of each signal's service."""
    for signal, method in (("traces", TRACES), ("logs", LOGS)):
        sender = transport(collector.url, signal=signal, headers={"X-Tenant": "shop", "token-bin": "abc"})
        assert sender.send(b"\x00the bytes\xff") == Delivered()
        call = collector.calls[-1]
        assert (call.method, call.body) == (method, b"\x00the bytes\xff")
        assert (call.metadata["x-tenant"], call.metadata["token-bin"]) == ("shop", b"abc")
        assert call.metadata["user-agent"].startswith("ezlogs-opentelemetry/")


def test_what_other_exporters_send_means_the_same(collector: Collector, transport: Transports) -> None:
    """A request of the official encoder arrives as the collector's own message type reads it."""
    finished = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(finished))
    provider.get_tracer("app").start_span("checkout").end()
    request = encode_spans(finished.get_finished_spans())
    assert transport(collector.url).send(request.SerializeToString()) == Delivered()
    assert ExportTraceServiceRequest.FromString(collector.calls[0].body) == request


def test_a_compressed_request_is_unpacked_by_the_server(collector: Collector, transport: Transports) -> None:
    """And is smaller on its way."""
    passed: list[int] = []

    def relay() -> None:
        passed.append(0)
        connection, _ = listener.accept()
        with connection, socket.create_connection(("127.0.0.1", collector.port)) as onward:
            back = threading.Thread(target=pump, args=(onward, connection))
            back.start()
            while chunk := connection.recv(65536):
                passed[-1] += len(chunk)
                onward.sendall(chunk)
            with suppress(OSError):
                onward.shutdown(socket.SHUT_RDWR)
            back.join()

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                sink.sendall(chunk)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        for compression in ("gzip", "none"):
            thread = threading.Thread(target=relay)
            thread.start()
            sender = transport(url, compression=compression)
            assert sender.send(b"bytes " * 10_000) == Delivered()
            sender.close()
            thread.join(5)
            assert collector.calls[-1].body == b"bytes " * 10_000
    packed, plain = passed
    assert packed * 10 < 60_000 < plain


def test_a_collector_that_comes_later_is_found(transport: Transports) -> None:
    """Soon: how long to leave it alone is not gRPC's to say."""
    port = unused_port()
    sender = transport(f"http://127.0.0.1:{port}")
    for _ in range(5):
        assert isinstance(sender.send(b"x"), Retry)
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((_Accepting(),))
    assert server.add_insecure_port(f"127.0.0.1:{port}") == port
    server.start()
    deadline = time.monotonic() + 10
    while not isinstance(result := sender.send(b"x"), Delivered) and time.monotonic() < deadline:
        time.sleep(0.05)
    server.stop(0).wait(5)
    assert result == Delivered()


class _Accepting(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda body, context: b"")


def test_after_close_a_request_opens_a_new_channel(collector: Collector, transport: Transports) -> None:
    """Closing ends the channel, not the transport; closing twice is closing once."""
    sender = transport(collector.url)
    sender.send(b"1")
    sender.close()
    sender.close()
    assert sender.send(b"2") == Delivered()


def test_nobody_listening_is_worth_another_try(transport: Transports) -> None:
    """The reason names the address and what the system said."""
    url = f"http://127.0.0.1:{unused_port()}"
    result = transport(url).send(b"x")
    assert isinstance(result, Retry)
    assert result.reason.startswith(f"the collector at {url} did not take the request: UNAVAILABLE: ")
    assert "Connection refused" in result.reason


RETRYABLE = ["CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"]
PERMANENT = {
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAUTHENTICATED": 401,
}


def test_every_code_has_an_outcome() -> None:
    """None is forgotten below."""
    assert {"OK", *RETRYABLE, *PERMANENT} == {code.name for code in grpc.StatusCode}


def refusing(code: str, words: str, *details: Any) -> Callable[[Call, Any], bytes]:
    """Return an answer that refuses with a status, and with its details if there are any."""

    def answer(call: Call, context: Any) -> bytes:
        if details:
            status = Status(code=grpc.StatusCode[code].value[0], message=words)
            for detail in details:
                packed = Packed()
                packed.Pack(detail)
                status.details.append(packed)
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode[code], words)
        raise AssertionError("not reached")

    return answer


@pytest.mark.parametrize("code", RETRYABLE)
def test_transient_codes_are_worth_another_try(collector: Collector, transport: Transports, code: str) -> None:
    """Those that the specification calls retryable."""
    collector.answer = refusing(code, "later")
    result = transport(collector.url).send(b"x")
    assert isinstance(result, Retry)
    assert result.after is None
    if code != "DEADLINE_EXCEEDED":
        assert result.reason == f"the collector at {collector.url} did not take the request: {code}: later"


@pytest.mark.parametrize("code", PERMANENT)
def test_other_codes_reject_the_request(collector: Collector, transport: Transports, code: str) -> None:
    """With the status that HTTP has for the same."""
    collector.answer = refusing(code, "never")
    result = transport(collector.url).send(b"x")
    assert isinstance(result, Rejected)
    assert result.status == PERMANENT[code]
    assert result.reason.endswith(f"{code}: never")
    assert len(collector.calls) == 1


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
@pytest.mark.parametrize(
    ("delay", "after"),
    [
        (Duration(seconds=7), 7.0),
        (Duration(nanos=250_000_000), 0.25),
        (Duration(seconds=61, nanos=5), 61 + 5e-9),
        (Duration(), 0.0),
        (Duration(seconds=-3), 0.0),
    ],
)
def test_the_pause_that_the_collector_asks_for_is_reported(
    collector: Collector, transport: Transports, code: str, delay: Duration, after: float
) -> None:
    """``RetryInfo`` is read, wherever it stands among the details; with it even RESOURCE_EXHAUSTED is transient."""
    collector.answer = refusing(code, "busy", BadRequest(), RetryInfo(retry_delay=delay), BadRequest())
    result = transport(collector.url).send(b"x")
    assert isinstance(result, Retry)
    assert result.after == pytest.approx(after)


def test_a_rejection_with_a_pause_is_a_rejection(collector: Collector, transport: Transports) -> None:
    """No pause makes a wrong request right."""
    collector.answer = refusing("INVALID_ARGUMENT", "never", RetryInfo(retry_delay=Duration(seconds=1)))
    assert isinstance(transport(collector.url).send(b"x"), Rejected)


_MISPLACED = b"\x0a\x14google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x05"


@pytest.mark.parametrize(
    "details",
    [
        b"",
        b"\xff" * 9,
        b"\x1a\x7f",
        b"\x18\x01",
        b"\x1a\x02\x08\x01",
        b"\x1a\x00",
        b"\x12" + bytes([len(_MISPLACED)]) + _MISPLACED,
    ],
)
def test_details_that_make_no_sense_ask_for_nothing(
    collector: Collector, transport: Transports, details: bytes
) -> None:
    """They come from whoever answers there."""

    def answer(call: Call, context: Any) -> bytes:
        context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(grpc.StatusCode.UNAVAILABLE, "busy")
        raise AssertionError("not reached")

    collector.answer = answer
    result = transport(collector.url).send(b"x")
    assert isinstance(result, Retry)
    assert result.after is None
    assert "UNAVAILABLE: busy" in result.reason


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("RESOURCE_EXHAUSTED", "grpc: received message larger than max (5242980 vs. 4194304)"),
        ("RESOURCE_EXHAUSTED", "grpc: received message after decompression larger than max 4194304"),
        ("RESOURCE_EXHAUSTED", "gRPC message exceeds maximum size 4194304: 5242980"),
        ("RESOURCE_EXHAUSTED", "Received message exceeds the maximum configured message size."),
        ("OUT_OF_RANGE", "Error, decoded message length too large: found 5242980 bytes, the limit is: 4194304 bytes"),
    ],
)
def test_a_request_that_is_too_large_is_told_apart(
    collector: Collector, transport: Transports, code: str, words: str
) -> None:
    """In the words of Go, Java, .NET and Rust: half of it may pass, and a pause would not help."""
    collector.answer = refusing(code, words, RetryInfo())
    result = transport(collector.url).send(b"x")
    assert isinstance(result, Rejected)
    assert result.status == 413


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_real_limit_of_a_server_is_told_apart(transport: Transports, compression: str) -> None:
    """In the words of the C++ that is below Python's, for what arrives and for what it unpacks to."""
    collector = Collector(options=(("grpc.max_receive_message_length", 1000),))
    try:
        result = transport(collector.url, compression=compression).send(b"x" * 5000)
        assert isinstance(result, Rejected)
        assert result.status == 413
        assert transport(collector.url, compression=compression).send(b"x" * 500) == Delivered()
    finally:
        collector.close()


def test_an_answer_that_is_too_large_is_an_answer(collector: Collector, transport: Transports) -> None:
    """Only who took a request answers with a message: to send it again, or in halves, would double it."""
    collector.answer = lambda call, context: b"x" * 5_000_000
    assert transport(collector.url).send(b"x") == Delivered(message="the answer was too large to be read")


def test_partial_success_is_read(collector: Collector, transport: Transports) -> None:
    """What the collector refused out of a request that it took is counted, for either signal."""
    spans = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=3, error_message="too old")
    )
    collector.answer = lambda call, context: spans.SerializeToString()  # type: ignore[no-any-return]  # bytes
    assert transport(collector.url).send(b"x") == Delivered(3, "too old")
    logs = ExportLogsServiceResponse(partial_success=ExportLogsPartialSuccess(rejected_log_records=2))
    collector.answer = lambda call, context: logs.SerializeToString()  # type: ignore[no-any-return]  # bytes
    assert transport(collector.url, signal="logs").send(b"x") == Delivered(2)


@pytest.mark.parametrize("body", [b"<html>", b"\x0a\x7f\x08", b"\xff" * 30, b"\x08\x05"])
def test_an_answer_that_makes_no_sense_is_still_an_answer(
    collector: Collector, transport: Transports, body: bytes
) -> None:
    """A call that ended well took the request, whatever stands in the answer."""
    collector.answer = lambda call, context: body
    assert transport(collector.url).send(b"x") == Delivered()


SECRET = "s3cr3t-t0k3n"


def test_the_values_of_headers_appear_in_no_reason(collector: Collector, transport: Transports) -> None:
    """Whether the collector echoes them or they cannot be sent."""
    collector.answer = refusing("UNAUTHENTICATED", f"bad Bearer {SECRET}\nand\x1b[31m more")
    headers = {"Authorization": f"Bearer {SECRET}"}
    result = transport(collector.url, headers=headers).send(b"x")
    assert isinstance(result, Rejected)
    assert "UNAUTHENTICATED: bad [redacted] and" in result.reason
    assert "\x1b" not in result.reason
    broken = transport(collector.url, headers={"authorization": f"{SECRET}\n"}).send(b"x")
    assert SECRET not in repr(broken)


def test_user_and_password_in_the_endpoint_become_metadata(collector: Collector, transport: Transports) -> None:
    """And are shown nowhere."""
    collector.answer = lambda call, context: refusing("UNAUTHENTICATED", call.metadata["authorization"])(call, context)
    result = transport(f"http://ada:p%40ss-word@127.0.0.1:{collector.port}").send(b"x")
    assert collector.calls[0].metadata["authorization"] == "Basic YWRhOnBAc3Mtd29yZA=="
    assert isinstance(result, Rejected)
    assert "p%40ss" not in result.reason
    assert "YWRh" not in result.reason


@pytest.mark.parametrize(
    ("endpoint", "insecure", "address", "secure"),
    [
        ("http://collector:4317", False, "collector:4317", False),
        ("HTTP://collector:4317/v1/traces", False, "collector:4317", False),
        ("https://collector:4317", True, "collector:4317", True),
        (" collector:4317 ", False, "collector:4317", True),
        ("collector:4317", True, "collector:4317", False),
        ("[::1]:4317", True, "[::1]:4317", False),
        ("unix:///run/collector.sock", True, "unix:///run/collector.sock", False),
        ("dns:///collector:4317", False, "dns:///collector:4317", True),
    ],
)
def test_the_scheme_says_whether_the_way_is_encrypted(
    endpoint: str, insecure: bool, address: str, secure: bool
) -> None:
    """Over the setting ``insecure``, which is for addresses without one (OTEL_EXPORTER_OTLP_INSECURE)."""
    found = target(endpoint, insecure=insecure)
    assert (found.address, found.secure) == (address, secure)


def test_a_target_shows_no_password() -> None:
    """Its text is for logs."""
    assert target("https://ada:pw@collector:4317/x") == Target(
        "collector:4317", True, "https://collector:4317", "ada:pw"
    )


@pytest.mark.parametrize("endpoint", ["", "http://", "ftp://collector", "http://[::1", "https://collector.invalid"])
def test_an_endpoint_that_is_no_address_fails_without_raising(transport: Transports, endpoint: str) -> None:
    """A transport never raises, not even for settings that can never work."""
    assert isinstance(transport(endpoint).send(b"x"), Retry | Rejected)


def test_a_file_that_is_not_there_fails_without_raising(transport: Transports) -> None:
    """The reason says what the system said, so that a path can be corrected."""
    sender = transport("https://127.0.0.1:9", certificate_file="/nowhere/ca.pem")
    assert sender.send(b"x") == Retry("no channel to https://127.0.0.1:9: No such file or directory")


@pytest.fixture
def tls_collector(certificate: tuple[str, str]) -> Iterator[Collector]:
    """A collector that demands a client certificate signed by its own authority."""
    pem, key = (Path(path).read_bytes() for path in certificate)
    credentials = grpc.ssl_server_credentials([(key, pem)], root_certificates=pem, require_client_auth=True)
    collector = Collector(credentials)
    yield collector
    collector.close()


def test_certificates_of_both_sides_are_used(
    tls_collector: Collector, certificate: tuple[str, str], transport: Transports
) -> None:
    """With the authority and a client certificate set, a collector that demands both is reached, with or without a
    scheme before its address."""
    for endpoint in (f"https://127.0.0.1:{tls_collector.port}", f"127.0.0.1:{tls_collector.port}"):
        sender = transport(
            endpoint,
            certificate_file=certificate[0],
            client_certificate_file=certificate[0],
            client_key_file=certificate[1],
        )
        assert sender.send(b"x") == Delivered()


def test_the_authorities_of_the_system_are_asked(
    certificate: tuple[str, str], transport: Transports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no file is set, those that other programs trust count too; gRPC brings its own list along."""
    pem, key = (Path(path).read_bytes() for path in certificate)
    collector = Collector(grpc.ssl_server_credentials([(key, pem)]))
    url = f"https://127.0.0.1:{collector.port}"
    for name in ("SSL_CERT_FILE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"):
        monkeypatch.delenv(name, raising=False)
    try:
        assert isinstance(transport(url).send(b"x"), Retry)
        monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
        assert transport(url).send(b"x") == Delivered()
        monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "/nowhere")
        assert isinstance(transport(url).send(b"x"), Retry)
    finally:
        collector.close()


def test_who_is_not_trusted_gets_nothing(
    tls_collector: Collector, certificate: tuple[str, str], transport: Transports
) -> None:
    """An unknown authority, no client certificate, no TLS where there should be, TLS where there should be none."""
    port = tls_collector.port
    plain = Collector()
    try:
        for sender in (
            transport(f"https://127.0.0.1:{port}"),
            transport(f"https://127.0.0.1:{port}", certificate_file=certificate[0]),
            transport(f"http://127.0.0.1:{port}"),
            transport(f"https://127.0.0.1:{plain.port}", certificate_file=certificate[0]),
        ):
            result = sender.send(b"x")
            assert isinstance(result, Retry)
            assert "UNAVAILABLE" in result.reason
    finally:
        plain.close()
    assert tls_collector.calls == plain.calls == []


HANG = "HANG"
MISBEHAVIOUR: dict[str, tuple[Callable[[socket.socket], None], bytes]] = {
    "resets the connection": (break_off, http2.SETTINGS),
    "resets at once": (break_off, b""),
    "closes its half": (lambda it: (it.shutdown(socket.SHUT_WR), drain(it))[1], http2.SETTINGS),
    "answers with garbage": (lambda it: (it.sendall(b"\xff" * 5000), drain(it))[1], http2.SETTINGS),
    "speaks another protocol": (drain, b"SSH-2.0-OpenSSH_9.6\r\n"),
    "speaks HTTP/1.1": (drain, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    "refuses the stream": (lambda it: (it.sendall(http2.reset(7)), drain(it))[1], http2.SETTINGS),
    "goes away": (lambda it: (it.sendall(http2.go_away(0)), drain(it))[1], http2.SETTINGS),
    "is a proxy without a server": (
        lambda it: (it.sendall(http2.headers({":status": "503"}, end=True)), drain(it))[1],
        http2.SETTINGS,
    ),
    "stops in the middle of its answer": (
        lambda it: (
            it.sendall(http2.headers({":status": "200", "content-type": "application/grpc"}, end=False)),
            it.sendall(http2.data(b"\0\0\0\0\5ab")),
            it.shutdown(socket.SHUT_WR),
            drain(it),
        )[3],
        http2.SETTINGS,
    ),
}


@pytest.mark.parametrize("behaviour", MISBEHAVIOUR)
def test_who_misbehaves_is_worth_another_try(
    misbehaving: Callable[..., Misbehaving], transport: Transports, behaviour: str
) -> None:
    """Nothing says that the request was wrong."""
    behave, greeting = MISBEHAVIOUR[behaviour]
    server = misbehaving(behave, greeting=greeting)
    result = transport(f"http://127.0.0.1:{server.port}", timeout=3).send(b"x" * 1000)
    assert isinstance(result, Retry), result


def slowly(connection: socket.socket) -> None:
    """Answer byte by byte, each sooner than any timeout, and never come to an end."""
    answer = http2.headers({":status": "200", "content-type": "application/grpc"}, end=False)
    while True:
        for byte in answer + http2.data(b"\0\0\0\0\0") * 1000:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)


@pytest.mark.parametrize("behave", [drain, slowly])
def test_who_does_not_come_to_an_end_is_left_after_the_timeout(
    misbehaving: Callable[..., Misbehaving], transport: Transports, behave: Callable[[socket.socket], None]
) -> None:
    """Silence or a trickle of bytes: the timeout is for the whole call."""
    server = misbehaving(behave)
    url = f"http://127.0.0.1:{server.port}"
    assert transport(url, timeout=0.3).send(b"x") == Retry(f"no collector at {url}: no answer within 0.3 s")


def test_gigantic_trailers_are_no_trouble(misbehaving: Callable[..., Misbehaving], transport: Transports) -> None:
    """Headers without end cost no memory without end."""

    def flood(connection: socket.socket) -> None:
        fields = {f"x{number}": "y" * 100 for number in range(100)}
        while True:
            connection.sendall(http2.headers({":status": "200", **fields}, end=False))

    server = misbehaving(flood)
    assert isinstance(transport(f"http://127.0.0.1:{server.port}", timeout=2).send(b"x"), Retry | Rejected)


def test_importing_the_package_loads_no_grpc() -> None:
    """Nor does making a transport: only the first request needs it."""
    code = (
        "import sys, ezlogs, ezlogs.otlp, ezlogs.delivery.pipeline\n"
        "from ezlogs.otlp.grpc import GrpcTransport\n"
        "GrpcTransport('http://127.0.0.1:9', signal='logs', headers={}, timeout=1, compression='gzip')\n"
        "print('grpc' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "False"


AT_EXIT = """
import atexit, sys
from ezlogs.otlp.grpc import GrpcTransport

transport = GrpcTransport(sys.argv[1], signal="traces", headers={}, timeout=5.0, compression="none")
if sys.argv[2] == "used before":
    transport.send(b"before")
atexit.register(lambda: print(transport.send(b"at exit")))
"""


@pytest.mark.parametrize("used", ["used before", "not used"])
def test_a_request_can_be_sent_while_the_interpreter_ends(collector: Collector, used: str) -> None:
    """When no thread can start any more."""
    done = subprocess.run(
        [sys.executable, "-c", AT_EXIT, collector.url, used], check=True, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.strip() == str(Delivered())
    assert [call.body for call in collector.calls].count(b"at exit") == 1


IN_GEVENT = """
from gevent import monkey; monkey.patch_all()
import sys, threading, time
from ezlogs.otlp.grpc import GrpcTransport

ticks = 0
def tick():
    global ticks
    while True:
        ticks += 1
        time.sleep(0.01)
threading.Thread(target=tick, daemon=True).start()
transport = GrpcTransport(sys.argv[1], signal="traces", headers={}, timeout=1.0, compression="none")
thread = threading.Thread(target=transport.send, args=(b"x",))
thread.start()
thread.join()
print(ticks)
"""


def test_other_greenlets_go_on_during_a_call(misbehaving: Callable[..., Misbehaving]) -> None:
    """Under gevent, where a thread is a greenlet, a collector that hangs must not stop the application."""
    pytest.importorskip("gevent", reason="needs gevent")
    server = misbehaving(drain)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IN_GEVENT, f"http://127.0.0.1:{server.port}"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert int(done.stdout) > 10


requires_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

FORKING = """
import multiprocessing, os, sys, threading, time
from ezlogs.otlp import Delivered
from ezlogs.otlp.grpc import GrpcTransport

url, told, how = sys.argv[1:]
transport = GrpcTransport(url, signal="traces", headers={}, timeout=5.0, compression="none")
results = []
stopping = False

def work():  # as a worker's thread does, all the time
    while not stopping:
        results.append(transport.send(b"parent"))

def child():
    if told == "forget":
        transport.forget()
    sent = []
    thread = threading.Thread(target=lambda: sent.append(transport.send(b"child")), daemon=True)
    thread.start()
    thread.join(20)
    transport.close()
    return 0 if sent == [Delivered()] else 3

worker = threading.Thread(target=work)
worker.start()
while not results:
    time.sleep(0.01)
statuses = []
for _ in range(5):
    pid = os.fork()
    if not pid:
        status = child()
        sys.stdout.flush()
        if how == "exit":
            os._exit(status)
        sys.exit(status)
    statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
stopping = True
worker.join()
results.append(transport.send(b"last"))
transport.close()
print(statuses, all(isinstance(result, Delivered) or "cut short by a fork" in result.reason for result in results))
print(results[-1])
"""


@requires_fork
@pytest.mark.parametrize(("told", "how"), [("forget", "exit"), ("not told", "exit"), ("forget", "end")])
@pytest.mark.parametrize("support", [None, "1"])
def test_a_forked_child_opens_its_own_channel(collector: Collector, told: str, how: str, support: str | None) -> None:
    """Though the parent sends without a break; and the parent's channel survives."""
    environment = {name: value for name, value in os.environ.items() if name != "GRPC_ENABLE_FORK_SUPPORT"}
    if support:
        environment["GRPC_ENABLE_FORK_SUPPORT"] = support
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, collector.url, told, how],
        check=True,
        capture_output=True,
        text=True,
        timeout=50,
        env=environment,
    )
    assert done.stdout.splitlines() == ["[0, 0, 0, 0, 0] True", str(Delivered())]
    assert sum(call.body == b"child" for call in collector.calls) == 5


HANGING = """
import os, sys, threading, time
from ezlogs.otlp.grpc import GrpcTransport

hanging, answering = (
    GrpcTransport(url, signal="traces", headers={}, timeout=30.0, compression="none") for url in sys.argv[1:]
)
answering.send(b"first")
results = []
thread = threading.Thread(target=lambda: results.append(hanging.send(b"parent")))
thread.start()
time.sleep(0.5)
begun = time.monotonic()
pid = os.fork()
if not pid:
    os._exit(0 if str(answering.send(b"child")).startswith("Delivered") else 1)
took = time.monotonic() - begun
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), took < 30 / 10, results)
"""


@requires_fork
def test_a_fork_does_not_wait_for_a_collector_that_hangs(
    collector: Collector, misbehaving: Callable[..., Misbehaving]
) -> None:
    """The call is cut short, to be made again; the child can send elsewhere."""
    server = misbehaving(drain)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HANGING, f"http://127.0.0.1:{server.port}", collector.url],
        check=True,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.stdout.strip() == f"0 True [{Retry('the request was cut short by a fork')}]"


WITHOUT_SUPPORT = """
import os, sys
from ezlogs.otlp.grpc import GrpcTransport

transport = GrpcTransport(sys.argv[1], signal="traces", headers={}, timeout=5.0, compression="none")
print(transport.send(b"parent"), flush=True)
pid = os.fork()
if not pid:
    print(transport.send(b"child").reason, flush=True)
    os._exit(0)
os.waitpid(pid, 0)
"""


@requires_fork
def test_where_grpc_was_told_not_to_outlive_a_fork_it_is_not_tried(collector: Collector) -> None:
    """It would hang; the reason says what to do."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_SUPPORT, collector.url],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "false"},
    )
    assert done.stdout.splitlines() == [
        str(Delivered()),
        "gRPC was told not to outlive a fork: unset GRPC_ENABLE_FORK_SUPPORT, or use http/protobuf",
    ]


def test_where_grpc_itself_hangs_the_caller_does_not(collector: Collector, transport: Transports) -> None:
    """As it may in a child: the call is given up a second after its own timeout, and made again."""

    class Hanging:
        cancelled = False

        def future(self, body: bytes, **options: object) -> Hanging:
            return self

        def result(self, timeout: float) -> bytes:
            raise grpc.FutureTimeoutError

        def cancel(self) -> None:
            self.cancelled = True

    hanging = Hanging()
    sender = transport(collector.url, timeout=2.0)
    sender.send(b"1")
    assert sender._channel is not None
    sender._channel = sender._channel._replace(export=hanging)
    assert sender.send(b"2") == Retry("gRPC itself did not answer within 2 s")
    assert hanging.cancelled


def test_where_the_process_forks_without_end_nothing_is_sent(
    collector: Collector, transport: Transports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request is kept for the time after."""
    gate = CallGate()
    monkeypatch.setattr("ezlogs.otlp.grpc._gate", gate)
    gate.before_fork()
    assert transport(collector.url, timeout=0.02).send(b"x") == Retry("the process forks without end")
    gate.after_fork()
    assert transport(collector.url).send(b"x") == Delivered()


def test_a_transport_that_was_never_used_has_nothing_to_forget(transport: Transports) -> None:
    """As in most children of most servers."""
    transport("http://127.0.0.1:9").forget()


def test_a_channel_of_a_parent_is_neither_used_nor_closed(collector: Collector, transport: Transports) -> None:
    """Told by its process, whether or not anybody said that there was a fork."""
    sender = transport(collector.url)
    sender.send(b"1")
    assert sender._channel is not None
    of_parent = sender._channel._replace(pid=-1)
    sender._channel = of_parent
    sender.close()
    assert of_parent.export(b"still open", timeout=5) == b""
    sender._channel = of_parent
    assert sender.send(b"2") == Delivered()
    assert sender._channel.channel is not of_parent.channel
    of_parent.channel.close()
