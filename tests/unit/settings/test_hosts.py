"""Patterns of hosts: which are read, and what is said about those that are not."""

from __future__ import annotations

import pytest

from ezlogs.settings import UnacceptableError
from ezlogs.settings.hosts import Hosts

HOSTS = Hosts("hosts")


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ("api.example.com", ("api.example.com",)),
        ("API.Example.com., *.Partner.example", ("api.example.com", "*.partner.example")),
        ([".example.com", ".example.com"], (".example.com",)),
        ("localhost,my_service,10.0.0.7,::1", ("localhost", "my_service", "10.0.0.7", "::1")),
        ("xn--bcher-kva.example", ("xn--bcher-kva.example",)),
        ("", ()),
    ],
)
def test_hosts_are_read_in_lower_case(given: object, hosts: tuple[str, ...]) -> None:
    """Exact names and addresses, and everything below a domain."""
    assert HOSTS.parse(given) == hosts


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://api.example.com/v1", "use 'api.example.com'"),
        ("https://ada:secret@api.example.com", "use 'api.example.com'"),
        ("api.example.com:8443", "use 'api.example.com'"),
        ("http://[::1]:4318/", "use '::1'"),
        ("api.example.com/", "use 'api.example.com'"),
    ],
)
def test_an_address_is_answered_with_its_host(given: str, meant: str) -> None:
    """Whoever writes an address or a port reads which part of it is the host."""
    with pytest.raises(UnacceptableError) as caught:
        HOSTS.parse(given)
    assert str(caught.value).endswith(meant)


@pytest.mark.parametrize(
    "given",
    ["*", "*.", ".", "a b", "-a.example", "exa*mple.com", "*example.com", "a..b", "*.10.0.0.1/8", "*.::1", "é.fr"],
)
def test_anything_else_is_answered_with_what_is_allowed(given: str) -> None:
    """A pattern that could not match any host is a mistake."""
    with pytest.raises(UnacceptableError, match=r"is no host; use hosts, separated by commas"):
        HOSTS.parse(given)
