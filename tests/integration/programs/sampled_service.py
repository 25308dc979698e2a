"""A service that samples: what it does follows from the path of a request, and it asks the next one if there is one.

Arguments: its name, the endpoint, its settings as JSON, and the next service's port. It says at which port it listens.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.request import Request, urlopen

import ezlogs
from ezlogs.trackers.http import HttpTracker, PlainArrival
from ezlogs.trackers.job import Job, enqueued, perform
from ezlogs_instrumentors.urllib import UrllibInstrumentor

NAME, ENDPOINT, SETTINGS, FOLLOWING = (*sys.argv[1:], "")[:4]

ezlogs.configure(service_name=NAME, endpoint=ENDPOINT, instrument="none", **json.loads(SETTINGS))
UrllibInstrumentor().instrument()
tracker = HttpTracker("service")


class Handler(BaseHTTPRequestHandler):
    """Handles a request as a framework with an instrumentor would."""

    def do_GET(self) -> None:
        """Do as the path says, and have everything delivered before the answer."""
        if self.path == "/job":
            with perform(Job("send", "j-1", system="own"), headers=json.loads(self.headers["x-job"])):
                ezlogs.event("mail.sent", "sent", metadata={"service": NAME})
        else:
            self._track()
        ezlogs.flush()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _track(self) -> None:
        lines = {name.lower(): self.headers.get_all(name) for name in self.headers}
        request = tracker.begin(PlainArrival("GET", self.path, lines))
        assert request is not None
        request.matched(self.path)
        ezlogs.event("order.action", "seen", metadata={"service": NAME})
        if self.path == f"/fails-early-in-{NAME}":
            ezlogs.event("order.action", "refused", outcome="failure", metadata={"service": NAME})
        if FOLLOWING:
            ask(self.path)
            ask("/job", {"x-job": json.dumps(enqueued(Job("send", "j-1", system="own"), traced=True))})
        request.finish(500 if self.path == f"/fails-late-in-{NAME}" else 200, route=self.path)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def ask(path: str, headers: dict[str, str] | None = None) -> None:
    """Ask the next service."""
    with urlopen(Request(f"http://127.0.0.1:{FOLLOWING}{path}", headers=headers or {}), timeout=30) as answer:
        answer.read()


server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
