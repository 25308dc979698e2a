"""Hosts: which are near, which are named by a pattern, and that nothing is taken for near by accident."""

from __future__ import annotations

import pytest

from ezlogs.propagation import hosts
from ezlogs.propagation.hosts import host_of, is_named, is_near
from ezlogs.settings.hosts import Hosts

NEAR = """
localhost LOCALHOST localhost. localhost:8000 localhost: shop.localhost
127.0.0.1 127.0.0.1:80 127.255.255.254 10.0.0.7 172.16.0.1 172.31.255.255 192.168.1.1 169.254.1.1
::1 [::1] [::1]:4318 0:0:0:0:0:0:0:1 fc00::1 fdff:1::2 FD00::A fe80::1 febf::1 fe80::1%eth0 [fe80::1%25eth0]:80
::ffff:10.0.0.1 ::ffff:a00:1 [::ffff:127.0.0.1]:80
orders my_service orders-v2 ORDERS. orders:9000 beef 7up büro
printer.local büro.local db.internal DB.Internal. db.eu.internal:5432 metadata.google.internal
orders.shop.svc orders.shop.svc. orders.shop.svc.cluster.local
"""

FAR = r"""
example.com EXAMPLE.COM. example.com:80 api.example.com local.example.com localhost.example.com
internal.example svc.example notlocal.locals mylocal.com orders.svc.example.com orders.svc.cluster.example
8.8.8.8 8.8.8.8:80 11.0.0.1 172.15.255.255 172.32.0.1 192.167.1.1 192.169.1.1 169.253.1.1 100.64.0.1
0.0.0.0 192.0.2.1 198.18.0.1 255.255.255.255 224.0.0.1
:: [::]:80 2001:db8::1 2606:4700::1111 fec0::1 ff02::1 fbff::1 ::ffff:8.8.8.8 ::ffff:808:808 64:ff9b::a00:1
2130706433 0x7f000001 0X7F.1 0x 127.1 127.0.1 10.1 0177.0.0.1 017700000001 010.0.0.1 127.0.0.01 127.0.0.1.
10.0.0.256 10.0.0.1.5 host.1 host.0x1f 10.0.0.1/8
127.0.0.1@example.com localhost@example.com localhost:80@example.com ada:secret@localhost localhost\example.com
localhost#.example.com localhost?x localhost/ /localhost http://localhost localhost:80:80 localhost:x
localhost%2eexample.com localhost%00 10.0.0.1%eth0 ::1%@example.com [::1%@example.com]:80 [::1 ::1] [[::1]]
[localhost] [10.0.0.1] [] [::1]x [::1]:80:90
.local .internal .. . a..local -a.local a-.local
"""

ODD = [
    "",
    " ",
    "local host",
    " localhost",
    "localhost\n",
    "::1%eth0\n",
    "localhost\r\nx",
    "localhost\x00",
    "localhost\x00.example.com",
    "localhost\u3002example.com",
    "\uff11\uff12\uff17.0.0.1",
    "\u2100.local",
    "\ud800.local",
    "a" * 64,
    f"{'a' * 64}.local",
    f"{'a.' * 130}local",
]


@pytest.mark.parametrize("host", NEAR.split())
def test_these_hosts_are_near(host: str) -> None:
    """Loopback, private and link-local addresses in any spelling that is an address, and names of near networks."""
    assert is_near(host)


@pytest.mark.parametrize("host", [*FAR.split(), *ODD])
def test_these_hosts_are_not(host: str) -> None:
    """Public ones, and whatever a resolver or another parser could take for something else."""
    assert not is_near(host)


@pytest.mark.parametrize(
    ("host", "patterns"),
    [
        ("api.example.com", "api.example.com"),
        ("API.Example.com.:443", "API.example.com."),
        ("api.example.com", "other.example,*.example.com"),
        ("a.b.example.com", ".example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("203.0.113.7:8080", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:DB8:0:0::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("203.0.113.7", "::ffff:203.0.113.7"),
        ("localhost", "localhost"),
    ],
)
def test_patterns_name_hosts(host: str, patterns: str) -> None:
    """As the settings accept them: one host, or all below a domain, in whichever spelling."""
    parsed = Hosts("hosts").parse(patterns)
    assert isinstance(parsed, tuple)
    assert is_named(host, parsed)


@pytest.mark.parametrize(
    ("host", "patterns"),
    [
        ("example.com", "*.example.com,.example.com"),
        ("badexample.com", "*.example.com,example.com"),
        ("example.com.evil.example", "*.example.com,example.com"),
        ("api.example.com@evil.example", "*.example.com,api.example.com"),
        ("evil.example#.example.com", "*.example.com"),
        ("evil.example/.example.com", "*.example.com"),
        ("203.0.113.8", "203.0.113.7,*.example.com"),
        ("localhost", "*.example.com"),
        ("3405803783", "3405803783"),
        ("", "*.example.com,api.example.com"),
        ("api.example.com", ""),
    ],
)
def test_patterns_name_no_others(host: str, patterns: str) -> None:
    """Neither the domain itself nor what only looks like something below it."""
    parsed = Hosts("hosts").parse(patterns)
    assert isinstance(parsed, tuple)
    assert not is_named(host, parsed)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://example.com", "example.com"),
        ("http://example.com:80/a?b#c", "example.com:80"),
        ("HTTPS://[::1]:80?b", "[::1]:80"),
        ("http://a/http://b", "a"),
        ("http://localhost@example.com/", ""),
        ("http://example.com\\@localhost/", ""),
        ("http://example.com\t@localhost/", ""),
        ("http:///a", ""),
        ("http:localhost", ""),
        ("//localhost/a", ""),
        ("localhost:80", ""),
        ("", ""),
    ],
)
def test_the_host_of_an_url_is_told_where_nobody_could_differ(url: str, host: str) -> None:
    """User names, backslashes and half addresses have no host."""
    assert host_of(url) == host


def test_verdicts_are_kept_and_their_number_is_bounded() -> None:
    """A process that talks to ever new hosts does not grow."""
    for number in range(3000):
        is_near(f"host-{number}.example.com")
        is_named(f"host-{number}.example.com", ("*.example.com",))
    for verdicts in (hosts._is_near.cache_info(), hosts._is_named.cache_info()):
        assert verdicts.currsize == verdicts.maxsize == 1024


@pytest.mark.parametrize("piece", [":", "é", "é.", "a.", "1.", "[:", "%", "a-"])
def test_what_is_longer_than_any_host_is_neither_looked_at_nor_kept(piece: str) -> None:
    """A ``Host`` header that is passed on comes from a client, which could make it cost minutes."""
    kept = hosts._is_near.cache_info().currsize
    assert not is_near(piece * 1_000_000)
    assert not is_named(piece * 1_000_000, ("*.example.com",))
    assert is_near(f"{'a.' * 123}local.:65535")
    assert hosts._is_near.cache_info().currsize <= kept + 1
