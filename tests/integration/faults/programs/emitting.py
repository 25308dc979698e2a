"""A program whose threads emit until it is killed, alone and on spans, and say the id of each event once it is emitted.

Usage: ``emitting.py THREADS``; with no threads it emits nothing and ends when its input does.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from opentelemetry import context, trace

import ezlogs


def said(action: str) -> str:
    """Emit an event and return its id."""
    event = ezlogs.event("order.action", action, metadata={"to": "ada@example.com"})
    return "" if event is None else event.event_id


def emit(number: int) -> None:
    """Emit without an end: on a span that never ends, on one that does, and alone."""
    tracer = trace.get_tracer("app")
    with tracer.start_as_current_span(f"never ends {number}"):
        while True:
            ids = [said("placed")]
            with tracer.start_as_current_span("ends"):
                ids.append(said("packed"))
            token = context.attach(context.Context())
            ids.append(said("sent"))
            context.detach(token)
            os.write(1, (" ".join(ids) + "\n").encode())  # in one piece
            time.sleep(0.0005)


ezlogs.configure()
for thread in range(int(sys.argv[1])):
    threading.Thread(target=emit, args=(thread,), daemon=True).start()
if sys.argv[1] == "0":
    print("waits", flush=True)
    sys.stdin.read()
else:
    time.sleep(60)
