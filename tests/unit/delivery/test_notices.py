"""Losses are told: what the line and the event say, how often, and what is not told."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from ezlogs.delivery import notices
from ezlogs.delivery.notices import REASONS, Notices, line, lost, notice
from ezlogs.event import UniversalEvent
from ezlogs.runtime import Ledger


class Worker:
    """What events leave by."""

    def __init__(self) -> None:
        self.delivering = True
        self.told: list[UniversalEvent] = []

    def is_delivering(self) -> bool:
        """Whether the collector took what was sent last."""
        return self.delivering

    def tell(self, event: UniversalEvent) -> None:
        """Take an event."""
        self.told.append(event)


class Bench:
    """Notices with a clock that a test moves on."""

    def __init__(self, caplog: pytest.LogCaptureFixture, **named: Any) -> None:
        self.ledger, self.worker, self.now = Ledger(), Worker(), 100.0
        self.notices = self.made(**named)
        self._caplog = caplog

    def made(self, **named: Any) -> Notices:
        """Notices of the same ledger."""
        return Notices(self.ledger, lambda: [self.worker], clock=lambda: self.now, **named)  # type: ignore[list-item,return-value]  # as much of a worker as is needed

    def after(self, seconds: float) -> None:
        """Let time pass, and look."""
        self.now += seconds
        self.notices.turn()

    @property
    def lines(self) -> list[str]:
        """What the log says, but for words and remedies."""
        return [record.getMessage().partition(":")[2].partition(":")[0].strip() for record in self._caplog.records]

    @property
    def events(self) -> list[tuple[str, Any]]:
        """What the events say."""
        return [(event.action, dict(event.metadata)) for event in self.worker.told]


@pytest.fixture
def bench(caplog: pytest.LogCaptureFixture) -> Bench:
    """Notices."""
    return Bench(caplog)


def test_a_loss_is_told_soon_and_then_once_a_minute_with_what_came_meanwhile(bench: Bench) -> None:
    """Never one line or event per loss."""
    bench.after(1)
    assert (bench.lines, bench.events) == ([], []), "nothing is lost"
    bench.ledger.note("lost.queue_full", 3)
    bench.after(1)
    for _ in range(58):
        bench.ledger.note("lost.queue_full", 2)
        bench.after(1)
    assert bench.lines == ["3 events were lost (queue_full)"]
    bench.after(3)
    bench.after(100)
    assert bench.lines == ["3 events were lost (queue_full)", "116 more events were lost (queue_full)"]
    assert bench.events == [("dropped", {"lost": {"queue_full": number}}) for number in (3, 116)]


def test_each_reason_has_a_minute_of_its_own(bench: Bench) -> None:
    """And an event of its own."""
    bench.ledger.note("lost.queue_full")
    bench.after(1)
    bench.ledger.note("lost.rejected")
    bench.ledger.note("lost.internal_error")
    bench.after(1)
    assert bench.lines == [f"1 event was lost ({reason})" for reason in ("queue_full", "rejected", "internal_error")]
    said = [
        (event.action, event.subject and event.subject.id, event.error and event.error.type)
        for event in bench.worker.told
    ]
    assert said == [
        ("dropped", "delivery", "queue_full"),
        ("sink_failed", "collector", "rejected"),
        ("event_creation_failed", "emit", "internal_error"),
    ]


def test_an_event_waits_until_the_collector_takes_what_is_sent(bench: Bench) -> None:
    """The line does not; the event then has all that was lost until then."""
    bench.worker.delivering = False
    for _ in range(3):
        bench.ledger.note("lost.queue_full", 5)
        bench.after(70)
    assert (len(bench.lines), bench.events) == (3, [])
    bench.worker.delivering = True
    bench.after(1)
    assert bench.events == [("dropped", {"lost": {"queue_full": 15}})]


def test_copies_and_spans_are_told_with_the_events(bench: Bench) -> None:
    """By what they are."""
    for key, number in (("lost.queue_full", 1200), ("lost.logs.queue_full", 3), ("lost.spans.queue_full", 1)):
        bench.ledger.note(key, number)
    bench.after(1)
    assert bench.lines == ["1,200 events, 3 log records and 1 span were lost (queue_full)"]
    reason = {"lost": {"queue_full": 1200}, "lost_log_records": {"queue_full": 3}, "lost_spans": {"queue_full": 1}}
    assert bench.events == [("dropped", reason)]


def test_what_is_left_out_on_purpose_is_not_told(bench: Bench) -> None:
    """Sampling and limits do what the settings say."""
    for key in ("lost.rate_limited", "sampled_out_by.rate", "delivered", "redacted", "internal_errors"):
        bench.ledger.note(key, 9)
    bench.after(1)
    assert (bench.lines, bench.events) == ([], [])


def test_the_event_belongs_to_ezlogs_alone() -> None:
    """Its actor is ezlogs, its story no other event's, and it has no number among the application's."""
    first, second = notice("rejected", {"": 2}), notice("rejected", {"": 2})
    assert (first.actor.type, first.actor.id) == ("system", "ezlogs")
    assert first.correlation.correlation_id != second.correlation.correlation_id
    assert (first.sequence, first.outcome, first.severity) == (0, "failure", "error")
    assert first.error is not None
    assert first.error.message == "the collector refused them"


def test_who_disabled_the_type_gets_lines_only(caplog: pytest.LogCaptureFixture) -> None:
    """No event."""
    bench = Bench(caplog, events=False)
    bench.ledger.note("lost.rejected")
    bench.after(1)
    assert (len(bench.lines), bench.events) == (1, [])


def test_what_one_has_told_its_successor_does_not_repeat(bench: Bench) -> None:
    """As when the settings are changed."""
    bench.ledger.note("lost.rejected", 2)
    bench.after(1)
    bench.notices = bench.made()
    bench.after(70)
    assert len(bench.lines) == 1
    bench.ledger.note("lost.rejected")
    bench.after(1)
    assert bench.lines[1:] == ["1 more event was lost (rejected)"]


def test_the_end_says_the_rest_in_the_log(bench: Bench) -> None:
    """Though the minute has not passed: nobody will look again. An event could not leave any more."""
    bench.ledger.note("lost.rejected", 2)
    bench.after(1)
    bench.ledger.note("lost.rejected", 3)
    bench.ledger.note("lost.shut_down", 4)
    bench.notices.last_turn()
    assert bench.lines[1:] == ["3 more events were lost (rejected)", "4 events were lost (shut_down)"]
    assert len(bench.events) == 1


def test_nothing_is_said_while_the_interpreter_ends(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers may be gone by then."""
    bench.ledger.note("lost.shut_down", 4)
    ended = threading.Thread()
    monkeypatch.setattr(notices.threading, "main_thread", lambda: ended)
    bench.notices.last_turn()
    assert bench.lines == []


def test_a_forked_child_tells_of_its_own_losses(bench: Bench) -> None:
    """Also where the parent was telling at the moment of the fork, and told the same a moment ago."""
    bench.ledger.note("lost.rejected", 2)
    bench.after(1)
    bench.notices._looking.acquire()
    bench.ledger.forget()
    bench.notices.forget()
    bench.ledger.note("lost.rejected", 1)
    bench.after(0)
    assert bench.lines[1:] == ["1 event was lost (rejected)"]


def test_two_threads_do_not_tell_the_same(bench: Bench) -> None:
    """One of them looks at a time."""
    bench.ledger.note("lost.rejected")
    with bench.notices._looking:
        bench.after(1)
        bench.notices.last_turn()
    assert bench.lines == []


@pytest.mark.parametrize("reason", [*REASONS, "something_new"])
def test_each_line_has_the_reason_in_words_and_what_to_do(reason: str) -> None:
    """Also one that nobody has thought of."""
    said = line(reason, {"": 2})
    assert said.startswith(f"2 events were lost ({reason}): ")
    assert "; " in said
    assert notice(reason, {"": 2}).invalid == ()


def test_every_reason_that_is_counted_has_words() -> None:
    """But for what is left out on purpose."""
    from pathlib import Path
    from re import findall

    source = "".join(path.read_text() for path in (Path(__file__).parents[3] / "src" / "ezlogs").rglob("*.py"))
    counted = set(findall(r'"lost\.(\w+)"', source)) | set(findall(r'\b(?:lose|lose_batch|leave)\(\s*"(\w+)"', source))
    assert counted - REASONS.keys() == {"rate_limited"}
    assert lost({f"lost.{reason}": 1 for reason in counted}).keys() == REASONS.keys()


def test_a_line_is_a_warning_of_ezlogs_logger(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """So it is seen by default."""
    bench.ledger.note("lost.rejected")
    bench.after(1)
    assert [(record.name, record.levelno) for record in caplog.records] == [("ezlogs", logging.WARNING)]


def test_spans_may_be_lost_alone() -> None:
    """Those that no event rode on."""
    assert dict(notice("queue_full", {"spans": 3}).metadata) == {"lost_spans": {"queue_full": 3}}
    assert line("queue_full", {"spans": 1}).startswith("1 span was lost (queue_full)")
