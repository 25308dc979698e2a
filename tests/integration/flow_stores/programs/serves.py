"""A shop that answers one request, and ends: `POST /orders/42` begins a flow, `POST /webhook/42` goes on with it."""

from __future__ import annotations

import os
import time
from wsgiref.simple_server import make_server

from flask import Flask

import ezlogs
from ezlogs.flows.sqlite import SqliteStore

app = Flask("shop")


def later_store() -> SqliteStore:
    """Make a store whose clock is so many days ahead."""
    ahead = float(os.environ.get("DAYS", "0")) * 86_400
    return SqliteStore(os.environ["FLOWS"], clock=lambda: time.time() + ahead)


@app.post("/orders/<int:order>")
def place(order: int) -> str:
    """Take an order."""
    with ezlogs.flow("order", order) as flow:
        ezlogs.event("order.action", "placed", subject=("order", order))
        return str(flow.correlation.correlation_id)


@app.post("/webhook/<int:order>")
def settle(order: int) -> str:
    """Hear from the bank."""
    with ezlogs.resume_flow("order", order) as flow:
        ezlogs.event("payment.action", "settled", subject=("order", order))
        return str(flow.correlation.linked_correlation_id)


if __name__ == "__main__":
    if os.environ.get("DJANGO_CACHE"):
        from django.conf import settings

        backend = "django.core.cache.backends.filebased.FileBasedCache"
        settings.configure(CACHES={"default": {"BACKEND": backend, "LOCATION": os.environ["DJANGO_CACHE"]}})
    ezlogs.configure(instrument=("flask",))
    with make_server("127.0.0.1", 0, app) as server:
        print(server.server_port, flush=True)
        server.handle_request()
    ezlogs.shutdown()
