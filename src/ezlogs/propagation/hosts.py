"""Which hosts a story may travel to: near ones, judged by their name alone, and those that the settings name.

A host is what a client connects to, never what looks like one: whatever could be read in two ways is far away.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from ezlogs.expressions import expression

MAX_LENGTH = 300
"""Characters of the longest host: a name of 253, a final dot, a port. What is longer may come from outside, in a
``Host`` header that is passed on, and is not looked at."""

_NEAR_SUFFIXES = (".localhost", ".local", ".internal", ".svc")
# RFC 1122, 1918 and 3927; RFC 4291 and 4193. `is_private` of the standard library holds much more.
_NEAR_V4 = tuple(map(IPv4Network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")))
_NEAR_V6 = tuple(map(IPv6Network, ("::1/128", "fc00::/7", "fe80::/10")))

_WITH_PORT = expression(r"(?:\[([^\[\]]*:[^\[\]]*)\]|([^:]*))(?::[0-9]*)?")
_ZONED = expression(r"([0-9A-Fa-f.:]*:[0-9A-Fa-f.:]*)%[A-Za-z0-9._~-]+")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = expression(rf"{_LABEL}(?:\.{_LABEL})*")
# The URL Standard's "ends in a number": what resolvers may read as an IPv4 address in decimal, octal or hex.
_ENDS_IN_NUMBER = expression(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_AUTHORITY = expression(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#\\@\s]*)(?:[/?#].*)?", re.DOTALL)


def host_of(url: str) -> str:
    """Return the host of an absolute URL, with its port; empty where clients could disagree about which it is.

    >>> host_of("http://10.0.0.7:8080/a?b"), host_of("http://localhost@example.com/"), host_of("/a")
    ('10.0.0.7:8080', '', '')
    """
    found = _AUTHORITY.fullmatch(url)
    return found[1] if found else ""


def is_near(host: str) -> bool:
    """Return whether a host is this machine, or in a private network or a cluster, as far as its name tells.

    Near are loopback, private and link-local addresses, names of a single label, and names below ``.localhost``
    (RFC 6761), ``.local`` (RFC 6762; ``.svc.cluster.local`` too), ``.internal`` (reserved by ICANN in 2024) and
    ``.svc``. Nothing is resolved. An IPv4 address counts in its four decimal numbers only.

    Args:
        host: A name or an address, in any case, with or without brackets, zone, port and final dot.

    >>> is_near("localhost:8000"), is_near("10.0.0.7"), is_near("orders.shop.svc"), is_near("example.com")
    (True, True, True, False)
    >>> is_near("127.0.0.1@example.com"), is_near("0x7f.1"), is_near("2130706433")
    (False, False, False)
    """
    return len(host) <= MAX_LENGTH and _is_near(host)


@lru_cache(maxsize=1024)
def _is_near(host: str) -> bool:
    plain = _plain(host)
    if isinstance(plain, IPv4Address):
        return any(plain in network for network in _NEAR_V4)
    if isinstance(plain, IPv6Address):
        return any(plain in network for network in _NEAR_V6)
    return bool(plain) and ("." not in plain or plain.endswith(_NEAR_SUFFIXES))


def is_named(host: str, patterns: tuple[str, ...]) -> bool:
    """Return whether any of some patterns stands for a host.

    Args:
        host: As in `is_near`.
        patterns: ``api.example.com`` is one host, ``*.example.com`` and ``.example.com`` are all below that domain.

    >>> is_named("API.example.com:443", ("*.example.com",)), is_named("example.com", ("*.example.com",))
    (True, False)
    """
    return len(host) <= MAX_LENGTH and _is_named(host, patterns)


@lru_cache(maxsize=1024)
def _is_named(host: str, patterns: tuple[str, ...]) -> bool:
    plain = _plain(host)
    if isinstance(plain, str):
        return bool(plain) and any(
            plain.endswith(pattern.removeprefix("*")) if pattern.startswith(("*.", ".")) else plain == _plain(pattern)
            for pattern in patterns
        )
    return any(plain == _plain(pattern) for pattern in patterns)


def _plain(host: str) -> str | IPv4Address | IPv6Address:
    """Return a host's address, or its name in lower case and ASCII; empty for what is no host beyond doubt."""
    if found := _WITH_PORT.fullmatch(host):
        host = found[1] or found[2] or ""
    try:
        address = ip_address(zoned[1] if (zoned := _ZONED.fullmatch(host)) else host)
    except ValueError:
        return _name(host)
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id is not None:  # a zone that no interface could have
        return ""
    return address.ipv4_mapped or address


def _name(host: str) -> str:
    try:
        name = host.encode("idna").decode().lower().removesuffix(".")
    except UnicodeError:  # empty or overlong labels too
        return ""
    return name if len(name) <= 253 and _NAME.fullmatch(name) and not _ENDS_IN_NUMBER.fullmatch(name) else ""
