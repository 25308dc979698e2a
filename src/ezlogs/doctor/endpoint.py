"""Whether a collector answers: one empty OTLP request over a real connection, and what its outcome means."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from threading import Thread
from time import perf_counter
from typing import Final
from urllib.parse import urlsplit

from ezlogs.delivery.transport import Transport, transport
from ezlogs.doctor.finding import Finding
from ezlogs.otlp import Delivered, Outcome
from ezlogs.otlp.address import split
from ezlogs.otlp.proxies import proxy_of
from ezlogs.settings import TABLE, Address, Loaded, OtlpSignal, logs_address, setting_of, traces_address

LONGEST: Final = 5.0
"""Seconds that the answer may take, whatever ``timeout`` allows."""

_LONGEST_LOOKUP = 1.0  # finding the address of a host heeds no timeout

_PLACE_IN_C = re.compile(r" \(_ssl\.c:\d+\)")

_FILES = ("certificate", "client_certificate", "client_key")
_GRPC_PORT = 4317

_ADVICE: Final = {
    "CERTIFICATE_VERIFY_FAILED": "say who signed its certificate, by the setting certificate",
    "NO_CERTIFICATE|PEM": "one of the certificates is no PEM file",
    "CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|EOF occurred": "does it ask who connects? see client_certificate",
    "SSL": "does it speak TLS at all? https:// needs it, http:// does without",
    "reset by peer|RemoteDisconnected|BadStatusLine": "does it speak another protocol, such as TLS or gRPC?",
    "not known|name resolution|getaddrinfo|looking up": "is the host spelled right?",
    "no answer within": "does it hang, or is a firewall in the way?",
    "answered 40[13]": "it wants to know who sends; see the setting headers",
    "answered 40[45]": "it is no OTLP endpoint; is the path of the setting endpoint right?",
    "answered 415": "it takes no OTLP over HTTP as protobuf",
    "a page of HTML": "is the address that of a collector, and does a proxy ask for a login?",
    "answered 3": "redirects are not followed; give the address that it leads to",
}
"""What to do, by words of the reason, the most telling first."""


def endpoints(loaded: Loaded, longest: float = LONGEST) -> Iterator[Finding]:
    """Send an empty request to each endpoint that is used, and tell what came of it.

    Args:
        loaded: The settings.
        longest: Seconds to wait at most, for each.
    """
    addresses: dict[OtlpSignal, Address] = {"traces": traces_address(loaded)}
    if loaded.settings.carrier != "span":
        addresses["logs"] = logs_address(loaded)
    unreadable = dict.fromkeys(finding for signal in addresses for finding in _unreadable(loaded, signal))
    if unreadable:
        yield from unreadable
        return
    # Two addresses of one collector that is away are one finding.
    yield from dict.fromkeys(_answer(loaded, address, signal, longest) for signal, address in addresses.items())


def _answer(loaded: Loaded, address: Address, signal: OtlpSignal, longest: float) -> Finding:
    settings = loaded.settings
    timeout = min(getattr(settings, setting_of(signal, "timeout")), longest)
    begin = perf_counter()
    outcome = _within(timeout + _LONGEST_LOOKUP, transport(settings, address.endpoint, signal, timeout))
    shown = str(TABLE["endpoint"].kind.shown(address.endpoint))
    protocol = getattr(settings, setting_of(signal, "protocol"))
    proxied = _proxied(address.endpoint, protocol)
    if isinstance(outcome, Delivered):
        return Finding("fine", shown, f"answered in {(perf_counter() - begin) * 1000:.0f} ms{proxied}")
    reason = outcome.reason if outcome else f"no answer from {shown}: looking up the host takes too long"
    reason = _PLACE_IN_C.sub("", reason)
    advice = _advice(reason, address, protocol)
    return Finding("problem" if address.given else "warning", "", reason + proxied, advice)


def _unreadable(loaded: Loaded, signal: OtlpSignal) -> Iterator[Finding]:
    for name in _FILES:
        setting = setting_of(signal, name)
        path = getattr(loaded.settings, setting)
        if path and not (os.path.isfile(path) and os.access(path, os.R_OK)):
            yield Finding("problem", name, f"'{path}' cannot be read", f"see {loaded.sources[setting]}")


def _within(seconds: float, sender: Transport) -> Outcome | None:
    outcomes: list[Outcome] = []

    def send() -> None:
        outcomes.append(sender.send(b""))
        sender.close()

    thread = Thread(target=send, name="ezlogs-doctor", daemon=True)
    thread.start()
    thread.join(seconds)
    return outcomes[0] if outcomes else None


def _advice(reason: str, address: Address, protocol: str = "http/protobuf") -> str:
    """Say what to do about a reason: the first words of the transport that are known."""
    if protocol != "grpc" and urlsplit(address.endpoint).port == _GRPC_PORT:
        return "is that the port of OTLP/gRPC? set protocol to grpc, or use OTLP/HTTP's, usually 4318"
    if protocol == "http/json" and "answered 415" in reason:
        return "it takes no OTLP as JSON; set protocol to http/protobuf"
    for words, advice in _ADVICE.items():
        if re.search(words, reason):
            return advice
    return "" if address.given else "try ezlogs dev, or set EZLOGS_ENDPOINT"


def _proxied(address: str, protocol: str) -> str:
    """Say so if the way there leads through a proxy, without its address, which may hold a password."""
    url = split(address)
    schemes = ("grpc", "https", "http") if protocol == "grpc" else (url.scheme,)
    return ", by way of the proxy in the environment" if proxy_of(url.host, *schemes) else ""
