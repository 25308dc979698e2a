"""A program that is killed in the middle of a command and a job, or comes to the end of both."""

from __future__ import annotations

import os
import sys
import time

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import ezlogs
from ezlogs.trackers.job import Job, started

trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": "shop"})))
ezlogs.configure(endpoint=sys.argv[1], carrier=os.environ["CARRIER"])
with ezlogs.command("import"):
    ezlogs.event("order.action", "placed")
    scope = started(Job("send_mail", "job-1", queue="mail"), attempt=2, nested=True)
    assert scope is not None
    with scope:
        ezlogs.event("order.action", "packed")
        os.write(1, b"in the middle\n")
        if sys.argv[2] == "kill":
            time.sleep(60)
ezlogs.flush()
