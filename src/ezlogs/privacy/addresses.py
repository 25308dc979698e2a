"""IP addresses: whose computer it was. What is masked keeps its network, which tells a country and hardly a person."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Final

from ezlogs.expressions import expression
from ezlogs.privacy.rule import Finder, Span

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

# Not after a letter or a dot, nor as part of a longer number or of a file's name; after a dash only in a range.
_IPV4 = expression(
    r"(?<![\w.])[1-9]\d{0,2}(?:\.\d{1,3}){3}"
    r"(?!\w|\.\d|-(?![1-9]\d{0,2}(?:\.\d{1,3}){3}(?![\w.-]))|\.(?:tar|t?gz|zip|whl|egg|jar|deb|rpm|apk|exe|dll|so|msi|pkg|dmg)\b)"
)
_IPV6 = expression(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{0,4})(?![\w:])")
_ADDRESS = expression(r"\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9A-Fa-f:]{2,39}\]?")
_VERSION = expression(
    r"(?i:versions?|ver|release|build|firmware|schema|section|sec|chapter|clause|figure|rev)\W{0,4}\Z|§ ?\Z"
)
_PRODUCT = expression(r"""(?:\A|[\s("',;=])[A-Za-z][\w.+-]{0,31}/\Z""")
_LOOKED_BACK: Final = 40

#: Computers of one's own, which are nobody's: RFC 1918 and RFC 4193.
_PRIVATE: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
_HOST_BITS: Final = {4: 8, 6: 80}


def find_addresses(text: str) -> Iterator[Span]:
    """Addresses of hosts on the internet; not loopback, private, link-local, multicast, networks or versions."""
    for pattern, separator, least in ((_IPV4, ".", 3), (_IPV6, ":", 2)):
        if text.count(separator) < least:
            continue
        done = 0
        for match in pattern.finditer(text):
            start = match.start()
            before = text[max(start - _LOOKED_BACK, 0) : start]
            of_range, done = start - 1 == done, match.end()
            if before.endswith("-") and not of_range:
                continue
            if _is_somebodys(match[0]) and not _VERSION.search(before) and not _PRODUCT.search(before):
                yield match.span()


def is_address(value: object) -> bool:
    """Return whether a value is the address of a computer, or several, and nothing else."""
    if isinstance(value, (tuple, list)):
        return all(map(is_address, value))
    return type(value) is str and _ADDRESS.fullmatch(value) is not None


def masked_address(text: str) -> str:
    """Return the network of an address: 24 bits of it (IPv4), or 48 (IPv6).

    >>> masked_address("203.0.113.7"), masked_address("2001:db8:7:1::5"), masked_address("::ffff:203.0.113.7")
    ('203.0.113.0', '2001:db8:7::', '203.0.113.0')
    """
    from ipaddress import ip_address

    address = ip_address(text)
    address = getattr(address, "ipv4_mapped", None) or address
    bits = _HOST_BITS[address.version]
    return str(type(address)(int(address) >> bits << bits))


def _is_somebodys(text: str) -> bool:
    from ipaddress import IPv6Address, ip_address

    try:
        address = ip_address(text)
    except ValueError:
        return False
    if int(address) & ((1 << _HOST_BITS[address.version]) - 1) == 0:  # a network, such as one that was masked
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return _is_somebodys(str(address.ipv4_mapped))
    if address.version == 6 and not int(address) >> 96:  # ::2 is a slice, hardly a computer
        return False
    nobodys = address.is_loopback or address.is_unspecified or address.is_link_local or address.is_multicast
    if nobodys or (address.version == 4 and address.is_reserved):
        return False
    return not any(network.version == address.version and address in network for network in _private_networks())


@cache
def _private_networks() -> tuple[IPv4Network | IPv6Network, ...]:
    from ipaddress import ip_network

    return tuple(map(ip_network, _PRIVATE))


IP: Final = Finder("ip", (b"0000", ":"), find_addresses)
