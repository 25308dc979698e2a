"""A Celery application in its worker: each task emits one event and one span."""

from __future__ import annotations

import time
from pathlib import Path

from broker import make_app
from opentelemetry import trace
from reporting import emit, say

import ezlogs

app = make_app(Path())
ezlogs.configure()


@app.task(name="work")
def work(number: int) -> None:
    """Emit an event, and a span that has none."""
    emit("sent")
    with trace.get_tracer("app").start_as_current_span(f"task {number}"):
        pass
    say(f"done {number}")


@app.task(name="hang")
def hang() -> None:
    """Emit an event, and never end."""
    emit("sent")
    say("hanging")
    time.sleep(600)
