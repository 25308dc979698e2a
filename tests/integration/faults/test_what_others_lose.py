"""What OpenTelemetry's own batch processor and exporters lose, and when: here it arrives, or is counted.

Each line of the table "What others lose" in ``docs/delivery.md`` names its tests; those of collectors that fail are
here, those of queues, disks, kills and ends in ``faults``.
"""

from __future__ import annotations

import logging
import re
import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from tests.unit.otlp.collectors import Request, TlsCollector, break_off, drain, respond
from tests.unit.otlp.test_faults import half_closing, make_certificate

import ezlogs
from ezlogs.launch.health import balance

from ..orders import UseProvider, eventually
from .faulty import Faulty, Trouble, emit, flushed, start

ROOT = Path(__file__).parents[3]


def slowly(connection: socket.socket) -> None:
    """Begin to answer, and not come to the end of the headers."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    drain(connection)


TROUBLES: dict[str, Trouble] = {
    "reset": break_off,
    "half-close": half_closing(b""),
    "half an answer": half_closing(b"HTTP/1.1 20"),
    "garbage": half_closing(bytes(range(256)) * 20),
    "slow": slowly,
    "no TLS": half_closing(b"\x15\x03\x03\x00\x02\x02\x28"),
}
"""What may happen to a connection."""

ANSWERS: dict[str, Callable[[Request], bytes | None]] = {
    "a page": lambda request: respond(200, b"<!DOCTYPE html><html>log in</html>", "text/html"),
    "408": lambda request: respond(408),
    "429": lambda request: respond(429),
    "429, in a second": lambda request: respond(429, Retry_After="1"),
    "500": lambda request: respond(500),
    "502": lambda request: respond(502),
    "503": lambda request: respond(503),
    "503, at a time": lambda request: respond(503, Retry_After=formatdate(time.time() + 1, usegmt=True)),
    "504": lambda request: respond(504),
}
"""What a collector, or who is before it, may answer that cannot take anything now."""

FINAL = {
    "a login page elsewhere": lambda request: respond(302, Location="http://127.0.0.1/login"),
    "400": lambda request: respond(400),
    "401": lambda request: respond(401),
    "403": lambda request: respond(403),
    "404": lambda request: respond(404),
}
"""What would be answered again, however often the same is sent."""


@pytest.mark.parametrize("fault", [*TROUBLES, *ANSWERS, "hang"])
@pytest.mark.parametrize(("carrier", "durability"), [("span", "process"), ("log", "memory")])
def test_no_fault_that_passes_costs_an_event(
    collector: Faulty, use_provider: UseProvider, fault: str, carrier: str, durability: str
) -> None:
    """What was emitted before it, during it and after it arrives, once it has passed."""
    use_provider()
    start(collector, carrier=carrier, durability=durability, timeout=0.3)
    ids = emit(4)
    flushed()
    trouble = collector.hang if fault == "hang" else TROUBLES.get(fault)
    collector.fail(trouble=trouble, answer=ANSWERS.get(fault, lambda request: respond(200)))
    ids += emit(6)
    eventually(lambda: collector.troubled > 0)
    ids += emit(6)
    eventually(lambda: bool(ezlogs.health()["last_problem"] or ezlogs.health().get("logs", {}).get("last_problem")))
    told = ezlogs.health()
    assert (told["lost"], balance(told)) == ({}, 0), told
    collector.heal()
    ids += emit(4)
    told = flushed()
    assert (told["lost"], told["delivered"], balance(told)) == ({}, len(ids), 0), told
    assert collector.arrived().keys() == set(ids)


@pytest.mark.parametrize("fault", FINAL)
@pytest.mark.parametrize("carrier", ["span", "log"])
def test_what_is_refused_for_good_is_counted_and_kept(
    collector: Faulty, use_provider: UseProvider, fault: str, carrier: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is no success, it is said once, what comes later arrives, and the request is on disk for people to look at."""
    use_provider()
    collector.fail(answer=FINAL[fault])
    start(collector, carrier=carrier)
    refused = emit(6)
    told: Any = flushed()
    assert (told["delivered"], told["lost"]["rejected"], balance(told)) == (0, 6, 0)
    place = told["logs"] if carrier == "log" else told
    assert place["lost_by_type"]["rejected"] == {"order.action": 6}
    assert place["journal"]["dead_letters"]["letters"] >= 1, place["journal"]
    assert caplog.text.count("events of such requests are kept for `ezlogs spool show --dead`") == 1
    assert caplog.text.count("events of such requests are ") == (2 if carrier == "log" else 1), (
        "the spans are told of too"
    )
    collector.heal()
    later = emit(4)
    assert balance(flushed()) == 0
    assert collector.arrived() == Counter(later)
    assert not set(refused) & collector.arrived().keys()


@pytest.mark.parametrize("carrier", ["span", "log"])
def test_large_requests_are_split_where_a_collector_wants_that(
    collector: Faulty, use_provider: UseProvider, carrier: str
) -> None:
    """Though each event is as large as some whole requests."""
    use_provider()
    collector.fail(answer=lambda request: respond(413 if len(request.body) > 100_000 else 200))
    start(collector, carrier=carrier)
    ids = emit(40, metadata={f"part_{at}": "words of a text " * 60 for at in range(20)})
    told = flushed()
    assert (told["lost"], balance(told)) == ({}, 0)
    assert collector.arrived() == Counter(ids)


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("durability", ["memory", "process"])
def test_a_pause_is_kept_to_and_costs_nothing(
    collector: Faulty, use_provider: UseProvider, form: str, durability: str
) -> None:
    """A minute, as the collector wishes: the network sees nothing, be it that somebody flushes; nothing is dropped."""
    use_provider()
    asked = "60" if form == "seconds" else formatdate(time.time() + 60, usegmt=True)
    collector.fail(answer=lambda request: respond(503, Retry_After=asked))
    start(collector, durability=durability, shutdown_timeout=0.5)
    ids = emit(5)
    eventually(lambda: bool(ezlogs.health()["breaker"]["paused"]))
    collector.heal()
    before = collector.seen()
    for _ in range(8):
        ids += emit(5)
        assert not ezlogs.flush(0.1)
    told: Any = ezlogs.health()
    assert collector.seen() == before
    assert 50 < told["breaker"]["wait"] <= 66
    assert (told["lost"], told["pending_events"], balance(told)) == ({}, len(ids), 0)
    begin = time.monotonic()
    ezlogs.shutdown()
    assert time.monotonic() - begin < 10, "the end waited for the pause to pass"
    assert collector.seen() == before
    if durability == "process":  # the next process knows nothing of the pause
        start(collector)
        eventually(lambda: collector.arrived().keys() == set(ids))


def test_after_a_pause_all_of_it_is_sent(collector: Faulty, use_provider: UseProvider) -> None:
    """And not before."""
    use_provider()
    answered: list[float] = []

    def paused(request: Request) -> bytes:
        answered.append(time.monotonic())
        return respond(429, Retry_After="2")

    collector.fail(answer=paused)
    start(collector, durability="memory")
    ids = emit(5)
    eventually(lambda: bool(answered))
    collector.heal()
    assert flushed()["lost"] == {}
    assert time.monotonic() - answered[0] >= 2
    assert len(answered) == 1
    assert collector.arrived() == Counter(ids)


@pytest.mark.parametrize("carrier", ["span", "log"])
def test_a_certificate_that_nobody_vouches_for_costs_nothing(
    use_provider: UseProvider, tmp_path: Path, carrier: str
) -> None:
    """Until the right one is there: the requests are kept."""
    use_provider()
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    folders = tmp_path / "good", tmp_path / "bad"
    for folder in folders:
        folder.mkdir()
    good, bad = (make_certificate(folder, "-addext", "subjectAltName=IP:127.0.0.1") for folder in folders)
    collector = TlsCollector(bad)
    try:
        start(collector, carrier=carrier, certificate=good[0])  # type: ignore[arg-type]  # it has an address
        emit(6)
        eventually(lambda: "certificate" in str(ezlogs.health()).lower())
        told = ezlogs.health()
        assert (told["lost"], told["pending_events"], collector.requests) == ({}, 6, [])
        collector._context.load_cert_chain(*good)
        told = flushed()
        assert (told["lost"], told["delivered"], balance(told)) == ({}, 6, 0)
    finally:
        ezlogs.shutdown()
        collector.close()


class TestBreaker:
    """Each batch to a collector that is away does not pay for itself."""

    def test_it_opens_probes_and_closes(
        self, collector: Faulty, use_provider: UseProvider, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Told by ``health()`` and once in the log; nothing is sent while it is open; one request finds out."""
        caplog.set_level(logging.INFO, "ezlogs")
        use_provider()
        start(collector, max_batch_size=5, timeout=30)
        assert state() == "closed"
        emit(2)
        flushed()
        collector.fail(trouble=break_off)
        ids = emit(50)
        eventually(lambda: state() == "open")
        quiet = 0
        end = time.monotonic() + 20
        while quiet < 20 and time.monotonic() < end:
            first, before, waits = state(), collector.connections, ezlogs.health()["breaker"]["wait"]  # type: ignore[index]
            emit(1)
            time.sleep(0.01)
            if first == state() == "open" and waits > 0.1:
                assert collector.connections == before, "somebody connected while it was open"
                quiet += 1
        assert quiet == 20
        hung: list[object] = []
        collector.trouble = lambda connection: (hung.append(connection), collector.hang())
        eventually(
            lambda: bool(hung) and state() == "half-open"
        )  # not an earlier probe, nor one that has not connected
        probes = collector.connections
        for _ in range(5):
            ids += emit(10)
            assert not ezlogs.flush(0.1)
        assert (state(), collector.connections) == ("half-open", probes), "more than one request found out"
        collector.heal()
        assert flushed()["lost"] == {}
        assert state() == "closed"
        assert collector.arrived().keys() >= set(ids)
        said = [word.split(":")[0] for word in re.findall(r"circuit breaker ([\w-]+:)", caplog.text)]
        assert said[:2] == ["open", "half-open"]
        assert said[-1] == "closed"
        assert all(one != other for one, other in pairwise(said)), said
        assert said.count("open") == ezlogs.health()["breaker"]["opened"]  # type: ignore[index]


def state() -> str:
    """That of the breaker."""
    told: Any = ezlogs.health()
    return str(told["breaker"]["state"])


PARTIAL = {
    ("span", "some"): b"\x0a\x02\x08\x01",
    ("span", "all"): b"\x0a\x03\x08\xff\x7f",
    ("log", "some"): b"\x0a\x02\x08\x03",
    ("log", "all"): b"\x0a\x03\x08\xff\x7f",
}


@pytest.mark.parametrize(("carrier", "rejected"), PARTIAL)
def test_a_partial_success_is_read(collector: Faulty, use_provider: UseProvider, carrier: str, rejected: str) -> None:
    """What the collector says that it has thrown away is counted, in its unit, and never as delivered."""
    use_provider()
    with_body = PARTIAL[carrier, rejected]
    collector.fail(answer=lambda request: respond(200, with_body))
    start(collector, carrier=carrier, flush_interval=60)
    tracer = trace.get_tracer("app")
    for _ in range(8):
        if carrier == "log":
            ezlogs.event("order.action", "done")
        else:
            with tracer.start_as_current_span("work"):
                ezlogs.event("order.action", "done")
    told = flushed()
    assert balance(told) == 0
    lost = {("log", "some"): 3, ("span", "some"): 0}.get((carrier, rejected), 8)
    assert (told["delivered"], told["lost"].get("rejected", 0)) == (8 - lost, lost)
    assert told["rejected_logs" if carrier == "log" else "rejected_spans"] >= 1


class TestNeighbours:
    """What is broken in others' pipelines does not cost ezlogs' events."""

    class Broken(SpanProcessor):
        """Raises wherever it is asked."""

        def on_end(self, span: object) -> None:
            """Raise."""
            raise RuntimeError("broken")

        def shutdown(self) -> None:
            """Raise."""
            raise RuntimeError("broken")

        def force_flush(self, timeout_millis: int = 30000) -> bool:
            """Raise."""
            raise RuntimeError("broken")

    class BrokenExporter(SpanExporter):
        """Raises, or says that it failed."""

        def export(self, spans: object) -> SpanExportResult:
            """Raise."""
            raise RuntimeError("broken")

        def shutdown(self) -> None:
            """Raise."""

    @pytest.mark.parametrize("first", [False, True], ids=["after ours", "before ours"])
    @pytest.mark.parametrize("carrier", ["span", "log"])
    def test_a_processor_that_raises(
        self, collector: Faulty, use_provider: UseProvider, monkeypatch: pytest.MonkeyPatch, first: bool, carrier: str
    ) -> None:
        """The SDK lets that out into the application, and asks no processor after it: the events arrive."""
        provider, broken = use_provider(), self.Broken()
        if first:
            provider.add_span_processor(broken)
        start(collector, carrier=carrier)
        if not first:
            provider.add_span_processor(broken)
        ids = []
        for _ in range(5):
            with suppress(RuntimeError), trace.get_tracer("app").start_as_current_span("work"):
                ids += emit(1)
        ezlogs.flush()
        ezlogs.shutdown()
        assert collector.arrived() == Counter(ids)
        monkeypatch.setattr(self.Broken, "shutdown", SpanProcessor.shutdown)

    def test_an_exporter_that_raises(self, collector: Faulty, use_provider: UseProvider) -> None:
        """It has the spans, and ezlogs the events."""
        provider = use_provider()
        provider.add_span_processor(SimpleSpanProcessor(self.BrokenExporter()))
        start(collector)
        ids = emit(10)
        told = flushed()
        assert (told["lost"], balance(told)) == ({}, 0)
        assert collector.arrived() == Counter(ids)

    def test_a_handler_that_tells_of_each_line_of_the_log(
        self, use_provider: UseProvider, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Also of ezlogs' own, in ezlogs' own threads, while nothing can be delivered: neither endless nor stuck."""
        use_provider()

        class Telling(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                ezlogs.event("log.line", "written", metadata={"text": record.getMessage()})

        logger, handler = logging.getLogger("ezlogs"), Telling()
        logger.addHandler(handler)
        caplog.set_level(logging.DEBUG, "ezlogs")
        try:
            ezlogs.configure(
                endpoint="http://127.0.0.1:9",
                instrument="none",
                durability="memory",
                max_queue_size=10,
                flush_interval=0.05,
                shutdown_timeout=0.5,
            )
            for _ in range(100):
                emit(1)
            eventually(lambda: ezlogs.health()["lost"] != {})
            thread = threading.Thread(target=ezlogs.shutdown)
            thread.start()
            thread.join(20)
            assert not thread.is_alive()
        finally:
            logger.removeHandler(handler)
        assert len(caplog.records) < 100


@pytest.mark.parametrize("carrier", ["span", "log"])
def test_a_flush_says_the_truth_in_time(collector: Faulty, use_provider: UseProvider, carrier: str) -> None:
    """With a collector that hangs for longer: false, and soon; true when all of it went out."""
    use_provider()
    collector.fail(trouble=collector.hang)
    start(collector, carrier=carrier, timeout=60)
    emit(100)
    for seconds in (0.1, 0.5, 1.0):
        begin = time.monotonic()
        assert ezlogs.flush(seconds) is False
        assert seconds * 0.9 <= time.monotonic() - begin < seconds + 5
    collector.heal()
    eventually(lambda: ezlogs.flush(1))
    assert ezlogs.health()["delivered"] == 100


def test_an_idle_process_has_no_thread_of_ours(collector: Faulty, use_provider: UseProvider) -> None:
    """One begins with the first event."""
    use_provider()
    before = {*threading.enumerate()}
    start(collector, durability="memory")
    assert not {*threading.enumerate()} - before
    assert collector.connections == 0
    emit(1)
    assert {thread.name for thread in {*threading.enumerate()} - before} >= {"ezlogs-delivery"}


def test_each_test_that_the_documentation_names_is_there() -> None:
    """And each line of its table names one."""
    text = (ROOT / "docs" / "delivery.md").read_text(encoding="utf-8")
    section = text.partition("## What others lose")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 25
    for row in rows:
        named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", row)
        assert named or "not" in row, row
        for file, test in named:
            source = (ROOT / "tests" / file).read_text(encoding="utf-8")
            assert not test or re.search(rf"(def|class) {test}\b", source), f"{file}::{test}"
