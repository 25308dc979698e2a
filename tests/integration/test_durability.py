"""Events outlive their process: what was emitted when it was killed is delivered by the next one of its service."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from ezlogs.dev.decode import ReceivedLog
from ezlogs.dev.receiver import Receiver

from .orders import eventually

SECONDS = 0.0, 0.3, 0.7
RUNS, THREADS = len(SECONDS), 3
PROGRAM = Path(__file__).parent / "programs" / "durable.py"


@pytest.fixture
def port() -> int:
    """One on which nobody listens yet."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number: int = listener.getsockname()[1]
        return number


def run(port: int, what: str, carrier: str, home: Path) -> subprocess.Popen[str]:
    """Start the program; its journal is in ``home``."""
    environ = {**os.environ, "EZLOGS_STATE_DIR": str(home), "CARRIER": carrier}
    command = [sys.executable, str(PROGRAM), f"http://127.0.0.1:{port}", what]
    return subprocess.Popen(
        command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def killed(port: int, carrier: str, home: Path, seconds: float) -> list[str]:
    """Run the program, kill it, and return the ids of the events that it said it had emitted."""
    with run(port, "kill", carrier, home) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        rest = process.stdout.read()
    lines = (first + rest).splitlines()
    whole = lines if rest.endswith("\n") else lines[:-1]
    return [word for line in whole for word in line.split()]


def arrived(receiver: Receiver, carrier: str) -> list[tuple[str, str]]:
    """The ids of the events that arrived, each with the run that its resource names."""
    if carrier == "log":
        return [(str(log.attributes["ezlogs.event.id"]), str(log.resource["run"])) for log in receiver.logs]
    return [
        (str(event.attributes["ezlogs.event.id"]), str(span.resource["run"]))
        for span in receiver.spans
        for event in span.events
        if "ezlogs.event.id" in event.attributes
    ]


@pytest.mark.parametrize("carrier", ["span", "log"])
def test_no_event_is_lost_when_its_process_is_killed(port: int, carrier: str, tmp_path: Path) -> None:
    """Whatever it was doing, while nobody took its events: the next process of the service delivers each once."""
    emitted = {event_id for seconds in SECONDS for event_id in killed(port, carrier, tmp_path, seconds)}
    assert len(emitted) > 10
    assert "none" not in emitted
    with Receiver(port=port) as receiver, run(port, "wait", carrier, tmp_path) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        waits = process.stdout.readline().strip()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = arrived(receiver, carrier)
            homes = [home for home, _, names in os.walk(tmp_path) if any(name.endswith(".journal") for name in names)]
            if {event_id for event_id, _ in found} >= {*emitted, waits} and len(homes) <= 1:
                break  # only the living process has any
            time.sleep(0.05)
        process.stdin.close()
        process.wait(30)
    by_id = dict(found)
    assert not {*emitted, waits} - by_id.keys(), f"{len(emitted - by_id.keys())} of {len(emitted)} were lost"
    assert len(found) == len(by_id), "some came twice"
    assert {run for event_id, run in found if event_id in emitted} == {"kill"}, "not under their own resource"
    assert by_id[waits] == "wait"
    if carrier == "span":
        interrupted = [span for span in receiver.spans if span.attributes.get("ezlogs.interrupted")]
        endless = [span for span in interrupted if span.name.startswith("never ends")]
        assert RUNS * THREADS >= len(endless) > (RUNS - 1) * THREADS, "the spans in which the threads were"
        assert len(interrupted) - len(endless) <= RUNS * THREADS, "of the others each thread was in one at most"
        for span in interrupted:
            times = sorted(event.timestamp for event in span.events)
            assert sorted((span.start_time, *times, span.end_time)) == [span.start_time, *times, span.end_time]
        begun = [span for span in interrupted if not span.events]
        assert len(begun) <= RUNS * THREADS, "a thread is killed once between a span's beginning and its first event"
        on_spans = [span for span in receiver.spans if span.name == "ends" for event in span.events]
        assert len(on_spans) >= (len(emitted) - RUNS * THREADS) // 3, "what rode on a span came without it"
    assert len(homes) <= 1, "what was delivered is still there"


def events_of(receiver: Receiver, carrier: str) -> dict[str, Mapping[str, object]]:
    """The attributes of the events that arrived, by type; each came once."""
    found: dict[str, Mapping[str, object]] = {}
    records = receiver.logs if carrier == "log" else [event for span in receiver.spans for event in span.events]
    for record in records:
        name = record.event_name if isinstance(record, ReceivedLog) else record.name
        key = str(record.attributes["ezlogs.action"]) if name == "order.action" else name
        assert key not in found, "it came twice"
        found[key] = record.attributes
    return found


def interrupted(port: int, carrier: str, home: Path, how: str) -> None:
    """Run the program that begins a command and a job; with ``kill`` it does not come to their end."""
    environ = {**os.environ, "EZLOGS_STATE_DIR": str(home), "CARRIER": carrier}
    command = [sys.executable, str(PROGRAM.with_name("interrupted.py")), f"http://127.0.0.1:{port}", how]
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in the middle\n"
        if how == "kill":
            process.kill()


@pytest.mark.parametrize("carrier", ["span", "log", "both"])
def test_what_was_under_way_is_told_as_interrupted(port: int, carrier: str, tmp_path: Path) -> None:
    """So that what happened in it has a parent; of what came to its end there is nothing besides."""
    interrupted(port, carrier, tmp_path, "kill")
    with Receiver(port=port) as receiver:
        with run(port, "wait", "log" if carrier == "log" else "span", tmp_path) as process:
            eventually(lambda: len(events_of(receiver, carrier)) == 5, 30)
            assert process.stdin is not None
            process.stdin.close()
        found = events_of(receiver, carrier)
        command, job = found["cli.command"], found["job.execution"]
        assert (command["ezlogs.action"], job["ezlogs.action"]) == ("import", "send_mail.interrupted")
        for event in (command, job):
            assert (event["ezlogs.outcome"], event["ezlogs.metadata.reason"]) == ("unknown", "interrupted")
        assert found["placed"]["ezlogs.parent_event.id"] == command["ezlogs.event.id"]
        assert found["packed"]["ezlogs.parent_event.id"] == job["ezlogs.event.id"]
        assert job["ezlogs.parent_event.id"] == command["ezlogs.event.id"]
    with Receiver(port=port) as receiver:
        interrupted(port, carrier, tmp_path, "finish")
        eventually(lambda: len(events_of(receiver, carrier)) == 4, 30)
        found = events_of(receiver, carrier)
        assert found["job.execution"]["ezlogs.outcome"] == found["cli.command"]["ezlogs.outcome"] == "success"
    assert not [name for _, _, names in os.walk(tmp_path) for name in names if name.endswith(".journal")]


def asked(port: int, carrier: str, home: Path, how: str) -> None:
    """Run the program that begins a request, and kill it before the end, unless it is to ``finish``."""
    environ = {**os.environ, "EZLOGS_STATE_DIR": str(home), "CARRIER": carrier}
    command = [sys.executable, str(PROGRAM.with_name("requested.py")), f"http://127.0.0.1:{port}", how]
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        if how != "finish":
            assert process.stdout.readline() == "in the middle\n"
            process.kill()


@pytest.mark.parametrize("how", ["begun", "late", "ended"])
@pytest.mark.parametrize("carrier", ["span", "log", "both"])
def test_a_request_that_was_under_way_is_told_as_interrupted(port: int, carrier: str, how: str, tmp_path: Path) -> None:
    """Once, with its route, however late that was known; its span comes with what happened in it."""
    asked(port, carrier, tmp_path, how)
    with Receiver(port=port) as receiver:
        with run(port, "wait", "log" if carrier == "log" else "span", tmp_path) as process:
            eventually(lambda: {"http.request", "placed"} <= events_of(receiver, carrier).keys(), 30)
            assert process.stdin is not None
            process.stdin.close()
        found = events_of(receiver, carrier)
        request = found["http.request"]
        assert request["ezlogs.action"] == "POST /orders/{id}"
        assert (request["ezlogs.outcome"], request["ezlogs.metadata.reason"]) == ("unknown", "interrupted")
        assert found["placed"]["ezlogs.parent_event.id"] == request["ezlogs.event.id"]
        if carrier == "span":
            (span,) = [span for span in receiver.spans if span.name == "POST"]
            assert span.attributes["http.request.method"] == "POST"
            assert span.attributes.get("ezlogs.interrupted", False) is (how != "ended")
            assert "order.action" in [event.name for event in span.events]
            if how == "begun":
                assert [event.name for event in span.events] == ["order.action", "http.request"]


@pytest.mark.parametrize("how", ["told", "hangs"])
@pytest.mark.parametrize("carrier", ["span", "log", "both"])
def test_a_request_that_comes_to_no_route_is_told_as_interrupted(
    port: int, carrier: str, how: str, tmp_path: Path
) -> None:
    """Although its route was to be known soon: it caused something before, or what is before it hangs."""
    asked(port, carrier, tmp_path, how)
    with Receiver(port=port) as receiver:
        with run(port, "wait", "log" if carrier == "log" else "span", tmp_path) as process:
            eventually(lambda: "http.request" in events_of(receiver, carrier), 30)
            assert process.stdin is not None
            process.stdin.close()
        found = events_of(receiver, carrier)
    request = found["http.request"]
    assert request["ezlogs.action"] == "POST (unmatched)"
    assert (request["ezlogs.outcome"], request["ezlogs.metadata.reason"]) == ("unknown", "interrupted")
    assert ("placed" in found) is (how == "told")
    if how == "told":
        assert found["placed"]["ezlogs.parent_event.id"] == request["ezlogs.event.id"]


def test_a_request_that_ended_leaves_nothing_behind(port: int, tmp_path: Path) -> None:
    """Neither of its span nor of its event."""
    with Receiver(port=port) as receiver:
        asked(port, "span", tmp_path, "finish")
        eventually(lambda: len(events_of(receiver, "span")) == 2, 30)
        assert events_of(receiver, "span")["http.request"]["ezlogs.outcome"] == "success"
    assert not [name for _, _, names in os.walk(tmp_path) for name in names if name.endswith(".journal")]
