"""Launching real programs under ``opentelemetry-instrument``: alone, beside other exporters and other distributions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ezlogs.dev.receiver import Receiver

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
COVERAGE = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
NEIGHBOURS = ROOT / ".venv-neighbours"

needs_neighbours = pytest.mark.skipif(
    not NEIGHBOURS.exists(), reason="no .venv-neighbours with another vendor's distribution: run `make test`"
)


class Ran(NamedTuple):
    """What a program printed, and how it ended."""

    told: dict[str, Any]
    errors: str
    seconds: float


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A local OTLP endpoint."""
    with Receiver() as running:
        yield running


def run(program: str = "checkout.py", venv: Path = Path(sys.prefix), *, plain: bool = False, **environ: str) -> Ran:
    """Run a program under ``opentelemetry-instrument`` in an environment that holds nothing else."""
    launcher = [] if plain else [str(venv / "bin" / "opentelemetry-instrument")]
    paths = f"{ROOT / 'src'}{os.pathsep}{ROOT / 'instrumentors'}"
    state = {"EZLOGS_STATE_DIR": os.environ["EZLOGS_STATE_DIR"]}
    bare = {"PATH": f"{venv / 'bin'}:/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONPATH": paths, **state}
    begin = time.perf_counter()
    done = subprocess.run(
        [*launcher, str(venv / "bin" / "python"), str(PROGRAMS / program)],
        env={**bare, **COVERAGE, **environ},
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return Ran(
        json.loads(next(line for line in done.stdout.splitlines() if line.startswith('{"provider"'))),
        done.stderr,
        time.perf_counter() - begin,
    )


def events(receiver: Receiver) -> list[tuple[str, str]]:
    """Return (span name, action) of each event that arrived."""
    return sorted(
        (span.name, str(event.attributes["ezlogs.action"])) for span in receiver.spans for event in span.events
    )


@pytest.mark.parametrize("name", ["OTEL_SERVICE_NAME", "EZLOGS_SERVICE_NAME"])
def test_alone_it_builds_the_sdk_and_owns_the_pipeline(receiver: Receiver, name: str) -> None:
    """Nothing to write: the span arrives with its event, and so does the event outside; the service as either says."""
    ran = run(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, **{name: "shop"})
    assert ran.told["provider"] == "TracerProvider"
    assert ran.told["health"]["pipeline"] == "owned"
    assert events(receiver) == [("checkout", "placed"), ("ezlogs.events", "shipped")]
    assert {span.resource["service.name"] for span in receiver.spans} == {"shop"}
    assert ran.errors == ""


def test_beside_an_exporter_of_the_users_it_attaches(receiver: Receiver) -> None:
    """``OTEL_TRACES_EXPORTER=console`` prints the span; ezlogs delivers the events on carriers."""
    ran = run(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, OTEL_TRACES_EXPORTER="console")
    assert ran.told["health"]["pipeline"] == "attached"
    assert events(receiver) == [("ezlogs.events", "placed"), ("ezlogs.events", "shipped")]


def test_with_the_exporter_none_only_events_are_sent(receiver: Receiver) -> None:
    """The user wants no spans exported; the events have an endpoint of their own."""
    run(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, OTEL_TRACES_EXPORTER="none")
    assert {span.name for span in receiver.spans} == {"ezlogs.events"}
    assert len(events(receiver)) == 2


@pytest.mark.parametrize("switch", [{"OTEL_SDK_DISABLED": "true"}, {"EZLOGS_ENABLED": "false"}])
def test_it_can_be_switched_off(receiver: Receiver, switch: dict[str, str]) -> None:
    """The program runs, and nothing is sent."""
    ran = run(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, **switch)
    assert ran.told["health"] == {"running": False}
    assert receiver.spans == []


def test_wrong_settings_never_stop_the_application(receiver: Receiver) -> None:
    """Each is said once, with its source, value, what is allowed and the nearest name; the default is used."""
    ran = run(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, EZLOGS_TIMEOUT="soon", EZLOGS_ENPOINT="http://x")
    assert ran.errors.count("EZLOGS_TIMEOUT") == 1
    assert "'soon'" in ran.errors
    assert "did you mean EZLOGS_ENDPOINT" in ran.errors
    assert len(events(receiver)) == 2


def test_a_file_sets_and_a_wrong_one_never_stops_the_application(receiver: Receiver, tmp_path: Path) -> None:
    """What is right in it counts, what is wrong is said once with its line."""
    file = tmp_path / "production.toml"
    file.write_text(f"[delivery]\nendpoint = '{receiver.endpoint}'\ntimeout = 'soon'\n")
    ran = run(EZLOGS_CONFIG_FILE=str(file))
    assert len(events(receiver)) == 2
    assert ran.errors.count("not a number") == 1
    assert "production.toml:3: [delivery] timeout 'soon'" in ran.errors
    file.write_text("[delivery")
    ran = run(EZLOGS_CONFIG_FILE=str(file), OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
    assert "production.toml:1: not TOML" in ran.errors
    assert len(events(receiver)) == 4


def test_a_missing_collector_costs_one_line_and_no_time() -> None:
    """Neither the program nor its end waits."""
    ran = run(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert ran.errors.count("\n") == 1
    assert "127.0.0.1:9" in ran.errors
    without = run(OTEL_SDK_DISABLED="true")
    assert ran.seconds < without.seconds + 4  # of the five that the end may take


def test_without_a_launcher_configure_does_the_same(receiver: Receiver) -> None:
    """One line instead of a command."""
    ran = run("configured.py", plain=True, EZLOGS_ENDPOINT=receiver.endpoint)
    assert ran.told["health"]["pipeline"] == "owned"
    assert len(events(receiver)) == 2


def test_events_leave_as_log_records_when_the_environment_says_so(receiver: Receiver) -> None:
    """Nothing to write either: the span leaves without them, and no carrier span is made."""
    ran = run(OTEL_SERVICE_NAME="shop", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, EZLOGS_CARRIER="log")
    assert [record.attributes["ezlogs.action"] for record in receiver.logs] == ["placed", "shipped"]
    assert {record.resource["service.name"] for record in receiver.logs} == {"shop"}
    assert [(span.name, span.span_id) for span in receiver.spans] == [("checkout", receiver.logs[0].span_id)]
    assert ran.errors == ""


def test_each_process_leaves_its_health_where_asked(receiver: Receiver, tmp_path: Path) -> None:
    """A program that counts losses needs no access to the process."""
    run(
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        EZLOGS_HEALTH_DIR=str(tmp_path),
        OTEL_SERVICE_NAME="shop",
    )
    (report,) = tmp_path.iterdir()
    health = json.loads(report.read_text())
    assert report.name == f"shop-{health['pid']}.json"
    assert (health["emitted"], health["delivered"], health["lost"]) == (2, 2, {})


@needs_neighbours
def test_it_stands_back_for_another_vendors_distribution(receiver: Receiver) -> None:
    """Elastic's distribution builds the SDK and exports the spans; ezlogs delivers only the events."""
    ran = run(
        venv=NEIGHBOURS,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
    )
    assert ran.told["health"]["pipeline"] == "attached"
    spans = [span.span_id for span in receiver.spans]
    assert len(spans) == len(set(spans))
    assert events(receiver) == [("ezlogs.events", "placed"), ("ezlogs.events", "shipped")]
    (checkout,) = (span for span in receiver.spans if span.name == "checkout")
    assert checkout.resource["telemetry.distro.name"] == "elastic"


@needs_neighbours
def test_the_doctor_foresees_who_builds_the_sdk() -> None:
    """Beside another vendor's distribution and OpenTelemetry's own instrumentors, from their real entry points."""
    environ = {
        "EZLOGS_ENDPOINT": "http://127.0.0.1:9",
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'instrumentors'}",
    }
    done = subprocess.run(
        [str(NEIGHBOURS / "bin" / "ezlogs"), "doctor", "--json", "--offline"],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **COVERAGE, **environ},
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    findings = json.loads(done.stdout)["findings"]
    assert findings["launch"][0]["text"].startswith("elastic-opentelemetry ")
    assert "elastic-opentelemetry exports the spans" in findings["pipeline"][0]["text"]
    told = {finding["about"]: finding["text"] for finding in findings["instrumentation"]}
    assert told["ezlogs_django"].endswith("; rides on the spans of OpenTelemetry's own")
    assert "django" in told["others"]


@pytest.mark.parametrize(("instrument", "hooked"), [("none", False), ("smtplib", True), ("django", False)])
def test_the_setting_has_the_last_word_on_instrumentors(instrument: str, hooked: bool) -> None:
    """The launcher runs all that is installed; what `instrument` leaves out is taken back."""
    ran = run("hooks.py", EZLOGS_INSTRUMENT=instrument, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert ran.told["smtplib"] is hooked


@needs_neighbours
def test_chosen_by_name_it_runs_instead_of_the_other(receiver: Receiver) -> None:
    """``OTEL_PYTHON_DISTRO`` and ``OTEL_PYTHON_CONFIGURATOR`` decide."""
    ran = run(
        venv=NEIGHBOURS,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        OTEL_PYTHON_DISTRO="ezlogs",
        OTEL_PYTHON_CONFIGURATOR="ezlogs",
    )
    assert ran.told["health"]["pipeline"] == "owned"
    assert ("checkout", "placed") in events(receiver)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_provider_of_the_applications_own_outlives_a_fork() -> None:
    """After a fork it looks up the resource that nobody detected, in a thread pool; the child goes on."""
    program = """
import os
import ezlogs
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
provider = TracerProvider(resource=Resource({"service.name": "shop"}))
provider.get_tracer("app")
from concurrent.futures import ThreadPoolExecutor
child = os.fork()
if child == 0:
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, check=True, timeout=30, text=True).stdout == "7\n"


@needs_neighbours
def test_beside_another_vendors_logs_each_event_is_one_log_record(receiver: Receiver) -> None:
    """Elastic's distribution sets up a logs pipeline too; ezlogs has an address, and delivers its events itself."""
    run(
        venv=NEIGHBOURS,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        EZLOGS_CARRIER="log",
    )
    told = [record.attributes["ezlogs.action"] for record in receiver.logs if record.event_name == "order.action"]
    assert told == ["placed", "shipped"]
    assert events(receiver) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_waits_until_the_http_client_is_loaded(receiver: Receiver) -> None:
    """A child of a process in the middle of an import could never import that module, nor could the application."""
    command = [sys.executable, str(PROGRAMS / "fork_while_loading.py"), receiver.endpoint]
    assert subprocess.run(command, capture_output=True, check=True, timeout=30, text=True).stdout == "0\n"
