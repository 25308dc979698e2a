"""`ezlogs export` and `ezlogs import`, run as a user runs them: files in, files or requests out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.unit.compat.test_ruby import JOB
from tests.unit.exchange.test_exchange import placed

from ezlogs.cli.app import app
from ezlogs.dev.receiver import Receiver
from ezlogs.exchange import read, write
from ezlogs.story import Told, stories, told


def ezlogs(*arguments: str | Path, given: bytes | None = None, **environ: str) -> Result:
    """Run the command, with proxies out of the way."""
    return CliRunner().invoke(app, [*map(str, arguments)], input=given, env={"NO_PROXY": "127.0.0.1", **environ})


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    """Return a file of the Ruby agent's, with a card number that it has let through."""
    path = tmp_path / "agent.json"
    leaky = {**JOB, "event_id": "evt_2", "metadata": {"note": "card 4111 1111 1111 1111"}}
    path.write_text(json.dumps([JOB, JOB, leaky]))
    return path


def test_an_agents_events_reach_a_collector_scrubbed_and_once(agents: Path) -> None:
    """Of the same service, in the same story, and counted."""
    with Receiver() as receiver:
        result = ezlogs("import", agents, "--endpoint", receiver.endpoint)
        again = ezlogs("import", agents, "--endpoint", receiver.endpoint, "--json")
        [story] = stories(told(receiver.spans))
    assert result.exit_code == 0, result.output
    assert "2 events of 1 story: 2 sidekiq.job" in result.stdout
    assert "2 taken by http://127.0.0.1" in result.stdout
    assert json.loads(again.stdout)["delivered"] == 2
    assert story.services == ("shop",)
    assert len(story.events) == 2
    assert "4111 1111" not in str(receiver.spans)


def test_nothing_is_sent_by_a_dry_run(agents: Path) -> None:
    """It says where it would go."""
    with Receiver() as receiver:
        result = ezlogs("import", agents, "--endpoint", receiver.endpoint, "--dry-run")
        assert not receiver.spans
    assert result.exit_code == 0
    assert "nothing was sent; without --dry-run it goes to http://127.0.0.1" in result.stdout


def test_what_is_not_taken_is_said(agents: Path, tmp_path: Path) -> None:
    """The status is 1, and the reason is told; what is no event, or none at all, too."""
    away = ezlogs("import", agents, "--endpoint", "http://127.0.0.1:9")
    assert away.exit_code == 1
    assert "2 not sent: no collector at http://127.0.0.1:9" in away.stdout
    (tmp_path / "other.json").write_text('{"a": 1}')
    wrong = ezlogs("import", tmp_path / "other.json")
    assert wrong.exit_code == 1
    assert "other.json: neither an export request nor an event" in wrong.stderr
    assert "there is no event in it" in ezlogs("import", "-", given=b"[]").stderr


def test_wrong_forms_are_counted(tmp_path: Path) -> None:
    """They are repaired and marked."""
    kinds = [{"event_type": f"Kind {'abcdefg'[number]}", "action": "x"} for number in range(7)]
    (tmp_path / "wrong.json").write_text(json.dumps(kinds))
    result = ezlogs("import", tmp_path / "wrong.json", "--dry-run")
    assert "7 events had a form that is not allowed, and will be marked invalid" in result.stdout
    assert "2 more types" in result.stdout


@pytest.mark.parametrize("kind", ["jsonl", "otlp", "ruby"])
def test_what_is_exported_can_be_read_again(kind: str, tmp_path: Path) -> None:
    """From one format to another, over a file."""
    source = tmp_path / "events.jsonl"
    source.write_text("".join(write([placed(1), placed(2), placed(1)], "jsonl")))
    output = tmp_path / "out"
    result = ezlogs("export", source, "--format", kind, "-o", output)
    assert result.exit_code == 0
    assert f"wrote {len(read(source.read_bytes()))} events" in result.stderr
    ids = {told.event.event_id for told in read(source.read_bytes())}
    assert {told.event.event_id for told in read(output.read_bytes())} == ids


def test_standard_output_holds_nothing_but_the_events(tmp_path: Path) -> None:
    """For a pipe; a story is chosen by its id."""
    source = tmp_path / "events.jsonl"
    source.write_text("".join(write([placed(1, timestamp=1_750_000_000_000_000_000)], "jsonl")))
    result = ezlogs("export", source, "--format", "csv", "--story", "abab")
    assert result.exit_code == 0
    assert [line.partition("-")[0].partition(",")[0] for line in result.stdout.splitlines()] == ["time", "2025"]
    assert result.stderr == ""
    missing = ezlogs("export", source, "--story", "cccc")
    assert missing.exit_code == 1
    assert "no story cccc" in missing.stderr


def test_json_is_asked_for_as_of_any_command(agents: Path) -> None:
    """By --json, though it is what is written anyway."""
    assert ezlogs("export", agents, "--json").stdout == ezlogs("export", agents).stdout
    assert ezlogs("export", agents, "--format", "csv", "--json").stdout == ezlogs("export", agents).stdout


def test_what_is_on_this_machine_is_exported_without_a_file(agents: Path, tmp_path: Path) -> None:
    """From a running `ezlogs dev`; without one it is said where nothing is."""
    with Receiver() as receiver:
        ezlogs("import", agents, "--endpoint", receiver.endpoint)
        here = ("--port", receiver.endpoint.rpartition(":")[2], "--dir", tmp_path)
        lines = ezlogs("export", *here).stdout.splitlines()
    assert {json.loads(line)["service"] for line in lines} == {"shop"}
    assert len(lines) == 2
    nothing = ezlogs("export", "--port", "1", "--dir", tmp_path)
    assert nothing.exit_code == 1
    assert "no ezlogs dev is on port 1" in nothing.stderr


def test_nothing_more_is_sent_to_a_collector_that_is_away(tmp_path: Path) -> None:
    """The first request says that it is; what would come after counts as not sent."""
    source = tmp_path / "events.jsonl"
    found = [placed(number) for number in range(3)]
    source.write_text("".join(write([found[0], Told(found[1].event, "b"), Told(found[2].event, "c")], "jsonl")))
    result = ezlogs("import", source, "--endpoint", "http://127.0.0.1:9", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["left"] == 3
