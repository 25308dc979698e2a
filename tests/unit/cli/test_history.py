"""`ezlogs history`, run as a user runs it: over files, what waits on disk, and a running `ezlogs dev`."""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner, Result
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanContext, TraceFlags

from ezlogs import Actor, Change, Correlation, UniversalEvent
from ezlogs.cli.app import app
from ezlogs.delivery.batch import SpanEncoder
from ezlogs.dev.history import ask
from ezlogs.dev.receiver import Receiver
from ezlogs.event import Failure
from ezlogs.ids import new_event_id
from ezlogs.journal import Journal, Kind, Priority, journal_directory
from ezlogs.privacy import Scrubber
from ezlogs.wire import attributes

NOW = time.time_ns()
HOUR = 3600 * 10**9
ADA = Actor("user", "7", "Ada")
ORDER = count()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A state directory of this test's, and nothing else of ezlogs or OpenTelemetry set."""
    for name in list(os.environ):
        if name.startswith(("EZLOGS_", "OTEL_")) or name in {"COLUMNS", "FORCE_COLOR", "NO_COLOR"}:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EZLOGS_STATE_DIR", str(tmp_path / "state"))


def made(event_type: str, action: str, hours: float = 0, story: str = "story-1", **fields: object) -> UniversalEvent:
    """Return an event of so many hours ago, after those that were made before it."""
    at = NOW - round(hours * HOUR) + 1000 * next(ORDER)
    given: dict[str, object] = {"actor": ADA, "subject": ("order", 42), "timestamp": at, **fields}
    correlation = Correlation(correlation_id=story, parent_event_id=given.pop("cause", None))
    return UniversalEvent.create(event_type, action, correlation=correlation, strict=True, **given)


def bought(story: str = "story-1", hours: float = 5) -> list[UniversalEvent]:
    """Return the events of an order: the request, its row, its links, and that it was placed."""
    cause = new_event_id(NOW - round(hours * HOUR))
    links = {"field": "tags", "added": ["3"], "removed": []}
    status = {"method": "POST", "route": "/orders/", "status": 201}
    return [
        made(
            *("data.change", "order.create", hours, story),
            cause=cause,
            changes=[Change("status", after="new"), Change("note")],
        ),
        made("data.change", "order.update", hours, story, cause=cause, metadata={"m2m": links}),
        made("order.action", "placed", hours, story, cause=cause),
        made("http.request", "POST /orders/", hours, story, event_id=cause, subject=None, metadata=status),
    ]


def logs(events: list[UniversalEvent], service: str = "shop-web") -> bytes:
    """Return an export request of events as log records."""
    records = [
        LogRecord(event_name=event.event_type, timestamp=event.timestamp, attributes=attributes(event))
        for event in events
    ]
    resource = Resource({"service.name": service})
    return encode_logs([ReadableLogRecord(record, resource) for record in records]).SerializeToString()


def ezlogs(*arguments: object, given: bytes | None = None, **environ: str) -> Result:
    """Run ``ezlogs history``."""
    return CliRunner().invoke(app, ["history", *map(str, arguments)], input=given, env={"COLUMNS": "100", **environ})


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_what_happened_to_an_order_is_listed(tmp_path: Path) -> None:
    """From files of several services, in the order of time, under what it happened in."""
    (tmp_path / "web.bin").write_bytes(logs(bought()))
    late = [
        made("data.change", "order.update", 1, "story-2", changes=[Change("status", "new", "paid")]),
        made("data.change", "order.update", 0.5, "story-2", actor=Actor("user", "8"), outcome="unknown"),
        made("order.action", "ship", 0.2, "story-3", outcome="failure", error=Failure("shop.NoStock", "none")),
    ]
    (tmp_path / "worker.bin").write_bytes(logs(late, "shop-worker"))
    result = ezlogs("order", 42, tmp_path / "worker.bin", tmp_path / "web.bin")
    assert result.exit_code == 0, result.output
    lines = [line.split("  ", 1)[-1].strip() if line.startswith("20") else line for line in result.stdout.splitlines()]
    assert lines == [
        "order 42  6 events in 3 stories",
        "",
        "Ada in POST /orders/ (shop-web)  story story-1",
        "  ✓  created  status: new",
        "              note (values not told)",
        "  ✓  changed  tags: added 3",
        "  ✓  placed",
        "",
        "Ada (shop-worker)  story story-2",
        "  ✓  changed  status: new → paid",
        "",
        "User 8 (shop-worker)  story story-2",
        "  ?  changed  nobody was told whether it happened",
        "",
        "Ada (shop-worker)  story story-3",
        "  ✗  ship  failed: NoStock",
    ]


def test_who_did_what_in_a_request_of_nobody() -> None:
    """A request that does not know its user is told under whoever acted in it; others are named beside their deeds."""
    cause = new_event_id(NOW)
    events = [
        made("http.request", "PUT /orders/{id}", event_id=cause, actor=Actor("unknown"), metadata={"status": 200}),
        made("data.change", "order.update", cause=cause),
        made("order.action", "approved", cause=cause, actor=Actor("user", "8")),
    ]
    result = ezlogs("order", 42, "-", given=logs(events))
    assert "Ada in PUT /orders/{id} (shop-web)" in result.stdout
    assert "  ✓  requested  200\n" in result.stdout
    assert "  ✓  approved   by User 8\n" in result.stdout
    alone = ezlogs("order", 42, "-", given=logs([made("order.action", "seen", actor=Actor("anonymous"))], ""))
    assert "A visitor  story story-1" in alone.stdout


def test_json_is_for_programs() -> None:
    """Values as they are, and what it happened in."""
    document = json.loads(ezlogs("order", 42, "-", "--json", given=logs(bought())).stdout)
    assert [entry["deed"] for entry in document] == ["created", "changed", "placed"]
    assert document[0]["changes"] == [{"field": "status", "to": "new"}, {"field": "note"}]
    assert document[0]["inside"]["text"] == "POST /orders/"
    assert document[0]["correlation_id"] == "story-1"
    alone = json.loads(ezlogs("order", 42, "-", "--json", given=logs([made("order.action", "seen")])).stdout)
    assert alone[0]["inside"] is None


def test_the_latest_and_what_is_not_too_old(tmp_path: Path) -> None:
    """And it is said what was left out."""
    file = tmp_path / "web.bin"
    file.write_bytes(logs([made("order.action", f"did_{hours}", hours) for hours in (5, 4, 3, 2)]))
    result = ezlogs("order", 42, file, "--limit", 1)
    assert "did 2" in result.stdout
    assert "did 3" not in result.stdout
    assert "there are 3 before; --limit 4 lists all" in result.stderr
    assert [one["deed"] for one in json.loads(ezlogs("order", 42, file, "--json", "--since", "210m").stdout)] == [
        "did 3",
        "did 2",
    ]
    nothing = ezlogs("order", 42, file, "--since", "1h")
    assert nothing.exit_code == 1
    assert "nothing happened to order 42 since then; the last was 20" in nothing.stderr
    assert ezlogs("order", 42, file, "--since", "yesterday").exit_code == 2


def test_changes_of_many_rows_at_once_are_mentioned() -> None:
    """Where all is listed, and where nothing else is known."""
    many = made("data.change", "order.bulk_update", subject=("order", None), metadata={"rows": 9})
    assert "1 change of many orders at once may have included it" in ezlogs(
        *("order", 42, "-"), given=logs([many, *bought()])
    ).stdout.replace("\n", " ")
    assert "may have included it" not in ezlogs("order", 42, "-", "--limit", 1, given=logs([many, *bought()])).output
    alone = ezlogs("order", 42, "-", given=logs([many]))
    assert alone.exit_code == 1
    assert "1 change of many orders at once may have included it" in alone.stderr


def test_what_may_have_been_meant_is_suggested() -> None:
    """Ids of the type that are near, else the latest; or types."""
    given = logs([made("order.action", "placed", subject=("order", number)) for number in range(40, 49)])
    near = ezlogs("order", 421, "-", given=given)
    assert near.exit_code == 1
    assert "nothing is told of order 421 in <stdin>" in near.stderr
    assert "ids of the type order: 42, 41 and 7 more" in near.stderr
    assert "ids of the type order: 48, 47, 46, 45, 44 and 4 more" in ezlogs("order", "x", "-", given=given).stderr
    other = ezlogs("Orders", 42, "-", given=given)
    assert "did you mean order?\ntypes, and how many of each: order (9)" in other.stderr
    assert "did you mean" not in ezlogs("parcel", 1, "-", given=given).stderr
    assert ezlogs("parcel", 1, "-", given=logs([])).stderr.count("\n") == 1
    assert json.loads(ezlogs("parcel", 1, "-", "--json", given=given).stdout) == []
    only = logs([made("order.action", "placed")])
    assert "ids of the type order: 42\n" in ezlogs("order", 1, "-", given=only).stderr


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """With its name."""
    (tmp_path / "notes.txt").write_text("{ not json")
    result = ezlogs("order", 42, tmp_path / "notes.txt")
    assert result.exit_code == 1
    assert "notes.txt" in result.stderr


def test_nothing_steers_the_terminal() -> None:
    """Names and values from elsewhere are shown without control characters."""
    events = [made("order.action", "placed", actor=Actor("user", "7", "A\x1b[31mda"), subject=("order", "4\x1b2"))]
    result = ezlogs("order", "4\x1b2", "-", given=logs(events))
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout


@pytest.fixture
def dev() -> Iterator[Receiver]:
    """What `ezlogs dev` receives with."""
    with Receiver() as receiver:
        yield receiver


def port_of(receiver: Receiver) -> str:
    """Return its port."""
    return receiver.endpoint.rpartition(":")[2]


def send(receiver: Receiver, body: bytes) -> None:
    """Send it log records."""
    request = urllib.request.Request(
        f"{receiver.endpoint}/v1/logs", body, {"Content-Type": "application/x-protobuf"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10):
        pass


@pytest.fixture
def waits() -> Iterator[Callable[[UniversalEvent], None]]:
    """Leave an event on disk, as a process does whose collector is away."""
    encoder = SpanEncoder(Scrubber())
    resource = encoder.encoded(Resource({"service.name": "shop-worker"})).written()
    directory = journal_directory("shop-worker", "http://localhost:4318/v1/traces")
    journal = Journal(directory, resource=resource, segment_size=4096, largest_segment=65_536)

    def leave(event: UniversalEvent) -> None:
        journal.prepare()
        sealed = encoder.seal(event, SpanContext(0xA1, 0xB2, False, TraceFlags(TraceFlags.SAMPLED)))
        assert journal.append(Kind.EVENT, b"\x01", sealed.head() + sealed.body, Priority.NORMAL)
        journal.prepare()

    yield leave
    journal.close()


def test_a_running_dev_is_asked(dev: Receiver, free_port: int) -> None:
    """For the one subject; names and what it happened in come along, the rest stays."""
    other = made("order.action", "placed", story="story-9", subject=("order", 43), actor=Actor("user", "9"))
    send(dev, logs([*bought(), other, made("order.action", "approved", 1, "story-2", actor=Actor("user", "7"))]))
    result = ezlogs("order", 42, "--port", port_of(dev))
    assert result.exit_code == 0, result.output
    assert "Ada in POST /orders/ (shop-web)" in result.stdout
    assert "4 events in 2 stories" in result.stdout
    found = ask(dev.endpoint, "order", "42")
    assert found is not None
    assert other.event_id not in {one.event.event_id for one in found.told}
    nothing = ezlogs("order", 44, "--port", port_of(dev))
    assert f"in the ezlogs dev on port {port_of(dev)} or what waits in" in nothing.stderr
    assert "ids of the type order: 43, 42" in nothing.stderr
    nobody = ezlogs("order", 42, "--port", free_port)
    assert nobody.exit_code == 1
    assert f"; no ezlogs dev is on port {free_port}, and no FILE was given" in nobody.stderr


def test_what_waits_on_disk_is_read(
    dev: Receiver, free_port: int, waits: Callable[[UniversalEvent], None], tmp_path: Path
) -> None:
    """Alone, or together with what `ezlogs dev` received; events that are in both are told once."""
    waits(event := made("data.change", "order.update", 1, "story-2", changes=[Change("count", 1, 2)]))
    alone = ezlogs("order", 42, "--port", free_port)
    assert alone.exit_code == 0, alone.output
    assert "count: 1 → 2" in alone.stdout
    assert "order 42  1 event in 1 story" in alone.stdout
    send(dev, logs([*bought(), event]))
    assert "order 42  4 events in 2 stories" in ezlogs("order", 42, "--port", port_of(dev)).stdout
    for file in (tmp_path / "state").rglob("*"):
        if file.is_file() and b"order.update" in (content := file.read_bytes()):
            file.write_bytes(content.replace(b"order.update", b"ORDER.update"))
    damaged = ezlogs("order", 42, "--port", free_port)
    assert damaged.exit_code == 1
    assert "not read: 1 " in damaged.stderr


def test_the_question_needs_a_subject(dev: Receiver) -> None:
    """One without is answered with what to give."""
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(f"{dev.endpoint}/history?type=order", timeout=10)


@pytest.mark.parametrize("answer", [b"<html>", b'{"events": [{"service": "a", "event": {}}], "kinds": {}, "ids": []}'])
def test_somebody_else_on_the_port_is_not_ezlogs_dev(answer: bytes) -> None:
    """What answers something else is left alone."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            assert ask(f"http://127.0.0.1:{server.server_port}", "order", "42") is None
        finally:
            server.shutdown()
            thread.join()
