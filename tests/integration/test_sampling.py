"""Sampling between services and over real delivery: a story is whole or absent, and what matters is kept."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from opentelemetry import trace

import ezlogs
from ezlogs.correlation import Correlation, placed
from ezlogs.dev.receiver import Receiver
from ezlogs.facts import Sampled
from ezlogs.ids import new_trace_id
from ezlogs.sampling.rates import Rates
from ezlogs.sampling.spans import StorySpans
from ezlogs.scope import Scope
from ezlogs.wire import from_attributes

from .orders import UseProvider

PROGRAM = Path(__file__).parent / "programs" / "sampled_service.py"
LEFT_OUT = "0" * 31 + "1"

Events = list[tuple[str, ezlogs.UniversalEvent]]


@contextmanager
def service(name: str, endpoint: str, following: str = "", **settings: Any) -> Iterator[str]:
    """Run a service; its port."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "EZLOGS_"))}
    environ["EZLOGS_STATE_DIR"] = os.environ["EZLOGS_STATE_DIR"]
    command = [sys.executable, str(PROGRAM), name, endpoint, json.dumps(settings), following]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            assert port.isdigit(), "the service has ended"
            yield port
        finally:
            process.terminate()


@pytest.fixture
def services(receiver: Receiver) -> Iterator[Any]:
    """Start a front and a back, each with settings of its own; return the front's port."""
    with ExitStack() as running:

        def start(front: dict[str, Any], back: dict[str, Any]) -> str:
            last = running.enter_context(service("back", receiver.endpoint, **back))
            return running.enter_context(service("front", receiver.endpoint, last, **front))

        yield start


def ask(port: str, path: str, trace_id: str) -> None:
    """Send a request in a trace."""
    headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    with urlopen(Request(f"http://127.0.0.1:{port}{path}", headers=headers), timeout=30) as answer:
        assert answer.status == 200


def stories(receiver: Receiver) -> dict[str, set[str]]:
    """Return by story what arrived, as service and kind of event."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for where, event in arrived(receiver):
        found[event.correlation.correlation_id].add(f"{where} {event.event_type} {event.outcome}")
    return dict(found)


def arrived(receiver: Receiver) -> Events:
    """Return the events that arrived, each with its service."""
    return [
        (str(span.resource["service.name"]), found)
        for span in receiver.spans
        for event in span.events
        if (found := from_attributes(event.name, event.timestamp, event.attributes))
    ]


FRONT = {"front order.action success", "front job.enqueue success", "front http.request success"}
BACK = {"back order.action success", "back http.request success", "back mail.sent success"}
BACK |= {"back job.execution success"}


@pytest.mark.parametrize(
    ("front", "back"),
    [
        ({"sample_rate": 0.5}, {"sample_rate": 0.5}),
        ({"sample_rate": 0.5}, {"sample_rate": 0.01}),
        ({"sample_rate": 0.9, "sample_routes": {"GET /orders": 0.5}}, {"sample_rate": 0.2}),
    ],
    ids=["alike", "another rate", "the route's rate"],
)
def test_a_story_is_whole_or_absent(receiver: Receiver, services: Any, front: Any, back: Any) -> None:
    """In two processes and a job, by the rate of where it began; the pure function says which."""
    port = services(front, back)
    traces = [f"{new_trace_id():032x}" for _ in range(24)]
    for trace_id in traces:
        ask(port, "/orders", trace_id)
    found = stories(receiver)
    rates = Rates(0.5)
    assert set(found) == {story for story in traces if rates.judge("order.action", "success", story).kept}
    assert all(story == FRONT | BACK for story in found.values())
    assert {event.sampling for _, event in arrived(receiver)} <= {Sampled(0.5)}


def test_what_fails_is_kept_there_and_from_there_on(receiver: Receiver, services: Any) -> None:
    """The flag goes with the request and with the job; what happened before elsewhere is gone."""
    port = services({"sample_rate": 0.25}, {"sample_rate": 0.25})
    ids = [f"{number}" + "0" * 30 + "1" for number in range(1, 5)]
    for trace_id, path in zip(
        ids, ("/orders", "/fails-early-in-front", "/fails-early-in-back", "/fails-late-in-back"), strict=True
    ):
        ask(port, path, trace_id)
    found = stories(receiver)
    assert set(found) == set(ids[1:])
    assert found[ids[1]] == {*FRONT, *BACK, "front order.action failure"}
    in_request = {"back order.action success", "back http.request success"}
    assert found[ids[2]] == {*in_request, "back order.action failure"}
    assert found[ids[3]] == {"back order.action success", "back http.request failure"}
    told = {event.sampling for _, event in arrived(receiver)}
    assert told == {Sampled(0.25, added=True, partial=True), Sampled(partial=True)}


def test_spans_and_events_agree(receiver: Receiver, use_provider: UseProvider) -> None:
    """With the sampler of spans at the same rate each trace is there with its events, or is not there at all."""
    use_provider(sampler=StorySpans())
    ezlogs.configure(endpoint=receiver.endpoint, pipeline="owned", instrument="none", sample_rate=0.5)
    for number in range(40):
        with trace.get_tracer("app").start_as_current_span(f"request {number}"):
            ezlogs.event("order.action", "placed")
    assert ezlogs.flush()
    names = {span.name for span in receiver.spans}
    assert names <= {f"request {number}" for number in range(40)}  # no span of ezlogs' own
    assert 5 < len(names) < 35
    assert all(len(span.events) == 1 for span in receiver.spans)
    assert not any(span.attributes.get("ezlogs.carrier") for span in receiver.spans)


@pytest.mark.parametrize("carrier", ["span", "log", "both"])
def test_what_waited_is_delivered_under_its_span(receiver: Receiver, use_provider: UseProvider, carrier: str) -> None:
    """Though that has ended by then; and everything adds up."""
    use_provider()
    ezlogs.configure(endpoint=receiver.endpoint, pipeline="owned", instrument="none", carrier=carrier, sample_rate=0)
    with Scope(placed(Correlation(correlation_id=LEFT_OUT))):
        with ezlogs.command("import", nested=True):
            with trace.get_tracer("app").start_as_current_span("inner") as span:
                ezlogs.event("order.action", "placed")
            ezlogs.event("order.action", "refused", outcome="failure")
        with ezlogs.command("import", nested=True):
            ezlogs.event("order.action", "placed")
    assert ezlogs.flush()
    health: Any = ezlogs.health()
    assert health["emitted"] == health["delivered"] + health["sampled_out"] == 5
    assert (health["held"], health["pending"], health["lost"]) == (0, 0, {})
    inner = f"{span.get_span_context().span_id:016x}"
    events = sorted((event for _, event in arrived(receiver)), key=lambda event: event.timestamp)
    if carrier != "log":
        assert [event.action for event in events] == ["placed", "refused", "import"]
        [placed_under] = [
            span.parent_span_id for span in receiver.spans if len(span.events) == 1 and span.name != "inner"
        ][:1]
        assert placed_under == inner


def test_the_worker_looks_at_the_clock(receiver: Receiver, use_provider: UseProvider) -> None:
    """What is slow comes out while it goes on, though nobody emits anything."""
    use_provider()
    ezlogs.configure(
        endpoint=receiver.endpoint,
        pipeline="owned",
        instrument="none",
        sample_rate=0,
        keep_slow=0.2,
        flush_interval=0.01,
        always_events="auth.*",
    )
    with Scope(placed(Correlation(correlation_id=LEFT_OUT))):
        ezlogs.event("auth.login", "signed_in")  # so that there is a worker
        with ezlogs.CorrelationManager.start_request_context():
            ezlogs.event("order.action", "placed")
            deadline = _deadline()
            while not any(event.event_type == "order.action" for _, event in arrived(receiver)):
                next(deadline)


def _deadline() -> Iterator[None]:
    import time

    for _ in range(1500):
        time.sleep(0.02)
        yield
    raise AssertionError("nothing arrived")


def test_what_nobody_decided_is_delivered_at_the_end(receiver: Receiver, use_provider: UseProvider) -> None:
    """By `shutdown`, and by another `configure`."""
    use_provider()
    options = {"endpoint": receiver.endpoint, "pipeline": "owned", "instrument": "none"}
    ezlogs.configure(**options, sample_rate=0)
    in_request = ezlogs.CorrelationManager.start_request_context
    with Scope(placed(Correlation(correlation_id=LEFT_OUT))), in_request():
        ezlogs.event("order.action", "one")
        ezlogs.configure(**options, sample_rate=0.001)
        assert [event.action for _, event in arrived(receiver)] == ["one"]
        ezlogs.event("order.action", "two")  # of a scope from before: by its story's id alone
        with in_request():
            ezlogs.event("order.action", "three")
            ezlogs.shutdown()
    assert [event.action for _, event in arrived(receiver)] == ["one", "three"]


def work(endpoint: str) -> None:
    """Tell an event in a request that never ends, in a child of multiprocessing."""
    ezlogs.configure(endpoint=endpoint, instrument="none", sample_rate=0)
    ezlogs.CorrelationManager.start_request_context()
    ezlogs.event("order.action", "placed")


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_child_of_multiprocessing_lets_out_what_waits(receiver: Receiver, method: str) -> None:
    """It ends past every hook of the interpreter."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    child = multiprocessing.get_context(method).Process(target=work, args=(receiver.endpoint,))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert [event.action for _, event in arrived(receiver)] == ["placed"]


KILLED = """
import os, sys, time, ezlogs
from ezlogs.trackers.http import HttpTracker, PlainArrival
ezlogs.configure(endpoint=sys.argv[1], service_name="shop", sample_rate=0.0, keep_errors=True, carrier=sys.argv[2])
ended = HttpTracker("example").begin(PlainArrival("GET", "/fine", {}))
ezlogs.event("order.action", "left out")
ended.finish(200, route="/fine")
while (health := ezlogs.health()).get("logs", health)["journal"]["waiting"]:  # until the journal has it, too
    time.sleep(0.01)
HttpTracker("example").begin(PlainArrival("GET", "/endless", {}))
ezlogs.event("order.action", "undecided")
os.kill(os.getpid(), 9)
"""
HEIR = """
import sys, time, ezlogs
ezlogs.configure(endpoint=sys.argv[1], service_name="shop", carrier=sys.argv[2])
ezlogs.event("order.action", "of the heir")
sys.stdin.read()
"""


@pytest.mark.parametrize("carrier", ["span", "log"])
def test_what_was_undecided_when_its_process_was_killed_is_kept(receiver: Receiver, carrier: str) -> None:
    """Nobody will ever decide it; what was decided stays as it was."""
    command = [sys.executable, "-c", KILLED, receiver.endpoint, carrier]
    assert subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == -9
    heir = [sys.executable, "-c", HEIR, receiver.endpoint, carrier]
    with subprocess.Popen(heir, stdin=subprocess.PIPE) as process:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and len(told(receiver, carrier)) < 3:
            time.sleep(0.05)
        process.communicate()
    found = told(receiver, carrier)
    assert sorted(found) == ["GET (unmatched)", "of the heir", "undecided"]
    assert found["undecided"]["ezlogs.sampling.probability"] == 0.0
    assert found["undecided"]["ezlogs.parent_event.id"] == found["GET (unmatched)"]["ezlogs.event.id"]


def told(receiver: Receiver, carrier: str) -> dict[str, Mapping[str, Any]]:
    """Return the attributes of what arrived, by action; each came once."""
    records = receiver.logs if carrier == "log" else [event for span in receiver.spans for event in span.events]
    actions = [str(record.attributes["ezlogs.action"]) for record in records]
    assert len(set(actions)) == len(actions)
    return {action: record.attributes for action, record in zip(actions, records, strict=True)}
