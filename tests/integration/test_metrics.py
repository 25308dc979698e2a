"""Metrics: the application's meter provider collects what `ezlogs.health()` says, and never suffers from it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tests.unit.otlp.collectors import Collector, respond

import ezlogs
from ezlogs import metrics
from ezlogs.runtime import Runtime, current_runtime, install
from ezlogs.settings import Settings

from .orders import UseProvider, eventually, place

Points = dict[str, dict[tuple[tuple[str, object], ...], Any]]


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that answers as a test wants."""
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def reader() -> Iterator[InMemoryMetricReader]:
    """What reads the metrics of a provider that ezlogs' instruments are made on."""
    made = InMemoryMetricReader()
    provider = MeterProvider([made], shutdown_on_exit=False)
    metrics.instruments(provider.get_meter("ezlogs"))
    yield made
    provider.shutdown()


def collected(reader: InMemoryMetricReader) -> Points:
    """Values, and counts of histograms, by name and by the attributes that tell them apart."""
    data = reader.get_metrics_data()
    found: Points = {}
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    told = {name: value for name, value in (point.attributes or {}).items() if "component" not in name}
                    value = getattr(point, "value", None)
                    value = getattr(point, "count", None) if value is None else value
                    found.setdefault(metric.name, {})[tuple(sorted(told.items()))] = value
    return found


def start(collector: Collector, **named: Any) -> None:
    """Start ezlogs against the collector."""
    ezlogs.configure(**{"endpoint": collector.url, "instrument": "none", "flush_interval": 0.05, **named})


def by(**attributes: object) -> tuple[tuple[str, object], ...]:
    """Attributes as the keys of points: of ezlogs' own namespace, but for `error_type`."""
    names = {"error_type": "error.type"}
    return tuple(sorted((names.get(name, f"ezlogs.{name}"), value) for name, value in attributes.items()))


def test_metrics_say_what_health_says(
    collector: Collector, reader: InMemoryMetricReader, use_provider: UseProvider
) -> None:
    """Delivered, lost by reason, waiting, redacted by rule; what is exported by where it went."""
    use_provider()
    start(collector, max_queue_size=50, durability="memory")
    ezlogs.event("order.action", "placed", metadata={"password": "hunter2"})
    assert ezlogs.flush()
    collector.answer = lambda request: respond(400)
    place()
    assert ezlogs.flush()
    collector.answer = lambda request: respond(503)
    for number in range(60):
        place(number)
    eventually(lambda: ezlogs.health()["pending"] == 50 and ezlogs.health()["failures"] > 0)
    told: dict[str, Any] = ezlogs.health()
    found = collected(reader)
    assert found["ezlogs.emitted"] == {(): told["emitted"]} == {(): 62}
    assert found["ezlogs.events"] == {
        by(result="delivered", carrier="span"): told["delivered"],
        by(result="lost", carrier="span", error_type="rejected"): told["lost"]["rejected"],
        by(result="lost", carrier="span", error_type="queue_full"): told["lost"]["queue_full"],
    }
    assert found["otel.sdk.processor.span.queue.size"] == {(): told["pending"]}
    assert found["otel.sdk.processor.span.queue.capacity"] == {(): 50}
    where = (("server.address", "127.0.0.1"), ("server.port", collector.port))
    assert found["otel.sdk.exporter.span.exported"][where] == told["delivered_spans"]
    assert found["ezlogs.redactions"] == {by(rule="key"): 1}
    assert found["ezlogs.delivery.failures"][()] == told["failures"] > 0
    assert found["ezlogs.running"] == {(): 1}
    assert "otel.sdk.exporter.log.exported" not in found


def test_log_records_and_copies_are_told_apart(
    collector: Collector, reader: InMemoryMetricReader, use_provider: UseProvider
) -> None:
    """With a partial success, what was thrown away is an export that failed."""
    use_provider()
    collector.answer = lambda request: respond(
        200, b"\x0a\x02\x08\x01" if request.line.startswith("POST /v1/logs") else b""
    )
    start(collector, carrier="both")
    place(1)
    place(2)
    assert ezlogs.flush()
    told: dict[str, Any] = ezlogs.health()
    found = collected(reader)
    assert found["ezlogs.events"] == {
        by(result="delivered", carrier="span"): 2,
        by(result="delivered", carrier="log"): told["delivered.logs"],
        by(result="lost", carrier="log", error_type="rejected"): told["lost"]["logs.rejected"],
    }
    where = (("server.address", "127.0.0.1"), ("server.port", collector.port))
    exported = found["otel.sdk.exporter.log.exported"]
    assert exported == {where: 1, (("error.type", "rejected"), *where): 1}
    assert set(found["otel.sdk.processor.log.queue.size"].values()) == {0}


def test_latencies_are_histograms(
    collector: Collector, reader: InMemoryMetricReader, use_provider: UseProvider
) -> None:
    """Of calls, some of which are timed, and of requests."""
    use_provider()
    start(collector)
    place()
    assert ezlogs.flush()
    collected(reader)  # from now on
    deadline = time.monotonic() + 10
    while not collected(reader).get("ezlogs.emit.duration") and time.monotonic() < deadline:
        place()
        time.sleep(0.01)
    assert ezlogs.flush()
    found = collected(reader)
    told: dict[str, Any] = ezlogs.health()
    assert found["ezlogs.emit.duration"][()] >= 1
    assert 1 <= found["ezlogs.delivery.duration"][()] < told["latency"]["delivery"]["number"]
    assert 0 < told["latency"]["emit"]["p50"] <= told["latency"]["emit"]["longest"]


def test_a_journal_is_told(
    collector: Collector,
    reader: InMemoryMetricReader,
    use_provider: UseProvider,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its bytes, and what waits in it."""
    monkeypatch.setenv("EZLOGS_STATE_DIR", str(tmp_path))
    use_provider()
    collector.answer = lambda request: respond(503)
    start(collector, durability="process")
    place()
    deadline = time.monotonic() + 10
    while collected(reader)["ezlogs.journal.waiting"] != {(): 1} and time.monotonic() < deadline:
        time.sleep(0.01)
    found = collected(reader)
    assert found["ezlogs.journal.waiting"] == {(): 1}
    assert found["ezlogs.journal.bytes"][()] > 0


def test_the_state_of_the_circuit_breaker_is_told(
    collector: Collector, reader: InMemoryMetricReader, use_provider: UseProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of its states is 1, the others are 0; and bytes in memory, where they are known."""
    use_provider()
    start(collector)
    runtime = current_runtime()
    assert runtime is not None
    assert runtime.carrier is not None
    told = {**runtime.carrier.health(), "breaker": {"state": "open"}, "pending_bytes": 7}
    monkeypatch.setattr(type(runtime.carrier), "health", lambda self: dict(told))
    found = collected(reader)
    states = {dict(key)["ezlogs.breaker.state"]: value for key, value in found["ezlogs.breaker.state"].items()}
    assert states == {"closed": 0, "open": 1, "half-open": 0}
    assert found["ezlogs.queue.bytes"] == {(): 7}


@pytest.mark.parametrize("named", [{"metrics": False}, {"enabled": False}, None])
def test_nothing_is_told_where_that_is_not_wanted_or_ezlogs_does_not_run(
    collector: Collector, reader: InMemoryMetricReader, use_provider: UseProvider, named: dict[str, bool] | None
) -> None:
    """Not even zeros."""
    use_provider()
    if named is not None:
        start(collector, **named)
        place()
    assert collected(reader) == {}
    ezlogs.shutdown()
    install(None)  # one without a carrier does not end
    assert collected(reader) == {}


def test_trouble_in_health_is_no_trouble_of_the_metrics(
    collector: Collector, reader: InMemoryMetricReader, use_provider: UseProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is raised or logged; when it is over, all is told again."""
    use_provider()
    start(collector)
    monkeypatch.setattr(metrics, "health", lambda: 1 / 0)
    assert set(collected(reader)) <= {"ezlogs.running"}
    monkeypatch.setattr(metrics, "health", ezlogs.health)
    assert "ezlogs.emitted" in collected(reader)


def test_a_metric_whose_address_makes_no_sense_goes_without() -> None:
    """The rest of it is told."""
    assert metrics._server("http://[nonsense") == {}
    assert metrics._server("http://collector:port") == {}
    assert metrics._server("https://collector/v1/traces") == {"server.address": "collector"}


def test_nothing_is_kept_alive(reader: InMemoryMetricReader) -> None:
    """After the end the runtime is gone, though the instruments stay."""

    class Carrier:
        def health(self) -> dict[str, object]:
            return {"pending": 1}

    install(Runtime(Settings(), Carrier()))  # type: ignore[arg-type]  # all of a carrier that is asked
    assert collected(reader)["otel.sdk.processor.span.queue.size"] == {(): 1}
    gone = weakref.ref(install(None))  # type: ignore[arg-type]  # there was one
    gc.collect()
    assert gone() is None


PROGRAM = """
import os, sys, ezlogs
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

def emitted(reader):
    data = reader.get_metrics_data()
    metrics = [m for r in (data.resource_metrics if data else ()) for s in r.scope_metrics for m in s.metrics]
    found = {m.name: m.data.data_points[0] for m in metrics}
    return found["ezlogs.emitted"].value if "ezlogs.emitted" in found else None

reader = InMemoryMetricReader()
provider = MeterProvider([reader])
if sys.argv[1] == "before":
    metrics.set_meter_provider(provider)
for _ in range(2):
    ezlogs.configure(endpoint="http://127.0.0.1:9", instrument="none", timeout=1 + _)
if sys.argv[1] == "after":
    metrics.set_meter_provider(provider)
for _ in range(3):
    ezlogs.event("order.action", "placed")
print(emitted(reader), flush=True)
if not os.fork():
    ezlogs.event("order.action", "placed")
    print(emitted(reader), flush=True)
    os._exit(0)
os.wait()
print(emitted(reader), flush=True)
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_global_meter_provider_is_found_whenever_it_is_set(when: str) -> None:
    """Once, however often ezlogs is configured; a forked child tells of itself."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("EZLOGS_", "OTEL_"))}
    environ["EZLOGS_STATE_DIR"] = os.environ["EZLOGS_STATE_DIR"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, when],
        env=environ,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    assert done.stdout.split() == ["3", "1", "3"], done.stderr
    assert "already" not in done.stderr
