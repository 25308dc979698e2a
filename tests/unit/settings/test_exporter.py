"""OpenTelemetry's variables say how a signal leaves, as its specification words it, for both protocols."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezlogs.settings.exporter import Exporter, GrpcEndpoint, exporter
from ezlogs.settings.kinds import UnacceptableError
from ezlogs.settings.otlp import Headers

HTTP: dict[str, str] = {}
GRPC = {"PROTOCOL": "grpc"}


def read(signal: Any, **variables: str) -> Exporter:
    """Return what variables say, given without what their names have in common; there may be no problem."""
    found, problems = exporter({f"OTEL_EXPORTER_OTLP_{name}": value for name, value in variables.items()}, signal)
    assert problems == ()
    return found


@pytest.mark.parametrize(
    ("variables", "traces", "logs"),
    [
        ({}, "http://localhost:4318/v1/traces", "http://localhost:4318/v1/logs"),
        ({"ENDPOINT": "https://c/x/"}, "https://c/x/v1/traces", "https://c/x/v1/logs"),
        ({"TRACES_ENDPOINT": "https://c/x"}, "https://c/x", "http://localhost:4318/v1/logs"),
        ({"ENDPOINT": "http://a", "LOGS_ENDPOINT": "http://b/"}, "http://a/v1/traces", "http://b/"),
        ({"ENDPOINT": " ", "TRACES_ENDPOINT": ""}, "http://localhost:4318/v1/traces", "http://localhost:4318/v1/logs"),
        (GRPC, "http://localhost:4317", "http://localhost:4317"),
        (GRPC | {"ENDPOINT": "https://c:4317"}, "https://c:4317", "https://c:4317"),
        (GRPC | {"ENDPOINT": "c:4317", "LOGS_ENDPOINT": "d:1"}, "c:4317", "d:1"),
        (GRPC | {"ENDPOINT": "unix:/run/c.sock"}, "unix:/run/c.sock", "unix:/run/c.sock"),
        ({"LOGS_PROTOCOL": "grpc", "ENDPOINT": "http://c:1"}, "http://c:1/v1/traces", "http://c:1"),
    ],
)
def test_where_it_goes(variables: dict[str, str], traces: str, logs: str) -> None:
    """A base address gets the signal's path, over HTTP; an address of the signal's own is taken as it is."""
    assert (read("traces", **variables).endpoint, read("logs", **variables).endpoint) == (traces, logs)


@pytest.mark.parametrize(
    ("suffix", "common", "own", "name", "expected"),
    [
        ("HEADERS", "a=1", "b=2", "headers", (Headers({"a": "1"}), Headers({"b": "2"}))),
        ("TIMEOUT", "3", "4.5", "timeout", (3.0, 4.5)),
        ("COMPRESSION", "gzip", "none", "compression", ("gzip", "none")),
        ("INSECURE", "true", "false", "insecure", (True, False)),
        ("PROTOCOL", "grpc", "http/protobuf", "protocol", ("grpc", "http/protobuf")),
        ("CERTIFICATE", "/a.pem", "/b.pem", "certificate", ("/a.pem", "/b.pem")),
        ("CLIENT_CERTIFICATE", "/a.pem", "/b.pem", "client_certificate", ("/a.pem", "/b.pem")),
    ],
)
@pytest.mark.parametrize("signal", ["traces", "logs"])
def test_the_signals_own_variable_counts_first(
    *, suffix: str, common: str, own: str, name: str, expected: tuple[Any, Any], signal: str
) -> None:
    """Over the one for all signals, which counts over the default; that of the other signal says nothing."""
    other = "LOGS" if signal == "traces" else "TRACES"
    for_all = {suffix: common, f"{other}_{suffix}": own}
    assert getattr(read(signal, **for_all), name) == expected[0]
    assert getattr(read(signal, **for_all, **{f"{signal.upper()}_{suffix}": own}), name) == expected[1]


def test_a_key_goes_with_its_certificate() -> None:
    """Whichever variables they come from."""
    found = read("traces", CLIENT_KEY="/k.pem", TRACES_CLIENT_CERTIFICATE="/c.pem")
    assert (found.client_key, found.client_certificate) == ("/k.pem", "/c.pem")


@pytest.mark.parametrize(
    ("variables", "problem", "name", "used"),
    [
        ({"PROTOCOL": "http/json"}, "protocol 'http/json': use http/protobuf or grpc", "protocol", "http/protobuf"),
        ({"TIMEOUT": "soon"}, "timeout 'soon': not a number; use 0.001 to 600 seconds", "timeout", 10.0),
        ({"ENDPOINT": "c:4318"}, "missing scheme", "endpoint", "http://localhost:4318/v1/traces"),
        (GRPC | {"ENDPOINT": "http://"}, "missing host", "endpoint", "http://localhost:4317"),
        (GRPC | {"ENDPOINT": "http://[::1"}, "not an address", "endpoint", "http://localhost:4317"),
        (GRPC | {"ENDPOINT": "a b"}, "holds no spaces", "endpoint", "http://localhost:4317"),
        (GRPC | {"COMPRESSION": "zstd"}, "gRPC in Python has gzip only", "compression", "gzip"),
        ({"CLIENT_KEY": "/k.pem"}, "a key alone identifies nobody", "client_key", None),
        ({"TRACES_HEADERS": "nonsense", "HEADERS": "a=1"}, "headers ****", "headers", Headers({"a": "1"})),
    ],
)
def test_what_cannot_be_used_is_named_and_passed_over(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], problem: str, name: str, used: object
) -> None:
    """With the variable that it came from, and what counts instead."""
    monkeypatch.setattr("ezlogs.otlp.compression.find_spec", lambda name: name)
    found, problems = exporter({f"OTEL_EXPORTER_OTLP_{key}": value for key, value in variables.items()}, "traces")
    assert getattr(found, name) == used
    (told,) = map(str, problems)
    assert problem in told
    assert told.startswith("OTEL_EXPORTER_OTLP_")


@pytest.mark.parametrize("given", ["", None, 4317])
def test_what_is_no_address_is_refused(given: object) -> None:
    """As of any setting, with what would be right; and what is right is shown without its credentials."""
    with pytest.raises(UnacceptableError, match=r"use an http:// or https:// address, or one of gRPC's own"):
        GrpcEndpoint().parse(given)
    assert GrpcEndpoint().shown("http://ada:pw@c:1") == "http://****@c:1"


def test_no_secret_is_told() -> None:
    """Neither a header's nor one in an address."""
    for variables in (
        {"HEADERS": "hunter2"},
        {"ENDPOINT": "http://ada:hunter2@c"},
        GRPC | {"ENDPOINT": "http://ada:hunter2@c"},
        GRPC | {"ENDPOINT": "http://[ada:hunter2@"},
    ):
        found, problems = exporter({f"OTEL_EXPORTER_OTLP_{key}": text for key, text in variables.items()}, "traces")
        assert len(problems) == 1
        assert "hunter2" not in f"{problems}{found}"


NAMES = [
    f"OTEL_EXPORTER_OTLP_{signal}{suffix}"
    for signal in ("", "TRACES_", "LOGS_")
    for suffix in ("ENDPOINT", "PROTOCOL", "INSECURE", "HEADERS", "TIMEOUT", "COMPRESSION", "CERTIFICATE", "CLIENT_KEY")
]


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=20) | st.sampled_from(["grpc", "gzip", "http://c"])))
def test_nothing_in_the_environment_raises(environ: dict[str, str]) -> None:
    """A wrong variable costs itself, never the start of the application."""
    found, _ = exporter(environ, "logs")
    assert found.endpoint
    assert found.protocol in ("http/protobuf", "grpc")
