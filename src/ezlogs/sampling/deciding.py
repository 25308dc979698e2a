"""Deciding: what becomes of each event of this process - it goes on, is left out, or waits for its local root to end.

No thread of the application ever waits here. What is to wait, and what ends, goes into a queue; whoever finds nobody
at work on it works it off, and everybody else goes on.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from opentelemetry.context import Context

from ezlogs.correlation import Correlation
from ezlogs.event import UniversalEvent
from ezlogs.otel_compat import SPAN_KEY
from ezlogs.sampling.accounts import Counters, say
from ezlogs.sampling.limits import RateLimits
from ezlogs.sampling.probability import of_trace
from ezlogs.sampling.rates import Rates
from ezlogs.sampling.root import FAILED, ROOT, LocalRoot
from ezlogs.sampling.story import StorySampler
from ezlogs.sampling.tail import Bounds, Decision, Tail
from ezlogs.sampling.travel import Known, read, written
from ezlogs.sampling.verdict import Verdict
from ezlogs.size import size_of

if TYPE_CHECKING:
    from ezlogs.runtime import Runtime

_MOST_QUEUED: Final = 256
"""What waits in the queue at most before it is worked off; far less than may wait for its root."""

_TURN: Final = 1.0
"""Seconds after which somebody looks at what has waited long."""

_LAST_TURN: Final = 0.2
_NOTHING_KNOWN: Final = Known()


class _Waiting(NamedTuple):
    """An event that waits."""

    event: UniversalEvent
    ctx: Context
    root: LocalRoot
    verdict: Verdict


class _Weighed(NamedTuple):
    """A verdict, and whether it is to wait for the end of a root."""

    verdict: Verdict
    waits: bool = False


class _News(NamedTuple):
    """What has become of a root: it is kept now, its route is known, or with a duration that it has ended."""

    root: LocalRoot
    failed: bool = False
    duration: float | None = None


class Decisions:
    """Decides for one runtime.

    Args:
        runtime: Whose settings say what is kept, whose carrier takes it, and whose ledger counts the rest.
    """

    def __init__(self, runtime: Runtime) -> None:
        settings = runtime.settings
        self._runtime = runtime
        self._ledger = runtime.ledger
        self._debug = settings.debug
        self._follows = settings.sampling_events == "follow_trace"
        self._inherits = settings.sample_rate < 1
        self._by_route = bool(settings.sample_routes)
        self._errors = settings.keep_errors
        self._slow = settings.keep_slow is not None or bool(settings.keep_slow_routes)
        self._holds = self._errors or self._slow
        self._rates = Rates(
            settings.sample_rate,
            types=settings.sample_types,
            routes=settings.sample_routes,
            always=settings.always_events,
            never=settings.never_events,
            agreement=settings.sampling_agreement,
        )
        limits = settings.rate_limits
        self._limited = bool(limits)
        self._sampler = StorySampler(self._rates, RateLimits(limits) if limits else None)
        self._tail: Tail[LocalRoot, _Waiting] = Tail(
            errors=self._errors,
            slow=settings.keep_slow,
            slow_routes=settings.keep_slow_routes,
            bounds=Bounds(
                most_items=settings.held_events, most_bytes=settings.held_bytes, longest=settings.held_seconds
            ),
            left_out=self._give_up,
        )
        self._start_over()

    def _start_over(self) -> None:
        self._token = object()
        self._count = Counters(self._ledger)
        self._queue: deque[_Waiting | _News] = deque()
        self._turning = threading.Lock()
        self._turned_at = monotonic()
        self._heeds_exit = False

    def forget(self) -> None:
        """In a forked child: what waits, and the roots under way, are the parent's to decide."""
        self._tail.forget()
        self._sampler.forget()
        self._start_over()

    def explain(self, on: bool) -> None:
        """Say of each event from now on why it is kept, and log each verdict; or no longer."""
        self._debug = on

    def rooted(self, ctx: Context, owner: object, route: str | None) -> Context:
        """Return a context inside a local root: that which it is in, or one that begins here."""
        if not (self._holds or self._by_route) or self._root(ctx) is not None:
            return ctx
        from opentelemetry import context

        return context.set_value(ROOT, LocalRoot(owner, self._token, route), ctx)

    def judge(
        self, event_type: str, outcome: str, story: Correlation, ctx: Context, *, numbered: bool = False
    ) -> Verdict | None:
        """Return the verdict on an event that is about to be made, for `take`; None where it is not to be made.

        Args:
            event_type: Its type; and so on.
            outcome: How it ended.
            story: Where it belongs.
            ctx: What it happened in.
            numbered: Whether it has a sequence number already; each event takes one, so that all add up.
        """
        root = ctx.get(ROOT)
        if root is None and story.sampling is None and not self._follows:  # most of them: nothing but their id counts
            verdict = self._rates.judge(event_type, outcome, story.correlation_id)
        else:
            found = self._weighed(event_type, outcome, story, ctx)
            if found.waits:
                return found.verdict
            verdict = found.verdict
        if self._limited and verdict.kept:
            verdict = self._sampler.limit(verdict, event_type)
        if self._debug:
            say(event_type, story.correlation_id, verdict)
        if verdict.kept:
            return verdict
        if not numbered:
            self._ledger.next_tail()
        self._count(verdict)
        return None

    def leaves_out(self, event_type: str, outcome: str, story: Correlation, ctx: Context) -> bool:
        """Return whether `judge` will leave out an event for certain, whatever happens until it is asked.

        Args:
            event_type: This and what follows as for `judge`.
            outcome: How it ended.
            story: Where it belongs.
            ctx: What it happened in.
        """
        if ctx.get(ROOT) is not None or story.sampling is not None or self._follows:
            return False
        return not self._rates.judge(event_type, outcome, story.correlation_id).kept

    def _weighed(self, event_type: str, outcome: str, story: Correlation, ctx: Context) -> _Weighed:
        """Return the verdict on an event by all that is known: its local root, earlier services, its trace."""
        root = self._root(ctx)
        known = _NOTHING_KNOWN if story.sampling is None else read(story.sampling)
        inherited = known.rate if self._inherits else None
        route = "" if root is None else root.route
        verdict = self._rates.judge(event_type, outcome, story.correlation_id, route=route or "", inherited=inherited)
        if root is not None and self._errors and outcome in FAILED and verdict.kept:
            self._keep(root, "error")
        if route is None and self._by_route and inherited is None and verdict.by_rate:
            verdict = verdict._replace(kept=False, reason="route")
        elif self._follows:
            verdict = self._following(verdict, ctx)
        if verdict.kept or verdict.reason.startswith("never:"):
            return _Weighed(verdict)
        if root is not None:
            if known.kept:
                self._keep(root, "kept before")
            if not root.settled:
                self._look_at_the_clock(root)
                if verdict.reason == "route" or (self._holds and not root.kept):
                    return _Weighed(verdict, waits=True)
            if root.kept:
                return _Weighed(verdict.adding(root.kept))
        return _Weighed(verdict.adding("kept before") if known.kept else verdict)

    def take(self, event: UniversalEvent, ctx: Context, verdict: Verdict) -> UniversalEvent:
        """Take an event that was judged, and let it out or have it wait; return it as it is sent, if it is."""
        if verdict.kept:
            return self._let_out(event, ctx, verdict)
        root: LocalRoot = ctx[ROOT]  # type: ignore[assignment]  # only events of a root wait
        root.held = True
        event = self._noted(event, ctx, verdict)
        self._queue.append(_Waiting(event, ctx, root, verdict))
        if not self._heeds_exit:
            self._heed_multiprocessing_exit()
        if len(self._queue) >= _MOST_QUEUED:
            self._advance()
        if monotonic() - self._turned_at >= _TURN:
            self.turn()
        return event

    def _noted(self, event: UniversalEvent, ctx: Context, verdict: Verdict) -> UniversalEvent:
        """Have an event outlive the process while it waits, since undecided means keep; return it as it is let out."""
        carrier = self._runtime.carrier
        if carrier is None or not carrier.notes_openings:
            return event
        event = event.named()
        sampled = verdict.adding("undecided").sampled(reasoned=self._debug)
        try:
            carrier.opened(event if sampled is None else event.sampled(sampled), ctx)
        except Exception as problem:  # it waits in memory all the same
            self._runtime.report("an event that waits could not be noted", problem)
        return event

    def routed(self, root: LocalRoot, route: str) -> None:
        """Take note of the route of a root, for which events may wait."""
        before, root.route = root.route, route
        if before is None and root.held and self._by_route and root.token is self._token:
            self._queue.append(_News(root))
            self._advance()

    def end(self, root: LocalRoot, outcome: str, duration: float) -> None:
        """Take note that a root has ended."""
        if root.token is not self._token or root.settled:
            return
        if root.held:
            self._queue.append(_News(root, outcome in FAILED, duration))
            self._advance()
        else:
            if outcome in FAILED and self._errors:
                root.kept = root.kept or "error"
            root.route = root.route or ""
            root.settled = True

    def travelling(self, text: str | None, ctx: Context) -> str | None:
        """Return what the next service, or a job, is told of a story.

        Args:
            text: What this one was told.
            ctx: The context that the story goes on from.
        """
        known = _NOTHING_KNOWN if text is None else read(text)
        root = self._root(ctx)
        rate, kept = known
        if rate is None and root is not None and root.route is not None:
            rate = self._rates.of_route(root.route)
        elif rate is None and not self._by_route:
            rate = self._rates.of_route("")
        if root is not None:
            self._look_at_the_clock(root)
            kept = kept or bool(root.kept)
        return written(Known(None if rate == 1 else rate, kept))

    def turn(self) -> None:
        """Settle what time has settled. To be called now and then, by any thread."""
        self._turned_at = monotonic()
        if not self._tail.pending() and not self._queue:
            return
        self._advance()
        if self._turning.acquire(blocking=False):
            try:
                self._keep_these(self._tail.due())
            finally:
                self._turning.release()
        self._advance()

    def release(self) -> None:
        """Let out all that waits, since nobody will be there to decide: undecided means keep."""
        self._advance()
        if not self._turning.acquire(timeout=_LAST_TURN):
            return
        try:
            self._work_off()
            self._keep_these(self._tail.due())
            self._keep_these(self._tail.keep_all("undecided"))
        finally:
            self._turning.release()

    def pending(self) -> int:
        """Return how many events wait."""
        self._advance()
        return self._tail.pending()

    def _root(self, ctx: Context) -> LocalRoot | None:
        root = ctx.get(ROOT)
        return root if type(root) is LocalRoot and root.token is self._token else None

    def _following(self, verdict: Verdict, ctx: Context) -> Verdict:
        """Return a verdict by rate as it is where events follow the spans that they happen in."""
        span = ctx.get(SPAN_KEY)
        if span is None or not verdict.kept or not verdict.by_rate:
            return verdict
        of_span = span.get_span_context()  # type: ignore[attr-defined]  # what `set_span_in_context` puts there
        if not of_span.is_valid:
            return verdict
        probability = min(verdict.probability, of_trace(of_span))
        return Verdict(bool(of_span.trace_flags.sampled), probability, "trace")

    def _look_at_the_clock(self, root: LocalRoot) -> None:
        """Keep a root from now on that is slow by now."""
        if self._slow and not root.kept and self._tail.is_slow(root.route or "", monotonic() - root.began):
            self._keep(root, "slow")

    def _keep(self, root: LocalRoot, reason: str) -> None:
        if root.kept:
            return
        root.kept = reason
        if root.held and not self._lacks_route(root):
            self._queue.append(_News(root))
            self._advance()

    def _lacks_route(self, root: LocalRoot) -> bool:
        """Return whether it is not known yet by which rate events of a root are judged."""
        return self._by_route and root.route is None

    def _advance(self) -> None:
        """Work off the queue, unless somebody does: who puts something in meanwhile is not left behind."""
        while self._queue:
            if not self._turning.acquire(blocking=False):
                return
            try:
                self._work_off()
            finally:
                self._turning.release()

    def _work_off(self) -> None:
        while self._queue:
            step = self._queue.popleft()  # nobody else takes anything out
            if type(step) is _Waiting:
                self._hold(step)
            else:
                self._take_note(step)  # type: ignore[arg-type]  # the other one

    def _hold(self, waiting: _Waiting) -> None:
        root = waiting.root
        if root.settled and not root.kept:
            self._give_up("rate", (waiting,))
        elif root.kept and not self._lacks_route(root):
            self._add((waiting,), root.kept)
        else:
            self._decided(root, self._tail.hold(root, waiting, size_of(waiting.event), route=root.route or ""))

    def _take_note(self, news: _News) -> None:
        root, failed, duration = news
        if duration is not None:
            root.route = root.route or ""
        if root.kept:
            self._decided(root, self._tail.keep(root, root.kept))
        elif duration is None:
            self._think_again(root)
        if duration is not None:
            decision = self._tail.end(root, failed=failed, duration=duration, route=root.route or "")
            root.settled = True
            self._decided(root, decision)

    def _think_again(self, root: LocalRoot) -> None:
        """Judge by its route what could not be judged before."""
        for waiting in self._tail.take_back(root):
            verdict = self._judged(waiting)
            if verdict.kept or not self._holds:
                self._finally(waiting, verdict)
            else:
                self._hold(waiting._replace(verdict=verdict))

    def _keep_these(self, decisions: Iterable[tuple[LocalRoot, Decision]]) -> None:
        for root, decision in decisions:
            self._decided(root, decision)

    def _decided(self, root: LocalRoot, decision: Decision) -> None:
        if decision.kept:
            root.kept = root.kept or decision.reason
            self._add(decision.items, root.kept)  # type: ignore[arg-type]  # what was held

    def _add(self, items: Iterable[_Waiting], reason: str) -> None:
        for waiting in items:
            verdict = self._judged(waiting)
            self._finally(waiting, verdict if verdict.kept else verdict.adding(reason))

    def _give_up(self, reason: str, items: Sequence[_Waiting]) -> None:
        for waiting in items:
            verdict = self._judged(waiting)
            if not verdict.kept and reason != "rate":
                verdict = verdict._replace(reason=reason)
            self._finally(waiting, verdict)

    def _judged(self, waiting: _Waiting) -> Verdict:
        """Return the verdict on an event without a regard to its root; only now where that hung on its route."""
        event, ctx, root, verdict = waiting
        if verdict.reason != "route":
            return verdict
        story, route = event.correlation.correlation_id, root.route or ""
        # Its outcome is of no matter: it would not wait if it were another.
        verdict = self._rates.judge(event.event_type, "success", story, route=route)
        return self._following(verdict, ctx) if self._follows else verdict

    def _finally(self, waiting: _Waiting, verdict: Verdict) -> None:
        event = waiting.event
        if verdict.kept:
            verdict = self._sampler.limit(verdict, event.event_type)
        if self._debug:
            say(event.event_type, event.correlation.correlation_id, verdict)
        if verdict.kept:
            try:
                self._let_out(event, waiting.ctx, verdict)
            except Exception as problem:  # one that cannot be carried must not cost the others
                self._ledger.note("lost.undeliverable")
                self._runtime.warn_once(f"an event was lost: {type(problem).__qualname__}")
        else:
            self._count(verdict)
        carrier = self._runtime.carrier
        if carrier is not None and event.said_id is not None and carrier.notes_openings:
            carrier.closed(event.event_id)

    def _let_out(self, event: UniversalEvent, ctx: Context, verdict: Verdict) -> UniversalEvent:
        sampled = verdict.sampled(reasoned=self._debug)
        if sampled is not None:
            event = event.sampled(sampled)
        self._runtime.carrier.carry(event, ctx)  # type: ignore[union-attr]  # nothing is emitted without one
        return event

    def _heed_multiprocessing_exit(self) -> None:
        """Children of multiprocessing end past atexit: have them let out first what waits."""
        self._heeds_exit = True
        if (util := sys.modules.get("multiprocessing.util")) is not None:
            util.Finalize(None, self.release, exitpriority=20)
