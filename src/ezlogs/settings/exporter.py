"""How one signal leaves, as OpenTelemetry's own variables say: OTEL_EXPORTER_OTLP_*, for either protocol.

Source: OpenTelemetry specification, "OpenTelemetry Protocol Exporter". A variable of the signal, such as
OTEL_EXPORTER_OTLP_LOGS_HEADERS, counts over the one for all signals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from ezlogs.settings.kinds import Boolean, Choice, Kind, Location, Seconds, UnacceptableError
from ezlogs.settings.otlp import LOGS_PATH, TRACES_PATH, Endpoint, HeaderList, Headers, Packing, masked_address
from ezlogs.settings.problem import Problem, in_environment

OtlpSignal = Literal["traces", "logs"]

_PREFIX: Final = "OTEL_EXPORTER_OTLP_"
_PATHS: Final[Mapping[str, str]] = {"traces": TRACES_PATH, "logs": LOGS_PATH}
_GRPC: Final = "grpc"


class Exporter(msgspec.Struct, frozen=True, kw_only=True):
    """What a transport needs to know."""

    protocol: Literal["http/protobuf", "grpc"] = "http/protobuf"
    endpoint: str = ""
    """Over HTTP the whole address; over gRPC a URL, or any form that gRPC takes."""
    insecure: bool = False
    """Whether gRPC goes without TLS to an endpoint that says nothing of it."""
    headers: Headers = Headers()
    timeout: float = 10.0
    """Seconds for one request, as all of OpenTelemetry's Python reads it."""
    compression: Literal["none", "gzip", "zstd"] = "none"
    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None


class GrpcEndpoint(Kind, frozen=True):
    """An address for gRPC: a URL with http or https, or any form that gRPC takes.

    >>> GrpcEndpoint().parse("collector:4317")
    'collector:4317'
    """

    @property
    def allowed(self) -> str:
        return "an http:// or https:// address, or one of gRPC's own such as 'collector:4317'"

    def parse(self, given: object) -> object:
        if not isinstance(given, str) or not (text := given.strip()):
            raise self.refusal()
        if any(character.isspace() or not character.isprintable() for character in text):
            raise UnacceptableError("an address holds no spaces")
        try:
            url = urlsplit(text)
            host = url.hostname
        except ValueError:
            raise self.refusal("not an address") from None
        if url.scheme in ("http", "https"):
            if not host:
                raise self.refusal("missing host")
            if "@" in url.netloc:
                raise UnacceptableError("a user name and password are not sent from here; use headers")
        return text

    def shown(self, value: object) -> object:
        return masked_address(str(value))

    def quoted(self, given: object) -> str:
        return super().quoted(masked_address(given) if isinstance(given, str) else given)


_KINDS: Final[Mapping[str, tuple[str, Kind]]] = {
    "INSECURE": ("insecure", Boolean()),
    "HEADERS": ("headers", HeaderList()),
    "TIMEOUT": ("timeout", Seconds(0.001, 600)),
    "COMPRESSION": ("compression", Packing(("none", "gzip", "zstd"))),
    "CERTIFICATE": ("certificate", Location("a PEM file")),
    "CLIENT_CERTIFICATE": ("client_certificate", Location("a PEM file")),
    "CLIENT_KEY": ("client_key", Location("a PEM file")),
}


def exporter(environ: Mapping[str, str], signal: OtlpSignal) -> tuple[Exporter, tuple[Problem, ...]]:
    """Return how a signal leaves, and what of the environment could not be used.

    What cannot be used is passed over for the next weaker variable, and at last for the default.

    Args:
        environ: The environment, such as ``os.environ``. Variables that are empty count as not set.
        signal: ``traces`` or ``logs``.

    Example:
        >>> found, problems = exporter({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, "logs")
        >>> found.endpoint, problems
        ('http://collector:4318/v1/logs', ())
        >>> exporter({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "traces")[0].endpoint
        'http://localhost:4317'
    """
    reader = _Reader(environ, signal)
    protocol = reader.read("PROTOCOL", Choice(("http/protobuf", _GRPC)), "protocol") or "http/protobuf"
    found: dict[str, Any] = {"protocol": protocol, "endpoint": _endpoint(reader, protocol == _GRPC)}
    for suffix, (name, kind) in _KINDS.items():
        value = reader.read(suffix, kind, name)
        if value is not None:
            found[name] = value
    if protocol == _GRPC and found.get("compression") == "zstd":
        reader.complain("COMPRESSION", "compression 'zstd'", "gRPC in Python has gzip only; use gzip, or http/protobuf")
        found["compression"] = "gzip"
    if "client_key" in found and "client_certificate" not in found:
        reader.complain("CLIENT_KEY", "client_key", "a key alone identifies nobody; set the client certificate too")
        del found["client_key"]
    return Exporter(**found), tuple(reader.problems)


def _endpoint(reader: _Reader, grpc: bool) -> str:
    path = _PATHS[reader.signal]
    if grpc:
        found = reader.read("ENDPOINT", GrpcEndpoint(), "endpoint")
        return str(found or "http://localhost:4317")
    own = reader.read_one(reader.variables("ENDPOINT")[0], Endpoint("never", path), "endpoint")
    found = own or reader.read_one(reader.variables("ENDPOINT")[1], Endpoint("always", path), "endpoint")
    return str(found or f"http://localhost:4318{path}")


class _Reader:
    """Reads variables of one signal, the signal's own first, and remembers what was wrong with them."""

    def __init__(self, environ: Mapping[str, str], signal: OtlpSignal) -> None:
        self._environ = environ
        self.signal = signal
        self.problems: list[Problem] = []

    def variables(self, suffix: str) -> tuple[str, str]:
        return f"{_PREFIX}{self.signal.upper()}_{suffix}", _PREFIX + suffix

    def read(self, suffix: str, kind: Kind, name: str) -> object:
        """Return the value of the first variable that has a usable one, or None."""
        for variable in self.variables(suffix):
            value = self.read_one(variable, kind, name)
            if value is not None:
                return value
        return None

    def read_one(self, variable: str, kind: Kind, name: str) -> object:
        text = self._environ.get(variable, "").strip()
        if not text:
            return None
        try:
            return kind.parse(text)
        except UnacceptableError as refusal:
            self.problems.append(Problem(in_environment(variable), f"{name} {kind.quoted(text)}", str(refusal)))
            return None

    def complain(self, suffix: str, given: str, reason: str) -> None:
        """Say what is wrong with a value that is right by itself."""
        variable = next(one for one in self.variables(suffix) if self._environ.get(one, "").strip())
        self.problems.append(Problem(in_environment(variable), given, reason))
