"""`ezlogs spool`, run as a user runs it, over what living and dead processes really left."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanContext, TraceFlags
from tests.unit.otlp.collectors import Collector, Request, respond

from ezlogs import UniversalEvent
from ezlogs.cli import spool as spool_command
from ezlogs.cli.app import app
from ezlogs.correlation import Correlation
from ezlogs.delivery.batch import SpanEncoder
from ezlogs.delivery.logs import LogEncoder
from ezlogs.delivery.resend import Resending
from ezlogs.dev.decode import decode_either, decode_logs_request, decode_request
from ezlogs.journal import Directory, Journal, Kind, Priority, UnusableDirectoryError, journal_directory
from ezlogs.journal.dead import NAME, DeadLetters
from ezlogs.journal.segment import VERSION
from ezlogs.journal.spool import Spooled
from ezlogs.privacy import Scrubber
from ezlogs.settings import Settings

UNDER = SpanContext(0xA1, 0xB2, False, TraceFlags(TraceFlags.SAMPLED))
HERE = "http://localhost:4318/v1/traces"
PARTIAL_SUCCESS = b"\x0a\x09\x08\x01\x12\x05stale"  # one was rejected, and why

Leave = Callable[..., Journal]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A state directory of this test's, and nothing else of ezlogs or OpenTelemetry set."""
    for name in list(os.environ):
        if name.startswith(("EZLOGS_", "OTEL_")) or name in {"COLUMNS", "FORCE_COLOR", "NO_COLOR"}:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EZLOGS_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that answers as a test wants."""
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def leave() -> Iterator[Leave]:
    """Leave events of a process, dead or alive."""
    made = []

    def left(
        number: int = 2,
        service: str = "shop",
        endpoint: str = HERE,
        *,
        logs: bool = False,
        alive: bool = False,
        **named: object,
    ) -> Journal:
        directory = journal_directory(service, endpoint)
        encoder = LogEncoder(Scrubber()) if logs else SpanEncoder(Scrubber())
        resource = encoder.encoded(Resource({"service.name": service})).written()
        journal = Journal(directory, resource=resource, segment_size=4096, largest_segment=65_536)
        made.append(journal)
        journal.prepare()
        for index in range(number):
            event = placed(index, **named)
            sealed = encoder.seal(event, UNDER)
            receipt = journal.append(Kind.EVENT, bytes([index]), sealed.head() + sealed.body, Priority.NORMAL)
            assert receipt
            journal.prepare()
        if not alive:
            die(journal)
        return journal

    yield left
    for journal in made:
        journal.close()


def die(journal: Journal) -> None:
    """Let go of the lock, as the end of the process does."""
    journal._shelf._home.release()  # type: ignore[union-attr]  # it has one


def placed(number: int, event_type: str = "order.action", **named: object) -> UniversalEvent:
    """An event, with a secret."""
    return UniversalEvent.create(
        event_type,
        "placed",
        subject=("order", number),
        metadata={"password": "hunter2"},
        correlation=Correlation(correlation_id="a" * 32),
        **named,  # type: ignore[arg-type]  # as each test means them
    )


def spool(*arguments: str, given: str | None = None, **environ: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["spool", *arguments], input=given, env=environ, prog_name="ezlogs")


def listed(*arguments: str) -> dict[str, list[dict[str, object]]]:
    """What the command lists, as JSON."""
    found: dict[str, list[dict[str, object]]] = json.loads(spool("ls", "--json", *arguments).stdout)
    return found


def refuse(endpoint: str = HERE, service: str = "shop", **named: object) -> tuple[DeadLetters, bytes]:
    """Leave a dead letter of two events."""
    letters = DeadLetters(journal_directory(service, endpoint))
    events = [SpanEncoder(Scrubber()).seal(placed(number), UNDER) for number in (7, 8)]
    body = SpanEncoder(Scrubber()).batch(events, Resource({"service.name": service})).body
    given: dict[str, object] = {"reason": "404 Not Found: no such tenant", "status": 404, "events": 2, **named}
    assert letters.put("traces", endpoint, body=body, **given)  # type: ignore[arg-type]  # as each test means them
    return letters, body


def words(text: str) -> str:
    """The text without its line breaks."""
    return " ".join(text.split())


def event_ids(collector: Collector) -> list[str]:
    """The orders that arrived, in their order."""
    return [
        str(event.attributes["ezlogs.subject.id"])
        for request in collector.requests
        for item in decode_either(request.body)
        for event in getattr(item, "events", [item])
    ]


def test_nothing_is_there() -> None:
    """No directory, or an empty one; it is not made."""
    for arguments in (["ls"], ["show"], ["ls", "--dead"], ["show", "--dead"], ["send"]):
        assert spool(*arguments).exit_code == 0, arguments
    assert "nothing waits" in spool("ls").stdout
    assert "nothing was refused" in spool("ls", "--dead").stdout
    assert spool("show").stderr == "nothing waits\n"
    assert spool("drop", "--yes").exit_code == 1
    assert not os.path.exists(os.environ["EZLOGS_STATE_DIR"])
    assert listed() == {
        "directory": os.environ["EZLOGS_STATE_DIR"],
        "processes": [],
        "dead_letters": [],
        "problems": [],
    }
    assert spool().stdout == spool("-h").stdout
    result = spool("ls", "--dir", "nowhere")
    assert (result.exit_code, "nowhere: no such directory" in result.stderr) == (1, True)
    assert "give --dir" in spool("ls", EZLOGS_STATE_DIR="", HOME="", XDG_STATE_HOME="").stderr


@pytest.mark.parametrize("columns", ["60", "100"])
def test_each_process_is_listed(leave: Leave, columns: str) -> None:
    """Whether it lives, what waits by priority, bytes, age, and what was refused; plain where it is no terminal."""
    leave(2)
    living = leave(1, alive=True)
    leave(3, "billing", "http://far:4318/v1/traces")
    refuse()
    result = spool("ls", COLUMNS=columns)
    text = words(result.stdout)
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    assert "shop to http://localhost:4318/v1/traces" in text
    assert "billing to a collector that the settings do not name" in text
    assert "dead 2 records 8.0 KiB" in text
    assert "alive 1 record" in text
    assert "refused for good: 2 events in 1 request" in text
    assert "5 records of dead ones" in text
    assert max(map(len, result.stdout.splitlines())) <= int(columns)
    assert len(re.findall(rf"\b{os.getpid()}-[0-9a-f]+ ", text)) == 2, "told apart, where ids are the same"
    by_service = {str(one["service"]): one for one in listed()["processes"] if not one["alive"]}
    assert by_service["billing"]["waiting"] == 3
    assert by_service["billing"]["priorities"] == {"normal": 3}
    assert isinstance(by_service["billing"]["oldest"], int)
    assert [one["service"] for one in listed("--service", "billing")["processes"]] == ["billing"]
    die(living)
    assert "living" not in spool("ls").stdout


def test_what_was_refused_is_listed_and_why(leave: Leave) -> None:
    """One by one, with --dead; nothing that opens a door is in it."""
    leave()
    refuse("http://ada:hunter2@localhost:9/v1/traces", reason="403 Forbidden: \x1b[31mno\nentry", status=403)
    result = spool("ls", "--dead", COLUMNS="120")
    assert "shop to http://localhost:9/v1/traces" in result.stdout
    assert re.search(r"0 s ago +2 events +\S+ (B|KiB) +403 Forbidden:  \[31mno entry", result.stdout)
    assert "hunter2" not in result.stdout
    (box,) = listed()["dead_letters"]
    (letter,) = box["letters"]  # type: ignore[misc]  # a list of one
    assert (letter["status"], letter["events"], letter["signal"]) == (403, 2, "traces")
    assert "hunter2" not in json.dumps(box)


@pytest.mark.parametrize("logs", [False, True], ids=["spans", "logs"])
def test_events_are_shown(leave: Leave, logs: bool) -> None:
    """In sentences or as JSON, scrubbed; a limit, a service, a process and types choose."""
    leave(2, logs=logs)
    leave(1, "billing", alive=True, logs=logs)
    leave(1, "billing", event_type="auth.session", logs=logs)
    result = spool("show")
    assert [line.split(maxsplit=2)[2] for line in result.stdout.splitlines()[-2:]] == [
        "shop order.action Order 0 was placed.",
        "shop order.action Order 1 was placed.",
    ]
    assert len(result.stdout.splitlines()) == 4
    lines = spool("show", "--json", "--service", "shop").stdout.splitlines()
    first = json.loads(lines[0])
    assert (first["service"], first["event_type"], first["metadata"]) == (
        "shop",
        "order.action",
        {"password": "[redacted]"},
    )
    assert len(spool("show", "--type", "auth.*").stdout.splitlines()) == 1
    assert len(spool("show", "--process", str(os.getpid())).stdout.splitlines()) == 4
    assert spool("show", "--process", "nobody").stdout == ""
    limited = spool("show", "--limit", "3")
    assert (len(limited.stdout.splitlines()), limited.stderr) == (3, "there are more; --limit 30 shows more of them\n")
    assert spool("show", "--type", "Order Placed").exit_code == 2


def test_what_was_refused_is_shown() -> None:
    """Its events, as any others."""
    refuse()
    assert [line.split(maxsplit=2)[2] for line in spool("show", "--dead").stdout.splitlines()] == [
        "shop order.action Order 7 was placed.",
        "shop order.action Order 8 was placed.",
    ]
    directory = journal_directory("shop", HERE)
    DeadLetters(directory).put("traces", HERE, reason="?", status=400, body=b"\xff\xff", events=1)
    assert "not shown: 1 record that cannot be read" in spool("show", "--dead").stderr


@pytest.mark.parametrize("logs", [False, True], ids=["spans", "logs"])
def test_what_the_dead_left_is_sent(leave: Leave, collector: Collector, logs: bool) -> None:
    """To the collector of the settings, under its resource, as it was; nothing is left, the living are not touched."""
    path = "logs" if logs else "traces"
    endpoint = collector.url.replace("traces", path)
    leave(3, endpoint=endpoint, logs=logs)
    leave(1, endpoint=endpoint, logs=logs, alive=True)
    result = spool("send", EZLOGS_ENDPOINT=collector.url)
    assert result.exit_code == 0, result.output
    base = collector.url.removesuffix("/v1/traces")
    assert result.stdout.splitlines() == [
        f"3 events delivered to {base}",
        "1 event of living processes, which deliver them",
    ]
    (request,) = collector.requests
    assert f" /v1/{path} " in request.line
    decode = decode_logs_request if logs else decode_request
    (resource,) = {json.dumps(item.resource) for item in decode(request.body)}
    assert json.loads(resource) == {"service.name": "shop"}
    assert event_ids(collector) == ["0", "1", "2"]
    assert [one["alive"] for one in listed()["processes"]] == [True]


def test_what_is_for_another_collector_stays_until_one_is_named(leave: Leave, collector: Collector) -> None:
    """Named, it goes there, without the headers that are meant for the host of the settings."""
    leave(2)
    leave(1, "billing", "http://far:4318/v1/logs", logs=True)
    environ = {"EZLOGS_ENDPOINT": "http://third:4318", "EZLOGS_HEADERS": "authorization=Bearer hunter2"}
    stayed = spool("send", **environ)
    assert stayed.exit_code == 1
    assert "3 events for another collector; --endpoint says where to send them" in stayed.stdout
    base = f"http://127.0.0.1:{collector.port}"
    result = spool("send", "--endpoint", base, "--json", **environ)
    assert result.exit_code == 0, result.output
    assert result.stderr == "the headers of the settings are for another host, and are not sent\n"
    assert json.loads(result.stdout) == {
        "endpoints": {"traces": f"{base}/v1/traces", "logs": f"{base}/v1/logs"},
        "delivered": 3,
        "refused": 0,
        "left": 0,
        "thrown_away": 0,
        "elsewhere": 0,
        "alive": 0,
        "reason": None,
    }
    assert sorted(request.line.split()[1] for request in collector.requests) == ["/v1/logs", "/v1/traces"]
    assert not any("authorization" in request.headers for request in collector.requests)
    leave(1)
    spool("send", "--endpoint", base, **{**environ, "EZLOGS_ENDPOINT": base})
    assert collector.requests[-1].headers["authorization"] == "Bearer hunter2"


def test_a_collector_that_is_away_gets_nothing_and_loses_nothing(leave: Leave, collector: Collector) -> None:
    """It is asked three times, not for each process anew; the exit status says so."""
    collector.answer = lambda request: respond(503)
    leave(2, endpoint=collector.url)
    leave(1, "billing", collector.url)
    result = spool("send", EZLOGS_ENDPOINT=collector.url)
    assert result.exit_code == 1
    assert len(collector.requests) == 3
    assert "3 events could not be sent, and wait on disk: the collector at" in result.stdout
    assert sum(int(str(one["waiting"])) for one in listed()["processes"]) == 3
    collector.answer = lambda request: respond(429, Retry_After="3600")
    assert spool("send", EZLOGS_ENDPOINT=collector.url).exit_code == 1
    assert len(collector.requests) == 4, "it asked for more than anybody waits for"
    collector.answer = lambda request: respond(200)
    assert spool("send", EZLOGS_ENDPOINT=collector.url).exit_code == 0
    assert listed()["processes"] == []


def test_what_is_refused_stays_and_holds_up_nothing(leave: Leave, collector: Collector) -> None:
    """Each process is tried; what was taken is gone."""

    def answer(request: Request) -> bytes:
        return respond(400) if b"billing" in request.body else respond(200)

    collector.answer = answer
    leave(2, endpoint=collector.url)
    leave(1, "billing", collector.url)
    result = spool("send", EZLOGS_ENDPOINT=collector.url)
    assert result.exit_code == 1
    assert "2 events delivered" in result.stdout
    assert "1 event refused, and still on disk: the collector at" in result.stdout
    assert [one["service"] for one in listed()["processes"]] == ["billing"]


def test_what_is_too_large_is_split(leave: Leave, collector: Collector) -> None:
    """Until it passes."""
    collector.answer = lambda request: respond(413 if len(request.body) > 700 else 200)
    leave(4, endpoint=collector.url)
    result = spool("send", EZLOGS_ENDPOINT=collector.url)
    assert result.exit_code == 0, result.output
    assert len(collector.requests) > 2
    assert listed()["processes"] == []


def test_what_the_collector_throws_away_is_told(leave: Leave, collector: Collector) -> None:
    """It has taken the request, so that is not sent again."""
    collector.answer = lambda request: respond(200, PARTIAL_SUCCESS)
    leave(1, endpoint=collector.url)
    result = spool("send", EZLOGS_ENDPOINT=collector.url)
    assert result.exit_code == 0
    assert "the collector took them, and threw away 1 record: stale" in result.stdout


def test_what_was_refused_is_sent_again_as_it_was(collector: Collector) -> None:
    """Byte for byte; what is taken is gone, what is refused again stays."""
    _, body = refuse(collector.url)
    refuse("http://far:4318/v1/traces")
    collector.answer = lambda request: respond(400)
    assert spool("send", "--dead", EZLOGS_ENDPOINT=collector.url).exit_code == 1
    assert sum(len(box["letters"]) for box in listed()["dead_letters"]) == 2  # type: ignore[arg-type]  # a list
    collector.answer = lambda request: respond(200)
    result = spool("send", "--dead", EZLOGS_ENDPOINT=collector.url)
    assert "2 events delivered" in result.stdout
    assert "1 refused request for another collector" in result.stdout
    assert [request.body for request in collector.requests] == [body, body]
    assert sum(len(box["letters"]) for box in listed()["dead_letters"]) == 1  # type: ignore[arg-type]  # a list


def test_wrong_settings_send_nothing(leave: Leave) -> None:
    """Nor does a wrong address."""
    leave()
    assert spool("send", EZLOGS_TIMEOUT="soon").exit_code == 2
    assert spool("send", "--endpoint", "nonsense").exit_code == 2


def test_what_the_dead_left_is_dropped_when_it_is_confirmed(leave: Leave) -> None:
    """Only that; and only of a service, of a process, of an age."""
    leave(2)
    leave(1, alive=True)
    leave(3, "billing")
    for answer in ("n\n", ""):
        refused = spool("drop", given=answer)
        assert refused.exit_code == 1
        assert "Drop 5 records of 2 processes, undelivered? This cannot be undone." in refused.stdout
    assert "nothing of a dead process" in spool("drop", "--older-than", "1h").stderr
    assert "use a number and s, m, h, d or w" in spool("drop", "--older-than", "soon").stderr
    dropped = spool("drop", "--service", "billing", "--yes", "--json").stdout
    assert json.loads(dropped) == {"dropped": 3, "of": "record"}
    assert len(listed()["processes"]) == 2
    time.sleep(0.01)
    assert spool("drop", "--older-than", "0.001s", given="y\n").stdout.endswith("dropped 2 records\n")
    assert [one["alive"] for one in listed()["processes"]] == [True]


def test_what_was_refused_is_dropped(leave: Leave) -> None:
    """All of it, or what is old; what waits stays."""
    leave()
    refuse(at=time.time_ns() - 10**13)
    refuse()
    assert spool("drop", "--dead", "--yes", "--older-than", "1h").stdout == "dropped 1 refused request\n"
    directory = journal_directory("shop", HERE)
    Path(directory.path, NAME, "garbage.letter").write_bytes(b"x")
    assert "1 file that cannot be read" in words(spool("ls").stdout)
    result = spool("drop", "--dead", given="y\n")
    assert "Drop 2 refused requests with 2 events?" in result.stdout
    assert result.stdout.endswith("dropped 2 refused requests\n")
    assert "nothing that was refused" in spool("drop", "--dead").stderr
    assert len(listed()["processes"]) == 1


def test_garbage_is_told_and_hinders_nothing(leave: Leave, collector: Collector) -> None:
    """Damaged segments, one of a later version, records of an unknown kind, payloads that are none."""
    journal = leave(2, endpoint=collector.url, alive=True)
    journal.append(Kind.EVENT, b"short", b"\0")
    journal.append(Kind.EVENT, b"nonsense", bytes(32) + b"\xff\xff")
    journal.append(99, b"later", b"")
    journal.prepare()
    die(journal)
    home = Path(str(journal.health()["directory"]))
    (home / "000000aa.journal").write_bytes(os.urandom(4096))
    newer = bytearray((home / "00000001.journal").read_bytes())
    newer[8:10] = (VERSION + 1).to_bytes(2, "little")
    (home / "000000bb.journal").write_bytes(newer)
    listing = words(spool("ls", COLUMNS="200").stdout)
    assert "1 file of a later version of ezlogs" in listing
    assert "1 record of a kind that this version does not know" in listing
    shown = spool("show")
    assert len(shown.stdout.splitlines()) == 2
    assert "not shown: 1 record of a kind that this version does not know" in shown.stderr
    result = spool("send", EZLOGS_ENDPOINT=collector.url)
    assert result.exit_code == 1
    assert event_ids(collector) == ["0", "1"]
    assert "2 events could not be sent" in result.stdout
    assert (home / "000000bb.journal").exists()


def test_directories_that_are_not_safe_are_passed_over(leave: Leave, tmp_path: Path) -> None:
    """And told: others may write there, a link, a directory that may not be read."""
    leave(1)
    leave(1, "billing")
    leave(1, "mail")
    state = tmp_path / "state"
    os.chmod(state / "billing", 0o777)
    os.symlink(tmp_path, state / "link")
    (state / "a file").touch()
    (state / "mail" / "file").touch()
    result = spool("ls")
    assert result.exit_code == 0
    assert "shop" in result.stdout
    assert "others than its owner may change billing" in result.stderr
    assert "link in" in result.stderr
    assert spool("send", "--endpoint", "http://127.0.0.1:1").exit_code == 1
    os.chmod(state, 0o707)
    assert "everybody may change" in spool("ls").stderr
    os.chmod(state, stat.S_IRWXU)


def test_letters_that_others_may_change_are_not_shown() -> None:
    """Why is told."""
    refuse()
    directory: Directory = journal_directory("shop", HERE)
    os.chmod(os.path.join(directory.path, NAME), 0o777)
    result = spool("ls", "--dead")
    assert "404" not in result.stdout
    assert "others than its owner may change .dead" in result.stderr


def test_trouble_with_one_process_hinders_no_other(
    leave: Leave, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, and the exit status says so."""
    leave(1, "billing", collector.url)
    leave(2, endpoint=collector.url)
    real, real_list = Resending.left_by, spool_command.list_spooled

    def changed(self: Resending, directory: Directory, home: str) -> bool:
        if "billing" in directory.path:
            raise OSError("somebody removed it")
        return real(self, directory, home)

    monkeypatch.setattr(Resending, "left_by", changed)
    result = spool("send", EZLOGS_ENDPOINT=collector.url)
    assert (result.exit_code, event_ids(collector)) == (1, ["0", "1"])
    assert "passed over: somebody removed it" in result.stderr

    def unsafe(directory: Directory) -> list[Spooled]:
        if "billing" in directory.path:
            raise UnusableDirectoryError("others may change it")
        return real_list(directory)

    leave(2)
    monkeypatch.setattr(spool_command, "list_spooled", unsafe)
    result = spool("ls")
    assert "shop" in result.stdout
    assert "passed over: others may change it" in result.stderr


def test_a_record_that_cannot_be_read_is_told(leave: Leave) -> None:
    """Its text is none."""
    journal = leave(1, alive=True)
    journal.append(Kind.EVENT, b"damaged", bytes(32) + b"\x12\x02\xff\xff")
    journal.prepare()
    die(journal)
    result = spool("show")
    assert len(result.stdout.splitlines()) == 1
    assert "not shown: 1 record that cannot be read" in result.stderr


def test_a_refused_request_of_an_unknown_signal_stays(collector: Collector) -> None:
    """A later version may know it; damaged ones are told."""
    directory = journal_directory("shop", collector.url)
    assert DeadLetters(directory).put("metrics", collector.url, reason="?", status=400, body=b"x", events=1)
    Path(directory.path, NAME, "f-1.letter").write_bytes(b"x")
    result = spool("send", "--dead", EZLOGS_ENDPOINT=collector.url)
    assert (result.exit_code, collector.requests) == (1, [])
    assert "1 event could not be sent" in result.stdout
    assert "1 file that cannot be read" in words(spool("ls", "--dead").stdout)


def test_a_state_directory_that_is_none_is_told(tmp_path: Path) -> None:
    """A file, for one."""
    (tmp_path / "file").touch()
    result = spool("ls", EZLOGS_STATE_DIR=str(tmp_path / "file"))
    assert f"passed over: {tmp_path / 'file'}: Not a directory" in result.stderr


def test_a_living_process_is_not_adopted(leave: Leave) -> None:
    """However it is asked for."""
    journal = leave(1, alive=True)
    sending = Resending(Settings(), {"traces": HERE})
    home = os.path.basename(str(journal.health()["directory"]))
    assert not sending.left_by(journal_directory("shop", HERE), home)
    assert not sending.left_by(journal_directory("shop", HERE), "nobody")
