"""A program that is killed in a request, before its route is known or later, or comes to its end."""

from __future__ import annotations

import os
import sys
import time

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import ezlogs
from ezlogs.trackers.http import HttpTracker, PlainArrival

trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": "shop"})))
ezlogs.configure(endpoint=sys.argv[1], carrier=os.environ["CARRIER"])
how = sys.argv[2]
request = HttpTracker("example").begin(PlainArrival("POST", "/orders/42", {}), routes_soon=how != "late")
assert request is not None
if how == "hangs":
    time.sleep(0.5)
else:
    if how != "told":
        request.matched("/orders/{id}", {"id": 42})
    ezlogs.event("order.action", "placed")
if how == "ended":
    trace.get_current_span().end()
if how != "finish":
    os.write(1, b"in the middle\n")
    time.sleep(60)
request.finish(201)
ezlogs.flush()
