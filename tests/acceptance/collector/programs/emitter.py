"""A service that does what lines on its standard input say, and answers each with a line of JSON."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import ezlogs


class Stream:
    """Emits without a pause to speak of, from its start until it is told to stop."""

    def __init__(self) -> None:
        self._events: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def emitted(self) -> int:
        """Return the number of events up to now."""
        return len(self._events)

    def stop(self) -> list[str]:
        """End; return all events."""
        self._ended.set()
        self._thread.join()
        return self._events

    def _run(self) -> None:
        while not self._ended.wait(0.002):
            self._events += emit(1)


def emit(count: int) -> list[str]:
    """Emit events; return each as its JSON document."""
    events = []
    for number in range(count):
        event = ezlogs.event(
            "order.action",
            "placed",
            subject=("order", number),
            outcome="success",
            severity="info",
            metadata={"total": 9.5, "gift": True, "lines": [1, 2], "names": {"de": "Größe"}},
        )
        assert isinstance(event, ezlogs.UniversalEvent)
        events.append(event.to_json().decode())
    return events


stream = Stream()

COMMANDS: dict[str, Callable[..., Any]] = {
    "emit": emit,
    "start": stream.start,
    "emitted": stream.emitted,
    "stop": stream.stop,
    "flush": ezlogs.flush,
    "health": ezlogs.health,
}


def main() -> None:
    """Obey until the standard input ends."""
    ezlogs.configure(service_name="shop", **json.loads(sys.argv[1]))
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        print(json.dumps(COMMANDS[command](*arguments)), flush=True)


if __name__ == "__main__":
    main()
