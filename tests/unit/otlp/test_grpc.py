"""The gRPC transport says what became of each request in the terms of HTTP, whatever stands at the other end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

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
from ezlogs.otlp.grpc import Target, target

from . import http2
from .collectors import Misbehaving, break_off, drain, unused_port
from .grpc_collectors import LOGS, TRACES, Call, GrpcCollector, Transports


def test_the_bytes_arrive_as_they_are(grpc_collector: GrpcCollector, grpc_transport: Transports) -> None:
    """With the metadata that the user set, in small letters, and under the name of each signal's service."""
    for signal, method in (("traces", TRACES), ("logs", LOGS)):
        sender = grpc_transport(grpc_collector.url, signal=signal, headers={"X-Tenant": "shop", "token-bin": "abc"})
        assert sender.send(b"\x00the bytes\xff") == Delivered()
        call = grpc_collector.calls[-1]
        assert (call.method, call.body) == (method, b"\x00the bytes\xff")
        assert (call.metadata["x-tenant"], call.metadata["token-bin"]) == ("shop", b"abc")
        assert call.metadata["user-agent"].startswith("ezlogs-opentelemetry/")


def test_what_other_exporters_send_means_the_same(grpc_collector: GrpcCollector, grpc_transport: Transports) -> None:
    """A request of the official encoder arrives as the collector's own message type reads it."""
    finished = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(finished))
    provider.get_tracer("app").start_span("checkout").end()
    request = encode_spans(finished.get_finished_spans())
    assert grpc_transport(grpc_collector.url).send(request.SerializeToString()) == Delivered()
    assert ExportTraceServiceRequest.FromString(grpc_collector.calls[0].body) == request


def test_a_compressed_request_is_unpacked_by_the_server(
    grpc_collector: GrpcCollector, grpc_transport: Transports
) -> None:
    """And is smaller on its way."""
    passed: list[int] = []

    def relay() -> None:
        passed.append(0)
        connection, _ = listener.accept()
        with connection, socket.create_connection(("127.0.0.1", grpc_collector.port)) as onward:
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
            sender = grpc_transport(url, compression=compression)
            assert sender.send(b"bytes " * 10_000) == Delivered()
            sender.close()
            thread.join(5)
            assert grpc_collector.calls[-1].body == b"bytes " * 10_000
    packed, plain = passed
    assert packed * 10 < 60_000 < plain


def test_a_collector_that_comes_later_is_found(grpc_transport: Transports) -> None:
    """Soon: how long to leave it alone is not gRPC's to say."""
    port = unused_port()
    sender = grpc_transport(f"http://127.0.0.1:{port}")
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


def test_after_close_a_request_opens_a_new_channel(grpc_collector: GrpcCollector, grpc_transport: Transports) -> None:
    """Closing ends the channel, not the transport; closing twice is closing once."""
    sender = grpc_transport(grpc_collector.url)
    sender.send(b"1")
    sender.close()
    sender.close()
    assert sender.send(b"2") == Delivered()


def test_nobody_listening_is_worth_another_try(grpc_transport: Transports) -> None:
    """The reason names the address and what the system said."""
    url = f"http://127.0.0.1:{unused_port()}"
    result = grpc_transport(url).send(b"x")
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
def test_transient_codes_are_worth_another_try(
    grpc_collector: GrpcCollector, grpc_transport: Transports, code: str
) -> None:
    """Those that the specification calls retryable."""
    grpc_collector.answer = refusing(code, "later")
    result = grpc_transport(grpc_collector.url).send(b"x")
    assert isinstance(result, Retry)
    assert result.after is None
    if code != "DEADLINE_EXCEEDED":
        assert result.reason == f"the collector at {grpc_collector.url} did not take the request: {code}: later"


@pytest.mark.parametrize("code", PERMANENT)
def test_other_codes_reject_the_request(grpc_collector: GrpcCollector, grpc_transport: Transports, code: str) -> None:
    """With the status that HTTP has for the same."""
    grpc_collector.answer = refusing(code, "never")
    result = grpc_transport(grpc_collector.url).send(b"x")
    assert isinstance(result, Rejected)
    assert result.status == PERMANENT[code]
    assert result.reason.endswith(f"{code}: never")
    assert len(grpc_collector.calls) == 1


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
    grpc_collector: GrpcCollector, grpc_transport: Transports, code: str, delay: Duration, after: float
) -> None:
    """``RetryInfo`` is read, wherever it stands among the details; with it even RESOURCE_EXHAUSTED is transient."""
    grpc_collector.answer = refusing(code, "busy", BadRequest(), RetryInfo(retry_delay=delay), BadRequest())
    result = grpc_transport(grpc_collector.url).send(b"x")
    assert isinstance(result, Retry)
    assert result.after == pytest.approx(after)


def test_a_rejection_with_a_pause_is_a_rejection(grpc_collector: GrpcCollector, grpc_transport: Transports) -> None:
    """No pause makes a wrong request right."""
    grpc_collector.answer = refusing("INVALID_ARGUMENT", "never", RetryInfo(retry_delay=Duration(seconds=1)))
    assert isinstance(grpc_transport(grpc_collector.url).send(b"x"), Rejected)


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
    grpc_collector: GrpcCollector, grpc_transport: Transports, details: bytes
) -> None:
    """They come from whoever answers there."""

    def answer(call: Call, context: Any) -> bytes:
        context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(grpc.StatusCode.UNAVAILABLE, "busy")
        raise AssertionError("not reached")

    grpc_collector.answer = answer
    result = grpc_transport(grpc_collector.url).send(b"x")
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
    grpc_collector: GrpcCollector, grpc_transport: Transports, code: str, words: str
) -> None:
    """In the words of Go, Java, .NET and Rust: half of it may pass, and a pause would not help."""
    grpc_collector.answer = refusing(code, words, RetryInfo())
    result = grpc_transport(grpc_collector.url).send(b"x")
    assert isinstance(result, Rejected)
    assert result.status == 413


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_real_limit_of_a_server_is_told_apart(grpc_transport: Transports, compression: str) -> None:
    """In the words of the C++ that is below Python's, for what arrives and for what it unpacks to."""
    grpc_collector = GrpcCollector(options=(("grpc.max_receive_message_length", 1000),))
    try:
        result = grpc_transport(grpc_collector.url, compression=compression).send(b"x" * 5000)
        assert isinstance(result, Rejected)
        assert result.status == 413
        assert grpc_transport(grpc_collector.url, compression=compression).send(b"x" * 500) == Delivered()
    finally:
        grpc_collector.close()


def test_an_answer_that_is_too_large_is_an_answer(grpc_collector: GrpcCollector, grpc_transport: Transports) -> None:
    """Only who took a request answers with a message: to send it again, or in halves, would double it."""
    grpc_collector.answer = lambda call, context: b"x" * 5_000_000
    assert grpc_transport(grpc_collector.url).send(b"x") == Delivered(message="the answer was too large to be read")


def test_partial_success_is_read(grpc_collector: GrpcCollector, grpc_transport: Transports) -> None:
    """What the collector refused out of a request that it took is counted, for either signal."""
    spans = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=3, error_message="too old")
    )
    grpc_collector.answer = lambda call, context: spans.SerializeToString()  # type: ignore[no-any-return]  # bytes
    assert grpc_transport(grpc_collector.url).send(b"x") == Delivered(3, "too old")
    logs = ExportLogsServiceResponse(partial_success=ExportLogsPartialSuccess(rejected_log_records=2))
    grpc_collector.answer = lambda call, context: logs.SerializeToString()  # type: ignore[no-any-return]  # bytes
    assert grpc_transport(grpc_collector.url, signal="logs").send(b"x") == Delivered(2)


@pytest.mark.parametrize("body", [b"<html>", b"\x0a\x7f\x08", b"\xff" * 30, b"\x08\x05"])
def test_an_answer_that_makes_no_sense_is_still_an_answer(
    grpc_collector: GrpcCollector, grpc_transport: Transports, body: bytes
) -> None:
    """A call that ended well took the request, whatever stands in the answer."""
    grpc_collector.answer = lambda call, context: body
    assert grpc_transport(grpc_collector.url).send(b"x") == Delivered()


SECRET = "s3cr3t-t0k3n"


def test_the_values_of_headers_appear_in_no_reason(grpc_collector: GrpcCollector, grpc_transport: Transports) -> None:
    """Whether the collector echoes them or they cannot be sent."""
    grpc_collector.answer = refusing("UNAUTHENTICATED", f"bad Bearer {SECRET}\nand\x1b[31m more")
    headers = {"Authorization": f"Bearer {SECRET}"}
    result = grpc_transport(grpc_collector.url, headers=headers).send(b"x")
    assert isinstance(result, Rejected)
    assert "UNAUTHENTICATED: bad [redacted] and" in result.reason
    assert "\x1b" not in result.reason
    broken = grpc_transport(grpc_collector.url, headers={"authorization": f"{SECRET}\n"}).send(b"x")
    assert SECRET not in repr(broken)


def test_user_and_password_in_the_endpoint_become_metadata(
    grpc_collector: GrpcCollector, grpc_transport: Transports
) -> None:
    """And are shown nowhere."""
    grpc_collector.answer = lambda call, context: refusing("UNAUTHENTICATED", call.metadata["authorization"])(
        call, context
    )
    result = grpc_transport(f"http://ada:p%40ss-word@127.0.0.1:{grpc_collector.port}").send(b"x")
    assert grpc_collector.calls[0].metadata["authorization"] == "Basic YWRhOnBAc3Mtd29yZA=="
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
def test_an_endpoint_that_is_no_address_fails_without_raising(grpc_transport: Transports, endpoint: str) -> None:
    """A transport never raises, not even for settings that can never work."""
    assert isinstance(grpc_transport(endpoint).send(b"x"), Retry | Rejected)


def test_a_file_that_is_not_there_fails_without_raising(grpc_transport: Transports) -> None:
    """The reason says what the system said, so that a path can be corrected."""
    sender = grpc_transport("https://127.0.0.1:9", certificate_file="/nowhere/ca.pem")
    assert sender.send(b"x") == Retry("no channel to https://127.0.0.1:9: No such file or directory")


@pytest.fixture
def tls_collector(certificate: tuple[str, str]) -> Iterator[GrpcCollector]:
    """A collector that demands a client certificate signed by its own authority."""
    pem, key = (Path(path).read_bytes() for path in certificate)
    credentials = grpc.ssl_server_credentials([(key, pem)], root_certificates=pem, require_client_auth=True)
    grpc_collector = GrpcCollector(credentials)
    yield grpc_collector
    grpc_collector.close()


def test_certificates_of_both_sides_are_used(
    tls_collector: GrpcCollector, certificate: tuple[str, str], grpc_transport: Transports
) -> None:
    """With the authority and a client certificate set, a collector that demands both is reached, with or without a
    scheme before its address."""
    for endpoint in (f"https://127.0.0.1:{tls_collector.port}", f"127.0.0.1:{tls_collector.port}"):
        sender = grpc_transport(
            endpoint,
            certificate_file=certificate[0],
            client_certificate_file=certificate[0],
            client_key_file=certificate[1],
        )
        assert sender.send(b"x") == Delivered()


def test_the_authorities_of_the_system_are_asked(
    certificate: tuple[str, str], grpc_transport: Transports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no file is set, those that other programs trust count too; gRPC brings its own list along."""
    pem, key = (Path(path).read_bytes() for path in certificate)
    grpc_collector = GrpcCollector(grpc.ssl_server_credentials([(key, pem)]))
    url = f"https://127.0.0.1:{grpc_collector.port}"
    for name in ("SSL_CERT_FILE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"):
        monkeypatch.delenv(name, raising=False)
    try:
        assert isinstance(grpc_transport(url).send(b"x"), Retry)
        monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
        assert grpc_transport(url).send(b"x") == Delivered()
        monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "/nowhere")
        assert isinstance(grpc_transport(url).send(b"x"), Retry)
    finally:
        grpc_collector.close()


def test_who_is_not_trusted_gets_nothing(
    tls_collector: GrpcCollector, certificate: tuple[str, str], grpc_transport: Transports
) -> None:
    """An unknown authority, no client certificate, no TLS where there should be, TLS where there should be none."""
    port = tls_collector.port
    plain = GrpcCollector()
    try:
        for sender in (
            grpc_transport(f"https://127.0.0.1:{port}"),
            grpc_transport(f"https://127.0.0.1:{port}", certificate_file=certificate[0]),
            grpc_transport(f"http://127.0.0.1:{port}"),
            grpc_transport(f"https://127.0.0.1:{plain.port}", certificate_file=certificate[0]),
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
    misbehaving: Callable[..., Misbehaving], grpc_transport: Transports, behaviour: str
) -> None:
    """Nothing says that the request was wrong."""
    behave, greeting = MISBEHAVIOUR[behaviour]
    server = misbehaving(behave, greeting=greeting)
    result = grpc_transport(f"http://127.0.0.1:{server.port}", timeout=3).send(b"x" * 1000)
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
    misbehaving: Callable[..., Misbehaving], grpc_transport: Transports, behave: Callable[[socket.socket], None]
) -> None:
    """Silence or a trickle of bytes: the timeout is for the whole call."""
    server = misbehaving(behave)
    url = f"http://127.0.0.1:{server.port}"
    assert grpc_transport(url, timeout=0.3).send(b"x") == Retry(f"no collector at {url}: no answer within 0.3 s")


def test_gigantic_trailers_are_no_trouble(misbehaving: Callable[..., Misbehaving], grpc_transport: Transports) -> None:
    """Headers without end cost no memory without end."""

    def flood(connection: socket.socket) -> None:
        fields = {f"x{number}": "y" * 100 for number in range(100)}
        while True:
            connection.sendall(http2.headers({":status": "200", **fields}, end=False))

    server = misbehaving(flood)
    assert isinstance(grpc_transport(f"http://127.0.0.1:{server.port}", timeout=2).send(b"x"), Retry | Rejected)
