"""Notices: losses are told - in a line of the log, and in an event of ezlogs' own once the collector takes them again.

The worker's thread tells, never the application's; one line and one event for each reason and minute at most.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from ezlogs.correlation import new_story
from ezlogs.event import UniversalEvent
from ezlogs.facts import Failure
from ezlogs.party import Actor, Subject
from ezlogs.runtime import Ledger, log

if TYPE_CHECKING:
    from ezlogs.delivery.worker import Worker

INTERVAL: Final = 60.0
"""Seconds between two lines, and between two events, about losses for the same reason."""

_PAUSE: Final = 0.5
"""Seconds between two looks at the counts."""

_ON_PURPOSE: Final = frozenset({"rate_limited"})
"""Losses that the settings ask for."""

_EVENTS, _LOGS, _SPANS = "", "logs", "spans"
_NOUNS: Final = {_EVENTS: "event", _LOGS: "log record", _SPANS: "span"}

_EZLOGS: Final = Actor("system", "ezlogs")


class Reason(NamedTuple):
    """What is told of a reason for losses."""

    words: str
    remedy: str
    action: str = "dropped"
    """Of the event."""
    component: str = "delivery"


_OWN_ERROR: Final = "the log has it once, with its type, and `debug` shows its cause; please report it"

REASONS: Final[Mapping[str, Reason]] = {
    "queue_full": Reason(
        "there was no room for them",
        "see that the collector is there and keeps up; `max_queue_size` and `max_queue_bytes` are how many wait in"
        ' memory, and with durability = "process" more wait on disk',
    ),
    "journal_full": Reason(
        "the disk had no room for them",
        "see that the collector is there and keeps up; `journal_size` is how much waits on disk",
        component="journal",
    ),
    "rejected": Reason(
        "the collector refused them",
        "`ezlogs spool ls --dead` says why, and `ezlogs spool send --dead` tries what is kept again",
        "sink_failed",
        "collector",
    ),
    "shut_down": Reason(
        "ezlogs ended before the collector had them",
        '`shutdown_timeout` is how long the end may wait; with durability = "process" the next process delivers them',
    ),
    "no_recording_span": Reason(
        "another pipeline exports the spans, and no recording span was there for them to ride on",
        "with `endpoint` set ezlogs delivers them itself",
        component="pipeline",
    ),
    "unencodable": Reason("they could not be encoded", _OWN_ERROR, "event_creation_failed", "encoder"),
    "undeliverable": Reason("an error of ezlogs' own", _OWN_ERROR, "event_creation_failed", "pipeline"),
    "internal_error": Reason("an error of ezlogs' own", _OWN_ERROR, "event_creation_failed", "emit"),
}
"""Why something is lost, by the name that it is counted under."""

_UNKNOWN: Final = Reason("for this reason", "see `ezlogs.health()`")


class Notices:
    """Tells of losses.

    Args:
        ledger: Where they are counted; it also remembers what was told.
        workers: Returns those by which events leave; none where another pipeline delivers them.
        events: Whether events of the type are wanted.
        interval: Seconds between two lines, and two events, for the same reason.
        clock: Returns seconds.
    """

    def __init__(
        self,
        ledger: Ledger,
        workers: Callable[[], Sequence[Worker]],
        *,
        events: bool = True,
        interval: float = INTERVAL,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._ledger = ledger
        self._workers = workers
        self._events = events
        self._interval = interval
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """In a forked child: nothing is lost yet."""
        self._look_at = 0.0
        self._looking = threading.Lock()

    def turn(self) -> None:
        """Tell what is to be told. For the workers' threads, in every turn; one of them looks."""
        if self._clock() >= self._look_at and self._looking.acquire(blocking=False):
            try:
                self._look_at = self._clock() + _PAUSE
                self._tell(last=False)
            finally:
                self._looking.release()

    def last_turn(self) -> None:
        """Say what has not been said yet, as nobody will look again - not while the interpreter ends, and no event."""
        if threading.main_thread().is_alive() and self._looking.acquire(blocking=False):
            try:
                self._tell(last=True)
            finally:
                self._looking.release()

    def _tell(self, *, last: bool) -> None:
        found = lost(self._ledger.counts())
        if not found:
            return
        for reason, numbers in found.items():
            if new := self._new("log", reason, numbers, last=last):
                log.warning("ezlogs: %s", line(reason, new.numbers, more=new.again))
        wanted = self._events and not last
        workers = [worker for worker in self._workers() if worker.is_delivering()] if wanted else ()
        if workers:
            for reason, numbers in found.items():
                if new := self._new("event", reason, numbers):
                    event = notice(reason, new.numbers)
                    for worker in workers:
                        worker.tell(event)

    def _new(self, way: str, reason: str, numbers: Counter[str], *, last: bool = False) -> _New | None:
        """Return what was lost for a reason since it was told last, if it is time to tell; it counts as told then."""
        told, now = self._ledger.told, self._clock()
        before, at = told.get((way, reason), (Counter(), None))
        new = numbers - before
        if not new or (at is not None and now - at < self._interval and not last):
            return None
        told[way, reason] = numbers, now
        return _New(new, again=at is not None)


class _New(NamedTuple):
    numbers: Counter[str]
    again: bool
    """Whether it was told of before."""


def lost(counts: Mapping[str, int]) -> dict[str, Counter[str]]:
    """Return what was lost by no wish of the application's, by reason: events, copies of them, and spans.

    Args:
        counts: Those of a ledger.

    >>> lost({"emitted": 9, "lost.queue_full": 4, "lost.spans.queue_full": 1, "lost.rate_limited": 2})
    {'queue_full': Counter({'': 4, 'spans': 1})}
    """
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for key, number in counts.items():
        kind, _, reason = key.partition(".")
        if kind != "lost" or not number:
            continue
        of, dot, rest = reason.partition(".")
        what, reason = (of, rest) if dot and of in _NOUNS else (_EVENTS, reason)
        if reason not in _ON_PURPOSE:
            found[reason][what] += number
    return dict(found)


def line(reason: str, numbers: Mapping[str, int], *, more: bool = False) -> str:
    """Return what the log says of losses.

    Args:
        reason: Why.
        numbers: How many events, copies and spans since the last line.
        more: Whether there was such a line.

    >>> line("shut_down", {"": 1200, "spans": 1}).partition(";")[0]
    '1,200 events and 1 span were lost (shut_down): ezlogs ended before the collector had them'
    """
    about = REASONS.get(reason, _UNKNOWN)
    parts = [
        f"{number:,}{' more' if more else ''} {_NOUNS[what]}{'' if number == 1 else 's'}"
        for what, number in sorted(numbers.items())
    ]
    named = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    verb = "was" if list(numbers.values()) == [1] else "were"
    return f"{named} {verb} lost ({reason}): {about.words}; {about.remedy}"


def notice(reason: str, numbers: Mapping[str, int]) -> UniversalEvent:
    """Return the event that tells of losses: in a story of its own, and without a number among the application's.

    Args:
        reason: Why.
        numbers: How many events, copies and spans since the last event.

    >>> event = notice("queue_full", {"": 1200})
    >>> event.event_type, event.action, event.actor.id, event.subject.id, event.metadata["lost"]["queue_full"]
    ('system.error', 'dropped', 'ezlogs', 'delivery', 1200)
    """
    about = REASONS.get(reason, _UNKNOWN)
    facts: dict[str, object] = {}
    if numbers.get(_EVENTS):
        facts["lost"] = {reason: numbers[_EVENTS]}
    if numbers.get(_LOGS):
        facts["lost_log_records"] = {reason: numbers[_LOGS]}
    if numbers.get(_SPANS):
        facts["lost_spans"] = {reason: numbers[_SPANS]}
    return UniversalEvent.create(
        "system.error",
        about.action,
        actor=_EZLOGS,
        subject=Subject("component", about.component),
        metadata=facts,
        outcome="failure",
        error=Failure(reason, about.words),
        correlation=new_story(),
    )
