"""Details: what is told of a request beside its route and its end, measured or left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ezlogs.privacy import Scrubber
from ezlogs.runtime import Runtime
from ezlogs.trackers.http.arrival import Arrival
from ezlogs.trackers.http.clients import client_address
from ezlogs.trackers.http.routes import version_in

_MAX_TEXT = 256
"""Characters of a header that are told."""

_MAX_PARAMETERS = 64
_VENDOR_VERSION = re.compile(r"(?:;\s*version=|\.)(v?[0-9]{1,4}(?:\.[0-9]{1,4}){0,2})(?=[+;,\s]|$)")


class Response:
    """A response as far as it has been seen."""

    __slots__ = ("first_byte", "header", "size", "status")

    def __init__(self) -> None:
        self.status: int | None = None
        self.header: Callable[[str], str | None] | None = None
        """Returns one of its headers by its name in lower case."""
        self.size: int | None = None
        """Bytes of its body that were seen to go out; None where nobody looked."""
        self.first_byte: float | None = None
        """Seconds after the request's beginning; of what was seen to go out."""


def add_details(
    found: dict[str, Any], arrival: Arrival, response: Response, route: str | None, runtime: Runtime
) -> None:
    """Add what is told of a request and its response, by name: each part only where it is known.

    The client's address is treated as privacy says already here, which is cheaper than to find it in the event.

    Args:
        found: What is told already.
        arrival: The request as it arrived.
        response: The response.
        route: The template that matched.
        runtime: Whose settings and privacy hold.
    """
    header = arrival.header
    if (address := client_address(arrival, runtime.settings.trusted_proxies)) is not None:
        found["client_address"] = address_of(address, runtime.scrubber)
    if agent := header("user-agent"):
        found["user_agent"] = agent[:_MAX_TEXT]
    if (referrer := header("referer")) and (host := _host(referrer)):
        found["referrer_host"] = host
    version = header("api-version") or header("x-api-version") or (route and version_in(route)) or _accepted(arrival)
    if version:
        found["api_version"] = version[:64]
    if kind := header("content-type"):
        found["request_content_type"] = content_type(kind)
    if (size := number(header("content-length"))) is not None:
        found["request_bytes"] = size
    size = response.size
    if response.header is not None:
        if kind := response.header("content-type"):
            found["response_content_type"] = content_type(kind)
        if size is None and arrival.method != "HEAD" and response.status not in (204, 304):
            size = number(response.header("content-length"))
    if size is not None:
        found["response_bytes"] = size
    if response.first_byte is not None:
        found["time_to_first_byte"] = response.first_byte


@lru_cache(maxsize=1024)
def address_of(address: str, scrubber: Scrubber) -> str:
    """Return an address as privacy lets it be told; clients come again."""
    return scrubber.text(address, "metadata.client_address", [])


def selected(values: Mapping[str, Any], patterns: tuple[str, ...]) -> dict[str, object]:
    """Return those of some values that a setting names, by globs; values that are no scalars are left out.

    Example:
        >>> selected({"page": "2", "token": "x", "filter[state]": ["open", "new"]}, ("page", "filter*"))
        {'page': '2', 'filter[state]': ['open', 'new']}
    """
    found: dict[str, object] = {}
    for name, value in values.items():
        if len(found) >= _MAX_PARAMETERS:
            break
        if type(name) is str and any(fnmatchcase(name, pattern) for pattern in patterns):
            if isinstance(value, (list, tuple)):
                found[name] = [one for one in value[:_MAX_PARAMETERS] if _is_scalar(one)]
            elif _is_scalar(value):
                found[name] = value
    return found


def query_parameters(query: str) -> dict[str, object]:
    """Return the parameters of a URL's query; of those that come more than once a list.

    Example:
        >>> query_parameters("page=2&tag=a&tag=b")
        {'page': '2', 'tag': ['a', 'b']}
    """
    found: dict[str, Any] = {}
    try:
        pairs = parse_qsl(query[:8192], keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        return {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def session_digest(key: object) -> str | None:
    """Return what a session is called in events: not its key, with which anybody could take it over.

    Session keys are random and long, so that nobody can find one by trying; a digest needs no secret.

    Example:
        >>> session_digest("k2j8f0d9s8f7a6s5d4f3g2h1"), session_digest(None)
        ('84e40037711d10fab454b320bfb58a08', None)
    """
    if not isinstance(key, str) or not key:
        return None
    return sha256(b"ezlogs-session\0" + key.encode("utf-8", "replace")).hexdigest()[:32]


@lru_cache(maxsize=1024)
def server_of(host: str) -> tuple[str, int | None]:
    """Return the address and the port of a server, as a ``Host`` header names it; its own text where it names none.

    Source: OpenTelemetry semantic conventions for HTTP, "Setting `server.address` and `server.port` attributes".

    Example:
        >>> server_of("shop.example.com:8000"), server_of("[::1]"), server_of("a:b")
        (('shop.example.com', 8000), ('::1', None), ('a:b', None))
    """
    address, colon, port = host.rpartition(":")
    if not colon or (host.startswith("[") and host.endswith("]")):
        address, port = host, ""
    elif port and not (port.isascii() and port.isdigit() and len(port) < 6):
        return host, None
    return address.removeprefix("[").removesuffix("]"), int(port) if port else None


@lru_cache(maxsize=256)
def content_type(header: str) -> str:
    """Return a media type without its parameters.

    Example:
        >>> content_type("application/JSON; charset=utf-8")
        'application/json'
    """
    return header.partition(";")[0].strip().lower()[:_MAX_TEXT]


def number(header: str | None) -> int | None:
    """Return the number in a header; None where there is none.

    Example:
        >>> number("12"), number("-1"), number("9" * 20), number(None)
        (12, None, None, None)
    """
    return int(header) if header and len(header) < 19 and header.isascii() and header.isdigit() else None


def _accepted(arrival: Arrival) -> str | None:
    accept = arrival.header("accept")
    return None if not accept or "application/" not in accept else _vendor_version(accept[:_MAX_TEXT])


@lru_cache(maxsize=256)
def _vendor_version(accept: str) -> str | None:
    found = _VENDOR_VERSION.search(accept) if "application/vnd." in accept or "version=" in accept else None
    return found[1] if found else None


@lru_cache(maxsize=1024)
def _host(url: str) -> str | None:
    try:
        host = urlsplit(url[:2048]).hostname
    except ValueError:
        return None
    return host[:_MAX_TEXT] if host else None


def _is_scalar(value: object) -> bool:
    return value is None or type(value) in (str, int, float, bool)
