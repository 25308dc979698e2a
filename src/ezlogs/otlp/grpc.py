"""OTLP over gRPC: one unary call with an encoded request, and what the collector's status means for it.

The bytes are those that go over HTTP. Follows https://opentelemetry.io/docs/specs/otlp/#otlpgrpc. This module is
imported, and with it grpcio, only where the protocol is ``grpc``; grpcio itself is loaded with the first request.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from ezlogs.otlp.address import USER_AGENT, basic_authorization, split
from ezlogs.otlp.answer import TOO_LARGE, Delivered, Outcome, Rejected, Retry, partial_success, presentable, secrets
from ezlogs.otlp.forking import CallGate, ForkingError
from ezlogs.otlp.loading import held_off, load_modules
from ezlogs.otlp.protobuf import bytes_of, fields, iterate_fields, text_of
from ezlogs.otlp.proxies import proxy_of

_METHODS = {
    signal: f"/opentelemetry.proto.collector.{name}.v1.{service}/Export"
    for signal, name, service in (("traces", "trace", "TraceService"), ("logs", "logs", "LogsService"))
}

_TRANSIENT = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"})

_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "UNIMPLEMENTED": 501,
}
"""The HTTP status that stands for each code (google/rpc/code.proto); 500 for the others."""

_TOO_LARGE = ("larger than max", "exceeds maximum", "exceeds the maximum", "length too large")
"""What servers in C++, Go, Java, .NET and Rust say of a message beyond their limit, each with a status of its own."""

_OURS = "CLIENT: "
"""What is among gRPC's own words where it was the answer that was too large."""

_BROKEN = "Stream removed"
"""How gRPC's own words begin where the connection broke under the request, for which it has the code UNKNOWN."""

_SLOWEST_RECONNECT = 1000
"""Milliseconds; how long to leave a collector alone is the circuit breaker's to say, not gRPC's."""

_OPTIONS = (
    ("grpc.primary_user_agent", USER_AGENT),
    ("grpc.use_local_subchannel_pool", 1),  # no connection is shared with the application's own channels
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_retries", 0),
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", _SLOWEST_RECONNECT),
)

_TRUE = ("1", "true", "t", "yes", "y")  # as gRPC reads its variables

_gate = CallGate()
_abandoned: list[Any] = []
"""Channels of a parent process: to let go of one would be to use it."""


class Target(NamedTuple):
    """Where to connect, in gRPC's own terms."""

    address: str
    secure: bool
    shown: str
    """The endpoint as it may be shown to anyone."""
    login: str = ""


def target(endpoint: str, *, insecure: bool = False) -> Target:
    """Return where an endpoint is, and whether the way there is encrypted.

    Args:
        endpoint: A URL with ``http`` or ``https``, whose path means nothing here; or any form that gRPC takes, such as
            ``collector:4317`` or ``unix:/run/collector.sock``.
        insecure: Whether the latter is reached without TLS; a URL says so by its scheme.

    Example:
        >>> [target(endpoint).secure for endpoint in ("http://collector:4317", "https://collector", "collector:4317")]
        [False, True, True]

    Source: OpenTelemetry specification, "OpenTelemetry Protocol Exporter", OTEL_EXPORTER_OTLP_INSECURE.
    """
    address = split(endpoint.strip())
    scheme = address.scheme.lower()
    if scheme in ("http", "https"):
        return Target(address.host, scheme == "https", f"{scheme}://{address.host}", address.login)
    return Target(endpoint.strip(), not insecure, endpoint.strip())


class GrpcTransport:
    """Sends requests to one collector over a channel that stays open.

    The channel is made at the first `send`, in the process and the thread that sends: one that a parent process made
    is left alone, whether or not `forget` was called. A fork waits until no call is under way.

    Args:
        endpoint: See `target`. A user and password in it go into the metadata ``authorization``.
        signal: What is sent: ``traces`` or ``logs``.
        headers: Additional metadata, such as credentials. Their values appear in no text that comes back.
        timeout: Seconds for one `send`, from the connection to the end of the answer.
        compression: ``gzip`` or ``none``: those are all that grpcio has.
        insecure: See `target`.
        certificate_file: PEM file of the authorities that may sign the collector's certificate, in place of
            the system's - or of gRPC's own, where the system has no such file.
        client_certificate_file: PEM file of the certificate shown to the collector.
        client_key_file: PEM file of that certificate's key.

    Example:
        >>> transport = GrpcTransport(
        ...     "http://127.0.0.1:9", signal="traces", headers={}, timeout=1.0, compression="gzip"
        ... )
        >>> transport.send(b"").reason[:73]
        'the collector at http://127.0.0.1:9 did not take the request: UNAVAILABLE'
        >>> transport.close()
    """

    def __init__(
        self,
        endpoint: str,
        *,
        signal: Literal["traces", "logs"],
        headers: Mapping[str, str],
        timeout: float,
        compression: Literal["none", "gzip"],
        insecure: bool = False,
        certificate_file: str | None = None,
        client_certificate_file: str | None = None,
        client_key_file: str | None = None,
    ) -> None:
        self._target = target(endpoint, insecure=insecure)
        self._method = _METHODS[signal]
        self._timeout = timeout
        self._compressed = compression == "gzip"
        self._files = (certificate_file, client_key_file, client_certificate_file)
        metadata = basic_authorization("authorization", self._target.login)
        metadata |= {name.lower(): value for name, value in headers.items()}
        self._metadata = tuple((name, _value(name, value)) for name, value in metadata.items())
        self._secrets = secrets(metadata.values())
        self._channel: _Channel | None = None

    def send(self, body: bytes) -> Outcome:
        """Send one request and wait for the answer; never raises.

        Args:
            body: An encoded ``ExportTraceServiceRequest`` or ``ExportLogsServiceRequest``.

        Returns:
            What became of it, in the same terms as over HTTP.
        """
        if _lost_in_a_fork():
            return Retry("gRPC was told not to outlive a fork: unset GRPC_ENABLE_FORK_SUPPORT, or use http/protobuf")
        try:
            with _gate.call(self._timeout) as cancelled_by:
                channel = self._open()
                try:
                    answer = self._call(channel, body, cancelled_by)
                except channel.grpc.RpcError as problem:
                    return self._judge(problem)
                except channel.grpc.FutureCancelledError:
                    return Retry("the request was cut short by a fork")
                except channel.grpc.FutureTimeoutError:
                    return Retry(f"gRPC itself did not answer within {self._timeout:g} s")
            return partial_success("", answer)
        except ForkingError:
            return Retry("the process forks without end")
        except Exception as problem:
            what = problem.strerror if isinstance(problem, OSError) and problem.strerror else type(problem).__name__
            return Retry(f"no channel to {self._target.shown}: {what}")

    def close(self) -> None:
        """Close the channel. A later `send` opens a new one."""
        channel, self._channel = self._channel, None
        if channel is not None and channel.pid == os.getpid():
            with held_off():
                channel.channel.close()

    def forget(self) -> None:
        """In a forked child: leave the parent's channel alone."""
        channel, self._channel = self._channel, None
        if channel is not None:
            _abandoned.append(channel)

    def _open(self) -> _Channel:
        if self._channel is not None and self._channel.pid != os.getpid():
            self.forget()
        channel = self._channel
        if channel is None:
            _load()
            with held_off():
                channel = self._channel = self._connect()
                _gate.watch()
        return channel

    def _connect(self) -> _Channel:
        grpc: Any = sys.modules["grpc"]
        compression = grpc.Compression.Gzip if self._compressed else grpc.Compression.NoCompression
        options = (*_OPTIONS, _proxy(self._target.address))
        if self._target.secure:
            authorities, key, certificate = self._files
            credentials = grpc.ssl_channel_credentials(_authorities(authorities), _content(key), _content(certificate))
            made = grpc.secure_channel(self._target.address, credentials, options, compression)
        else:
            made = grpc.insecure_channel(self._target.address, options, compression)
        # The serializers are left out: bytes go in, and bytes come out.
        return _Channel(os.getpid(), grpc, made, made.unary_unary(self._method))

    def _call(self, channel: _Channel, body: bytes, cancelled_by: Callable[[Callable[[], object]], None]) -> bytes:
        options: dict[str, Any] = {"timeout": self._timeout, "metadata": self._metadata}
        if not threading.main_thread().is_alive():  # the interpreter ends, and no thread can start to watch the call
            answer: bytes = channel.export(body, **options)
            return answer
        call = channel.export.future(body, **options)
        cancelled_by(call.cancel)
        try:
            answer = call.result(self._timeout + 1)
        except channel.grpc.FutureTimeoutError:
            call.cancel()
            raise
        return answer

    def _judge(self, problem: Any) -> Outcome:
        code, said = problem.code().name, problem.details() or ""
        if code == "DEADLINE_EXCEEDED":
            return Retry(f"no collector at {self._target.shown}: no answer within {self._timeout:g} s")
        too_large = "message" in said.lower() and any(words in said.lower() for words in _TOO_LARGE)
        if too_large and _OURS in said:
            return Delivered(message="the answer was too large to be read")  # only who took a request has an answer
        reason = f"the collector at {self._target.shown} did not take the request: {code}"
        if message := presentable(said, self._secrets):
            reason += f": {message}"
        if too_large:
            return Rejected(reason, TOO_LARGE)
        after = _retry_delay(problem.trailing_metadata() or ())
        if code in _TRANSIENT or said.startswith(_BROKEN) or (code == "RESOURCE_EXHAUSTED" and after is not None):
            return Retry(reason, after)
        return Rejected(reason, _STATUSES.get(code, 500))


class _Channel(NamedTuple):
    pid: int
    grpc: Any
    channel: Any
    export: Any


def _load() -> None:
    """Load gRPC; under gevent in the way that does not stop all greenlets for the length of a call."""
    load_modules("grpc", "urllib.request")
    monkey = sys.modules.get("gevent.monkey")
    if _gate.first_user is None and monkey is not None and monkey.is_module_patched("threading"):
        load_modules("grpc.experimental.gevent")
        sys.modules["grpc.experimental.gevent"].init_gevent()
    _gate.first_user = _gate.first_user or os.getpid()


def _lost_in_a_fork() -> bool:
    """Return whether gRPC was in use in the process that this one was forked from, and was told not to mind forks."""
    if _gate.first_user in (None, os.getpid()):
        return False
    return os.environ.get("GRPC_ENABLE_FORK_SUPPORT", "1").lower() not in _TRUE


def _proxy(host: str) -> tuple[str, Any]:
    """Return the option of a channel that says by which proxy it goes.

    gRPC itself has grpc_proxy, https_proxy and http_proxy for any endpoint, and reads them in small letters alone.
    """
    proxy = proxy_of(host, "grpc", "https", "http")
    if proxy is None:
        return "grpc.enable_http_proxy", 0
    login = f"{proxy.login}@" if proxy.login else ""
    return "grpc.http_proxy", f"{proxy.scheme}://{login}{proxy.host}"


def _value(name: str, value: str) -> str | bytes:
    return value.encode() if name.endswith("-bin") else value


def _content(file: str | None) -> bytes | None:
    if file is None:
        return None
    with open(file, "rb") as stream:
        return stream.read()


def _authorities(file: str | None) -> bytes | None:
    """Return what may vouch for a collector; None for what gRPC brings along."""
    if file is None and not os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"):
        import ssl

        file = ssl.get_default_verify_paths().cafile
    return _content(file)


def _retry_delay(metadata: Any) -> float | None:
    """Return the seconds of a ``RetryInfo`` among the details of a status (google/rpc/error_details.proto)."""
    status = dict(metadata).get("grpc-status-details-bin", b"")
    try:
        for number, detail in iterate_fields(bytes_of(status)):
            packed = fields(bytes_of(detail)) if number == 3 else {}
            if text_of(packed.get(1)).rpartition("/")[2] == "google.rpc.RetryInfo":
                delay = fields(bytes_of(fields(bytes_of(packed.get(2))).get(1)))
                return _seconds(delay.get(1, 0), delay.get(2, 0))
    except (IndexError, ValueError):
        pass
    return None


def _seconds(seconds: int | bytes, nanos: int | bytes) -> float:
    """Return a ``google.protobuf.Duration`` in seconds; what is negative or makes no sense asks for no pause."""
    if isinstance(seconds, bytes) or isinstance(nanos, bytes) or seconds >= 1 << 63 or nanos >= 1 << 63:
        return 0.0
    return seconds + nanos / 1e9
