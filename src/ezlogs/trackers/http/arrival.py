"""Arrivals: a request as its server describes it, by CGI's variables or by an ASGI scope, read only as far as asked."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.propagators.textmap import Getter

if TYPE_CHECKING:
    from ezlogs.trackers.http.request import HttpRequest

_MARK: Final = "ezlogs.request"
"""Where a tracked request is found by whatever else it is handed to: mounted applications, internal redirects."""


MOUNTED: Final = "ezlogs.mounted"
"""Where in a WSGI environment the prefix is that an application is mounted below, until that is told."""


class Arrival:
    """A request as it arrives. Its body is never touched."""

    __slots__ = ("_carrier", "method", "path")

    _carrier: Any

    method: str
    """As the client sent it."""

    path: str
    """The whole path, below whatever the application is mounted, without the query."""

    @abstractmethod
    def lines(self, name: str) -> list[str] | None:
        """Return the lines of a header, by its name in lower case; None where there is none."""

    @abstractmethod
    def names(self) -> Iterable[str]:
        """Return the names of all headers, in lower case."""

    @abstractmethod
    def peer(self) -> str | None:
        """Return the address at the other end of the connection; None where it has none."""

    @abstractmethod
    def scheme(self) -> str:
        """Return what the URL begins with: ``http`` or ``https``, ``ws`` or ``wss``."""

    @abstractmethod
    def query(self) -> str:
        """Return the query of the URL, as it was sent."""

    def header(self, name: str) -> str | None:
        """Return a header, all its lines joined."""
        lines = self.lines(name)
        return None if lines is None else lines[0] if len(lines) == 1 else ", ".join(lines)

    def url(self) -> str:
        """Return the whole URL, as far as it is known."""
        query = self.query()
        return f"{self.scheme()}://{self.header('host') or ''}{self.path}{'?' if query else ''}{query}"

    def mount(self) -> str:
        """Return, once, what the application is mounted below where that is a constant, unlike a server's prefix."""
        return ""

    def tracked(self) -> HttpRequest | None:
        """Return the request that is tracked as this one already."""
        found: HttpRequest | None = self._carrier.get(_MARK)
        return found

    def track(self, request: HttpRequest) -> None:
        """Say that this is tracked as a request."""
        self._carrier[_MARK] = request

    def untrack(self, request: HttpRequest) -> None:
        """Forget a request that has ended: what the application still holds of it need not hold all of this."""
        if self._carrier.get(_MARK) is request:
            del self._carrier[_MARK]


class CgiArrival(Arrival):
    """A request described by CGI's variables: WSGI's environment, and Django's ``request.META`` under either server.

    Source: PEP 3333, "environ Variables".

    Args:
        environ: The variables.
        method: Where somebody has read it already.
        path: The same.
        scheme: The same.

    Example:
        >>> arrival = CgiArrival({"REQUEST_METHOD": "GET", "PATH_INFO": "/orders", "HTTP_X_REQUEST_ID": "r-1"})
        >>> arrival.path, arrival.header("x-request-id")
        ('/orders', 'r-1')
    """

    __slots__ = ("_scheme",)

    def __init__(
        self,
        environ: MutableMapping[str, Any],
        *,
        method: str | None = None,
        path: str | None = None,
        scheme: str | None = None,
    ) -> None:
        self._carrier, self._scheme = environ, scheme
        self.method = environ.get("REQUEST_METHOD", "") if method is None else method
        self.path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}" if path is None else path

    def lines(self, name: str) -> list[str] | None:
        value = self._carrier.get(_variable(name))
        return [value] if isinstance(value, str) and value else None

    def header(self, name: str) -> str | None:
        value = self._carrier.get(_variable(name))
        return value if value and isinstance(value, str) else None

    def names(self) -> Iterable[str]:
        return [name[5:].lower().replace("_", "-") for name in self._carrier if name.startswith("HTTP_")]

    def peer(self) -> str | None:
        return self._carrier.get("REMOTE_ADDR") or None

    def scheme(self) -> str:
        return self._scheme or str(self._carrier.get("wsgi.url_scheme", "http"))

    def query(self) -> str:
        return self._carrier.get("QUERY_STRING") or ""

    def mount(self) -> str:
        prefix: str = self._carrier.pop(MOUNTED, "")
        return prefix


class AsgiArrival(Arrival):
    """A request or WebSocket described by an ASGI scope.

    Source: ASGI specification 3, "HTTP & WebSocket ASGI Message Format".

    Example:
        >>> scope = {"type": "http", "method": "GET", "path": "/orders", "headers": [(b"x-request-id", b"r-1")]}
        >>> AsgiArrival(scope).header("x-request-id")
        'r-1'
    """

    __slots__ = ("_headers",)

    def __init__(self, scope: MutableMapping[str, Any]) -> None:
        self._carrier = scope
        self.method = scope.get("method", "GET")
        self.path = _whole(scope.get("path", ""), scope.get("root_path", ""))
        self._headers = by_name(scope.get("headers", ()))

    def lines(self, name: str) -> list[str] | None:
        return self._headers.get(name)

    def names(self) -> Iterable[str]:
        return self._headers

    def peer(self) -> str | None:
        client = self._carrier.get("client")
        return client[0] or None if client else None

    def scheme(self) -> str:
        return str(self._carrier.get("scheme", "http"))

    def query(self) -> str:
        return _text(self._carrier.get("query_string", b""))


class PlainArrival(Arrival):
    """A request of a framework that has neither: its headers are a mapping by names in lower case, to text or lines.

    Example:
        >>> PlainArrival("GET", "/orders", {"x-request-id": "r-1"}).header("x-request-id")
        'r-1'
    """

    __slots__ = ("_headers", "_peer", "_query")

    def __init__(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str | list[str]],
        *,
        query: str = "",
        peer: str | None = None,
    ) -> None:
        self._carrier: dict[str, Any] = {}
        self._headers = headers
        self._query, self._peer = query, peer
        self.method, self.path = method, path

    def lines(self, name: str) -> list[str] | None:
        value = self._headers.get(name)
        return [value] if isinstance(value, str) else value

    def names(self) -> Iterable[str]:
        return self._headers

    def peer(self) -> str | None:
        return self._peer

    def scheme(self) -> str:
        return "http"

    def query(self) -> str:
        return self._query


def tracked_in(carrier: Mapping[str, Any]) -> HttpRequest | None:
    """Return the request that an environment or scope is tracked as, while its end is still to be told.

    Example:
        >>> tracked_in({"type": "http"}) is None
        True
    """
    found: HttpRequest | None = carrier.get(_MARK)
    return found if found is not None and found.is_open else None


def by_name(headers: Iterable[Sequence[Any]]) -> Mapping[str, list[str]]:
    """Return the lines of headers by their names in lower case, as ASGI has them.

    Example:
        >>> by_name([(b"Accept", b"text/html"), (b"accept", b"*/*")])
        {'accept': ['text/html', '*/*']}
    """
    found: dict[str, list[str]] = {}
    for name, value in headers:
        key = _name(name)
        if key in found:
            found[key].append(_text(value))
        else:
            found[key] = [_text(value)]
    return found


class _Headers(Getter[Arrival]):
    def get(self, carrier: Arrival, key: str) -> list[str] | None:
        return carrier.lines(key.lower())

    def keys(self, carrier: Arrival) -> list[str]:
        return list(carrier.names())


HEADERS: Final = _Headers()
"""Reads the headers of an arrival for propagators."""


@lru_cache(maxsize=256)
def _variable(header: str) -> str:
    name = header.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


@lru_cache(maxsize=1024)
def _name(name: bytes | str) -> str:
    return _text(name).lower()


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else bytes(value).decode("latin-1")


def _whole(path: str, root: str) -> str:
    """Return a path with what the application is mounted at, which newer servers have put into it already."""
    return path if not root or path.startswith(root) else root + path
