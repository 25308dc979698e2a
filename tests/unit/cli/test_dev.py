"""`ezlogs dev` as a process of its own, with a program that sends spans to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from ezlogs.cli.app import app
from ezlogs.cli.dev import environment

PROGRAM = """
import os, signal, sys, time
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from ezlogs import Actor, Correlation, UniversalEvent
from ezlogs.wire import attributes

provider = TracerProvider(resource=Resource({"service.name": "shop"}))
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
event = UniversalEvent.create(
    "order.action", "placed", actor=Actor("user", "7", "Ada"), subject=("order", 42),
    correlation=Correlation(correlation_id="story-1"),
)
with provider.get_tracer("test").start_as_current_span("work") as span:
    span.add_event(event.event_type, attributes(event), event.timestamp)
    if "logs" in sys.argv:
        logs = LoggerProvider(Resource({"service.name": "shop"}))
        logs.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter()))
        logs.get_logger("test").emit(
            event_name=event.event_type, timestamp=event.timestamp, attributes=attributes(event)
        )
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(60)
if "stay" in sys.argv:
    time.sleep(60)
sys.exit(3)
"""


@contextmanager
def ezlogs_dev(*arguments: str, before: str = "") -> Iterator[subprocess.Popen[str]]:
    """Run ``ezlogs dev`` on a free port, after some code of the test's own, and end it."""
    # A job in the background inherits an ignored SIGINT; a person's terminal does not.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = f"{heed}{before}from ezlogs.cli import main; main()"
    command = [sys.executable, "-c", code, "dev", "--port", "0", "--grpc-port", "0", *arguments]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "EZLOGS_"))}
    environ["EZLOGS_STATE_DIR"] = os.environ["EZLOGS_STATE_DIR"]
    environ |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "100", "PYTHONUNBUFFERED": "1"}
    environ |= {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def running(program: Path, *arguments: str) -> Sequence[str]:
    """Return the arguments that run a program."""
    program.write_text(PROGRAM)
    return ("--", sys.executable, str(program), *arguments)


def test_a_program_is_run_and_its_story_told(tmp_path: Path) -> None:
    """The program's spans arrive, its story is told, and its exit status is passed on."""
    with ezlogs_dev(*running(tmp_path / "app.py")) as process:
        told, said = process.communicate(timeout=40)
    assert "Ada placed order 42." in told
    assert "listening on http://127.0.0.1:" in said
    assert process.returncode == 3


def test_stories_are_told_to_programs(tmp_path: Path) -> None:
    """One line of JSON each, and nothing else on standard output but what the program says itself."""
    with ezlogs_dev("--json", *running(tmp_path / "app.py")) as process:
        told, said = process.communicate(timeout=40)
    (story,) = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    assert story["title"] == "Ada placed order 42", said


def test_an_event_in_both_signals_is_told_once(tmp_path: Path) -> None:
    """The official exporters send it as a span event and as a log record; the reader hears of it once."""
    with ezlogs_dev(*running(tmp_path / "app.py", "logs")) as process:
        told, said = process.communicate(timeout=40)
    assert told.count("Ada placed order 42.") == 1, said


def test_a_story_is_told_while_the_program_runs_and_both_end_on_a_signal(tmp_path: Path) -> None:
    """A story is told when it is quiet; SIGTERM ends the program too."""
    with ezlogs_dev(*running(tmp_path / "app.py", "stay")) as process:
        assert process.stdout is not None
        assert any("Ada placed order 42." in line for line in iter(process.stdout.readline, ""))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=45) == 128 + signal.SIGTERM


def test_a_program_that_will_not_end_is_ended(tmp_path: Path) -> None:
    """A program that ignores SIGTERM gets its time, and then no more."""
    hurry = "import ezlogs.cli.app, sys; sys.modules['ezlogs.cli.dev'].PATIENCE = 0.1; "
    with ezlogs_dev(*running(tmp_path / "app.py", "stubborn"), before=hurry) as process:
        process.communicate(timeout=40)
    assert process.returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_without_a_program_it_listens_until_it_is_interrupted(end: signal.Signals) -> None:
    """Ctrl-C and SIGTERM are ordinary ends."""
    with ezlogs_dev() as process:
        assert process.stderr is not None
        assert "listening" in process.stderr.readline()
        process.send_signal(end)
        assert process.wait(timeout=45) == 0


def test_a_port_that_is_taken_is_said() -> None:
    """The error names the port and a way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["dev", "--port", port])
    assert result.exit_code == 1
    assert f"port {port}" in result.stderr
    assert "--port 0" in result.stderr


def test_a_missing_web_server_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only part of the extra is installed, the error says what to install."""
    monkeypatch.setitem(sys.modules, "ezlogs.dev.endpoint", None)
    result = CliRunner().invoke(app, ["dev"])
    assert result.exit_code == 1
    assert "pip install 'ezlogs-opentelemetry[dev]'" in result.stderr


def test_a_program_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a misspelt program nor a missing opentelemetry-instrument is a traceback."""
    result = CliRunner().invoke(app, ["dev", "--port", "0", "--", "no-such-program"])
    assert result.exit_code == 127
    assert "no-such-program: command not found" in result.stderr
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    result = CliRunner().invoke(app, ["dev", "--port", "0", "--", "python"])
    assert "opentelemetry-instrument: command not found" in result.stderr


def test_where_telemetry_went_before_does_not_matter() -> None:
    """Endpoints, headers and protocols that were set are replaced; everything else stays."""
    before = {"PATH": "/bin", "EZLOGS_ENDPOINT": "https://x", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://y"}
    before |= {"EZLOGS_LOGS_ENDPOINT": "https://z", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://z"}
    assert environment(before, "http://127.0.0.1:4318") == {
        "PATH": "/bin",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_METRIC_EXPORT_INTERVAL": "2000",
    }
    assert environment({"OTEL_METRICS_EXPORTER": "none"}, "http://x")["OTEL_METRICS_EXPORTER"] == "none"
