"""A small application without a line about how ezlogs starts: one span, one event on it, one event outside."""

import json
import sys

from opentelemetry import trace

import ezlogs

with trace.get_tracer("app").start_as_current_span("checkout"):
    ezlogs.event("order.action", "placed", subject=("order", 1))
ezlogs.event("order.action", "shipped", subject=("order", 1))
print(json.dumps({"provider": type(trace.get_tracer_provider()).__name__, "health": ezlogs.health()}))
sys.stdout.flush()
