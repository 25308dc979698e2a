"""Clients: whose address a request came from, where proxies stand in between that are known and believed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from ezlogs.trackers.http.arrival import Arrival

_MAX_HOPS = 32
"""Addresses of a forwarding header that are looked at."""

_Address = IPv4Address | IPv6Address


def client_address(arrival: Arrival, trusted: Sequence[str]) -> str | None:
    """Return the address of whoever sent a request, as far as those who say so are trusted.

    The nearest address that is no trusted proxy's, read from the connection backwards: ``X-Forwarded-For``, or without
    one ``Forwarded``. What a client writes into these itself comes before what the first trusted proxy adds, and is
    never believed.

    Args:
        arrival: The request.
        trusted: Networks of proxies, such as ``10.0.0.0/8``. The other end of a Unix socket is trusted if anybody is.

    Source: RFC 7239, section 5.2, and its section 8.1 on what to believe.

    Example:
        >>> from ezlogs.trackers.http.arrival import PlainArrival
        >>> headers = {"x-forwarded-for": "6.6.6.6, 203.0.113.9, 10.0.0.2"}
        >>> client_address(PlainArrival("GET", "/", headers, peer="10.0.0.1"), ("10.0.0.0/8",))
        '203.0.113.9'
        >>> client_address(PlainArrival("GET", "/", headers, peer="198.51.100.7"), ("10.0.0.0/8",))
        '198.51.100.7'
    """
    peer = arrival.peer()
    if not trusted:
        return None if peer is None else _written(peer)
    nearest = None if peer is None else _address(peer)
    networks = _networks(tuple(trusted))
    if nearest is not None and not _is_in(nearest, networks):
        return str(nearest)
    for hop in _hops(arrival):
        address = _address(hop)
        if address is None:  # hidden, or nonsense: nothing before it can be believed
            break
        nearest = address
        if not _is_in(address, networks):
            break
    return None if nearest is None else str(nearest)


def _hops(arrival: Arrival) -> list[str]:
    """Return what a request says it came through, the nearest first."""
    if forwarded_for := arrival.header("x-forwarded-for"):
        hops = forwarded_for[-8192:].split(",")
    else:
        elements = (arrival.header("forwarded") or "")[-8192:].split(",")
        hops = [_for(element) for element in elements]
    return [hop.strip() for hop in reversed(hops[-_MAX_HOPS:])]


def _for(element: str) -> str:
    for pair in element.split(";"):
        name, _, value = pair.strip().partition("=")
        if name.lower() == "for":
            return value.strip().strip('"')
    return ""


@lru_cache(maxsize=4096)
def _address(text: str) -> _Address | None:
    text = text.strip()
    if text.startswith("["):  # with a port or without one
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


@lru_cache(maxsize=4096)
def _written(text: str) -> str | None:
    """Return an address as it is written everywhere; clients come again."""
    address = _address(text)
    return None if address is None else str(address)


@lru_cache(maxsize=64)
def _networks(trusted: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(network, strict=False) for network in trusted)


def _is_in(address: _Address, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in networks)
