"""The rows, and what their programs need to be told."""

from __future__ import annotations

from benchmarks.data import DATA, DATA_WITH_COLLECTOR
from benchmarks.row import Row, Side
from benchmarks.under_load import UNDER_LOAD
from benchmarks.web import NEIGHBOURS, WEB

_MEMORY, _LEFT_OUT, _SCRUBBING = "caller.memory", "caller.left_out", "scrubbing.scrubbing"

ROWS = (
    Row(
        "event_p50",
        "event() in the caller's thread / add_event of 16 attributes, median call",
        Side(_MEMORY, "event.p50"),
        Side(_MEMORY, "add_event.p50"),
        0.15,
        0.06,
    ),
    Row(
        "event_p99",
        "the same, 99th percentile",
        Side(_MEMORY, "event.p99"),
        Side(_MEMORY, "add_event.p99"),
        0.15,
        0.06,
    ),
    Row(
        "encoded_p50",
        "event(), scrubbed and encoded before the caller goes on / add_event, median call",
        Side(_MEMORY, "encoded.p50"),
        Side(_MEMORY, "add_event.p50"),
        0.7,
        0.4,
    ),
    Row(
        "journaled_p50",
        "event() with durability=process: scrubbed, encoded and on disk before it returns / add_event, median call",
        Side("caller.process", "event.p50"),
        Side("caller.process", "add_event.p50"),
        0.7,
        0.4,
    ),
    Row(
        "on_a_span",
        "ten events on an SDK span / ten add_event, the bare span subtracted from both",
        Side("caller.on_a_span", "events"),
        Side("caller.on_a_span", "add_events"),
    ),
    Row(
        "sampled_out",
        "an event whose story is sampled out / one that is kept",
        Side(_LEFT_OUT, "sampled_out"),
        Side(_LEFT_OUT, "kept"),
        1.0,
        0.5,
    ),
    Row(
        "disabled",
        "an event of a disabled type / one that is kept",
        Side(_LEFT_OUT, "disabled"),
        Side(_LEFT_OUT, "kept"),
        0.5,
    ),
    Row(
        "off",
        "an event when nothing listens / one that is kept",
        Side(_LEFT_OUT, "off"),
        Side(_LEFT_OUT, "kept"),
        0.25,
    ),
    Row(
        "whole_way",
        "process CPU per delivered event, privacy on / BatchSpanProcessor + OTLP/HTTP",
        Side("whole_way.ezlogs", "ezlogs"),
        Side("whole_way.otel", "otel"),
        0.16,
        0.11,
    ),
    Row(
        "whole_way_journaled",
        "the same with durability=process",
        Side("whole_way.journaled", "journaled"),
        Side("whole_way.otel", "otel"),
        0.17,
        0.12,
    ),
    *WEB,
    *DATA,
    *UNDER_LOAD,
    Row(
        "scrub_clean",
        "privacy over the metadata of an event without a finding / add_event",
        Side(_SCRUBBING, "clean.p50"),
        Side(_SCRUBBING, "add_event.p50"),
        0.25,
    ),
    Row(
        "scrub_two",
        "the same with two findings, a password and the address of one of fifty customers",
        Side(_SCRUBBING, "two.p50"),
        Side(_SCRUBBING, "add_event.p50"),
        0.7,
    ),
    Row(
        "scrub_two_new",
        "the same with the address of somebody who was never seen before",
        Side(_SCRUBBING, "two_new.p50"),
        Side(_SCRUBBING, "add_event.p50"),
    ),
    Row(
        "scrub_span",
        "privacy over a server span with 15 attributes / add_event",
        Side(_SCRUBBING, "span.p50"),
        Side(_SCRUBBING, "add_event.p50"),
        0.7,
    ),
    Row(
        "start",
        "CPU of import and configure / OpenTelemetry SDK and its HTTP exporter",
        Side("start.ezlogs", "ezlogs"),
        Side("start.otel", "otel"),
        0.75,
        0.65,
    ),
    Row(
        "start_delivered",
        "the same until the first event is delivered",
        Side("start.ezlogs", "delivered"),
        Side("start.otel", "delivered"),
    ),
    Row(
        "pooled_events",
        "an event from a pool / a new one",
        Side("pooling.events", "pooled"),
        Side("pooling.events", "fresh"),
    ),
    Row(
        "pooled_buffers",
        "a request body gathered in a buffer that is kept / one joined anew",
        Side("pooling.buffers", "kept"),
        Side("pooling.buffers", "joined"),
    ),
    Row(
        "pooled_connections",
        "CPU of a batch sent over a kept connection / over a new one",
        Side("pooling.connections", "kept"),
        Side("pooling.connections", "new"),
    ),
)

WITH_COLLECTOR = frozenset(
    {
        "away.dropped",
        "caller.memory",
        "caller.process",
        "paced.ezlogs",
        "paced.hanging_memory",
        "paced.hanging_process",
        "paced.otel",
        "pooling.connections",
        "start.ezlogs",
        "start.otel",
        "throughput.burst_1",
        "throughput.burst_16",
        "throughput.burst_4",
        "throughput.burst_otel",
        "throughput.lasting",
        "throughput.memory",
        "throughput.otel",
        "throughput.process",
        "whole_way.ezlogs",
        "whole_way.journaled",
        "whole_way.otel",
        *DATA_WITH_COLLECTOR,
        *NEIGHBOURS,
    }
)
"""The programs that take a collector's endpoint."""

TAKING_LONG = frozenset(
    {
        "away.memory",
        "away.otel",
        "away.process",
        "throughput.burst_1",
        "throughput.burst_16",
        "throughput.burst_4",
        "throughput.burst_otel",
        "throughput.lasting",
    }
)
"""Those that take seconds, and measure no time: three rounds tell enough."""

WARMED = frozenset(program for program in WITH_COLLECTOR if program.startswith("paced.")) | TAKING_LONG
"""Those that need no round to warm up."""

ON_LINUX = TAKING_LONG
"""Those that ask the kernel how much memory they have: the same."""

LONG = {"throughput.lasting": ("10000000", "1000000")}
"""What programs are told where it may take an hour."""
