"""Requests to other services, whatever the client: one event for each request that is sent, told once it is answered.

No path, query or header is told, nothing of a body is read. What is sent is not changed here: see `propagation.egress`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar, Token
from functools import lru_cache
from ipaddress import ip_address
from time import perf_counter
from types import TracebackType
from urllib.parse import urljoin, urlsplit

from ezlogs.emit import record, tracking
from ezlogs.event import Failure, Subject, UniversalEvent, failure_of
from ezlogs.propagation.hosts import is_named
from ezlogs.runtime import current_runtime
from ezlogs.trackers.http import METHODS
from ezlogs.trackers.work import outcome_of

HTTP_CLIENT = "http.client"
UNKNOWN_HOST = "(unknown)"
"""The host of what is no host beyond doubt, or longer than any could be."""

MAX_HOST = 253
MAX_PATH = 2048
"""Characters of the longest path for which a template is looked for."""
MAX_KNOWN = 32
"""Different requests of one call whose attempts are counted."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_LENGTH = re.compile("[0-9]{1,15}")
_PARAMETER = re.compile(r"\{[A-Za-z0-9_]+\}")
_CANCELLED = frozenset({"CancelledError", "Cancelled", "GeneratorExit", "GreenletExit"})
_REASONS = (
    ("timeout", re.compile("Timeout")),
    ("dns", re.compile("gaierror|NameResolution|DNS")),
    ("tls", re.compile("SSL|Certificate|TLS")),
    (
        "connection",
        re.compile("^OSError$|Connect|BrokenPipe|Protocol|Proxy|Disconnected|IncompleteRead|^NetworkError$"),
    ),
)


class Call:
    """What a client was asked for once, from which any number of requests may come: retries, redirects, sign-ins.

    A context manager around the client's own work, which never raises; calls inside another one are part of it.

    Args:
        client: The client, as it is named in ``OTEL_PYTHON_<CLIENT>_EXCLUDED_URLS``.
        redirects: How many redirects led to it, where the client makes a call of each.

    Example:
        >>> with Call("httpx") as call, Call("requests"):
        ...     current_call() is call
        True
    """

    __slots__ = ("_attempts", "_target", "_token", "client", "method", "redirects", "url")

    def __init__(self, client: str, *, redirects: int = 0, method: str = "", url: str = "") -> None:
        self.client = client
        self.redirects = redirects
        self.method = method
        self.url = url
        """What was asked for, where that is known before a request is made of it."""
        self._attempts: dict[tuple[object, ...], int] = {}
        self._target: str | None = None
        self._token: Token[Call | None] | None = None

    def __enter__(self) -> Call:
        outer = _call.get()
        if outer is not None:
            return outer
        self._token = _call.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            with suppress(ValueError, RuntimeError):  # a coroutine can be closed elsewhere, by garbage collection too
                _call.reset(self._token)
            self._token = None

    def attempt(self, method: str, host: str, port: int | None, target: str) -> int:
        """Count a request that is about to be sent, and return which attempt at the same it is, from 1."""
        if self._target == host:
            self.redirects += 1
            self._target = None
            self._attempts.clear()
        key = (method, host, port, target)
        number = self._attempts.get(key, 0) + 1
        if number > 1 or len(self._attempts) < MAX_KNOWN:
            self._attempts[key] = number
        return number

    def answered(self, status: int, host: str, location: str | None) -> None:
        """Take note of an answer, which may be a redirect."""
        if status in _REDIRECTS and location is not None:
            with suppress(ValueError):  # it names no host that could be followed to
                self._target = host_name(urlsplit(urljoin(f"//{_bracketed(host)}/", location)).hostname or "")


_call: ContextVar[Call | None] = ContextVar("ezlogs_http_client_call", default=None)


def current_call() -> Call | None:
    """Return the call that the present moment is part of."""
    return _call.get()


class Sending:
    """A request that is under way. Made by `sending`; told once, by whichever of its methods comes first."""

    __slots__ = ("_began", "_call", "_host", "_metadata", "_route", "_told", "_where")

    def __init__(
        self, call: Call | None, where: str, route: str | None, metadata: dict[str, object], began: float | None
    ) -> None:
        self._call = call
        self._where = where
        self._route = route
        self._metadata = metadata
        self._host = str(metadata["host"])
        self._told = False
        self._began = perf_counter() if began is None else began

    def answered(self, status: int, *, length: object = None, location: str | None = None) -> UniversalEvent | None:
        """Tell the request, whose answer has begun to come: its status and headers are there.

        Args:
            status: The status code; 400 and above are failures, as in OpenTelemetry's conventions for clients.
            length: The answer's ``Content-Length``, in any form.
            location: Where to, of a redirect.
        """
        if self._call is not None:
            self._call.answered(status, self._host, location)
        self._metadata["status"] = status
        if (size := _size(length)) is not None:
            self._metadata["response_bytes"] = size
        return self._tell("failure" if status >= 400 else "success", None)

    def failed(self, error: BaseException) -> UniversalEvent | None:
        """Tell the request, to which no answer came: of the error its type alone, messages hold addresses."""
        if (reason := reason_of(error)) is not None:
            self._metadata["reason"] = reason
        return self._tell(outcome_of(error), error)

    def _tell(self, outcome: str, error: BaseException | None) -> UniversalEvent | None:
        if self._told:
            return None
        self._told = True
        return record(
            HTTP_CLIENT,
            f"{self._metadata['method']} {self._where}{self._route or ''}",
            subject=Subject("service", self._host),
            metadata=self._metadata,
            outcome=outcome,
            duration=perf_counter() - self._began,
            error=None if error is None else Failure(failure_of(error).type),
        )


def sending(
    client: str,
    method: str,
    scheme: str,
    host: str,
    port: int | None,
    *,
    target: str,
    length: object = None,
    attempt: int | None = None,
    redirects: int = 0,
    began: float | None = None,
) -> Sending | None:
    """Begin a request that is about to be sent, or connected for.

    Args:
        client: As for `Call`; of a call that is under way the outermost client counts.
        method: The method; one that no standard knows is told as ``_OTHER``.
        scheme: ``http`` or ``https``.
        host: The host that is asked, never the proxy on the way there; with or without brackets, zone and user.
        port: Its port, or None for the scheme's own.
        target: Path and query. They are matched with templates and exclusions, and not told.
        length: The request's ``Content-Length``, in any form.
        attempt: Which attempt at the same request this is, where the client knows; else it is counted in the call.
        redirects: How many redirects the client followed to come here, beside those that the call knows of.
        began: When it began, as `time.perf_counter` told then; now, if left out.

    Returns:
        The request; None where it is not to be told: nothing listens, instrumentation is suppressed, or its address
        is excluded.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture(http_client_routes="api.stripe.com/v1/charges/{id}") as captured:
        ...     request = sending("requests", "POST", "https", "api.stripe.com", None, target="/v1/charges/ch_1?a=b")
        ...     _ = request.answered(402, length="81")
        >>> event = captured.events[0]
        >>> event.action, event.outcome, event.subject.id, event.metadata["response_bytes"]
        ('POST api.stripe.com/v1/charges/{id}', 'failure', 'api.stripe.com', 81)
    """
    runtime = current_runtime()
    if runtime is None or not tracking(HTTP_CLIENT):
        return None
    call = current_call()
    name, scheme = host_name(host), scheme.lower()
    usual = _DEFAULT_PORTS.get(scheme)
    port = port or usual
    where = _bracketed(name) if port == usual else f"{_bracketed(name)}:{port}"
    if is_excluded(call.client if call else client, f"{scheme}://{where}{target}"):
        return None
    method = method.upper()
    method = method if method in METHODS else "_OTHER"
    if call is not None:
        counted = call.attempt(method, name, port, target)
        redirects += call.redirects
        attempt = attempt or counted
    route = route_of(runtime.settings.http_client_routes, name, port, target)
    metadata: dict[str, object] = {"method": method, "host": name}
    for key, value in (("port", port), ("route", route), ("request_bytes", _size(length))):
        if value is not None:
            metadata[key] = value
    metadata["attempt"] = attempt or 1
    if redirects:
        metadata["redirects"] = redirects
    return Sending(call, where, route, metadata, began)


def host_name(host: str) -> str:
    """Return a host as it is told: in lower case, an international name in its ASCII form, an address by its number.

    Example:
        >>> host_name("API.Example.com."), host_name("b\u00fccher.example"), host_name("[FE80::1%25eth0]")
        ('api.example.com', 'xn--bcher-kva.example', 'fe80::1')
        >>> host_name("a" * 300), host_name("a b"), host_name("")
        ('(unknown)', '(unknown)', '(unknown)')
    """
    return _host_name(host) if 0 < len(host) <= 4 * MAX_HOST else UNKNOWN_HOST


@lru_cache(maxsize=1024)
def _host_name(host: str) -> str:
    host = host.rpartition("@")[2].strip("[]")
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        name = host.lower() if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return UNKNOWN_HOST
    name = name.removesuffix(".")
    return name if len(name) <= MAX_HOST and _NAME.fullmatch(name) else UNKNOWN_HOST


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def route_of(routes: Iterable[str], host: str, port: int | None, target: str) -> str | None:
    """Return the path of the first template that fits an address, or None.

    Args:
        routes: Such as ``api.stripe.com/v1/charges/{id}``; ``{id}`` stands for one segment of a path.
        host: As `host_name` returns it.
        port: It counts where a template has one.
        target: Path and query.

    Example:
        >>> route_of(["*.shop.example/orders/{id}"], "eu.shop.example", 443, "/orders/42?full=1")
        '/orders/{id}'
    """
    path = target.partition("?")[0].partition("#")[0] or "/"
    if len(path) > MAX_PATH:
        return None
    for route in routes:
        pattern, wanted, template, expression = _template(route)
        if wanted in (None, port) and is_named(_bracketed(host), (pattern,)) and expression.fullmatch(path):
            return template
    return None


@lru_cache(maxsize=1024)
def _template(route: str) -> tuple[str, int | None, str, re.Pattern[str]]:
    authority, _, path = route.partition("/")
    host, port = authority, None
    if found := re.fullmatch(r"(.*[^:]):([0-9]+)", authority):
        host, port = found[1], int(found[2])
    literals = map(re.escape, _PARAMETER.split(f"/{path}"))
    return host.strip("[]"), port, f"/{path}", re.compile("[^/]+".join(literals))


def is_excluded(client: str, url: str) -> bool:
    """Return whether an address is excluded, as for OpenTelemetry's own instrumentors.

    ``OTEL_PYTHON_<CLIENT>_EXCLUDED_URLS``, or else ``OTEL_PYTHON_EXCLUDED_URLS``, holds regular expressions,
    separated by commas, of which one is found somewhere in the address.

    Args:
        client: Such as ``requests``.
        url: The whole address, without user and password.
    """
    named = os.environ.get(f"OTEL_PYTHON_{client.upper()}_EXCLUDED_URLS")
    given = os.environ.get("OTEL_PYTHON_EXCLUDED_URLS") if named is None else named
    if not given:
        return False
    return any(expression.search(url) for expression in _expressions(given))


@lru_cache(maxsize=16)
def _expressions(given: str) -> tuple[re.Pattern[str], ...]:
    found: list[re.Pattern[str]] = []
    for text in filter(None, map(str.strip, given.split(","))):
        try:
            found.append(re.compile(text))
        except re.error:
            if runtime := current_runtime():
                runtime.warn_once("an expression among the excluded URLs is no regular expression, and is ignored")
    return tuple(found)


def reason_of(error: BaseException) -> str | None:
    """Return why no answer came: cancelled, interrupted, timeout, dns, tls or connection; None for anything else.

    It is told by the names of the error's classes, the closest first, which all clients choose alike.

    Example:
        >>> [reason_of(error) for error in (TimeoutError(), BrokenPipeError(), KeyboardInterrupt(), ValueError())]
        ['timeout', 'connection', 'interrupted', None]
    """
    names = [kind.__name__ for kind in type(error).__mro__]
    if not _CANCELLED.isdisjoint(names):
        return "cancelled"
    if not isinstance(error, Exception):
        return "interrupted"
    return next((reason for name in names for reason, known in _REASONS if known.search(name)), None)


def _size(length: object) -> int | None:
    """Return a ``Content-Length``, None for what is none."""
    if isinstance(length, bytes):
        length = length.decode("latin-1")
    text = str(length).strip() if isinstance(length, (str, int)) else ""
    return int(text) if _LENGTH.fullmatch(text) else None
