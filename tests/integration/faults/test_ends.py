"""The end of a process: events from where little works any more, and collectors that hang."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.integration.orders import eventually
from tests.unit.otlp.collectors import respond

from .faulty import Faulty, program


def end(state: Path, collector: Faulty, **settings: object) -> tuple[set[str], dict[str, object], float]:
    """Run the program; return the ids that it said, its health report, and the seconds that it took."""
    folder = state.parent
    begin = time.monotonic()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("REPORT", str(folder / "report"))
        process = program(
            "ending",
            3,
            state=state,
            endpoint=collector.url,
            health_dir=folder,
            **{"flush_interval": 0.05, "shutdown_timeout": 2, **settings},
        )
    try:
        _, errors = process.communicate(timeout=40)
    finally:
        process.kill()
    assert process.returncode == 3, errors
    assert "Traceback" not in errors
    assert "deadlock" not in errors.lower()
    (report,) = folder.glob("*.json")
    return set((folder / "report").read_text().split()), json.loads(report.read_bytes()), time.monotonic() - begin


@pytest.mark.parametrize("carrier", ["span", "log"])
@pytest.mark.parametrize("durability", ["memory", "process"])
def test_events_from_everywhere_are_accounted_for_at_the_end(
    collector: Faulty, state: Path, durability: str, carrier: str
) -> None:
    """In threads, finalizers, handlers of signals and exits: nothing stands still, and what was emitted arrives."""
    said, told, _ = end(state, collector, durability=durability, carrier=carrier)
    assert len(said) > 200
    if durability == "process":
        with program("emitting", 0, state=state, endpoint=collector.url, carrier=carrier) as process:
            with suppress(AssertionError):
                eventually(lambda: said <= collector.arrived().keys(), 20)
            assert process.stdin is not None
            process.stdin.close()
            process.wait(20)
        assert said <= collector.arrived().keys(), f"{len(said - collector.arrived().keys())} are lost"
    else:
        lost = said - collector.arrived().keys()
        counted = told["lost"].get("shut_down", 0)  # type: ignore[attr-defined]
        assert len(lost) <= counted + 8, (len(lost), told)  # threads were in the middle of it when it was written


@pytest.mark.parametrize("carrier", ["span", "log"])
@pytest.mark.parametrize("how", ["hangs", "trickles", "pauses"])
def test_the_end_is_bounded_whatever_the_collector_does(collector: Faulty, state: Path, how: str, carrier: str) -> None:
    """With thousands of events, and requests that may take a minute; the status is the program's own."""
    behaviour: dict[str, Callable[[], None]] = {
        "hangs": lambda: collector.fail(trouble=collector.hang),
        "trickles": lambda: collector.fail(trouble=lambda connection: trickle(collector, connection)),
        "pauses": lambda: collector.fail(answer=lambda request: respond(503, Retry_After="60")),
    }
    behaviour[how]()
    said, told, seconds = end(state, collector, carrier=carrier, timeout=60, shutdown_timeout=1)
    assert seconds < 20, "it waited for the collector"
    assert told["delivered"] == 0
    collector.heal()
    with program("emitting", 0, state=state, endpoint=collector.url, carrier=carrier) as process:
        with suppress(AssertionError):
            eventually(lambda: said <= collector.arrived().keys(), 20)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(20)
    assert said <= collector.arrived().keys(), f"{len(said - collector.arrived().keys())} are lost"


def trickle(collector: Faulty, connection: object) -> None:
    """Send an answer byte by byte, without an end."""
    with suppress(OSError):
        while not (collector.healed.wait(0.05) or collector.ended.is_set()):
            connection.sendall(b"H")  # type: ignore[attr-defined]  # a socket
