"""A service: each request does something, and is passed on to the next service if there is one.

It says on standard output at which port it listens, and after each request which events happened in it.
"""

import http.client
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import TracerProvider

import ezlogs
from ezlogs.testing import capture
from ezlogs.trackers.http import HttpTracker, PlainArrival

FOLLOWING = (sys.argv[1:2] or [""])[0]
OPTIONS = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}

tracker = HttpTracker("service")


class Handler(BaseHTTPRequestHandler):
    """Handles a request as a framework with an instrumentor would."""

    def do_GET(self) -> None:
        """Do something, ask the next service, and tell what happened."""
        with capture(**OPTIONS) as captured:
            lines = {name.lower(): self.headers.get_all(name) for name in self.headers}
            request = tracker.begin(PlainArrival("GET", self.path, lines))
            work()
            if request is not None:
                request.finish(200, route="/orders")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        say([{"type": event.event_type, "id": event.event_id, **correlation(event)} for event in captured.events])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def work() -> None:
    """Do what the service is there for."""
    ezlogs.event("order.action", "seen")
    if FOLLOWING:
        headers: dict[str, str] = {}
        with ezlogs.flow("checkout", 42):
            propagate.inject(headers)
            connection = http.client.HTTPConnection("127.0.0.1", int(FOLLOWING), timeout=30)
            connection.request("GET", "/orders", headers=headers)
            connection.getresponse().read()
            connection.close()


def correlation(event: ezlogs.UniversalEvent) -> dict[str, object]:
    """Return where an event belongs."""
    found = event.correlation
    return {
        "story": found.correlation_id,
        "parent": found.parent_event_id,
        "flow": found.flow_id,
        "linked": found.linked_correlation_id,
    }


def say(what: object) -> None:
    """Print something on a line of its own."""
    print(json.dumps(what), flush=True)


trace.set_tracer_provider(TracerProvider())
with HTTPServer(("127.0.0.1", 0), Handler) as server:
    say(server.server_port)
    server.serve_forever()
