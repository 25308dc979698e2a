"""The runtime: all that ezlogs holds in one process - settings, privacy, carrier, counters - in one object."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final, Protocol

from opentelemetry.context import Context

from ezlogs.event import UniversalEvent
from ezlogs.facts import is_event_type
from ezlogs.ids import sequence_of, tails
from ezlogs.latency import Latency
from ezlogs.patterns import matches
from ezlogs.privacy import Policy, Rule, Scrubber
from ezlogs.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    from ezlogs.delivery.prepared import Preparation
    from ezlogs.flows.register import Register
    from ezlogs.sampling.deciding import Decisions
    from ezlogs.testing.standin import StandIn

log = logging.getLogger("ezlogs")


def _kept_from_harm(handle: Callable[[logging.LogRecord], object]) -> Callable[[logging.LogRecord], None]:
    """Return what handles records and never raises: what the application has for its log must not end our threads."""

    def handled(record: logging.LogRecord) -> None:
        with suppress(Exception):
            handle(record)

    return handled


log.handle = _kept_from_harm(log.handle)  # type: ignore[assignment,method-assign]  # of this logger alone

CAUSE: Final = "ezlogs_cause"
"""The attribute of a log record that says why: an exception in words and where it was raised; for debug mode only."""

_MOST_TYPES = 4096
_OF_FLOWS = ("flow_store", "flow_days", "flow_wait", "hash_key")


class Carrier(Protocol):
    """What brings events out: a current span, a carrier span, or a test's list."""

    @property
    def processor(self) -> SpanProcessor | None:
        """What the tracer provider needs so that spans bring events along, if anything."""

    def meet(self, provider: TracerProvider) -> None:
        """Take part in a tracer provider's spans."""

    def carry(self, event: UniversalEvent, ctx: Context) -> None:
        """Take one event, emitted in a context. Never blocks."""

    @property
    def opens_spans(self) -> bool:
        """Whether what is tracked is to have spans where nobody else has opened any."""

    @property
    def notes_openings(self) -> bool:
        """Whether it has a use for `opened` and `closed`."""

    def opened(self, note: UniversalEvent, ctx: Context, *, with_span: bool = False) -> None:
        """Take an event that is to be delivered if the one of the same id never comes. Never blocks.

        Args:
            note: The event.
            ctx: The context that it will happen in.
            with_span: Whether the span of that context begins and ends with what is noted, and is noted with it.
        """

    def awaited(self, event_id: str, note: Callable[[bool], object]) -> None:
        """Have ``note`` called, if the event is neither `opened` nor `closed` before long; see `ezlogs.opening`."""

    def closed(self, event_id: str) -> None:
        """Forget what was taken for an event."""

    def preparing(self) -> Preparation | None:
        """Return where a transaction's events go before it is committed; None where nothing outlives the process."""

    def flush(self, timeout: float) -> bool:
        """Deliver what was handed over, within ``timeout`` seconds; return whether all of it went out."""

    def shutdown(self, timeout: float) -> None:
        """Deliver what can be delivered within ``timeout`` seconds, and end."""

    def forget(self) -> None:
        """In a forked child: leave everything under way to the parent."""

    def health(self) -> dict[str, object]:
        """Return what is queued, delivered and in trouble."""


TIMED: Final = 16
"""Calls that are timed at a stretch: few enough to cost nothing, and enough for shares of them to be told soon."""


class Ledger:
    """Counts of what happened to events, by reason. Counting takes no lock that the application could wait for."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin at nothing, as a forked child does."""
        self._tails = tails()
        self.next_tail = self._tails.__next__
        """Numbers an event: its sequence, and the end of its id."""
        self._tickers: dict[tuple[str, str], count[int]] = {}
        self.emitting = Latency()
        """How long the application waited for a call that made an event, of those that were timed."""
        self.to_time = 0
        """How many of the next such calls are timed; the worker asks for `TIMED` each time that it looks around."""
        self.turns_away: Callable[[str], Callable[[], object] | None] | None = None
        """While there is no room: returns what counts an event of a type as lost, which then need not be looked at."""
        self.delivering = Latency()
        """How old the oldest event of each request was when the collector had it."""
        self.told: dict[tuple[str, str], tuple[Counter[str], float]] = {}
        """How many of each loss somebody was told of, and when, in which way; see `ezlogs.delivery.notices`."""
        self._notes: deque[tuple[str, int]] = deque()
        self._folded: Counter[str] = Counter()
        self._folding = threading.Lock()

    def note(self, what: str, number: int = 1) -> None:
        """Count something: ``delivered``, ``redacted``, ``lost.queue_full`` ..."""
        if number:
            self._notes.append((what, number))
        if len(self._notes) > 1024:
            self._fold(wait=False)

    def ticker(self, what: str, kind: str = "") -> Callable[[], object]:
        """Return what counts one of something whenever it is called, at less than `note` costs; until `forget`.

        Args:
            what: As for `note`.
            kind: One of its kinds, of which `kinds` tells.
        """
        return self._tickers.setdefault((what, kind), count()).__next__

    def kinds(self, what: str) -> dict[str, int]:
        """Return how many of something were counted by tickers of its kinds, by kind."""
        return {kind: _coming(ticker) for (of, kind), ticker in tuple(self._tickers.items()) if of == what and kind}

    def counts(self) -> dict[str, int]:
        """Return every count so far, ``emitted`` included."""
        self._fold(wait=True)
        ticked: Counter[str] = Counter()
        for (what, _), ticker in tuple(self._tickers.items()):
            ticked[what] += _coming(ticker)
        return {"emitted": sequence_of(_coming(self._tails)) - 1, **(self._folded + ticked)}

    def _fold(self, *, wait: bool) -> None:
        if not self._folding.acquire(blocking=wait):
            return
        try:
            while self._notes:
                what, number = self._notes.popleft()
                self._folded[what] += number
        finally:
            self._folding.release()


def _coming(numbers: count[int]) -> int:
    """Return the number that comes next, without taking it."""
    return int(repr(numbers)[len("count(") : -1])


class Runtime:
    """One process's ezlogs. ``configure()`` builds it, ``shutdown()`` takes it down, tests put another in its place."""

    def __init__(
        self,
        settings: Settings,
        carrier: Carrier | None = None,
        *,
        ledger: Ledger | None = None,
        given: Mapping[str, object] | None = None,
        reported: set[str] | None = None,
        further_rules: Callable[[Callable[[str], None]], Iterable[Rule]] | None = None,
    ) -> None:
        self.settings = settings
        self.given = dict(given or {})
        """What the application asked for by ``configure()``."""
        self.scrubber = scrubber_of(settings, further_rules and partial(further_rules, self.warn_once))
        self.ledger = ledger or Ledger()
        self.carrier = carrier
        self.sampler: Decisions | None = None
        """Decides which stories are kept; None where all are."""
        if settings.sampling_given():
            from ezlogs.sampling.deciding import Decisions  # here: most keep everything

            self.sampler = Decisions(self)
        self._flows: Register | None = None
        self.event_types: dict[str, bool] = {}
        """Whether events of a type are made, for each right event type seen so far; decided once by `admits`."""
        self.reported: set[str] = set() if reported is None else reported
        """The warnings that were logged, which are not logged again."""

    @property
    def flows(self) -> Register | None:
        """Where flows began; None where the settings say that nobody is to know."""
        if self._flows is None:
            from ezlogs.flows.register import register_of  # here: most programs have no flows

            self._flows = register_of(self)
        return self._flows

    def take_over_flows(self, running: Runtime) -> None:
        """Go on with the flows of a runtime before this one, where the settings about them are the same."""
        if all(getattr(self.settings, name) == getattr(running.settings, name) for name in _OF_FLOWS):
            self._flows, running._flows = running._flows, None

    def finish_flows(self, timeout: float, *, last: bool) -> bool:
        """Have written where flows began, within so many seconds.

        Args:
            timeout: Seconds.
            last: Whether the process, or the runtime, is about to end.

        Returns:
            Whether all was written.
        """
        if self._flows is None:
            return True
        if last:
            self._flows.close(timeout)
            return True
        return self._flows.flush(timeout)

    def admits(self, event_type: object) -> bool | None:
        """Return whether events of a type are made; None for a wrong type, which is repaired first."""
        if type(event_type) is not str:
            return None
        known = self.event_types.get(event_type)
        if known is not None or not is_event_type(event_type):
            return known
        if len(self.event_types) >= _MOST_TYPES:
            self.event_types.clear()
        verdict = self.event_types[event_type] = not matches(self.settings.disabled_events, event_type)
        return verdict

    def report(self, problem: str, error: BaseException | None = None, *, lost: int = 0) -> None:
        """Say once what went wrong inside ezlogs; with ``strict`` raise it instead. Nothing else is ever raised.

        Args:
            problem: What it is.
            error: What says so.
            lost: Events that it cost.
        """
        if error is not None and stand_in is not None:
            stand_in.failed(problem, error)
        if error is not None and self.settings.strict:
            raise error
        try:
            self.ledger.note("lost.internal_error", lost)
            self.ledger.note("internal_errors")
            self.warn_once(f"{problem}: {type(error).__qualname__}" if error else problem, error)
        except Exception:  # no memory is left, say, or no file can be opened: perhaps that is what went wrong
            return

    def warn_once(self, text: str, error: BaseException | None = None) -> None:
        """Log a warning the first time; a hundred different ones at most."""
        if text not in self.reported and len(self.reported) < 100:
            self.reported.add(text)
            log.warning("ezlogs: %s", text, extra={CAUSE: error and _cause(error)})


def scrubber_of(settings: Settings, further: Callable[[], Iterable[Rule]] | None = None) -> Scrubber:
    """Return what scrubs as some settings say.

    Args:
        settings: The settings.
        further: Returns the rules that other distributions bring along.

    Example:
        >>> scrubber_of(Settings(deny=("salary",))).value("salary", 9, "salary", [])
        '[redacted]'
    """

    def all_further() -> Iterable[Rule]:
        from ezlogs.privacy.users import rules_of  # here: most have none

        return (*rules_of(settings.patterns), *(further() if further else ()))

    scrubber = Scrubber(
        deny=settings.deny,
        allow=settings.allow,
        policy=Policy(settings.redaction, settings.hash_key),
        further=all_further if settings.patterns else further,
    )
    if settings.summary:
        from ezlogs.summary import summary  # here: most do without

        scrubber.summarise = summary
    return scrubber


def _cause(error: BaseException) -> str:
    """Return an exception in a line, with the place that raised it; its text is not scrubbed."""
    from ezlogs.conversions import message_of

    trace, place = error.__traceback__, ""
    while trace is not None:
        place, trace = f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})", trace.tb_next
    return f"{type(error).__qualname__}: {message_of(error) or 'without a message'}{place}"


debug_shown: Callable[[], None] | None = None
"""Shows what debug mode has not shown yet, before the process ends; None without debug mode."""

debug_asked: bool | None = None
"""What ``ezlogs.debug_mode`` was set to; None where it was not."""

current: Runtime | None = None
"""The process's runtime. Where a call counts it is read here, and by `current_runtime` everywhere else."""


stand_in: StandIn | None = None
"""What takes every event in a test run, whatever is configured meanwhile; None where they go to a pipeline."""


def current_runtime() -> Runtime | None:
    """Return the process's runtime, or None before ``configure()`` and after ``shutdown()``."""
    return current


def repaired(problems: Sequence[str]) -> None:
    """Count an event that was repaired, and say once what was wrong with it."""
    if current is not None:
        current.ledger.note("invalid")
        told = f"an event was repaired: {'; '.join(problems)}"
        current.warn_once(current.scrubber.text(told, "event", []))


def install(runtime: Runtime | None) -> Runtime | None:
    """Make a runtime the process's own; return the one that was."""
    global current
    current, before = runtime, current
    for look in tuple(_looks.values()):
        look(runtime)
    return before


def on_install(look: Callable[[Runtime | None], object]) -> Callable[[], bool]:
    """Have the process's runtime looked at whenever it is another one.

    Args:
        look: Called with it; it must not raise.

    Returns:
        What ends that; it returns True to the first who calls it.
    """
    key = next(_keys)
    _looks[key] = look

    def end() -> bool:
        return _looks.pop(key, None) is not None

    return end


_keys = count()
_looks: dict[int, Callable[[Runtime | None], object]] = {}
