"""The address of whoever sent a request: proxies are believed one by one, from the connection backwards."""

from __future__ import annotations

import pytest

from ezlogs.trackers.http import PlainArrival
from ezlogs.trackers.http.clients import client_address

INSIDE = ("10.0.0.0/8", "::1", "fd00::/8")


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("198.51.100.7", {}, "198.51.100.7"),
        ("198.51.100.7", {"x-forwarded-for": "203.0.113.9"}, "198.51.100.7"),
        ("10.0.0.1", {}, "10.0.0.1"),
        ("10.0.0.1", {"x-forwarded-for": "203.0.113.9"}, "203.0.113.9"),
        ("10.0.0.1", {"x-forwarded-for": "6.6.6.6, 203.0.113.9, 10.0.0.2"}, "203.0.113.9"),
        ("10.0.0.1", {"x-forwarded-for": "10.0.0.3, 10.0.0.2"}, "10.0.0.3"),
        ("10.0.0.1", {"x-forwarded-for": "203.0.113.9, nonsense, 10.0.0.2"}, "10.0.0.2"),
        ("10.0.0.1", {"x-forwarded-for": "203.0.113.9:4711"}, "203.0.113.9"),
        ("10.0.0.1", {"x-forwarded-for": "[2001:db8::9]:4711"}, "2001:db8::9"),
        ("10.0.0.1", {"x-forwarded-for": "::ffff:203.0.113.9"}, "203.0.113.9"),
        ("10.0.0.1", {"forwarded": 'for=6.6.6.6, for="[2001:db8::9]:4711";proto=https, For=10.0.0.2'}, "2001:db8::9"),
        ("10.0.0.1", {"forwarded": "for=203.0.113.9, for=_hidden"}, "10.0.0.1"),
        ("10.0.0.1", {"forwarded": "proto=https"}, "10.0.0.1"),
        ("::1", {"x-forwarded-for": "203.0.113.9"}, "203.0.113.9"),
        ("::ffff:10.0.0.1", {"x-forwarded-for": "203.0.113.9"}, "203.0.113.9"),
        ("fe80::1%eth0", {}, "fe80::1"),
        (None, {"x-forwarded-for": "203.0.113.9"}, "203.0.113.9"),
        (None, {}, None),
        ("testclient", {}, None),
    ],
)
def test_the_nearest_address_that_is_no_trusted_proxys(
    peer: str | None, headers: dict[str, str | list[str]], expected: str | None
) -> None:
    """What a client writes about itself comes before what the first trusted proxy adds, and is not believed."""
    assert client_address(PlainArrival("GET", "/", headers, peer=peer), INSIDE) == expected


@pytest.mark.parametrize(("peer", "expected"), [("10.0.0.1", "10.0.0.1"), (None, None), ("testclient", None)])
def test_nobody_is_believed_unless_asked_for(peer: str | None, expected: str | None) -> None:
    """The default is the connection's other end."""
    arrival = PlainArrival("GET", "/", {"x-forwarded-for": "203.0.113.9"}, peer=peer)
    assert client_address(arrival, ()) == expected


def test_a_hostile_header_is_looked_at_only_so_far() -> None:
    """Thousands of hops are nobody's; the nearest count."""
    hops = ", ".join(["6.6.6.6"] * 100_000 + ["203.0.113.9"])
    assert client_address(PlainArrival("GET", "/", {"x-forwarded-for": hops}, peer="10.0.0.1"), INSIDE) == "203.0.113.9"
    inside = ", ".join(["6.6.6.6"] + ["10.0.0.9"] * 1000)
    assert client_address(PlainArrival("GET", "/", {"x-forwarded-for": inside}, peer="10.0.0.1"), INSIDE) == "10.0.0.9"
