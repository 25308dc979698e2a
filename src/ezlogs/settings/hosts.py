"""The kind of value that names hosts: exact ones, and all below a domain."""

from __future__ import annotations

import re
from ipaddress import ip_address

from ezlogs.expressions import expression
from ezlogs.settings.kinds import UnacceptableError, Words

# RFC 1123, section 2.1, and underscores, which names inside clusters have.
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = expression(rf"{_LABEL}(\.{_LABEL})*\.?")
_PORT = expression(r"(\[[^\]]*\]|[^:]*):[0-9]*")


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
