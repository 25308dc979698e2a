"""Whether the endpoint answers: against real servers that answer, refuse, hang and talk nonsense."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from ezlogs.dev.receiver import Receiver
from ezlogs.doctor import endpoint as module
from ezlogs.doctor.endpoint import endpoints
from ezlogs.doctor.finding import Finding
from ezlogs.settings import Address, load

Serve = Callable[[int], str]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing between the test and its servers."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that answer every request with one status."""
    servers: list[ThreadingHTTPServer] = []

    def serve(status: int) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def found(address: str, longest: float = 5, **environ: str) -> Finding:
    """What is found at an address that was set."""
    (finding,) = endpoints(load({"EZLOGS_ENDPOINT": address, **environ}), longest)
    return finding


def test_a_collector_that_takes_the_request_answers() -> None:
    """An empty request is a right one, and leaves nothing behind."""
    with Receiver() as receiver:
        finding = found(receiver.endpoint)
        assert finding.verdict == "fine"
        assert str(finding).startswith(f"{receiver.endpoint}/v1/traces: answered in ")
        assert receiver.spans == []


def test_each_signal_that_is_sent_has_its_answer(serve: Serve) -> None:
    """Log records go elsewhere, and are asked about apart; one collector that is away is told of once."""
    address = serve(403)
    with Receiver() as receiver:
        environ = {"EZLOGS_ENDPOINT": receiver.endpoint, "EZLOGS_LOGS_ENDPOINT": address, "EZLOGS_CARRIER": "both"}
        spans, logs = endpoints(load(environ))
        assert (spans.verdict, logs.verdict) == ("fine", "problem")
        assert f"{address} answered 403" in logs.text
        spans, logs = endpoints(load({"EZLOGS_ENDPOINT": receiver.endpoint, "EZLOGS_CARRIER": "log"}))
        assert logs.about == f"{receiver.endpoint}/v1/logs"
        assert receiver.logs == []
    assert len(list(endpoints(load({"EZLOGS_ENDPOINT": "http://127.0.0.1:9", "EZLOGS_CARRIER": "log"})))) == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "answered 401 Unauthorized; it wants to know who sends; see the setting headers"),
        (404, "answered 404 Not Found; it is no OTLP endpoint; is the path of the setting endpoint right?"),
        (415, "answered 415 Unsupported Media Type; it takes no OTLP over HTTP as protobuf"),
        (307, "answered 307 Temporary Redirect; redirects are not followed; give the address that it leads to"),
        (503, "answered 503 Service Unavailable"),
    ],
)
def test_a_refusal_comes_with_what_it_means(serve: Serve, status: int, words: str) -> None:
    """In the collector's words, and in ours what to do."""
    address = serve(status)
    finding = found(address)
    assert finding.verdict == "problem"
    assert str(finding) == f"the collector at {address} {words}"


def test_who_takes_no_json_is_to_be_sent_protobuf(serve: Serve) -> None:
    """That is what the refusal means where JSON was sent."""
    address = serve(415)
    finding = found(address, EZLOGS_PROTOCOL="http/json")
    assert finding.advice == "it takes no OTLP as JSON; set protocol to http/protobuf"


def test_nobody_there_is_a_problem_only_where_somebody_was_expected() -> None:
    """The default address is a guess, and comes with a hint for the beginning."""
    refused = "no collector at http://127.0.0.1:9: Connection refused"
    assert found("http://127.0.0.1:9") == Finding("problem", "", refused)
    guessed = msgspec.structs.replace(load({"EZLOGS_ENDPOINT": "http://127.0.0.1:9"}), sources=load({}).sources)
    assert list(endpoints(guessed)) == [Finding("warning", "", refused, "try ezlogs dev, or set EZLOGS_ENDPOINT")]


def test_a_host_that_is_not_known_may_be_misspelled() -> None:
    """The top-level domain `invalid` is reserved for this."""
    assert found("http://collector.invalid").advice == "is the host spelled right?"


def test_a_collector_that_hangs_costs_a_bounded_time(silent: str) -> None:
    """However long `timeout` is."""
    finding = found(f"http://{silent}", 0.2, EZLOGS_TIMEOUT="600")
    assert str(finding) == (
        f"no collector at http://{silent}: no answer within 0.2 s; does it hang, or is a firewall in the way?"
    )


def test_looking_up_a_host_costs_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that hangs heeds no timeout of ours."""
    released = threading.Event()

    def hang(*args: object, **kwargs: object) -> None:
        released.wait(30)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(module, "_LONGEST_LOOKUP", 0.05)
    finding = found("http://collector.example", 0.05)
    released.set()
    assert "looking up the host takes too long; is the host spelled right?" in str(finding)


def test_https_to_a_server_without_tls_is_recognised(serve: Serve) -> None:
    """In words, without a line of OpenSSL's source."""
    finding = found(serve(200).replace("http://", "https://"))
    assert finding.advice == "does it speak TLS at all? https:// needs it, http:// does without"
    assert "_ssl.c" not in str(finding)


def test_a_certificate_that_cannot_be_read_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    """With the place where its path was given; each by itself."""
    missing = str(tmp_path / "ca.pem")
    environ = {
        "EZLOGS_ENDPOINT": "https://127.0.0.1:9",
        "EZLOGS_CERTIFICATE": missing,
        "EZLOGS_CLIENT_CERTIFICATE": str(tmp_path),
    }
    assert [str(finding) for finding in endpoints(load(environ))] == [
        f"certificate: '{missing}' cannot be read; see EZLOGS_CERTIFICATE in the environment",
        f"client_certificate: '{tmp_path}' cannot be read; see EZLOGS_CLIENT_CERTIFICATE in the environment",
    ]


def test_a_certificate_of_one_signal_is_told_where_that_is_sent(tmp_path: Path) -> None:
    """Each signal has its own files; one that both have is told once."""
    missing, other = str(tmp_path / "ca.pem"), str(tmp_path / "logs.pem")
    environ = {"EZLOGS_ENDPOINT": "https://127.0.0.1:9", "EZLOGS_CERTIFICATE": missing, "EZLOGS_CARRIER": "both"}
    told = f"certificate: '{missing}' cannot be read; see EZLOGS_CERTIFICATE in the environment"
    assert [str(finding) for finding in endpoints(load(environ))] == [told]
    environ["EZLOGS_LOGS_CERTIFICATE"] = other
    assert [str(finding) for finding in endpoints(load(environ))] == [
        told,
        f"certificate: '{other}' cannot be read; see EZLOGS_LOGS_CERTIFICATE in the environment",
    ]


def test_a_proxy_on_the_way_is_mentioned(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    """An answer may be the proxy's; its address, which may hold a password, is not shown."""
    monkeypatch.setenv("http_proxy", serve(403).replace("//", "//ada:hunter2@"))
    finding = found("http://collector.example.com")
    assert "answered 403 Forbidden, by way of the proxy in the environment" in str(finding)
    assert "hunter2" not in str(finding)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert "proxy" not in str(found("http://127.0.0.1:9"))


@pytest.mark.parametrize(
    ("address", "reason", "words"),
    [
        ("https://c", "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "by the setting certificate"),
        ("https://c", "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] alert", "see client_certificate"),
        ("https://c", "EOF occurred in violation of protocol", "see client_certificate"),
        ("https://c", "[SSL] PEM lib", "is no PEM file"),
        ("https://c", "[X509: NO_CERTIFICATE_OR_CRL_FOUND] no certificate or crl found", "is no PEM file"),
        ("http://c", "Connection reset by peer", "another protocol, such as TLS or gRPC"),
        ("http://c", "answered 200 OK with a page of HTML", "does a proxy ask for a login?"),
        ("http://c:4317", "Connection reset by peer", "is that the port of OTLP/gRPC?"),
    ],
)
def test_faults_that_need_other_servers_have_their_advice(address: str, reason: str, words: str) -> None:
    """By OpenSSL's name of the reason, and by the port."""
    assert words in module._advice(reason, Address(address, given=True))
