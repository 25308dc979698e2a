"""An application whose parameters and fields are to be told, whatever they are; prints what goes out of a request."""

from __future__ import annotations

import json
import sys

import flask

import ezlogs
from ezlogs.dev.receiver import Receiver

app = flask.Flask("shop")


@app.post("/orders/<token>")
def order(token):
    """Read the body."""
    flask.request.get_json()
    raise LookupError("no order for ada@example.com, password=hunter2secret")


if __name__ == "__main__":
    with Receiver() as receiver:
        ezlogs.configure(
            service_name="shop", endpoint=receiver.endpoint, request_parameters=["*"], request_fields=["*"]
        )
        app.test_client().post(
            "/orders/hunter2secret?password=hunter2secret&page=2&email=ada@example.com",
            json={"pwd": "hunter2secret", "card": "4111111111111111", "note": "mail ada@example.com", "size": 3},
        )
        assert ezlogs.flush(20)
        ezlogs.shutdown()
        (span,) = receiver.spans
    json.dump([span.attributes, {event.name: event.attributes for event in span.events}], sys.stdout)
