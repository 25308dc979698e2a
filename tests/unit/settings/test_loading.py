"""Loading: which layer wins, what is reported, and that nothing stops it."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ezlogs.settings import TABLE, InvalidSettings, Settings, load, logs_address, traces_address, variable
from ezlogs.settings.configfile import ConfigFile, Files


def problems(environ: Mapping[str, str], overrides: Mapping[str, object] = MappingProxyType({})) -> list[str]:
    """What loading reports, as text."""
    return list(map(str, load(environ, overrides).problems))


def test_without_anything_set_every_setting_is_its_default() -> None:
    """An empty environment gives the defaults, and says so of each."""
    loaded = load({})
    assert loaded.settings == Settings()
    assert loaded.sources == dict.fromkeys(TABLE, "default")
    assert not loaded.problems


def test_the_stronger_layer_wins() -> None:
    """configure() is stronger than EZLOGS_*, that than OTEL_*, and that than the default."""
    environ: dict[str, str] = {}
    overrides: dict[str, object] = {}

    def service() -> tuple[str | None, str]:
        loaded = load(environ, overrides)
        return loaded.settings.service_name, loaded.sources["service_name"]

    assert service() == (None, "default")
    environ["OTEL_SERVICE_NAME"] = "a"
    assert service() == ("a", "OTEL_SERVICE_NAME in the environment")
    environ["EZLOGS_SERVICE_NAME"] = "b"
    assert service() == ("b", "EZLOGS_SERVICE_NAME in the environment")
    overrides["service_name"] = "c"
    assert service() == ("c", "configure()")


def test_the_variable_for_traces_is_stronger_than_the_one_for_all_signals() -> None:
    """OTEL_EXPORTER_OTLP_TRACES_* counts before OTEL_EXPORTER_OTLP_*."""
    loaded = load({"OTEL_EXPORTER_OTLP_TIMEOUT": "3", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "4"})
    assert loaded.settings.timeout == 4.0


@pytest.mark.parametrize(
    ("key", "address", "endpoint"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1/v1/traces", "http://c:1/v1/traces/v1/traces"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:1", "http://c:1"),
        ("EZLOGS_ENDPOINT", "http://c:1", "http://c:1/v1/traces"),
        ("EZLOGS_ENDPOINT", "http://c:1/v1/traces", "http://c:1/v1/traces"),
    ],
)
def test_each_variable_of_the_endpoint_has_its_own_rule(key: str, address: str, endpoint: str) -> None:
    """The same address means what the variable that holds it says it means."""
    assert load({key: address}).settings.endpoint == endpoint


@pytest.mark.parametrize(
    ("environ", "enabled"),
    [
        ({"OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_SDK_DISABLED": "false"}, True),
        ({"OTEL_SDK_DISABLED": "true", "EZLOGS_ENABLED": "yes"}, True),
        ({"EZLOGS_ENABLED": "off"}, False),
    ],
)
def test_ezlogs_is_off_when_the_sdk_is(environ: dict[str, str], enabled: bool) -> None:
    """OTEL_SDK_DISABLED switches ezlogs off too, unless EZLOGS_ENABLED says otherwise."""
    assert load(environ).settings.enabled is enabled


def test_the_sdk_is_disabled_by_the_word_true_only() -> None:
    """A value that OpenTelemetry does not take for true is reported, and disables nothing."""
    loaded = load({"OTEL_SDK_DISABLED": "1"})
    assert loaded.settings.enabled
    assert "OTEL_SDK_DISABLED in the environment" in str(loaded.problems[0])


@pytest.mark.parametrize("blank", ["", "  "])
def test_an_empty_variable_is_not_set(blank: str) -> None:
    """An empty variable means what no variable means."""
    loaded = load({"EZLOGS_TIMEOUT": blank, "OTEL_EXPORTER_OTLP_TIMEOUT": "3"})
    assert loaded.settings.timeout == 3.0
    assert not loaded.problems


def test_none_leaves_a_setting_to_the_environment() -> None:
    """An argument that is None is as good as not given."""
    loaded = load({"EZLOGS_TIMEOUT": "3"}, {"timeout": None})
    assert (loaded.settings.timeout, loaded.problems) == (3.0, ())


def test_a_bad_value_gives_way_to_the_next_layer() -> None:
    """Each value that cannot be used is reported, and the first that can is used."""
    loaded = load(
        {
            "EZLOGS_TIMEOUT": "soon",
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "-1",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
        },
        {"timeout": []},
    )
    assert loaded.settings.timeout == 3.0
    assert loaded.sources["timeout"] == "OTEL_EXPORTER_OTLP_TIMEOUT in the environment"
    assert list(map(str, loaded.problems)) == [
        "configure(): timeout []: not a number; use 0.001 to 600 seconds",
        "EZLOGS_TIMEOUT in the environment: timeout 'soon': not a number; use 0.001 to 600 seconds",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT in the environment: timeout '-1': out of range; use 0.001 to 600 seconds",
    ]


def test_with_only_bad_values_the_default_is_used() -> None:
    """A setting that nobody gave a usable value has its default, and nobody set it."""
    loaded = load({"EZLOGS_CHANGES": "ful"})
    assert loaded.settings.changes == "safe"
    assert not loaded.explicit("changes")


def test_a_stronger_value_settles_a_weaker_one() -> None:
    """A value for other exporters does not matter once ezlogs has one of its own."""
    environ = {"OTEL_EXPORTER_OTLP_COMPRESSION": "deflate"}
    assert problems(environ)
    assert not problems({**environ, "EZLOGS_COMPRESSION": "gzip"})


@pytest.mark.parametrize(
    ("environ", "overrides", "problem"),
    [
        (
            {"EZLOGS_ENPOINT": "http://c"},
            {},
            "EZLOGS_ENPOINT in the environment: unknown setting; did you mean EZLOGS_ENDPOINT?",
        ),
        ({"EZLOGS_ZQX": "1"}, {}, "EZLOGS_ZQX in the environment: unknown setting"),
        ({}, {"endpont": "http://c"}, "configure(): endpont: unknown setting; did you mean endpoint?"),
        ({}, {"zqx": 1}, "configure(): zqx: unknown setting"),
        (
            {},
            {"endpoint": "localhost:4318"},
            "configure(): endpoint 'localhost:4318': missing scheme; use 'http://localhost:4318'",
        ),
        (
            {"EZLOGS_PIPELINE": "atached"},
            {},
            "EZLOGS_PIPELINE in the environment: pipeline 'atached': "
            "use auto, owned or attached; did you mean 'attached'?",
        ),
        (
            {"EZLOGS_HEADERS": "hunter2"},
            {},
            "EZLOGS_HEADERS in the environment: headers ****: "
            "use name=value pairs separated by commas, percent-encoded",
        ),
    ],
)
def test_a_problem_names_the_place_the_value_and_the_way_out(
    environ: dict[str, str], overrides: dict[str, object], problem: str
) -> None:
    """A problem says where to go, what was found there with secrets masked, and what to write instead."""
    assert problems(environ, overrides) == [problem]


def test_what_kubernetes_puts_into_the_environment_is_no_setting() -> None:
    """The variables of a service called ezlogs or ezlogs-collector are not taken for misspelled settings."""
    links = ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_OTLP_HTTP", "PORT", "PORT_4318_TCP"]
    links += ["PORT_4318_TCP_PROTO", "PORT_4318_TCP_PORT", "PORT_4318_TCP_ADDR"]
    names = [prefix + link for prefix in ("EZLOGS_", "EZLOGS_COLLECTOR_") for link in links]
    assert problems(dict.fromkeys(names, "tcp://10.0.0.1:4318")) == []


def test_a_default_value_that_was_given_is_explicit() -> None:
    """Whether anyone set a setting does not depend on the value."""
    loaded = load({"EZLOGS_FLUSH_INTERVAL": "1.0"}, {"max_batch_size": 512})
    assert loaded.settings == Settings()
    assert [name for name in TABLE if loaded.explicit(name)] == ["flush_interval", "max_batch_size"]


def test_invalid_settings_list_every_problem() -> None:
    """The error has the text of all problems, the problems themselves, and survives pickling."""
    loaded = load({"EZLOGS_ENPOINT": "x"}, {"timeout": "soon"})
    error = InvalidSettings(loaded.problems)
    assert isinstance(error, ValueError)
    assert str(error).splitlines() == [
        "2 settings cannot be used:",
        *(f"  - {problem}" for problem in loaded.problems),
    ]
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.problems, str(copy)) == (loaded.problems, str(error))


def test_one_problem_is_told_without_a_list() -> None:
    """A single problem is the whole text of the error."""
    loaded = load({"EZLOGS_TIMEOUT": "soon"})
    assert str(InvalidSettings(loaded.problems)) == str(loaded.problems[0])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(st.dictionaries(st.sampled_from([variable(name) for name in TABLE]), st.text()))
def test_no_text_in_the_environment_stops_loading(environ: dict[str, str]) -> None:
    """Whatever the variables hold, the settings are complete and every bad value is reported."""
    loaded = load(environ)
    assert set(loaded.settings.shown()) == set(TABLE)
    told = {problem.source for problem in loaded.problems}
    told |= {loaded.sources[name] for name in TABLE if loaded.explicit(name)}
    assert told == {f"{key} in the environment" for key, text in environ.items() if text.strip()}


GENERAL, OF_TRACES, OF_LOGS = (f"OTEL_EXPORTER_OTLP_{signal}COMPRESSION" for signal in ("", "TRACES_", "LOGS_"))


@pytest.mark.parametrize(
    ("environ", "in_code", "text", "expected"),
    [
        ({}, {}, "", ("none", "default")),
        ({GENERAL: "gzip"}, {}, "", ("gzip", f"{GENERAL} in the environment")),
        ({OF_TRACES: "gzip"}, {}, "", ("none", "default")),
        ({OF_LOGS: "gzip", GENERAL: "none"}, {}, "", ("gzip", f"{OF_LOGS} in the environment")),
        ({"EZLOGS_COMPRESSION": "gzip", OF_LOGS: "none"}, {}, "", ("gzip", "EZLOGS_COMPRESSION in the environment")),
        ({"EZLOGS_COMPRESSION": "none"}, {"logs_compression": "gzip"}, "", ("gzip", "configure()")),
        (
            {"EZLOGS_LOGS_COMPRESSION": "gzip"},
            {"compression": "none"},
            "",
            ("gzip", "EZLOGS_LOGS_COMPRESSION in the environment"),
        ),
        ({"EZLOGS_COMPRESSION": "none"}, {}, "logs_compression = 'gzip'", ("gzip", "ezlogs.toml:1")),
        ({GENERAL: "none"}, {}, "logs_compression = 'gzip'", ("none", f"{GENERAL} in the environment")),
        ({}, {}, "compression = 'gzip'", ("gzip", "ezlogs.toml:1")),
        ({}, {"compression": "gzip", "logs_compression": None}, "", ("gzip", "configure()")),
    ],
)
def test_what_is_not_said_for_log_records_is_as_for_spans(
    environ: dict[str, str], in_code: dict[str, object], text: str, expected: tuple[str, str]
) -> None:
    """Unless it is said for spans alone; what the application says to ezlogs is stronger than what all are told."""
    loaded = load(environ, in_code, files=Files((ConfigFile("ezlogs.toml", text),)))
    assert (loaded.settings.logs_compression, loaded.sources["logs_compression"]) == expected


def test_a_bad_value_of_both_signals_is_told_once() -> None:
    """Under the name that it has; and what only log records cannot use is told where there are some."""
    environ = {"OTEL_EXPORTER_OTLP_TIMEOUT": "soon", "EZLOGS_CARRIER": "both"}
    told = "OTEL_EXPORTER_OTLP_TIMEOUT in the environment: timeout 'soon': not a number; use 0.001 to 600 seconds"
    assert problems(environ) == [told]
    unlike = {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}
    assert problems(unlike) == []
    assert problems({**unlike, "EZLOGS_CARRIER": "log"}) == [
        "OTEL_EXPORTER_OTLP_ENDPOINT in the environment: endpoint 'collector:4317': missing scheme; "
        "use 'http://collector:4317'"
    ]


@pytest.mark.parametrize(
    ("address", "insecure", "endpoint"),
    [
        ("collector:4317", "", "https://collector:4317/v1/traces"),
        ("collector:4317", "true", "http://collector:4317/v1/traces"),
        ("[::1]:4317", "true", "http://[::1]:4317/v1/traces"),
        ("http://collector:4317", "false", "http://collector:4317/v1/traces"),
        ("https://collector:4317", "true", "https://collector:4317/v1/traces"),
        ("unix:/run/collector.sock", "true", "unix:/run/collector.sock"),
        ("DNS:///collector:4317", "", "DNS:///collector:4317"),
    ],
)
def test_over_grpc_an_address_needs_no_scheme(address: str, insecure: str, endpoint: str) -> None:
    """It has TLS unless it is told otherwise, and any form is taken that gRPC takes."""
    environ = {"EZLOGS_PROTOCOL": "grpc", "EZLOGS_ENDPOINT": address, "OTEL_EXPORTER_OTLP_INSECURE": insecure}
    loaded = load(environ)
    assert (loaded.settings.endpoint, loaded.problems) == (endpoint, ())
    assert traces_address(loaded) == (endpoint, True)
    assert logs_address(loaded) == (endpoint.replace("traces", "logs"), True)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("me:hunter2@collector:4317", "a user name and password are not sent from here; use the setting 'headers'"),
        ("collector:otlp", "the port must be a number from 1 to 65535"),
        ("ftp://collector", "scheme 'ftp' is not supported; use 'http' or 'https'"),
    ],
)
def test_over_grpc_a_wrong_address_is_refused_too(address: str, reason: str) -> None:
    """With the part that is wrong."""
    (problem,) = problems({"EZLOGS_PROTOCOL": "grpc", "EZLOGS_ENDPOINT": address})
    assert problem.endswith(reason)
    assert "hunter2" not in problem


def test_over_grpc_a_blank_address_is_none() -> None:
    """The refusal says what an address looks like."""
    (problem,) = problems({}, {"protocol": "grpc", "endpoint": " "})
    assert problem == "configure(): endpoint ' ': use an address such as collector:4317, or an http:// or https:// one"


@pytest.mark.parametrize("said", ["1", "yes", "on"])
def test_insecure_is_the_word_true_only(said: str) -> None:
    """In OpenTelemetry's variable, as it defines its switches; another word is told, and means TLS."""
    loaded = load({"OTEL_EXPORTER_OTLP_INSECURE": said})
    assert not loaded.settings.insecure
    assert [str(problem) for problem in loaded.problems] == [
        f"OTEL_EXPORTER_OTLP_INSECURE in the environment: insecure '{said}': use true or false"
    ]
    assert load({"EZLOGS_INSECURE": said}).settings.insecure


def test_the_variables_of_opentelemetrys_processor_count() -> None:
    """Where they mean the same; its delay is in milliseconds, and ezlogs' own variable goes before it."""
    otel = {"OTEL_BSP_SCHEDULE_DELAY": "2500", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "64"}
    loaded = load(otel)
    assert (loaded.settings.flush_interval, loaded.settings.max_batch_size) == (2.5, 64)
    assert loaded.sources["flush_interval"] == "OTEL_BSP_SCHEDULE_DELAY in the environment"
    assert load({**otel, "EZLOGS_FLUSH_INTERVAL": "0.5"}).settings.flush_interval == 0.5
    refused = load({"OTEL_BSP_SCHEDULE_DELAY": "1"})
    assert refused.settings.flush_interval == 1.0
    assert "10 to 3.6e+06 milliseconds" in str(refused.problems[0])
