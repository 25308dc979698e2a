"""In the caller's thread: what one event costs the line of the application that emits it."""

from __future__ import annotations

from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

import ezlogs
from benchmarks.programs.stopwatch import each_call
from benchmarks.programs.workload import STORY, otel_attributes, own_fields
from ezlogs.delivery.event_encoder import EventEncoder
from ezlogs.otlp.values import heads
from ezlogs.runtime import Runtime, current_runtime, install
from ezlogs.scope import CorrelationManager
from ezlogs.settings import load
from ezlogs.testing import Captured

_TURNS, _CALLS = 40, 500
_ASLEEP = {"flush_interval": 3600, "max_batch_size": 65_536, "max_queue_size": 10_000_000, "shutdown_timeout": 0}
"""The worker has nothing to do meanwhile: its cost is measured elsewhere."""

Own = tuple[tuple[str, str], dict[str, Any]]


def _tell(own: Own) -> ezlogs.UniversalEvent | None:
    subject, metadata = own
    return ezlogs.event(
        "order.action", "placed", actor=("user", "81723"), subject=subject, metadata=metadata, duration=0.08425
    )


def memory(endpoint: str) -> dict[str, float]:
    """``ezlogs.event`` into the queue of the real pipeline with no current span, beside ``add_event``.

    The worker delivers between two turns, so that memory is used again as in a process that has run for a while.
    """
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider

    span = TracerProvider(span_limits=SpanLimits(max_events=1000)).get_tracer("bench").start_span("bench")
    ezlogs.configure(endpoint=endpoint, instrument="none", durability="memory", **_ASLEEP)
    encoder = EventEncoder(current_runtime().scrubber, heads(b"\x1a"))  # type: ignore[union-attr]  # just configured

    def add_event(attributes: dict[str, Any]) -> None:
        span.add_event("order.action", attributes)

    def encoded(own: Own) -> None:
        event = _tell(own)
        assert event is not None
        parts = [b""]
        encoder.append(parts, event)
        b"".join(parts)

    with CorrelationManager.with_context(STORY):
        found = each_call(
            {
                "add_event": (add_event, otel_attributes),
                "event": (_tell, own_fields),
                "encoded": (encoded, own_fields),
            },
            turns=_TURNS,
            calls=_CALLS,
            before=lambda _: ezlogs.flush(),
        )
    assert ezlogs.flush()
    assert ezlogs.health()["delivered"] == 2 * (_TURNS + 1) * _CALLS, ezlogs.health()
    return found


def process(endpoint: str) -> dict[str, float]:
    """``ezlogs.event`` scrubbed, encoded and in the journal before it returns, beside ``add_event``."""
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider

    span = TracerProvider(span_limits=SpanLimits(max_events=1000)).get_tracer("bench").start_span("bench")
    with TemporaryDirectory() as state:
        ezlogs.configure(endpoint=endpoint, instrument="none", durability="process", state_dir=state, **_ASLEEP)
        with CorrelationManager.with_context(STORY):
            found = each_call(
                {
                    "add_event": (lambda attributes: span.add_event("order.action", attributes), otel_attributes),
                    "event": (_tell, own_fields),
                },
                turns=_TURNS,
                calls=_CALLS,
                before=lambda _: ezlogs.flush(),
            )
        assert ezlogs.flush()
        health: Any = ezlogs.health()
        assert health["delivered"] == (_TURNS + 1) * _CALLS, health
        assert not health["journal"]["not_journaled"], health
        ezlogs.shutdown()
    return found


def on_a_span() -> dict[str, float]:
    """An SDK span with ten events, ezlogs' and OpenTelemetry's, and one without any."""
    from opentelemetry import trace

    ezlogs.configure(endpoint="http://127.0.0.1:1", instrument="none", pipeline="owned", durability="memory", **_ASLEEP)
    tracer = trace.get_tracer("bench")

    def bare(number: int) -> None:
        with tracer.start_as_current_span("order"):
            pass

    def add_events(given: list[dict[str, Any]]) -> None:
        with tracer.start_as_current_span("order") as span:
            for attributes in given:
                span.add_event("order.action", attributes)

    def events(given: list[Own]) -> None:
        with tracer.start_as_current_span("order"):
            for own in given:
                _tell(own)

    def ten(one: Callable[[int], Any]) -> Callable[[int], list[Any]]:
        return lambda number: [one(number * 10 + position) for position in range(10)]

    with CorrelationManager.with_context(STORY):
        found = each_call(
            {
                "bare": (bare, int),
                "add_events": (add_events, ten(otel_attributes)),
                "events": (events, ten(own_fields)),
            },
            turns=_TURNS,
            calls=50,
        )
    return {name: found[f"{name}.p50"] - found["bare.p50"] for name in ("add_events", "events")}


def left_out() -> dict[str, float]:
    """Events that are not made: ezlogs off, their type disabled, their story sampled out; beside one that is."""
    kept = Captured()

    runtimes = {
        name: Runtime(load({}, settings).settings, None if name == "off" else kept)
        for name, settings in (
            ("kept", {}),
            ("disabled", {"disabled_events": "order.*"}),
            ("sampled_out", {"sample_rate": 0.0}),
            ("off", {"enabled": False}),
        )
    }

    def before(name: str) -> None:
        kept.clear()
        install(runtimes.get(name))

    with CorrelationManager.with_context(STORY):
        found = each_call(dict.fromkeys(runtimes, (_tell, own_fields)), turns=_TURNS, calls=_CALLS, before=before)
    install(None)
    return {name: found[f"{name}.p50"] for name in runtimes}
