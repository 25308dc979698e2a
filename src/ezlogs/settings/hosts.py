"""The kinds of value that name hosts - exact ones, and all below a domain -, networks of addresses, and routes."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

from ezlogs.expressions import expression
from ezlogs.settings.kinds import UnacceptableError, Words

# RFC 1123, section 2.1, and underscores, which names inside clusters have.
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = expression(rf"{_LABEL}(\.{_LABEL})*\.?")
_PORT = expression(r"(\[[^\]]*\]|[^:]*):[0-9]*")
_AUTHORITY = expression(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::([0-9]{1,5}))?")
_SEGMENT = expression(r"\{[A-Za-z0-9_]+\}|[^{}?#\s]*")


class Hosts(Words, frozen=True):
    """Hosts: ``api.example.com`` is one, ``*.example.com`` and ``.example.com`` are all below that domain.

    >>> Hosts("hosts").parse("API.example.com, *.partner.example")
    ('api.example.com', '*.partner.example')
    """

    @property
    def allowed(self) -> str:
        return f"{super().allowed}: 'api.example.com', '*.example.com' or '.example.com'"

    def parse(self, given: object) -> object:
        hosts = super().parse(given)
        assert isinstance(hosts, tuple)
        return tuple(dict.fromkeys(self._host(pattern) for pattern in hosts))

    def _host(self, pattern: str) -> str:
        name = pattern.removeprefix("*").removeprefix(".") if pattern.startswith(("*.", ".")) else pattern
        if _HOST.fullmatch(name) or (name == pattern and _is_address(name)):
            return pattern.lower().rstrip(".")
        raise UnacceptableError(f"{self.quoted(pattern)} is no host; use {_meant(pattern) or self.allowed}")


class Networks(Words, frozen=True):
    """Networks of addresses; an address alone is one of its own.

    >>> Networks("networks").parse("10.0.0.0/8, ::1")
    ('10.0.0.0/8', '::1')
    """

    @property
    def allowed(self) -> str:
        return f"{super().allowed}: '10.0.0.0/8', '127.0.0.1' or '2001:db8::/32'"

    def parse(self, given: object) -> object:
        networks = super().parse(given)
        assert isinstance(networks, tuple)
        for network in networks:
            try:
                ip_network(network, strict=False)
            except ValueError:
                raise self.refusal(f"{self.quoted(network)} is no network") from None
        return networks


class Routes(Words, frozen=True):
    """Routes of hosts: ``api.stripe.com/v1/charges/{id}``, where ``{id}`` stands for one segment of a path.

    The host may have a port, and may be all hosts below a domain, as in `Hosts`.

    >>> Routes("routes").parse("API.stripe.com/v1/charges/{id}, *.shop.example:8443/orders")
    ('api.stripe.com/v1/charges/{id}', '*.shop.example:8443/orders')
    """

    @property
    def allowed(self) -> str:
        return f"{super().allowed}: 'api.example.com/orders/{{id}}'"

    def parse(self, given: object) -> object:
        routes = super().parse(given)
        assert isinstance(routes, tuple)
        return tuple(dict.fromkeys(self._route(route) for route in routes))

    def _route(self, route: str) -> str:
        authority, slash, path = route.partition("/")
        found = _AUTHORITY.fullmatch(authority)
        if not slash or found is None or not all(map(_SEGMENT.fullmatch, path.split("/"))):
            raise UnacceptableError(f"{self.quoted(route)} is no route; use {self.allowed}")
        hosts = Hosts("hosts").parse((found[1].strip("[]"),))
        host = hosts[0] if isinstance(hosts, tuple) and hosts else None
        if host is None:
            raise UnacceptableError(f"{self.quoted(route)} names no host; use {self.allowed}")
        port = f":{found[2]}" if found[2] else ""
        return f"[{host}]{port}/{path}" if ":" in host else f"{host}{port}/{path}"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _meant(pattern: str) -> str | None:
    """Take the host out of an address or out of ``host:port``."""
    rest = pattern.partition("://")[2] or pattern
    host = re.split(r"[/?#]", rest.rpartition("@")[2], maxsplit=1)[0]
    if port := _PORT.fullmatch(host):
        host = port[1].strip("[]")
    return f"'{host}'" if host != pattern and (_HOST.fullmatch(host) or _is_address(host)) else None
