"""The kind of value that names routes of other services: a host, and a path with parameters."""

from __future__ import annotations

import re

from ezlogs.settings.hosts import Hosts
from ezlogs.settings.kinds import UnacceptableError, Words

_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::([0-9]{1,5}))?")
_SEGMENT = re.compile(r"\{[A-Za-z0-9_]+\}|[^{}?#\s]*")


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
