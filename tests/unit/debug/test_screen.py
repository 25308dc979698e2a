"""Debug mode within a process: what is shown, in which words, and that nothing of it reaches the application."""

from __future__ import annotations

import io
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ezlogs
from ezlogs.debug import screen as module
from ezlogs.debug.account import Account, redactions
from ezlogs.debug.problems import USUAL, Problems, remedy
from ezlogs.debug.screen import Screen
from ezlogs.debug.terminal import WIDEST_PIPE, Terminal
from ezlogs.debug.watching import Watching
from ezlogs.emit import guarded
from ezlogs.runtime import Runtime, install, log
from ezlogs.settings import load
from ezlogs.story import Told
from ezlogs.story.tail import Heard, Tail
from ezlogs.testing import Captured


class Wall(io.StringIO):
    """A terminal of a test."""

    encoding = "utf-8"

    def __init__(self, *, tty: bool = False) -> None:
        super().__init__()
        self._tty = tty

    def isatty(self) -> bool:
        """Return whether it is to be taken for a terminal."""
        return self._tty


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing about colours in the environment, and nothing asked for yet."""
    monkeypatch.setattr("ezlogs.runtime.debug_asked", None)
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def shown(request: pytest.FixtureRequest) -> Iterator[Wall]:
    """Run with debug mode on, and return what it writes; the test may give settings and the wall."""
    given: dict[str, Any] = getattr(request, "param", {})
    wall: Wall = given.pop("wall", None) or Wall()
    runtime = Runtime(load({}, {"debug": True, "service_name": "shop", **given}).settings)
    watching = Watching(Captured(runtime.scrubber), Screen(runtime, Terminal(wall)))
    runtime.carrier = watching
    if runtime.sampler is not None:
        runtime.sampler.explain(True)
    install(runtime)
    try:
        yield wall
    finally:
        install(None)
        watching.shutdown(0)


def test_a_story_is_shown_as_a_tree_with_its_redactions_and_delivery(shown: Wall) -> None:
    """Rows below their flow; what privacy kept back is named by place and rule, and never shown."""
    with ezlogs.actor(type="user", id=7, label="Ada"), ezlogs.flow("checkout", 42):
        ezlogs.event("order.action", "placed", subject=("order", 42), metadata={"password": "hunter2"})
    ezlogs.flush()
    lines = shown.getvalue().splitlines()
    assert lines[0] == "Ada placed order 42"
    assert lines[1].startswith("Completed in ")
    assert lines[2].startswith("└── ✓  +0 ms  shop  start checkout 42  Ada")
    assert "placed order 42  hidden: metadata.password (key)" in lines[3]
    assert lines[-2].startswith("delivery: 0 sent")
    assert "hunter2" not in shown.getvalue()
    assert "\x1b" not in shown.getvalue()


@pytest.mark.parametrize(
    "shown", [{"sample_rate": 0.5, "sample_types": {"order.*": 1.0, "cart.*": 0.0}}], indirect=True
)
def test_the_verdict_of_sampling_is_shown_with_its_reason(shown: Wall) -> None:
    """What is kept says why, and what is left out is counted by its reason."""
    ezlogs.event("cart.action", "filled")
    ezlogs.event("order.action", "placed")
    ezlogs.flush()
    assert "sampling: kept (type:order.* 1); left out meanwhile, of any story: 1 (type)" in shown.getvalue()


def test_what_goes_on_is_shown_without_what_was_shown(shown: Wall) -> None:
    """Only news, and what they are below."""
    with ezlogs.flow("checkout", 42):
        ezlogs.event("order.action", "placed", subject=("order", 42))
        ezlogs.event("cart.action", "emptied", subject=("cart", 1))
        ezlogs.flush()
        before = len(shown.getvalue())
        ezlogs.event("order.action", "paid", subject=("order", 42))
        ezlogs.flush()
    text = shown.getvalue()[before:]
    assert "It goes on, after 2 earlier events." in text
    assert "start checkout 42" in text
    assert "paid order 42" in text
    assert "emptied" not in text


def test_errors_of_ezlogs_are_shown_once_with_cause_and_remedy(shown: Wall, caplog: pytest.LogCaptureFixture) -> None:
    """They do not reach the application, and what they hold is scrubbed."""

    def broken() -> None:
        raise ValueError("no ada@example.com here")

    for _ in range(3):
        assert guarded(broken)() is None
    ezlogs.event("Order Placed", "placed")
    ezlogs.flush()
    text = shown.getvalue()
    assert text.count("broken failed: ValueError\n") == 1
    assert f"why: ValueError: no [redacted] here ({__file__}:" in text
    assert "what to do: the application goes on" in text
    assert "what to do: mend the call" in text
    assert "ada@example.com" not in text + caplog.text


@pytest.mark.parametrize("shown", [{"wall": Wall(tty=True)}], indirect=True)
def test_a_terminal_is_drawn_in_colours(shown: Wall) -> None:
    """By rich, where it is there."""
    ezlogs.event("order.action", "placed", subject=("order", 42))
    ezlogs.flush()
    assert "\x1b[1mOrder 42 was placed\x1b[0m" in shown.getvalue()


@pytest.mark.parametrize("shown", [{"wall": Wall(tty=True)}], indirect=True)
def test_no_color_and_a_missing_rich_are_plain(shown: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are looked at each time."""
    with monkeypatch.context() as without:
        without.setattr("ezlogs.debug.terminal.find_spec", lambda name: None)
        ezlogs.event("order.action", "placed", subject=("order", 42))
        ezlogs.flush()
    monkeypatch.setenv("NO_COLOR", "1")
    ezlogs.event("order.action", "placed", subject=("order", 43))
    ezlogs.flush()
    assert "\x1b" not in shown.getvalue()
    assert "Order 43 was placed" in shown.getvalue()


def test_a_terminal_without_such_characters_gets_others(shown: Wall) -> None:
    """Marks are ASCII, and what else it lacks is a question mark."""
    shown.encoding = "ascii"
    ezlogs.event("order.action", "placed", subject=ezlogs.Subject("order", "42", "für Ada"))
    ezlogs.flush()
    assert "`-- +  +0 ms  shop  placed order f?r Ada" in shown.getvalue()


def test_stories_of_many_threads_do_not_mix(shown: Wall) -> None:
    """Each is written in one piece."""

    def order(number: int) -> None:
        with ezlogs.flow("checkout", number):
            ezlogs.event("order.action", "placed", subject=("order", number))

    threads = [threading.Thread(target=order, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ezlogs.flush()
    pieces = shown.getvalue().strip().split("\n\n")
    numbers = {piece.partition("checkout ")[2].split()[0] for piece in pieces}
    assert len(pieces) == 40
    assert numbers == {str(number) for number in range(40)}
    assert all(piece.count("\n") == 5 for piece in pieces)


def test_what_comes_too_fast_is_counted(shown: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue is bounded, and what was left out is said."""
    monkeypatch.setattr(module, "MAX_WAITING", 0)
    ezlogs.event("order.action", "placed")
    monkeypatch.undo()
    ezlogs.event("order.action", "placed")
    ezlogs.flush()
    assert "1 events came faster than they could be shown here." in shown.getvalue()


def test_an_event_that_cannot_be_shown_costs_no_other(shown: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted, and the next one is shown."""
    with monkeypatch.context() as broken:
        broken.setattr(module, "scrubbed_attributes", lambda *_: 1 / 0)
        ezlogs.event("order.action", "placed")
        ezlogs.flush()
    ezlogs.event("order.action", "paid", subject=("order", 1))
    ezlogs.flush()
    assert "Order 1 was paid" in shown.getvalue()


def test_a_closed_terminal_is_left_alone(shown: Wall) -> None:
    """Nothing is raised, and nothing more is written."""
    shown.close()
    ezlogs.event("order.action", "placed")
    ezlogs.flush()
    ezlogs.event("order.action", "paid")
    ezlogs.flush()


def test_only_its_own_warnings_are_shown(shown: Wall) -> None:
    """Those of another runtime in the same process are not."""
    here = install(Runtime(load({}).settings))
    log.warning("ezlogs: somebody else's")
    install(here)
    log.warning("ezlogs: %s", "mine")
    log.info("ezlogs: not worth a line")
    ezlogs.flush()
    assert "mine" in shown.getvalue()
    assert "else's" not in shown.getvalue()
    assert "not worth" not in shown.getvalue()


def test_remedies_are_found_by_what_a_warning_says() -> None:
    """And doctor is the last resort, unless the warning says itself what to do."""
    assert remedy("no collector at http://localhost:4318").startswith("start a collector")
    assert remedy("something else") == USUAL
    assert remedy("something; use another") == ""


def test_debug_mode_is_switched_by_an_assignment(capsys: pytest.CaptureFixture[str]) -> None:
    """Before or after ezlogs starts, and off again; each event is carried as before."""
    assert ezlogs.debug_mode is False
    ezlogs.debug_mode = True
    try:
        assert ezlogs.debug_mode is True
        ezlogs.configure(service_name="shop", instrument="none", endpoint="http://127.0.0.1:9", durability="memory")
        ezlogs.event("order.action", "placed", subject=("order", 1))
        ezlogs.flush(0)
        ezlogs.debug_mode = False
        ezlogs.event("order.action", "placed", subject=("order", 2))
        ezlogs.flush(0)
        ezlogs.debug_mode = True
        ezlogs.debug_mode = True
        ezlogs.event("order.action", "placed", subject=("order", 3))
    finally:
        ezlogs.shutdown()
        ezlogs.debug_mode = False
    shown = capsys.readouterr().err
    assert "Order 1 was placed" in shown
    assert "Order 2 was placed" not in shown
    assert "Order 3 was placed" in shown
    assert not [handler for handler in log.handlers if type(handler).__name__ == "Problems"]


def test_the_setting_switches_it_on_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`EZLOGS_DEBUG=1`, and sampling says why."""
    monkeypatch.setenv("EZLOGS_DEBUG", "1")
    ezlogs.configure(sample_types={"order.*": 1.0}, instrument="none", endpoint="http://127.0.0.1:9")
    assert ezlogs.debug_mode
    ezlogs.event("order.action", "placed", subject=("order", 1))
    ezlogs.debug_mode = False
    ezlogs.shutdown()
    assert "kept (type:order.* 1)" in capsys.readouterr().err


def test_widths_and_streams_of_all_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of anybody's make has a width, and none at all takes nothing."""
    assert Terminal(Wall()).width == WIDEST_PIPE
    assert Terminal(object()).rich is False
    assert Terminal(object()).ascii_only is False
    Terminal(object()).write("nothing")
    monkeypatch.setattr("sys.stderr", None)
    Terminal().write("nothing")
    monkeypatch.setenv("TERM", "dumb")
    assert Terminal(Wall(tty=True)).rich is False


def test_warnings_are_handled_by_logging_as_before(shown: Wall, caplog: pytest.LogCaptureFixture) -> None:
    """The application's own handlers have them too."""
    with caplog.at_level(logging.WARNING, "ezlogs"):
        log.warning("ezlogs: %s", "mine")
    assert "mine" in caplog.text


class Collectorless(Captured):
    """A carrier that is in trouble."""

    def health(self) -> dict[str, object]:
        """Return what a worker says whose collector is away."""
        return {"pending": 3, "failures": 2, "last_problem": "no collector; try another", "breaker": {"state": "open"}}


def test_trouble_with_delivery_is_shown_in_a_line() -> None:
    """What was handed on, a circuit that is open, the last answer, and what was lost, each loss once."""
    runtime = Runtime(load({}, {"debug": True}).settings)
    runtime.carrier = Collectorless(runtime.scrubber)
    runtime.ledger.note("handed_over", 2)
    runtime.ledger.note("lost.queue_full", 1200)
    account = Account(runtime)
    (heard,) = _heard()
    assert account.line(heard) == (
        "delivery: 0 sent, 3 waiting, 2 handed to another pipeline; paused (circuit open); no collector; "
        "LOST: 1,200 (queue_full)"
    )
    assert "LOST" not in account.line(heard)
    runtime.ledger.note("lost.queue_full", 1)
    assert account.rest() == "LOST: 1 (queue_full)"
    assert account.rest() == ""


def _heard() -> list[Heard]:
    tail = Tail()
    event = ezlogs.UniversalEvent.create(
        "order.action", "placed", correlation=ezlogs.Correlation(correlation_id="s"), event_id="evt_1"
    )
    tail.hear([Told(event)], 0.0)
    return tail.due(9.0)


def test_many_redactions_of_an_event_are_counted() -> None:
    """Three are told by place and rule."""
    (heard,) = _heard()
    lines = tuple(f"metadata.{name}: key" for name in "abcde")
    assert redactions({"evt_1": lines}, heard) == {
        "evt_1": "hidden: metadata.a (key), metadata.b (key), metadata.c (key) and 2 others"
    }


def test_what_is_forgotten_of_a_long_story_is_said(shown: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, and nobody is to think that all is there."""
    monkeypatch.setattr("ezlogs.story.tail.MAX_EVENTS", 2)
    with ezlogs.flow("checkout", 1):
        for number in range(3):
            ezlogs.event("order.action", "placed", subject=("order", number))
    ezlogs.flush()
    assert "3 earlier events of it are forgotten." in shown.getvalue()


class Prepared:
    """What a journal has prepared."""

    extra = "its own"

    def take(self, event: object, ctx: object) -> int:
        """Take an event."""
        return 0

    def release(self, number: int) -> None:
        """Let it go."""


class Journaling(Captured):
    """A carrier with a journal."""

    def preparing(self) -> Any:
        """Return where a transaction's events go."""
        return Prepared()


def test_rows_are_shown_once_their_transaction_was_committed() -> None:
    """Not when they are journaled before it."""
    runtime, wall = Runtime(load({}, {"debug": True}).settings), Wall()
    watching = Watching(Journaling(runtime.scrubber), Screen(runtime, Terminal(wall)))
    assert Watching(Captured(), Screen(runtime, Terminal(Wall()))).preparing() is None
    event = ezlogs.UniversalEvent.create(
        "data.change", "order.create", subject=("order", 1), correlation=ezlogs.Correlation(correlation_id="s")
    )
    preparation = watching.preparing()
    assert preparation.extra == "its own"
    number = preparation.take(event, None)
    watching.flush(0)
    assert wall.getvalue() == ""
    preparation.release(number)
    watching.flush(0)
    assert "Order 1 was created" in wall.getvalue()
    watching.forget()
    watching.shutdown(0)


def test_an_event_that_is_none_and_a_thread_that_cannot_start_are_counted(
    shown: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at the end of the interpreter."""
    with monkeypatch.context() as broken:
        broken.setattr(module, "from_attributes", lambda *_: None)
        ezlogs.event("order.action", "placed")
        ezlogs.flush()
    assert "1 events came faster" in shown.getvalue()

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread at interpreter shutdown")

    runtime = Runtime(load({}).settings)
    screen = Screen(runtime, Terminal(Wall()))
    with monkeypatch.context() as ending:
        ending.setattr(threading.Thread, "start", refuse)
        screen.say("late")
        screen.flush()
    with screen._starting:
        screen._start()
    screen._start()
    screen._start()
    screen.close()


def test_only_so_many_redactions_are_remembered(shown: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are forgotten together."""
    monkeypatch.setattr(module, "_MAX_NOTED", 1)
    for number in range(3):
        ezlogs.event("order.action", "placed", subject=("order", number), metadata={"password": "hunter2"})
    ezlogs.flush()
    assert "hidden: metadata.password (key)" in shown.getvalue()


def test_a_handler_that_fails_is_silent() -> None:
    """The application's log call returns as before."""

    def refuse(_text: str) -> None:
        raise OSError("gone")

    runtime = Runtime(load({}).settings)
    record = logging.LogRecord("ezlogs", logging.WARNING, __file__, 1, "ezlogs: something; else", (), None)
    Problems(refuse, runtime).emit(record)
    shown: list[str] = []
    Problems(shown.append, runtime).emit(record)
    assert shown == ["! ezlogs: something; else\n\n"]


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals here")
def test_a_real_terminal_a_full_pipe_and_a_closed_file() -> None:
    """A terminal has a width; a pipe that nobody reads and does not wait takes what it can."""
    master, slave = os.openpty()
    with open(slave, "w", encoding="utf-8") as stream:
        terminal = Terminal(stream)
        assert terminal.rich
        assert terminal.width > 0
        terminal.write("hello")
        assert os.read(master, 5) == b"hello"
    terminal.write("nobody hears")
    assert not terminal.open
    os.close(master)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with open(writer, "w", encoding="utf-8") as stream:
        full = Terminal(stream)
        full.write("x" * 1_000_000)
        full.write("more")
        assert full.open
        assert not full.rich
    os.close(reader)


def test_a_number_that_another_file_took_is_not_written_to(tmp_path: Path) -> None:
    """As when somebody closes standard error by its number, and opens a file."""
    precious = tmp_path / "precious"
    with open(tmp_path / "shown", "w", encoding="utf-8") as stream, open(precious, "w", encoding="utf-8") as other:
        terminal = Terminal(stream)
        terminal.write("shown")
        os.dup2(other.fileno(), stream.fileno())
        terminal.write("not for others")
    assert precious.read_text() == ""
    assert (tmp_path / "shown").read_text() == "shown"
