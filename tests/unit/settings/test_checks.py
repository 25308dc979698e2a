"""Checks of settings against each other: what each says, and when it is silent."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pytest

from ezlogs.settings import InvalidSettings, load
from ezlogs.settings.configfile import ConfigFile, Files

NOTHING: Mapping[str, object] = MappingProxyType({})
LOCAL = "http://localhost:4318"
FAR = "https://collector.example.com"


def warnings(
    overrides: Mapping[str, object] = NOTHING, environ: Mapping[str, str] = MappingProxyType({}), text: str = ""
) -> list[str]:
    """The warnings about settings given in code, in the environment and in an ezlogs.toml."""
    loaded = load(environ, overrides, files=Files((ConfigFile("ezlogs.toml", text),)))
    assert not loaded.problems
    return [str(warning) for warning in loaded.warnings]


def test_the_defaults_are_beyond_doubt() -> None:
    """Who sets nothing is warned of nothing."""
    assert warnings() == []


def test_a_key_without_a_certificate_is_a_contradiction() -> None:
    """It is refused like a wrong value; with its certificate it is right."""
    loaded = load({"EZLOGS_CLIENT_KEY": "key.pem", "EZLOGS_ENDPOINT": FAR})
    assert [str(problem) for problem in loaded.problems] == [
        "EZLOGS_CLIENT_KEY in the environment: client_key 'key.pem': "
        "a key alone identifies nobody; set client_certificate too"
    ]
    assert "identifies nobody" in str(InvalidSettings(loaded.problems))
    assert warnings({"client_key": "key.pem", "client_certificate": "me.pem", "endpoint": FAR}) == []


@pytest.mark.parametrize(
    ("overrides", "warning"),
    [
        (
            {"endpoint": "http://collector.example.com?token=hunter2", "headers": {"x-tenant": "shop"}},
            "configure(): endpoint 'http://collector.example.com/v1/traces?****': events and the headers can be read "
            "by anybody on the way; use 'https://collector.example.com/v1/traces'",
        ),
        (
            {"endpoint": "http://9.9.9.9:4318"},
            "configure(): endpoint 'http://9.9.9.9:4318/v1/traces': events can be read by anybody on the way; "
            "use 'https://9.9.9.9:4318/v1/traces'",
        ),
        (
            {"endpoint": LOCAL, "certificate": "ca.pem"},
            "configure(): certificate 'ca.pem': not used, since the endpoint is an http:// address; use https://",
        ),
        (
            {"endpoint": LOCAL, "client_certificate": "me.pem"},
            "configure(): client_certificate 'me.pem': not used, since the endpoint is an http:// address; "
            "use https://",
        ),
        (
            {"endpoint": "http://localhost:4317"},
            "configure(): endpoint 'http://localhost:4317/v1/traces': 4317 is the port of grpc, and protocol is "
            "'http/protobuf'; use 'http://localhost:4318/v1/traces', or 'grpc'",
        ),
        (
            {"endpoint": "http://localhost:4317", "protocol": "grpc", "compression": "zstd"},
            "configure(): compression 'zstd': gRPC in Python has gzip only, which is used; use gzip, or http/protobuf",
        ),
        (
            {"sample_rate": 0.1},
            "configure(): sample_rate 0.1: sign-ins and changes of data are left out with the other stories; if "
            "they are for an audit, use always_events 'auth.*,data.*'",
        ),
        (
            {"sample_rate": 0.1, "disabled_events": "data.*"},
            "configure(): sample_rate 0.1: sign-ins and changes of data are left out with the other stories; if "
            "they are for an audit, use always_events 'auth.*'",
        ),
        (
            {"always_events": "payment.refund,auth.*", "disabled_events": "payment.*"},
            "configure(): always_events payment.refund,auth.*: 'payment.refund' is in disabled_events too, and is "
            "never made; take it from one",
        ),
        (
            {"always_events": "auth.*", "never_events": "auth.login,debug.*"},
            "configure(): never_events auth.login,debug.*: 'auth.login' is in always_events too, and is kept; take it "
            "from one",
        ),
        (
            {"keep_slow": 2},
            "configure(): keep_slow 2: not used, since nothing is left out; set sample_rate below 1",
        ),
        (
            {"logs_endpoint": LOCAL},
            "configure(): logs_endpoint 'http://localhost:4318/v1/logs': not used, since events are span events; "
            "use carrier 'log' or 'both'",
        ),
        (
            {"carrier": "log", "logs_endpoint": "http://logs.example.com"},
            "configure(): logs_endpoint 'http://logs.example.com/v1/logs': events can be read by anybody on the way; "
            "use 'https://logs.example.com/v1/logs'",
        ),
    ],
)
def test_a_doubt_says_what_is_meant_and_what_to_do(overrides: dict[str, object], warning: str) -> None:
    """In the form of a problem: the source, the value, the reason, the way out."""
    assert warnings(overrides) == [warning]


@pytest.mark.parametrize(
    "overrides",
    [
        {"endpoint": FAR, "certificate": "ca.pem", "client_certificate": "me.pem"},
        *({"endpoint": f"http://{near}:4318"} for near in ("127.0.0.1", "[::1]", "10.0.0.7", "collector", "c.ns.svc")),
        {"endpoint": "http://collector.internal", "headers": {"authorization": "hunter2"}},
        {"endpoint": LOCAL, "logs_endpoint": FAR, "carrier": "both", "certificate": "ca.pem"},
        {"sample_rate": 0.1, "always_events": "payment.*"},
        {"sample_rate": 0.1, "always_events": ()},
        {"sample_rate": 0.1, "disabled_events": "auth.*,data.*"},
        {"sample_rate": 1, "disabled_events": "data.*"},
        {"keep_slow": 2, "sample_types": "data.*=0.1"},
        {"enabled": False, "endpoint": "http://collector.example.com:4317", "sample_rate": 0},
    ],
)
def test_what_is_meant_so_is_not_doubted(overrides: dict[str, object]) -> None:
    """Near hosts, types that were chosen on purpose, and anything of an ezlogs that is switched off."""
    assert warnings(overrides) == []


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("[delivery.headers]\nauthorization = 'Bearer hunter2'", True),
        ("headers = 'x-api-key=hunter2'", True),
        ("logs_headers = 'x-api-key=hunter2'\ncarrier = 'log'", True),
        ("headers = 'x-tenant=shop'", False),
    ],
)
def test_a_secret_in_a_file_is_doubted(text: str, warned: bool) -> None:
    """It is never shown; a header that is none may stand there."""
    told = warnings(text=text)
    name = "EZLOGS_LOGS_HEADERS" if "logs" in text else "EZLOGS_HEADERS"
    assert [line.endswith(f"use the variable {name}") for line in told] == [True] * warned
    assert "hunter2" not in "".join(told)


def test_a_secret_in_the_environment_is_where_it_belongs() -> None:
    """Also where a file names other headers, which then do not count."""
    environ = {"EZLOGS_HEADERS": "authorization=hunter2"}
    assert warnings(environ=environ, text="headers = 'x-api-key=other'") == []


@pytest.mark.parametrize(
    ("environ", "warning"),
    [
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_ENDPOINT in the environment: endpoint 'http://localhost:4318/v1/traces': 4318 is the "
            "port of http/protobuf, and protocol is 'grpc'; use 'http://localhost:4317/v1/traces', or 'http/protobuf'",
        ),
        (
            {"EZLOGS_PIPELINE": "owned", "OTEL_TRACES_EXPORTER": "otlp"},
            "EZLOGS_PIPELINE in the environment: pipeline 'owned': spans are sent twice, since OTEL_TRACES_EXPORTER is "
            "'otlp'; unset it, or use 'auto'",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "otlp"},
            "OTEL_TRACES_EXPORTER in the environment: 'otlp': it sends the spans, and ezlogs has no address of its "
            "own: events outside a recorded span are lost; set EZLOGS_ENDPOINT",
        ),
        (
            {"EZLOGS_CARRIER": "log", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": FAR},
            "EZLOGS_CARRIER in the environment: carrier 'log': log records go to a collector on this machine, since "
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is for spans only; set EZLOGS_LOGS_ENDPOINT",
        ),
    ],
)
def test_what_other_exporters_are_told_is_heeded(environ: dict[str, str], warning: str) -> None:
    """Two exporters of one process must not get in each other's way."""
    assert warnings(environ=environ) == [warning]


PROVIDED = "not used, since ezlogs has connections of its own; use headers or client_certificate"


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER": "gcp"}, True),
        ({"OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER": "gcp"}, True),
        ({"OTEL_PYTHON_EXPORTER_OTLP_HTTP_LOGS_CREDENTIAL_PROVIDER": "gcp"}, False),
        ({"OTEL_PYTHON_EXPORTER_OTLP_HTTP_LOGS_CREDENTIAL_PROVIDER": "gcp", "EZLOGS_CARRIER": "log"}, True),
        ({"OTEL_PYTHON_EXPORTER_OTLP_GRPC_CREDENTIAL_PROVIDER": "gcp"}, False),
        ({"OTEL_PYTHON_EXPORTER_OTLP_GRPC_CREDENTIAL_PROVIDER": "gcp", "EZLOGS_PROTOCOL": "grpc"}, True),
        ({"OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER": "gcp", "EZLOGS_CARRIER": "both"}, True),
        ({"OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER": "gcp", "EZLOGS_ENDPOINT": LOCAL}, False),
    ],
)
def test_a_provider_of_credentials_is_not_asked(environ: dict[str, str], told: bool) -> None:
    """OpenTelemetry's own exporters take sessions and channels of others; that ezlogs does not is said once."""
    (provider,) = (key for key in environ if "PROVIDER" in key)
    assert warnings(environ=environ) == [f"{provider} in the environment: {PROVIDED}"] * told


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"headers": {"authorization": "hunter2"}}, True),
        ({"headers": {"x-tenant": "shop"}}, False),
        ({"headers": {"authorization": "hunter2"}, "logs_headers": {}}, False),
        ({"headers": {"authorization": "hunter2"}, "logs_endpoint": LOCAL}, False),
        ({"headers": {"authorization": "hunter2"}, "carrier": "span"}, None),
    ],
)
def test_a_secret_for_two_collectors_is_doubted(overrides: dict[str, object], told: bool | None) -> None:
    """What is said for all signals goes to each of their collectors."""
    given = {"endpoint": LOCAL, "logs_endpoint": FAR, "carrier": "both", **overrides}
    reason = "sent to the collector of log records, too; use logs_headers for that one's"
    assert [line.endswith(reason) for line in warnings(given) if "headers" in line] == [True] * bool(told)
    assert "hunter2" not in "".join(warnings(given))


@pytest.mark.parametrize(
    ("overrides", "about"),
    [
        ({"logs_certificate": "ca.pem", "logs_endpoint": LOCAL, "endpoint": FAR}, "logs_certificate"),
        (
            {"certificate": "ca.pem", "logs_endpoint": FAR, "endpoint": LOCAL, "logs_certificate": "ca.pem"},
            "certificate",
        ),
        ({"logs_compression": "zstd", "logs_protocol": "grpc"}, "logs_compression"),
        ({"logs_endpoint": "http://localhost:4318", "logs_protocol": "grpc"}, "logs_endpoint"),
        ({"logs_endpoint": FAR, "logs_timeout": 5, "carrier": "span"}, "logs_endpoint"),
    ],
)
def test_log_records_are_doubted_by_themselves(overrides: dict[str, object], about: str) -> None:
    """Each setting of theirs is looked at beside the others of theirs."""
    told = warnings({"carrier": "both", **overrides})
    assert told[0].startswith(f"configure(): {about} ")
    assert len(told) == 1 + ("logs_timeout" in overrides)


def test_a_key_of_log_records_needs_a_certificate_of_theirs() -> None:
    """One for traces alone is none; where there are no log records it does not matter."""
    environ = {
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": "key.pem",
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE": "me.pem",
        "OTEL_EXPORTER_OTLP_ENDPOINT": FAR,
    }
    assert not load(environ).problems
    assert [str(problem) for problem in load({**environ, "EZLOGS_CARRIER": "log"}).problems] == [
        "OTEL_EXPORTER_OTLP_CLIENT_KEY in the environment: logs_client_key 'key.pem': "
        "a key alone identifies nobody; set logs_client_certificate too"
    ]


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_EXPORTER": "otlp", "EZLOGS_ENDPOINT": LOCAL},
        {"OTEL_TRACES_EXPORTER": "none", "EZLOGS_PIPELINE": "owned"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4317"},
        {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": LOCAL},
        {"EZLOGS_CARRIER": "log", "OTEL_EXPORTER_OTLP_ENDPOINT": LOCAL},
        {"EZLOGS_CARRIER": "log", "EZLOGS_ENDPOINT": LOCAL},
        {"EZLOGS_CARRIER": "log", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": FAR, "EZLOGS_LOGS_ENDPOINT": FAR},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT": LOCAL},
    ],
)
def test_exporters_that_get_along_are_not_doubted(environ: dict[str, str]) -> None:
    """Each has its own spans, or its own address."""
    assert warnings(environ=environ) == []


def test_hashing_without_a_key_is_doubtful() -> None:
    """It masks then; with a key it does what it says, and a key in a file is a secret in a file."""
    assert warnings({"redaction": "email=hash, card=drop"}) == [
        "configure(): redaction email=hash,card=drop: without a key nothing is hashed, but masked; set EZLOGS_HASH_KEY"
    ]
    assert warnings({"redaction": "hash", "hash_key": "k" * 32}) == []
    (warning,) = warnings(text="hash_key = 'very-secret'")
    assert "a secret in a file travels" in warning
    assert "very-secret" not in warning
