"""What settings that are right one by one get wrong together, each with what to do about it.

A *contradiction* cannot work as written; ``configure()`` refuses it. A *doubt* works, but hardly as it was meant: it is
a warning in the log and in `ezlogs doctor`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from ezlogs.patterns import matches
from ezlogs.propagation.hosts import is_near
from ezlogs.settings.kinds import spelled
from ezlogs.settings.layers import Given
from ezlogs.settings.problem import Problem, in_environment
from ezlogs.settings.table import TABLE, Settings

AUDITED: Final = ("auth.*", "data.*")
"""The types of events, of those that ezlogs makes by itself, in which an audit allows no gaps."""

_SECRET = re.compile(r"auth|token|key|secret|password|credential|cookie", re.IGNORECASE)
_ONLY_FOR_SPANS = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_HTTP_PORT, _GRPC_PORT = 4318, 4317


class Situation(msgspec.Struct, frozen=True):
    """All that a check may look at."""

    settings: Settings

    given: Mapping[str, Given]
    """By setting that somebody gave: the value that counted, and where it was."""

    in_files: Collection[str]
    """The settings whose value came from a file."""

    environ: Mapping[str, str]

    def addresses(self) -> Iterator[tuple[str, SplitResult]]:
        """The addresses that were given and are used, by setting."""
        used = ("endpoint",) if self.settings.carrier == "span" else ("endpoint", "logs_endpoint")
        return ((name, urlsplit(getattr(self.settings, name))) for name in used if name in self.given)

    def about(self, name: str, reason: str) -> Problem:
        """Say something about the value of a setting that was given."""
        value = getattr(self.settings, name)
        shown = spelled(TABLE[name].kind.shown(value))
        quoted = repr(shown) if isinstance(value, str) else shown
        return Problem(self.given[name].source, f"{name} {quoted}", reason)


Check = Callable[[Situation], Iterator[Problem]]


def contradictions(situation: Situation) -> tuple[Problem, ...]:
    """Return what cannot work as written."""
    return _found(situation, _key_without_certificate)


def doubts(situation: Situation) -> tuple[Problem, ...]:
    """Return what works, but hardly as it was meant; nothing where ezlogs is switched off."""
    if not situation.settings.enabled:
        return ()
    return _found(
        situation,
        _readable_on_the_way,
        _certificate_without_tls,
        _port_of_the_other_protocol,
        _zstd_over_grpc,
        _logs_without_carrier,
        _carrier_without_logs,
        _secret_in_a_file,
        _exported_twice,
        _exported_by_another,
        _audit_with_gaps,
        _kept_and_disabled,
        _kept_and_left_out,
        _nothing_to_keep,
        _hashed_without_key,
    )


def _found(situation: Situation, *checks: Check) -> tuple[Problem, ...]:
    return tuple(problem for check in checks for problem in check(situation))


def _key_without_certificate(at: Situation) -> Iterator[Problem]:
    if at.settings.client_key and not at.settings.client_certificate:
        yield at.about("client_key", "a key alone identifies nobody; set client_certificate too")


def _readable_on_the_way(at: Situation) -> Iterator[Problem]:
    for name, url in at.addresses():
        if url.scheme == "http" and not is_near(url.hostname or ""):
            what = "events and the headers" if at.settings.headers else "events"
            meant = url._replace(scheme="https", query="").geturl()
            yield at.about(name, f"{what} can be read by anybody on the way; use '{meant}'")


def _certificate_without_tls(at: Situation) -> Iterator[Problem]:
    addresses = [at.settings.endpoint, at.settings.logs_endpoint or "http:"]
    for name in ("certificate", "client_certificate"):
        if getattr(at.settings, name) and all(address.startswith("http:") for address in addresses):
            yield at.about(name, "not used, since the endpoint is an http:// address; use https://")


def _port_of_the_other_protocol(at: Situation) -> Iterator[Problem]:
    grpc = at.settings.protocol == "grpc"
    wrong, right = (_HTTP_PORT, _GRPC_PORT) if grpc else (_GRPC_PORT, _HTTP_PORT)
    its, other = ("http/protobuf", "grpc") if grpc else ("grpc", "http/protobuf")
    for name, url in at.addresses():
        if url.port == wrong:
            meant = url._replace(netloc=url.netloc.replace(f":{wrong}", f":{right}"), query="").geturl()
            yield at.about(name, f"{wrong} is the port of {its}, and protocol is {other!r}; use '{meant}', or {its!r}")


def _zstd_over_grpc(at: Situation) -> Iterator[Problem]:
    if at.settings.protocol == "grpc" and at.settings.compression == "zstd" and "compression" in at.given:
        yield at.about("compression", "gRPC in Python has gzip only, which is used; use gzip, or http/protobuf")


def _logs_without_carrier(at: Situation) -> Iterator[Problem]:
    given = at.given.get("logs_endpoint")
    if at.settings.carrier == "span" and given and not given.source.startswith("OTEL_"):
        yield at.about("logs_endpoint", "not used, since events are span events; use carrier 'log' or 'both'")


def _carrier_without_logs(at: Situation) -> Iterator[Problem]:
    known = at.given.get("endpoint")
    only_for_spans = known is not None and known.source == in_environment(_ONLY_FOR_SPANS)
    if at.settings.carrier != "span" and only_for_spans and not at.settings.logs_endpoint:
        yield at.about(
            "carrier",
            f"log records go to a collector on this machine, since {_ONLY_FOR_SPANS} is for spans only; "
            "set EZLOGS_LOGS_ENDPOINT",
        )


def _secret_in_a_file(at: Situation) -> Iterator[Problem]:
    secrets = [name for name in at.settings.headers if _SECRET.search(name)]
    if secrets and "headers" in at.in_files:
        yield at.about("headers", "a secret in a file travels with every copy of it; use the variable EZLOGS_HEADERS")
    if at.settings.hash_key and "hash_key" in at.in_files:
        yield at.about("hash_key", "a secret in a file travels with every copy of it; use the variable EZLOGS_HASH_KEY")


def _exported_twice(at: Situation) -> Iterator[Problem]:
    if at.settings.pipeline == "owned" and (exporter := _foreign_exporter(at.environ)):
        yield at.about(
            "pipeline", f"spans are sent twice, since OTEL_TRACES_EXPORTER is '{exporter}'; unset it, or use 'auto'"
        )


def _exported_by_another(at: Situation) -> Iterator[Problem]:
    exporter = _foreign_exporter(at.environ)
    if at.settings.pipeline != "owned" and exporter and "endpoint" not in at.given:
        yield Problem(
            in_environment("OTEL_TRACES_EXPORTER"),
            repr(exporter),
            "it sends the spans, and ezlogs has no address of its own: events outside a recorded span are lost; "
            "set EZLOGS_ENDPOINT",
        )


def _audit_with_gaps(at: Situation) -> Iterator[Problem]:
    if at.settings.sample_rate == 1 or "always_events" in at.given:
        return
    lacking = [pattern for pattern in AUDITED if not matches(at.settings.disabled_events, pattern)]
    if lacking:
        yield at.about(
            "sample_rate",
            f"sign-ins and changes of data are left out with the other stories; if they are for an audit, "
            f"use always_events '{','.join(lacking)}'",
        )


def _kept_and_disabled(at: Situation) -> Iterator[Problem]:
    for pattern in at.settings.always_events:
        if matches(at.settings.disabled_events, pattern):
            yield at.about(
                "always_events", f"'{pattern}' is in disabled_events too, and is never made; take it from one"
            )


def _kept_and_left_out(at: Situation) -> Iterator[Problem]:
    for pattern in at.settings.never_events:
        if matches(at.settings.always_events, pattern):
            yield at.about("never_events", f"'{pattern}' is in always_events too, and is kept; take it from one")


def _nothing_to_keep(at: Situation) -> Iterator[Problem]:
    for name in ("keep_slow", "keep_slow_routes"):
        if name in at.given and not at.settings.sampling_given():
            yield at.about(name, "not used, since nothing is left out; set sample_rate below 1")


def _foreign_exporter(environ: Mapping[str, str]) -> str:
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip()
    return "" if exporter == "none" else exporter


def _hashed_without_key(at: Situation) -> Iterator[Problem]:
    if "hash" in at.settings.redaction.values() and not at.settings.hash_key:
        yield at.about("redaction", f"without a key nothing is hashed, but masked; set {TABLE['hash_key'].variable}")
