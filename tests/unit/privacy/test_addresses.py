"""IP addresses: which are somebody's, and what is left of them."""

from __future__ import annotations

import pytest

from ezlogs.privacy import Policy, Scrubber


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("203.0.113.7", "203.0.113.0"),
        ("from 81.2.69.142:5544, then", "from 81.2.69.0:5544, then"),
        ("http://203.0.113.7/login", "http://203.0.113.0/login"),
        ("203.0.113.7-203.0.113.90", "203.0.113.0-203.0.113.0"),
        ("https://shop.test/ip/203.0.113.7", "https://shop.test/ip/203.0.113.0"),
        ("dual stack ::ffff:203.0.113.7", "dual stack 203.0.113.0"),
        ("2001:db8:7:1::5%eth0", "2001:db8:7::%eth0"),
        ("203.0.113.7, 198.51.100.23", "203.0.113.0, 198.51.100.0"),
        ("2001:db8:85a3::8a2e:370:7334", "2001:db8:85a3::"),
        ("[2a00:1450:4001:81b::200e]:443", "[2a00:1450:4001::]:443"),
        ("client=2001:0db8:0001:0002:0000:0000:0000:0001", "client=2001:db8:1::"),
    ],
)
def test_an_address_keeps_its_network(text: str, left: str) -> None:
    """By default; it is on record as a finding, and a second time there is nothing to find."""
    found: list[str] = []
    assert Scrubber().text(text, "m", found) == left
    assert found == ["m: ip"]
    assert Scrubber().text(left, "m", found) is left


def test_an_ipv4_address_in_ipv6_is_one() -> None:
    """As dual-stack servers log their clients."""
    assert "203.0.113.7" not in Scrubber().text("::ffff:203.0.113.7", "m", [])


@pytest.mark.parametrize(("how", "left"), [("keep", "203.0.113.7"), ("redact", "[redacted]")])
def test_the_policy_decides(how: str, left: str) -> None:
    """In full, or not at all."""
    policy = Policy({"ip": how})  # type: ignore[dict-item]  # one of the words
    assert Scrubber(policy=policy).text("203.0.113.7", "m", []) == left


NOBODYS = [
    "127.0.0.1",
    "0.0.0.0",
    "10.4.2.1",
    "172.16.0.9",
    "192.168.1.23",
    "169.254.1.1",
    "224.0.0.251",
    "255.255.255.0",
    "8.8.0.0",
    "::1",
    "fe80::1",
    "fd00::7",
    "v1.2.3.4",
    "1.2.3.4.5",
    "pkg-1.2.3.4",
    "1.2.3.4-beta",
    "Chrome/130.0.6723.91",
    "Chrome/130.0.0.1",
    "256.1.1.1",
    "1.2.3",
    "99.95.10.5000",
    "pkg_1.2.3.4",
    "8.8.4.4.tar.gz",
    "ezlogs 8.8.4.4.zip",
    "build-8.8.4.4",
    "curl/8.8.4.4 (x86)",
    "VERSION=8.8.4.4",
    'got "version": "8.8.4.4"',
    "255.255.255.128",
    "::ffff:10.0.0.1",
    "ff02::1",
    "fe80::1%eth0",
    "12:30:45",
    "10:00",
    "2026-11-27T06:52:01",
    "aa:bb:cc:dd:ee:ff",
    "a::b::c",
    "std::vector",
]


@pytest.mark.parametrize("text", [*NOBODYS, "version 4.18.2.1", "Release: 1.2.3.4", "firmware 7.1.2.3"])
def test_what_is_nobodys_stays(text: str) -> None:
    """Hosts of one's own, networks, versions, times, and what only looks like an address."""
    assert Scrubber().text(text, "m", []) is text
