"""The kinds of value that OTLP defines: where to send, and with which headers.

Source: OpenTelemetry specification, "OpenTelemetry Protocol Exporter".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from ezlogs.expressions import expression
from ezlogs.settings.fixed import Fixed
from ezlogs.settings.kinds import MASK, Choice, Kind, UnacceptableError

TRACES_PATH = "/v1/traces"
LOGS_PATH = "/v1/logs"

_TOKEN = expression(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a header's name: RFC 9110, section 5.6.2
_CREDENTIALS = expression(r"^([A-Za-z][A-Za-z0-9+.-]*://|//)?.*@", re.DOTALL)
_OF_GRPC = expression(r"(dns|unix|unix-abstract|vsock|ipv4|ipv6|xds):", re.IGNORECASE)
_QUERY = expression(r"[?#].*", re.DOTALL)


class Endpoint(Kind, frozen=True):
    """The address of a collector; ``appended`` says when the path of its signal is appended to it.

    ``"always"`` is the rule for OTEL_EXPORTER_OTLP_ENDPOINT, ``"never"`` the one for
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, ``"unless there"`` takes either form, and ``"beside"`` an address for traces.
    Over gRPC an address needs no scheme; see `Target`.

    >>> Endpoint("unless there", "/v1/traces").parse("https://collector:4318")
    'https://collector:4318/v1/traces'
    """

    appended: Literal["always", "never", "unless there", "beside"]
    path: str

    @property
    def allowed(self) -> str:
        return "an http:// or https:// address"

    def parse(self, given: object) -> object:
        if not isinstance(given, str) or not (text := given.strip()):
            raise self.refusal()
        url = _address(text)
        path = url.path.rstrip("/")
        if self.appended == "never":
            return text
        if self.appended == "beside":
            path = path.removesuffix(TRACES_PATH)
        if self.appended == "always" or not path.endswith(self.path):
            path += self.path
        return url._replace(path=path).geturl()

    def under(self, settings: Mapping[str, object]) -> Kind:
        of = "logs_" if self.path == LOGS_PATH else ""
        if settings.get(f"{of}protocol") != "grpc":
            return self
        return Target(self.appended, self.path, settings.get(f"{of}insecure") is True)

    def shown(self, value: object) -> object:
        return None if value is None else masked_address(str(value))

    def quoted(self, given: object) -> str:
        return super().quoted(masked_address(given) if isinstance(given, str) else given)


class Target(Endpoint, frozen=True):
    """An OTLP/gRPC address: a URL, whose scheme says whether there is TLS, or any form that gRPC itself takes.

    What has no scheme is reached by TLS unless it is ``insecure``.

    >>> Target("never", "/v1/traces", insecure=True).parse("collector:4317")
    'http://collector:4317'
    >>> Target("always", "/v1/traces").parse("unix:/run/collector.sock")
    'unix:/run/collector.sock'

    Source: OpenTelemetry specification, "OpenTelemetry Protocol Exporter", OTEL_EXPORTER_OTLP_INSECURE;
    https://github.com/grpc/grpc/blob/master/doc/naming.md.
    """

    insecure: bool = False

    @property
    def allowed(self) -> str:
        return "an address such as collector:4317, or an http:// or https:// one"

    def parse(self, given: object) -> object:
        if not isinstance(given, str) or not (text := given.strip()):
            raise self.refusal()
        if _OF_GRPC.match(text):
            return text
        return super().parse(text if "://" in text else f"{'http' if self.insecure else 'https'}://{text}")


class Headers(Fixed[str]):
    """HTTP headers with lower-case names: immutable, and masked in every text made of them.

    >>> Headers({"Authorization": "Bearer abc"})
    Headers({'authorization': '****'})
    """

    __slots__ = ()

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        super().__init__({name.lower(): value for name, value in (values or {}).items()})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def shown(self) -> dict[str, object]:
        """Return the names, each with its value masked."""
        return dict.fromkeys(self, MASK)


class HeaderList(Kind, frozen=True):
    """Headers as ``name=value`` pairs separated by commas and percent-encoded, or as a mapping in code.

    >>> HeaderList().parse("x-tenant=shop,authorization=Bearer%20abc")["authorization"]
    'Bearer abc'
    """

    @property
    def allowed(self) -> str:
        return "name=value pairs separated by commas, percent-encoded"

    def parse(self, given: object) -> object:
        pairs = given.items() if isinstance(given, Mapping) else self._pairs(given)
        headers = {}
        for name, value in pairs:
            if not isinstance(name, str) or not _TOKEN.fullmatch(name):
                raise UnacceptableError("a header's name is letters, digits and any of !#$%&'*+-.^_`|~")
            # Line breaks would let a value forge headers; others cannot be put on the wire by http.client.
            if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
                raise UnacceptableError(f"the value of header '{name}' may hold printable ASCII only")
            headers[name] = value
        return Headers(headers)

    def shown(self, value: object) -> object:
        assert isinstance(value, Headers)
        return value.shown()

    def quoted(self, given: object) -> str:
        return MASK

    def _pairs(self, given: object) -> Iterator[tuple[str, str]]:
        if not isinstance(given, str):
            raise self.refusal()
        for pair in filter(None, map(str.strip, given.split(","))):
            name, equals, value = pair.partition("=")
            if not equals:
                raise self.refusal()
            yield unquote(name.strip()), unquote(value.strip())


class Packing(Choice, frozen=True):
    """How request bodies are compressed. What this Python cannot do is refused, with what to install.

    >>> Packing(("none", "gzip", "zstd")).parse("GZIP")
    'gzip'
    """

    def parse(self, given: object) -> object:
        word = super().parse(given)
        if word == "zstd":
            from ezlogs.otlp.compression import WITHOUT_ZSTD, zstd_module

            if zstd_module() is None:
                raise UnacceptableError(WITHOUT_ZSTD)
        return word


def _address(text: str) -> SplitResult:
    """Take an address apart, or say which part of it is wrong."""
    if "://" not in text:
        raise UnacceptableError(f"missing scheme; use 'http://{masked_address(text).lstrip('/')}'")
    try:
        url = urlsplit(text)
    except ValueError:
        raise UnacceptableError("not an address; use 'http://localhost:4318'") from None
    if url.scheme not in ("http", "https"):
        raise UnacceptableError(f"scheme '{url.scheme}' is not supported; use 'http' or 'https'")
    if not url.hostname:
        raise UnacceptableError("missing host; use 'http://localhost:4318'")
    if not _port_in_range(url):
        raise UnacceptableError("the port must be a number from 1 to 65535")
    if "@" in url.netloc:
        raise UnacceptableError("a user name and password are not sent from here; use the setting 'headers'")
    if any(character.isspace() or not character.isprintable() for character in text):
        raise UnacceptableError("an address holds no spaces")
    return url


def _port_in_range(url: SplitResult) -> bool:
    try:
        return url.port != 0
    except ValueError:
        return False


def masked_address(text: str) -> str:
    """Return an address, or what was given as one, without the credentials in it."""
    # On the text, not its parts: what cannot be taken apart must not be shown either.
    return _QUERY.sub(f"?{MASK}", _CREDENTIALS.sub(rf"\g<1>{MASK}@", text))
