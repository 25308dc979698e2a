"""What settings that are right one by one get wrong together, each with what to do about it.

A *contradiction* cannot work as written; ``configure()`` refuses it. A *doubt* works, but hardly as it was meant: it is
a warning in the log and in `ezlogs doctor`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from ezlogs.expressions import expression
from ezlogs.patterns import matches
from ezlogs.propagation.hosts import is_near
from ezlogs.settings.kinds import spelled
from ezlogs.settings.layers import Given
from ezlogs.settings.problem import Problem, in_environment
from ezlogs.settings.table import TABLE, OtlpSignal, Settings, setting_of

AUDITED: Final = ("auth.*", "data.*")
"""The types of events, of those that ezlogs makes by itself, in which an audit allows no gaps."""

_SECRET = expression(r"auth|token|key|secret|password|credential|cookie", re.IGNORECASE)
_ONLY_FOR_SPANS = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_HTTP_PORT, _GRPC_PORT = 4318, 4317
_PROVIDER = "OTEL_PYTHON_EXPORTER_OTLP_{}_{}CREDENTIAL_PROVIDER"
_NO_PROVIDER = "not used, since ezlogs has connections of its own; use headers or client_certificate"


class Situation(msgspec.Struct, frozen=True):
    """All that a check may look at."""

    settings: Settings

    given: Mapping[str, Given]
    """By setting that somebody gave: the value that counted, and where it was."""

    in_files: Collection[str]
    """The settings whose value came from a file."""

    environ: Mapping[str, str]

    def signals(self) -> tuple[OtlpSignal, ...]:
        """The signals that events are sent by."""
        return ("traces",) if self.settings.carrier == "span" else ("traces", "logs")

    def said(self, signal: OtlpSignal, name: str) -> Any:
        """Return the value of a setting of exporters for a signal."""
        return getattr(self.settings, setting_of(signal, name))

    def own(self, name: str) -> bool:
        """Return whether a setting was given by its own name, and not by that of the one that it follows."""
        return name in self.given and self.given[name].name == name

    def given_for(self, *names: str) -> Iterator[tuple[OtlpSignal, str]]:
        """The settings of exporters, of those of some names, that were given and are used; each with its signal."""
        found = ((signal, setting_of(signal, name)) for signal in self.signals() for name in names)
        return ((signal, setting) for signal, setting in found if self.own(setting))

    def taken_from(self, signal: OtlpSignal, name: str) -> bool:
        """Return whether a signal has what was given to a setting, its own or the one that it follows."""
        given = self.given.get(setting_of(signal, name.removeprefix("logs_")))
        return given is not None and given.name == name

    def addresses(self) -> Iterator[tuple[OtlpSignal, str, SplitResult]]:
        """The addresses that were given and are used, by signal and by setting."""
        return ((signal, name, urlsplit(getattr(self.settings, name))) for signal, name in self.given_for("endpoint"))

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
        _secret_for_two,
        _credentials_of_a_provider,
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
    return tuple(dict.fromkeys(problem for check in checks for problem in check(situation)))


def _key_without_certificate(at: Situation) -> Iterator[Problem]:
    for signal in at.signals():
        if at.said(signal, "client_key") and not at.said(signal, "client_certificate"):
            certificate = setting_of(signal, "client_certificate")
            yield at.about(setting_of(signal, "client_key"), f"a key alone identifies nobody; set {certificate} too")
            return


def _readable_on_the_way(at: Situation) -> Iterator[Problem]:
    for signal, name, url in at.addresses():
        if url.scheme == "http" and not is_near(url.hostname or ""):
            what = "events and the headers" if at.said(signal, "headers") else "events"
            meant = url._replace(scheme="https", query="").geturl()
            yield at.about(name, f"{what} can be read by anybody on the way; use '{meant}'")


def _certificate_without_tls(at: Situation) -> Iterator[Problem]:
    for _, name in at.given_for("certificate", "client_certificate"):
        used_by = [signal for signal in at.signals() if at.taken_from(signal, name)]
        if all(at.said(signal, "endpoint").startswith("http:") for signal in used_by):
            yield at.about(name, "not used, since the endpoint is an http:// address; use https://")


def _port_of_the_other_protocol(at: Situation) -> Iterator[Problem]:
    for signal, name, url in at.addresses():
        protocol = at.said(signal, "protocol")
        wrong, right = (_HTTP_PORT, _GRPC_PORT) if protocol == "grpc" else (_GRPC_PORT, _HTTP_PORT)
        other = "http/protobuf" if protocol == "grpc" else "grpc"
        if url.port == wrong:
            meant = url._replace(netloc=url.netloc.replace(f":{wrong}", f":{right}"), query="").geturl()
            reason = f"{wrong} is the port of {other}, and protocol is {protocol!r}; use '{meant}', or {other!r}"
            yield at.about(name, reason)


def _zstd_over_grpc(at: Situation) -> Iterator[Problem]:
    for signal, name in at.given_for("compression"):
        if at.said(signal, "protocol") == "grpc" and getattr(at.settings, name) == "zstd":
            yield at.about(name, "gRPC in Python has gzip only, which is used; use gzip, or http/protobuf")


def _logs_without_carrier(at: Situation) -> Iterator[Problem]:
    if at.settings.carrier == "span":
        for name in (name for name, row in TABLE.items() if row.follows and at.own(name)):
            if not at.given[name].source.startswith("OTEL_"):
                yield at.about(name, "not used, since events are span events; use carrier 'log' or 'both'")


def _carrier_without_logs(at: Situation) -> Iterator[Problem]:
    known = at.given.get("endpoint")
    only_for_spans = known is not None and known.source == in_environment(_ONLY_FOR_SPANS)
    if at.settings.carrier != "span" and only_for_spans and "logs_endpoint" not in at.given:
        yield at.about(
            "carrier",
            f"log records go to a collector on this machine, since {_ONLY_FOR_SPANS} is for spans only; "
            "set EZLOGS_LOGS_ENDPOINT",
        )


def _secret_for_two(at: Situation) -> Iterator[Problem]:
    logs, traces = urlsplit(at.settings.logs_endpoint), urlsplit(at.settings.endpoint)
    secret = at.own("headers") and any(map(_SECRET.search, at.settings.headers)) and at.taken_from("logs", "headers")
    if secret and "logs" in at.signals() and at.own("logs_endpoint") and logs.netloc != traces.netloc:
        yield at.about("headers", "sent to the collector of log records, too; use logs_headers for that one's")


def _credentials_of_a_provider(at: Situation) -> Iterator[Problem]:
    for signal in at.signals():
        protocol = "GRPC" if at.said(signal, "protocol") == "grpc" else "HTTP"
        for name in (_PROVIDER.format(protocol, ""), _PROVIDER.format(protocol, f"{signal.upper()}_")):
            given = at.given.get(setting_of(signal, "endpoint"))
            if at.environ.get(name, "").strip() and (given is None or given.source.startswith("OTEL_")):
                yield Problem(in_environment(name), "", _NO_PROVIDER)


def _secret_in_a_file(at: Situation) -> Iterator[Problem]:
    for name in ("headers", "logs_headers"):
        if name in at.in_files and any(map(_SECRET.search, getattr(at.settings, name))):
            instead = TABLE[name].variable
            yield at.about(name, f"a secret in a file travels with every copy of it; use the variable {instead}")
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
