"""OTLP/HTTP against collectors that fail in every way: each has one outcome, the one that the documentation names."""

from __future__ import annotations

import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from ezlogs.otlp import Delivered, HttpTransport, Rejected, Retry, connections

from .collectors import Collector, Misbehaving, break_off, drain, respond

END = b"\r\n\r\nx"
"""Of the request that the tests send."""

Behaviour = Callable[[socket.socket], None]


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Makes servers that misbehave, and returns their addresses; they are closed at the end of the test."""
    servers: list[Misbehaving] = []

    def make(behave: Behaviour, until: bytes = END) -> str:
        servers.append(Misbehaving(behave, until))
        return f"http://127.0.0.1:{servers[-1].port}/v1/traces"

    yield make
    for server in servers:
        server.close()


def send(url: str, body: bytes = b"x", **options: Any) -> Delivered | Retry | Rejected:
    """Send one request."""
    defaults: dict[str, Any] = {"headers": {}, "timeout": 5.0, "compression": "none"}
    transport = HttpTransport(url, **(defaults | options))
    try:
        return transport.send(body)
    finally:
        transport.close()


def half_closing(answer: bytes) -> Behaviour:
    """Return what sends some bytes, says that no more follow, and goes on listening."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        drain(connection)

    return behave


def resetting(answer: bytes) -> Behaviour:
    """Return what sends some bytes and resets the connection."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(answer)
        break_off(connection)

    return behave


NOTHING_SAID = {
    "a reset": resetting(b""),
    "a reset within the first line": resetting(b"HTTP/1.1 2"),
    "an end instead of an answer": half_closing(b""),
    "an end within the first line": half_closing(b"HTTP/1.1 20"),
    "another protocol": half_closing(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "HTTP/2": half_closing(b"\0\0\0\4\0\0\0\0\0"),
    "random bytes": half_closing(bytes(range(256)) * 20),
    "a line without end": half_closing(b"HTTP/1.1 200 " + b"O" * 100_000),
    "headers without end": half_closing(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000),
    "a status that is none": half_closing(b"HTTP/1.1 abc OK\r\n\r\n"),
    "a version that is none": half_closing(b"HTTP/9.9.9 OK\r\n\r\n"),
}


@pytest.mark.parametrize("fault", NOTHING_SAID)
def test_who_says_nothing_of_use_is_asked_again(serve: Callable[..., str], fault: str) -> None:
    """The request is kept: nobody has taken it, and nobody has refused it."""
    assert isinstance(send(serve(NOTHING_SAID[fault])), Retry)


ALL_SAID = {
    "an end within the body": half_closing(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"),
    "a reset within the body": resetting(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"),
    "no length": half_closing(b"HTTP/1.1 200 OK\r\n\r\n"),
    "a length that is none": half_closing(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"),
    "a broken chunk": half_closing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "a body that says gzip and is none": half_closing(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
    ),
    "HTTP/1.0": half_closing(b"HTTP/1.0 200 OK\r\n\r\n"),
    "an answer after another": half_closing(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
}


@pytest.mark.parametrize("fault", ALL_SAID)
def test_a_status_that_arrived_counts(serve: Callable[..., str], fault: str) -> None:
    """Whatever becomes of the rest: the request was taken, and is not sent again."""
    assert send(serve(ALL_SAID[fault])) == Delivered()


@pytest.mark.parametrize("fault", ["an end within the body", "a broken chunk"])
def test_the_next_request_goes_well(serve: Callable[..., str], fault: str) -> None:
    """What is left of a broken answer is not taken for the next one."""
    answers = iter([ALL_SAID[fault], half_closing(respond(503))])

    def behave(connection: socket.socket) -> None:
        next(answers)(connection)

    transport = HttpTransport(serve(behave), headers={}, timeout=5.0, compression="none")
    assert transport.send(b"x") == Delivered()
    assert isinstance(transport.send(b"x"), Retry)
    transport.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_no_success(collector: Collector, status: int) -> None:
    """As of a login page before the collector: nothing was taken there, and credentials go to no other place."""
    collector.answer = lambda request: respond(status, Location=collector.url + "/login")
    result = send(collector.url)
    assert isinstance(result, Rejected)
    assert result.status == status
    assert len(collector.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 411, 413, 415, 418, 422, 431, 501])
def test_a_refusal_is_final(collector: Collector, status: int) -> None:
    """Sent again it would be refused again; 413 alone says that half of it may pass."""
    collector.answer = lambda request: respond(status, b"no", "text/plain", Retry_After="5")
    result = send(collector.url)
    assert isinstance(result, Rejected)
    assert result.status == status


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_pause_is_asked_for_in_either_form(collector: Collector, status: int, form: str) -> None:
    """The request is kept, and the pause is as long as the collector's clock says."""
    noon = 1_800_000_000
    asked = "40" if form == "seconds" else formatdate(noon + 40, usegmt=True)
    collector.answer = lambda request: respond(status, Retry_After=asked, Date=formatdate(noon, usegmt=True))
    result = send(collector.url)
    assert isinstance(result, Retry)
    assert result.after == 40


class Trickle:
    """Sends an answer byte by byte, each sooner than the timeout; counts how much of it was sent."""

    def __init__(self, answer: bytes, pause: float = 0.03) -> None:
        self.answer = answer
        self.pause = pause
        self.sent = 0
        self.stopped = threading.Event()

    def __call__(self, connection: socket.socket) -> None:
        with suppress(OSError):
            for byte in self.answer:
                connection.sendall(bytes([byte]))
                self.sent += 1
                if self.stopped.wait(self.pause):
                    return


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx: " + b"y" * 500 + b"\r\n\r\n",
        b"HTTP/1.1 200 " + b"O" * 500 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
    ],
)
def test_a_trickle_of_headers_is_left_after_the_timeout(serve: Callable[..., str], answer: bytes) -> None:
    """The timeout is for the whole answer, not for each byte of it."""
    trickle = Trickle(answer)
    url = serve(trickle)
    result = send(url, timeout=0.3)
    trickle.stopped.set()
    assert isinstance(result, Retry)
    assert result.reason.endswith("no answer within 0.3 s")
    assert trickle.sent < len(answer) / 2


def test_a_trickle_of_a_body_is_left_after_the_timeout(serve: Callable[..., str]) -> None:
    """The status has arrived by then, and counts."""
    trickle = Trickle(b"HTTP/1.1 503 Busy\r\nRetry-After: 9\r\nContent-Length: 500\r\n\r\n" + b"y" * 500, pause=0.005)
    result = send(serve(trickle), timeout=1.0)
    trickle.stopped.set()
    assert isinstance(result, Retry)
    assert result.after == 9
    assert trickle.sent < len(trickle.answer)


def test_a_proxy_that_trickles_is_left_after_the_timeout(
    serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer, before there is any collector, counts like a collector's."""
    trickle = Trickle(b"HTTP/1.1 200 " + b"O" * 500 + b"\r\n\r\n")
    monkeypatch.setenv("https_proxy", serve(trickle, until=b"\r\n\r\n"))
    result = send("https://collector.invalid/v1/traces", timeout=0.3)
    trickle.stopped.set()
    assert isinstance(result, Retry)
    assert trickle.sent < len(trickle.answer) / 2


class Sipping:
    """A collector that reads a little at a time, over TLS if it has a certificate."""

    def __init__(self, certificate: tuple[str, str] | None) -> None:
        self.read = 0
        self.stopped = threading.Event()
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._context.load_cert_chain(*certificate)

    def __call__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        stream: Any = connection
        if self._context is not None:
            stream = self._context.wrap_socket(connection, server_side=True)
        with stream, suppress(OSError):
            while not self.stopped.wait(0.01) and (chunk := stream.recv(64 * 1024)):
                self.read += len(chunk)


@pytest.mark.parametrize("encrypted", [False, True])
def test_who_reads_too_slowly_is_left_after_the_timeout(
    serve: Callable[..., str], certificate: tuple[str, str], encrypted: bool
) -> None:
    """The timeout is for the whole request, not for each part of it that goes out."""
    server = Sipping(certificate if encrypted else None)
    url = serve(server, until=b"")
    body = bytes(64 * 1024 * 1024)
    if encrypted:
        url = url.replace("http:", "https:")
    result = send(url, body, timeout=0.5, certificate_file=certificate[0])
    server.stopped.set()
    assert isinstance(result, Retry), result
    assert server.read < len(body) / 2


def test_what_is_due_by_now_is_too_late() -> None:
    """Nothing is waited for that has no time left."""
    with pytest.raises(TimeoutError):
        connections._left(0.0)


def make_certificate(folder: Path, *options: str) -> tuple[str, str]:
    """Return a certificate that signed itself, and its key."""
    certificate, key = str(folder / "cert.pem"), str(folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", *options]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=30)
    return certificate, key


def make_expired(folder: Path) -> tuple[str, str]:
    """Return a certificate for 127.0.0.1 that was good once."""
    certificate, key, request = (str(folder / name) for name in ("cert.pem", "key.pem", "request.pem"))
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-keyout", key, "-out", request]
    sign = ["openssl", "x509", "-req", "-in", request, "-signkey", key, "-days", "-1", "-out", certificate]
    for command in (new, [*sign, "-extfile", str(folder / "names")]):
        subprocess.run(command, check=True, capture_output=True, timeout=30)
    return certificate, key


def encrypting(certificate: tuple[str, str], *, demanding: bool = False) -> Behaviour:
    """Return a collector with TLS that takes everything, if ``demanding`` only from whom it knows."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificate[0])
    context.load_cert_chain(*certificate)
    context.verify_mode = ssl.CERT_REQUIRED if demanding else ssl.CERT_NONE

    def behave(connection: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as stream:
            received = b""
            while not received.endswith(END) and (chunk := stream.recv(65536)):
                received += chunk
            stream.sendall(respond(200, Connection="close"))

    return behave


@pytest.mark.usefixtures("certificate")
class TestTls:
    """Trouble with TLS keeps the request: certificates are renewed, and wrong ones are put right."""

    def address(self, serve: Callable[..., str], behave: Behaviour) -> str:
        """Return the address of a server that begins with TLS."""
        return serve(behave, until=b"").replace("http:", "https:")

    def test_a_good_certificate_is_good(self, serve: Callable[..., str], certificate: tuple[str, str]) -> None:
        """So that the tests below fail for what they say."""
        assert send(self.address(serve, encrypting(certificate)), certificate_file=certificate[0]) == Delivered()

    @pytest.mark.parametrize("name", ["DNS:other.example", "IP:127.0.0.2"])
    def test_a_certificate_of_another_is_named(self, serve: Callable[..., str], tmp_path: Path, name: str) -> None:
        """The reason says that the address does not fit."""
        wrong = make_certificate(tmp_path, "-days", "2", "-addext", f"subjectAltName={name}")
        result = send(self.address(serve, encrypting(wrong)), certificate_file=wrong[0])
        assert isinstance(result, Retry)
        assert "certificate verify failed: IP address mismatch" in result.reason

    def test_a_certificate_that_has_expired_is_named(self, serve: Callable[..., str], tmp_path: Path) -> None:
        """The reason says that it has."""
        wrong = make_expired(tmp_path)
        result = send(self.address(serve, encrypting(wrong)), certificate_file=wrong[0])
        assert isinstance(result, Retry)
        assert "certificate has expired" in result.reason

    def test_an_unknown_authority_is_named(self, serve: Callable[..., str], certificate: tuple[str, str]) -> None:
        """It signed itself, and nobody said that it may."""
        result = send(self.address(serve, encrypting(certificate)))
        assert isinstance(result, Retry)
        assert "certificate verify failed: self" in result.reason

    def test_a_collector_that_demands_a_certificate_gets_none(
        self, serve: Callable[..., str], certificate: tuple[str, str]
    ) -> None:
        """It breaks off, and the request is kept."""
        url = self.address(serve, encrypting(certificate, demanding=True))
        assert isinstance(send(url, certificate_file=certificate[0]), Retry)

    def test_the_reason_is_read_from_a_collector_that_has_broken_off(
        self, serve: Callable[..., str], certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The request was not even sent; why it was not wanted had come by then."""

        def too_late(connection: ssl.SSLSocket, *_: object) -> None:
            select.select([connection], [], [], 5)
            raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred in violation of protocol")

        monkeypatch.setattr(ssl.SSLSocket, "sendall", too_late)
        result = send(self.address(serve, encrypting(certificate, demanding=True)), certificate_file=certificate[0])
        assert isinstance(result, Retry)
        assert "certificate required" in result.reason

    @pytest.mark.parametrize("file", ["certificate_file", "client_certificate_file"])
    def test_a_file_that_is_no_certificate_is_no_reason_to_raise(
        self, serve: Callable[..., str], certificate: tuple[str, str], tmp_path: Path, file: str
    ) -> None:
        """A wrong path is put right and the process started anew."""
        wrong = tmp_path / "wrong.pem"
        wrong.write_text("no certificate")
        assert isinstance(send(self.address(serve, encrypting(certificate)), **{file: str(wrong)}), Retry)

    def test_no_tls_where_there_should_be(self, serve: Callable[..., str]) -> None:
        """A collector of plain HTTP under an https address."""
        assert isinstance(send(self.address(serve, half_closing(respond(400)))), Retry)

    def test_tls_where_there_should_be_none(self, serve: Callable[..., str], certificate: tuple[str, str]) -> None:
        """A collector of TLS under an http address."""
        assert isinstance(send(serve(encrypting(certificate), until=b"")), Retry)

    @pytest.mark.parametrize("behave", [drain, Trickle(b"\x16\x03\x03\x40\x00" + bytes(400))])
    def test_a_handshake_that_does_not_end_is_left(self, serve: Callable[..., str], behave: Behaviour) -> None:
        """Silence or a trickle."""
        result = send(self.address(serve, behave), timeout=0.3)
        if isinstance(behave, Trickle):
            behave.stopped.set()
            assert behave.sent < len(behave.answer) / 2
        assert isinstance(result, Retry)
        assert result.reason.endswith("no answer within 0.3 s")

    def test_a_reset_within_the_handshake(self, serve: Callable[..., str]) -> None:
        """As of a balancer that has nobody behind it."""
        url = serve(break_off, until=b"\x16").replace("http:", "https:")
        assert isinstance(send(url), Retry)
