"""`ezlogs story`, run as a user runs it: a file of spans or log records in, stories and exit status out."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from click.testing import CliRunner, Result
from google.protobuf.json_format import MessageToDict
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ezlogs import Actor, Correlation, UniversalEvent
from ezlogs import event as emit
from ezlogs.cli.app import app
from ezlogs.dev.receiver import Receiver
from ezlogs.phrases import registered
from ezlogs.story import Told
from ezlogs.testing import capture
from ezlogs.wire import attributes


def placed(story: str, linked: str | None = None) -> UniversalEvent:
    """Return the event of an order."""
    return UniversalEvent.create(
        "order.action",
        "placed",
        actor=Actor("user", "7", "Ada"),
        subject=("order", 42),
        correlation=Correlation(correlation_id=story, linked_correlation_id=linked),
    )


def request(story: str, linked: str | None = None) -> bytes:
    """Return the export request, as protobuf, of a span with an order event and an event that is not ezlogs'."""
    event = placed(story, linked)
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop-web"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("test").start_as_current_span("POST /orders") as span:
        span.add_event(event.event_type, attributes(event), event.timestamp)
        span.add_event("cache.miss")
    provider.shutdown()
    return encode_spans(exporter.get_finished_spans()).SerializeToString()


def logs_request(story: str) -> bytes:
    """Return the export request, as protobuf, of an order event as a log record, and of one that is not ezlogs'."""
    event = placed(story)
    records = [
        LogRecord(event_name=event.event_type, timestamp=event.timestamp, attributes=attributes(event)),
        LogRecord(body="a cache was missed", attributes={"cache": 1}),
    ]
    resource = Resource({"service.name": "shop-web"})
    return encode_logs([ReadableLogRecord(record, resource) for record in records]).SerializeToString()


def as_json(body: bytes) -> str:
    """Return an export request as OTLP/JSON on one line; its ids play no part here."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    document = MessageToDict(ExportTraceServiceRequest.FromString(body))
    for resource_spans in document["resourceSpans"]:
        for span in resource_spans["scopeSpans"][0]["spans"]:
            del span["traceId"], span["spanId"]
    return json.dumps(document)


def ezlogs(*arguments: str | Path, given: bytes | None = None) -> Result:
    """Run ``ezlogs story``."""
    return CliRunner().invoke(app, ["story", *map(str, arguments)], input=given, env={"COLUMNS": "100"})


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    """Return a file with one protobuf request."""
    path = tmp_path / "request.bin"
    path.write_bytes(request("story-1"))
    return path


def test_a_protobuf_request_is_told_as_tree_and_sentences(binary: Path) -> None:
    """The file shows a tree of what happened and its sentences."""
    result = ezlogs(binary)
    assert result.exit_code == 0
    assert "placed order 42" in result.stdout
    assert "shop-web" in result.stdout
    assert "\nAda placed order 42.\n" in result.stdout


def test_lines_of_json_and_one_json_document_are_read(tmp_path: Path) -> None:
    """A Collector's file, one request a line, tells all its stories; so does a single document."""
    lines = tmp_path / "spans.jsonl"
    lines.write_text(f"{as_json(request('story-1'))}\n\n{as_json(request('story-2'))}\n")
    assert [story["correlation_id"] for story in json.loads(ezlogs(lines, "--json").stdout)] == ["story-1", "story-2"]
    assert len(json.loads(ezlogs("-", "--json", given=as_json(request("story-3")).encode()).stdout)) == 1


def test_log_records_are_told_as_spans_are(tmp_path: Path) -> None:
    """A file of the logs signal holds the same events."""
    (tmp_path / "logs.bin").write_bytes(logs_request("story-1"))
    result = ezlogs(tmp_path / "logs.bin")
    assert "shop-web" in result.stdout
    assert "\nAda placed order 42.\n" in result.stdout


def test_one_story_is_chosen_by_the_beginning_of_its_id(binary: Path) -> None:
    """An abbreviated id is enough; one that is not there is an error."""
    assert json.loads(ezlogs(binary, "--id", "story", "--json").stdout)[0]["title"] == "Ada placed order 42"
    missing = ezlogs(binary, "--id", "other")
    assert missing.exit_code == 1
    assert "no story with the id other" in missing.stderr


def test_linked_stories_are_told_together(tmp_path: Path) -> None:
    """One after the other, whatever happened in between; an id chooses those that are linked with it too."""
    lines = tmp_path / "spans.jsonl"
    requests = (request("story-1"), request("other-1"), request("story-2", linked="story-1"))
    lines.write_text("\n".join(map(as_json, requests)))
    chosen = json.loads(ezlogs(lines, "--id", "story-2", "--json").stdout)
    assert [story["correlation_id"] for story in chosen] == ["story-1", "story-2"]
    everything = json.loads(ezlogs(lines, "--json").stdout)
    assert [story["correlation_id"] for story in everything] == ["story-1", "story-2", "other-1"]
    assert "\nGoes on from: Ada placed order 42 (story-1).\n" in ezlogs(lines).stdout


def test_a_story_of_this_machine_is_told_by_its_id(tmp_path: Path) -> None:
    """A running `ezlogs dev` is asked; without an id its stories are listed; a wrong one is told which there are."""
    with Receiver() as receiver:
        address = f"{receiver.endpoint}/v1/traces"
        for name in ("a" * 32, "b" * 32):
            sent = Request(address, request(name), {"Content-Type": "application/x-protobuf"})
            build_opener(ProxyHandler({})).open(sent, timeout=30).close()
        here = ("--port", receiver.endpoint.rpartition(":")[2], "--dir", str(tmp_path))
        told = ezlogs("aaaa", *here, "--tz", "UTC")
        listed = ezlogs(*here)
        missing = ezlogs("cccc", *here)
    assert told.exit_code == 0
    assert "\nAda placed order 42.\n" in told.stdout
    assert f" +00:00, story {'a' * 32}\n" in told.stdout
    assert "bbbb" not in told.stdout
    assert [line.split()[2] for line in listed.stdout.splitlines()] == ["aaaaaaaa", "bbbbbbbb"]
    assert missing.exit_code == 1
    assert "there are 2 stories: aaaaaaaa, bbbbbbbb" in missing.stderr


def test_without_anything_to_ask_it_is_said_where_nothing_is(tmp_path: Path) -> None:
    """And what to give instead."""
    alone = ezlogs("--port", "1", "--dir", str(tmp_path))
    assert alone.exit_code == 1
    assert "; no ezlogs dev is on port 1, and no FILE was given" in alone.stderr


@pytest.mark.parametrize(
    ("kind", "line"),
    [("text", "Ada placed order 42."), ("markdown", "## Ada placed order 42"), ("json", '    "outcome": "Completed",')],
)
def test_a_story_is_told_in_other_forms(binary: Path, kind: str, line: str) -> None:
    """For a mail, a ticket and a program."""
    assert line in ezlogs(binary, "--format", kind).stdout.splitlines()


def test_a_story_becomes_a_test(binary: Path) -> None:
    """Which is code, and passes where that happens again."""
    code = ezlogs(binary, "--format", "test").stdout
    with capture() as captured:
        emit("order.action", "placed", actor=("user", 8), subject=("order", 9))
        exec(compile(code, "test", "exec"), {})
    assert len(captured.events) == 1
    nothing = ezlogs(binary, "--format", "test", "--id", "gone")
    assert (nothing.exit_code, nothing.stdout) == (1, "")


def test_times_are_of_a_zone(binary: Path) -> None:
    """One that is not known is an error that says what is."""
    assert " +09:00\n" in ezlogs(binary, "--format", "text", "--tz", "Asia/Tokyo").stdout
    wrong = ezlogs(binary, "--tz", "Mars")
    assert wrong.exit_code == 2
    assert "use a name such as Europe/Berlin, or UTC" in wrong.stderr


def test_a_file_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    """A folder is no file."""
    assert "Is a directory" in ezlogs(tmp_path).stderr


def test_what_holds_no_story_is_said(tmp_path: Path) -> None:
    """A file without events, and one that is no spans at all, end with status 1 and the reason."""
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "other").write_bytes(b"{not json")
    assert "no story" in ezlogs(tmp_path / "empty").stderr
    wrong = ezlogs(tmp_path / "other")
    assert wrong.exit_code == 1
    assert "line 1: no JSON" in wrong.stderr


def test_only_the_latest_of_many_stories_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is said how many there are before."""
    found = [Told(placed(f"{number:032x}"), "shop") for number in range(53)]
    monkeypatch.setattr("ezlogs.cli.story.events_here", lambda *_: (found, "here"))
    listed = ezlogs()
    assert len(listed.stdout.splitlines()) == 50
    assert "and 3 before\n" in listed.stderr


def test_a_module_says_how_events_are_told(binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot be imported ends the command before anything is read."""
    monkeypatch.setattr(registered, "_templates", {})
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "phrases_of_a_test.py").write_text("import ezlogs\nezlogs.phrase('order.placed', '{actor} ordered')\n")
    assert "\nAda ordered.\n" in ezlogs(binary, "--phrases", "phrases_of_a_test").stdout
    wrong = ezlogs(binary, "--phrases", "no_such_module_at_all")
    assert wrong.exit_code == 2
    assert "no_such_module_at_all cannot be imported: ModuleNotFoundError" in " ".join(wrong.stderr.split())
