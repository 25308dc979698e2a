"""What the tests of delivery have in common: an order is placed, and its event looked for where it arrived."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.trace import TracerProvider

import ezlogs
from ezlogs.dev.decode import ReceivedSpan
from ezlogs.dev.receiver import Receiver

UseProvider = Callable[..., TracerProvider]


def place(number: int = 42) -> None:
    """Place an order."""
    ezlogs.event("order.action", "placed", subject=("order", number))


def arrived(receiver: Receiver) -> dict[str, ReceivedSpan]:
    """Return the span that each order's event arrived on, by order number; each arrives once."""
    found: dict[str, ReceivedSpan] = {}
    for span in receiver.spans:
        for event in span.events:
            if event.name == "order.action":
                number = event.attributes["ezlogs.subject.id"]
                assert number not in found, "an event was delivered twice"
                found[number] = span
    return found


def start(receiver: Receiver, **settings: Any) -> None:
    """Start ezlogs against the receiver."""
    ezlogs.configure(**{"endpoint": receiver.endpoint, "instrument": "none", "flush_interval": 0.05, **settings})


def eventually(condition: Callable[[], bool], timeout: float = 20.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)
