"""Other processes: forked, spawned and of the fork server, programs, and those that are killed."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import spawn
from pathlib import Path
from typing import Any

import pytest
from tests.unit.testing import programs

import ezlogs
from ezlogs import runtime
from ezlogs.settings import load
from ezlogs.testing import ElsewhereError, capture, elsewhere, event
from ezlogs.testing.elsewhere import Diary, Elsewhere, Invitation, Reader, take_part

METHODS = [method for method in ("fork", "spawn", "forkserver") if method in multiprocessing.get_all_start_methods()]
PATIENCE = 60
PROGRAM = """
import ezlogs
ezlogs.configure(service_name="shop", instrument="none", endpoint="http://127.0.0.1:9")
with ezlogs.flow("checkout", 42):
    ezlogs.event("order.action", "placed")
ezlogs.shutdown()
"""

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def child(method: str, target: Any, *args: object) -> None:
    """Run something in a child process to its end."""
    context: Any = multiprocessing.get_context(method)
    process = context.Process(target=target, args=args, name=f"worker-{method}")
    process.start()
    process.join()


@pytest.mark.parametrize("method", METHODS)
def test_children_of_multiprocessing_take_part(method: str) -> None:
    """However they are started, and in each capture anew."""
    for number in (1, 2):
        with capture() as captured:
            programs.place(0)
            child(method, programs.place, number)
            found = captured.expect_event_flow(event("order.placed", subject=f"order:{number}"), wait=PATIENCE)
            assert found[0].metadata == {"total": 99.9, "items": (1, 2)}
        [process] = captured.processes
        assert (process.name, process.pid != os.getpid()) == (f"worker-{method}", True)
        assert [one.subject.id for one in captured.events if one.subject] == ["0", str(number)]


def test_settings_go_with_them() -> None:
    """Those that can be pickled."""
    with capture(disabled_events=("order.*",), redaction=lambda finding: None) as captured:
        child("spawn", programs.place, 1)
    assert captured.events == []
    assert len(captured.processes) == 0


def test_a_pool_takes_part() -> None:
    """Each of its workers."""
    context = multiprocessing.get_context("spawn")
    with capture() as captured, ProcessPoolExecutor(2, mp_context=context) as pool:
        list(pool.map(programs.place, range(6)))
        captured.expect_no_event(event("order.placed", outcome="failure"))
    assert sorted(one.subject.id for one in captured.events if one.subject) == list("012345")


def test_a_child_of_a_child_takes_part() -> None:
    """With a file of its own."""
    with capture() as captured:
        child("spawn", programs.place_in_child, 1)
        captured.expect_event_flow("order.placed", wait=PATIENCE)


def test_a_forked_child_has_ids_of_its_own() -> None:
    """And reads what was captured before the fork, and what it emits itself."""
    with capture() as captured:
        programs.place(0)
        pid = os.fork()
        if not pid:
            programs.place(1)
            programs.place(2)
            os._exit(len(captured.events))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
        programs.place(3)
    assert len({one.event_id for one in captured.events}) == 4
    assert len({one.event_id[-16:] for one in captured.events}) == 4


def test_a_forked_child_that_leaves_the_block_ends_nothing() -> None:
    """The capture is its parent's."""
    with capture() as captured:
        folder = next(iter(captured.environ.values()))
        pid = os.fork()
        if pid:
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            captured.expect_event_flow("order.placed")
            captured.errors.clear()
        else:
            programs.place(1)
            programs.fail()
    if not pid:
        os._exit(0 if os.path.exists(folder) else 1)


def test_a_child_that_is_killed_loses_nothing() -> None:
    """What it was in the middle of is told as in production: with an unknown outcome."""
    with capture() as captured:
        child("fork", programs.die)
        placed, command = captured.expect_event_flow(
            event("order.placed", caused_by="cli.command"),
            event("cli.command", "nightly", outcome="unknown", metadata={"reason": "interrupted"}),
            wait=PATIENCE,
        )
    assert placed.correlation.parent_event_id == command.event_id


def test_errors_of_ezlogs_in_a_child_are_raised_at_the_end() -> None:
    """With where they happened."""
    with pytest.raises(ElsewhereError, match=r"in worker-spawn \(pid \d+\): (?s:.*)KeyError: 'bug'"), capture():
        child("spawn", programs.fail)


def test_a_program_takes_part_if_it_starts_ezlogs() -> None:
    """By itself, with settings of its own, and sends nothing."""
    with capture() as captured:
        subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=PATIENCE)
        captured.expect_correlation_chain("flow", "order.placed")
    assert {told.service for told in captured.told} == {"shop"}
    assert captured.processes[0].name == "python -c"


def test_a_program_that_is_instrumented_from_outside_takes_part() -> None:
    """As `opentelemetry-instrument` starts it."""
    code = "import ezlogs; ezlogs.event('order.action', 'placed')"
    instrument = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    with capture() as captured:
        subprocess.run([instrument, sys.executable, "-c", code], check=True, timeout=PATIENCE)
    assert [one.action for one in captured.events if one.event_type == "order.action"] == ["placed"]


def test_others_are_left_alone_where_that_is_asked_for() -> None:
    """They do what they would do otherwise."""
    code = "import os; assert '_EZLOGS_CAPTURE' not in os.environ"
    with capture(processes=False) as captured:
        subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)
        child("fork", programs.place, 1)
    assert captured.events == []


def test_a_flush_waits_for_what_a_child_is_in_the_middle_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it has ended, or the child has."""
    monkeypatch.setattr("ezlogs.testing.elsewhere._locks", None)  # its locks would be this process's own
    story = ezlogs.Correlation(correlation_id="story-1")
    note = ezlogs.UniversalEvent.create("cli.command", "nightly", outcome="unknown", correlation=story)
    other = ezlogs.UniversalEvent.create("cli.command", "hourly", outcome="unknown", correlation=story)
    carrier = Elsewhere(str(tmp_path))
    carrier.opened(note, None)  # type: ignore[arg-type]  # it takes no notice
    carrier.opened(other, None)  # type: ignore[arg-type]
    reader = Reader(str(tmp_path))
    assert list(reader.read()) == []
    assert reader.under_way() == [note.event_id, other.event_id]
    carrier.closed(note.event_id)
    carrier.carry(other, None)  # type: ignore[arg-type]
    assert [arrived.kind for arrived in reader.read()] == [b"E"]
    assert reader.under_way() == []


def test_a_record_that_is_not_whole_yet_is_read_later(tmp_path: Path) -> None:
    """Once it is."""
    diary = Diary(str(tmp_path))
    diary.put(b"F", b"whole")
    [path] = tmp_path.iterdir()
    whole = path.read_bytes()
    (tmp_path / "7-0.events").write_bytes(whole[:-2])
    reader = Reader(str(tmp_path))
    assert [arrived.payload for arrived in reader.read()] == [b"whole"]
    path.with_name("other").write_text("not of a process")
    reader = Reader(str(tmp_path))
    (tmp_path / "7-0.events").write_bytes(whole)
    assert [arrived.payload for arrived in reader.read()] == [b"whole", b"whole"]
    assert list(Reader(str(tmp_path / "gone")).read()) == []
    assert list(Reader(None).read()) == []


def test_a_descriptor_that_is_another_files_by_now_is_left_alone(tmp_path: Path) -> None:
    """As in a daemon that has closed all it had, and opened files of its own."""
    diary = Diary(str(tmp_path))
    diary.put(b"F", b"first")
    os.close(diary._file)
    other = os.open(tmp_path / "mine", os.O_RDWR | os.O_CREAT)
    assert other == diary._file
    diary.put(b"F", b"second")
    os.close(other)
    assert (tmp_path / "mine").read_bytes() == b""
    assert [arrived.payload for arrived in Reader(str(tmp_path)).read()] == [b"first", b"second"]


def test_a_capture_that_has_ended_is_no_trouble(tmp_path: Path) -> None:
    """To whoever was in it and lives on."""
    Elsewhere(str(tmp_path / "gone")).closed("evt_1")


def test_an_invitation_never_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the child lacks; and what runs there already keeps its settings."""
    monkeypatch.setenv("_EZLOGS_CAPTURE", "another")
    monkeypatch.setattr("ezlogs.testing.elsewhere.take_part", None)
    pickle.loads(pickle.dumps(Invitation("folder", {"changes": "full", "redaction": lambda _: None})))
    assert os.environ["_EZLOGS_CAPTURE"] == "folder"


@ezlogs.tracked("invoice.action", "rendered")
def render() -> None:
    """Emit something in the middle of something else."""
    programs.place(1)


def test_what_a_forked_child_is_in_the_middle_of_is_known() -> None:
    """It is told by its end."""
    with capture() as captured:
        child("fork", render)
        captured.expect_event_flow("invoice.action", event("order.placed", caused_by="invoice.action"), strict=True)
        assert captured.flush()


def test_the_text_names_the_process_that_lost_the_story() -> None:
    """By its pid and what it runs."""
    with capture() as captured:
        with ezlogs.flow("checkout", 42):
            pass
        child("spawn", programs.place, 1)
        with pytest.raises(AssertionError) as failing:
            captured.expect_event_flow("flow.lifecycle", "order.placed", wait=0.01)
    assert f"✓ order.action placed -> order:1 (pid {captured.processes[0].pid}, worker-spawn)" in str(failing.value)
    assert "that process did not begin in story#1: it was not handed TRACEPARENT and BAGGAGE" in str(failing.value)


def test_a_fork_without_a_capture_is_left_alone() -> None:
    """Also when there was one before."""
    with capture():
        pass
    pid = os.fork()
    if not pid:
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_what_runs_in_a_child_already_keeps_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where it is instrumented from outside; an invalid event is no error of ezlogs'."""
    before = runtime.Runtime(load({}, {"service_name": "shop"}).settings)
    monkeypatch.setattr(runtime, "current", before)
    monkeypatch.setattr(runtime, "stand_in", None)
    monkeypatch.setattr(elsewhere, "_invitations", [])
    monkeypatch.setattr(spawn, "get_preparation_data", spawn.get_preparation_data)
    take_part(str(tmp_path), {"changes": "full"})
    assert runtime.current is before
    assert isinstance(before.carrier, Elsewhere)
    before.carrier.failed("a hook", ezlogs.InvalidEvent("wrong"))
    before.carrier.failed("a hook", KeyError("bug"))
    monkeypatch.setattr(elsewhere, "_locks", None)
    assert [arrived.kind for arrived in Reader(str(tmp_path)).read()] == [b"F"]


def test_another_hook_of_children_is_left_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a capture ends that was begun before it was there."""

    def other(name: str) -> dict[str, object]:
        return {}

    monkeypatch.setattr(spawn, "get_preparation_data", spawn.get_preparation_data)
    with capture():
        spawn.get_preparation_data = other
    assert spawn.get_preparation_data is other
