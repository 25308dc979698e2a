"""A program that says the id of each event that it emitted, until it is killed; or waits for what others left."""

from __future__ import annotations

import os
import sys
import threading
import time

from opentelemetry import context, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import ezlogs

THREADS = 3


def emit(number: int) -> None:
    """Emit events without an end: without a span, on one, and on one that ends."""
    tracer = trace.get_tracer("app")
    with tracer.start_as_current_span(f"never ends {number}"):
        while True:
            on_a_span = ezlogs.event("order.action", "placed", metadata={"to": "ada@example.com"})
            with tracer.start_as_current_span("ends"):
                on_another = ezlogs.event("order.action", "packed", outcome="failure")
            token = context.attach(context.Context())
            alone = ezlogs.event("order.action", "sent")
            context.detach(token)
            os.write(1, f"{said(on_a_span)} {said(on_another)} {said(alone)}\n".encode())  # in one piece


def said(event: object) -> str:
    """The id of an event that was emitted."""
    return event.event_id if isinstance(event, ezlogs.UniversalEvent) else "none"


def main() -> None:
    """Emit until killed, or with ``wait`` emit one event and wait until it and all that was left is delivered."""
    trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": "shop", "run": sys.argv[2]})))
    ezlogs.configure(endpoint=sys.argv[1], durability="process", carrier=os.environ["CARRIER"])
    if sys.argv[2] == "wait":
        print(said(ezlogs.event("order.action", "waits")), flush=True)
        ezlogs.flush()
        sys.stdin.read()
        return
    for number in range(THREADS):
        threading.Thread(target=emit, args=(number,), daemon=True).start()
    time.sleep(60)


if __name__ == "__main__":
    main()
