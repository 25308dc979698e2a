"""Jobs: what is handed to a queue and each attempt to run it, as events that keep the story over the broker.

A job is told by one ``job.enqueue`` event, and by one ``job.execution`` event for each attempt, emitted when the
attempt ends with the id that was reserved when it began. The enqueue event is the parent of the first attempt, the
retry event of attempt n-1 that of attempt n; whatever happens during an attempt has its event as the parent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from time import perf_counter, time_ns
from types import TracebackType

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode

from ezlogs.actor import current_actor, with_acting
from ezlogs.correlation import Correlation, current, in_baggage, new_story, placed
from ezlogs.emit import caused, guarded, record, tracking
from ezlogs.event import Subject, failure_of
from ezlogs.facts import FAILURES
from ezlogs.ids import new_event_id
from ezlogs.opening import closed, opened
from ezlogs.propagation.header import HEADER, read
from ezlogs.sampling.root import ended, rooted, travelling
from ezlogs.scope import Scope
from ezlogs.trackers.error import unhandled
from ezlogs.trackers.job_enqueuing import Enqueuing, Sending, enqueued, enqueuing, passed_on
from ezlogs.trackers.job_joins import Joined, joined_in, link, names
from ezlogs.trackers.job_message import (
    ENQUEUE,
    EXECUTION,
    Arguments,
    Job,
    arrived,
    headers_for,
    known,
    open_span,
    producer,
    waited,
)
from ezlogs.trackers.work import outcome_of

__all__ = [
    "ENQUEUE",
    "EXECUTION",
    "Arguments",
    "Enqueuing",
    "Hop",
    "Job",
    "JobScope",
    "Joined",
    "Sending",
    "again",
    "continued",
    "dropped",
    "enqueued",
    "enqueuing",
    "failure",
    "lost",
    "passed_on",
    "perform",
    "running",
    "started",
]

_KEY = context.create_key("ezlogs-job")


class Hop(Enum):
    """Who makes the span of an attempt."""

    OURS = "ours"
    CURRENT = "current"
    """Another instrumentation has made it, and it is current."""
    COMING = "coming"
    """Another instrumentation is about to make it."""
    APART = "apart"
    """Another instrumentation is about to make it, in a trace of its own that is linked to the one of the message."""


def running(ctx: Context | None = None) -> JobScope | None:
    """Return the attempt that runs in a context, if one does."""
    found = context.get_value(_KEY, ctx)
    return found if isinstance(found, JobScope) else None


def again(
    job: Job, headers: Mapping[str, object], event_id: str, *, eta: datetime | str | None = None, traced: bool = False
) -> dict[str, str]:
    """Return the headers of the message that repeats an attempt whose process died.

    Args:
        job: The job; this and what follows as for `enqueued`.
        headers: Of the message that was lost.
        event_id: The id of the lost attempt's event.
    """
    sent = read(headers.get(HEADER))
    if not tracking() or sent is None:
        return {}
    ctx = with_acting(arrived(headers), inherited=sent.acting)
    return headers_for(caused(sent.correlation, EXECUTION, event_id), ctx, eta, traced)


def continued(headers: Mapping[str, object], event_id: str | None = None) -> Scope | None:
    """Enter the story that a message carries, without telling anything; the scope is to be closed.

    Args:
        headers: The message's headers.
        event_id: The id of the event of an attempt that another process began, whose end is dealt with here.

    Returns:
        The scope, or None when nothing listens or the message carries no story.
    """
    sent = read(headers.get(HEADER))
    if not tracking() or sent is None:
        return None
    ctx = with_acting(arrived(headers), inherited=sent.acting)
    correlation = sent.correlation if event_id is None else caused(sent.correlation, EXECUTION, event_id)
    return Scope(placed(correlation, ctx, in_baggage=in_baggage(ctx)))


def started(
    job: Job,
    *,
    attempt: int = 1,
    worker: str | None = None,
    headers: Mapping[str, object] | None = None,
    hop: Hop = Hop.OURS,
    nested: bool = False,
    event_id: str | None = None,
    facts: Mapping[str, object] | None = None,
    arguments: Arguments | None = None,
    joins: Sequence[Joined] = (),
) -> JobScope | None:
    """Begin an attempt: what happens until the returned scope is closed belongs to it.

    The story is that of the ``ezlogs`` header, else that of the W3C headers, else a new one; never the worker's own.

    Args:
        job: The job that runs.
        attempt: Which run of the job this is, counted from 1.
        worker: The name of the worker.
        headers: The message's headers; foreign, damaged and oversized ones are ignored.
        hop: Who makes the attempt's span.
        nested: Whether the job runs inside its caller (eagerly) and keeps the caller's story and actor.
        event_id: The id of the attempt's event, where another process has reserved it, which tells the attempt if this
            one dies.
        facts: Further facts to be told, such as ``{"group": "g-1"}``.
        arguments: What the job is given. They are told with its enqueue event, and here where there was none.
        joins: The jobs that it had to wait for, beside those of which the message says so.

    Returns:
        The scope, or None when nothing listens.
    """
    if not tracking():
        return None
    return _begun(
        job,
        attempt,
        worker,
        headers or {},
        hop,
        nested=nested,
        event_id=event_id,
        facts=facts,
        arguments=arguments,
        joins=joins,
    )


def perform(
    job: Job,
    *,
    attempt: int = 1,
    worker: str | None = None,
    headers: Mapping[str, object] | None = None,
    arguments: Arguments | None = None,
) -> JobScope:
    """Run a ``with`` block as an attempt of a job from a queue of your own.

    The end of the block is the attempt's end, unless the scope was told another one: `JobScope.retried` and
    `JobScope.requeued` are for queues that try again.

    Args:
        job: The job that runs; this and what follows as for `started`.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture() as captured:
        ...     message = {"headers": enqueued(Job("resize", "j-1", system="my_queue"))}
        ...     with perform(Job("resize", "j-1", system="my_queue"), headers=message["headers"]):
        ...         pass
        >>> [event.action for event in captured.events]
        ['resize.enqueue', 'resize.success']
    """
    given = headers if isinstance(headers, Mapping) else {}
    return _begun(
        job, attempt, worker, given, Hop.OURS if tracking() else Hop.CURRENT, nested=False, arguments=arguments
    )


def _begun(
    job: Job,
    attempt: int,
    worker: str | None,
    headers: Mapping[str, object],
    hop: Hop,
    *,
    nested: bool,
    event_id: str | None = None,
    facts: Mapping[str, object] | None = None,
    arguments: Arguments | None = None,
    joins: Sequence[Joined] = (),
) -> JobScope:
    sent = read(headers.get(HEADER))
    joins = joins or joined_in(sent.joins if sent else ())
    if arguments is not None and (sent is None or nested):
        from ezlogs.trackers.job_arguments import arguments_told  # only where it is needed

        facts = known(**(facts or {}), arguments=arguments_told(arguments))
    if nested:
        ctx = context.get_current()
    else:
        ctx = with_acting(arrived(headers), inherited=sent.acting if sent else None)
        if hop is Hop.CURRENT:
            ctx = trace.set_span_in_context(trace.get_current_span(), ctx)
        elif hop is Hop.APART:  # what it makes must have no parent
            ctx = trace.set_span_in_context(trace.INVALID_SPAN, ctx)
    span = None
    if hop is Hop.OURS:
        span = open_span(job, "process", SpanKind.INTERNAL if nested else SpanKind.CONSUMER, ctx, joins)
    if span is not None:
        ctx = trace.set_span_in_context(span, ctx)
    correlation = sent.correlation if sent else current(ctx) or new_story()
    wait = waited(sent) if sent else None
    return JobScope(
        job,
        attempt,
        correlation,
        ctx,
        worker=worker,
        queue_wait=wait,
        span=span,
        event_id=event_id,
        facts=facts,
        joins=joins,
    )


def lost(
    job: Job,
    error: BaseException,
    *,
    attempt: int = 1,
    worker: str | None = None,
    headers: Mapping[str, object],
    event_id: str | None = None,
    again: bool = False,
) -> None:
    """Emit the event of an attempt whose process died and could not tell; what was not measured is left out.

    Args:
        job: The job; this and what follows as for `started`.
        error: What the framework says of it.
        again: Whether the framework will run the job once more.
    """
    verb, outcome = ("lost", "retried") if again else failure(attempt, job.max_retries)
    dropped(job, verb, outcome, error, attempt=attempt, worker=worker, headers=headers, event_id=event_id)


def dropped(
    job: Job,
    verb: str,
    outcome: str = "failure",
    error: BaseException | None = None,
    *,
    attempt: int = 1,
    worker: str | None = None,
    headers: Mapping[str, object],
    event_id: str | None = None,
    severity: str | None = None,
) -> None:
    """Emit the event of an attempt that another tells of: one that died, or never began and never will.

    Args:
        job: The job; this and what follows as for `started`.
        verb: What became of it, such as ``revoked`` or ``expired``.
        outcome: How the attempt ended.
        error: What ended it.
        severity: How bad that is, if not as the outcome says.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture() as captured:
        ...     dropped(Job("send_receipt", "j-1"), "revoked", headers={}, severity="warn")
        >>> captured.events[0].action, captured.events[0].duration
        ('send_receipt.revoked', None)
    """
    if not tracking():
        return
    sent = read(headers.get(HEADER))
    ctx = with_acting(arrived(headers), inherited=sent.acting if sent else None)
    correlation = (sent.correlation if sent else current(ctx) or new_story()).replace(job_id=job.id, attempt=attempt)
    record(
        EXECUTION,
        f"{job.name}.{verb}",
        subject=Subject("job", job.id, job.name),
        metadata=known(job=job.name, queue=job.queue, attempt=attempt, max_retries=job.max_retries, worker=worker),
        outcome=outcome,
        correlation=correlation,
        error=error,
        severity=severity,
        event_id=event_id,
        ctx=placed(correlation, ctx),
    )


def failure(attempt: int, max_retries: int | None) -> tuple[str, str]:
    """Return verb and outcome of an attempt that failed for good: dead after the last of its retries."""
    exhausted = max_retries is not None and attempt > max(1, max_retries)
    return ("dead", "dead") if exhausted else ("failure", "failure")


class JobScope:
    """One attempt to run a job, from its start to its end. Made by `started`.

    The first of `succeeded`, `retried`, `failed` and `ended` emits the ``job.execution`` event; `close` leaves
    the attempt's context.
    """

    def __init__(
        self,
        job: Job,
        attempt: int,
        correlation: Correlation,
        ctx: Context,
        *,
        worker: str | None,
        queue_wait: float | None,
        span: Span | None,
        event_id: str | None = None,
        facts: Mapping[str, object] | None = None,
        joins: Sequence[Joined] = (),
    ) -> None:
        self.job = job
        self.attempt = attempt
        self.max_retries = job.max_retries
        self.next_retry_at: datetime | str | None = None
        """When the framework will run the next attempt."""
        began_at = time_ns()
        self.event_id = event_id or new_event_id(began_at)
        self._joins = joins
        self._facts = facts or {}
        if joins:
            self._facts = {**self._facts, "joined": names(joins)}
        self._worker = worker
        self._queue_wait = queue_wait
        self._span = span
        self._outer = correlation.replace(job_id=job.id, attempt=attempt, transaction_id=None)
        inner = caused(self._outer, EXECUTION, self.event_id)
        # A job's story travels in a header of its own: its baggage is what the message's baggage was.
        inside = placed(inner, rooted(ctx, self.event_id), in_baggage=in_baggage(ctx))
        self._context = context.set_value(_KEY, self, inside)
        self._scope = Scope(self._context)
        self._begin = perf_counter()
        self._told = False
        opened(
            EXECUTION,
            f"{job.name}.interrupted",
            event_id=self.event_id,
            correlation=self._outer,
            ctx=self._context,
            subject=Subject("job", job.id, job.name),
            metadata=known(job=job.name, queue=job.queue, attempt=attempt, max_retries=job.max_retries, worker=worker),
            timestamp=began_at,
        )

    def succeeded(self, result: object = None) -> None:
        """The attempt did its work; what it returned is told as far as the setting ``job_results`` allows."""
        if result is not None:
            from ezlogs.trackers.job_arguments import result_told

            self._facts = known(**self._facts, result=result_told(result))
        self.ended("success", "success")

    def retried(self, error: BaseException | None = None) -> None:
        """The attempt failed, and the framework will run another one."""
        self.ended("retry", "retried", error)

    def failed(self, error: BaseException | None = None) -> None:
        """The attempt failed for good: ``dead`` after the last of its retries, else ``failure``."""
        verb, outcome = failure(self.attempt, self.max_retries)
        self.ended(verb, outcome, error)

    @guarded
    def ended(
        self, verb: str, outcome: str, error: BaseException | None = None, *, severity: str | None = None
    ) -> None:
        """End the attempt in a way of its framework's own; does nothing after the first end."""
        if self._told:
            return
        self._told = True
        duration = perf_counter() - self._begin
        if outcome in FAILURES:
            unhandled(error, EXECUTION, self._context)
        record(
            EXECUTION,
            f"{self.job.name}.{verb}",
            actor=current_actor(self._context),
            subject=Subject("job", self.job.id, self.job.name),
            metadata=known(
                job=self.job.name,
                queue=self.job.queue,
                attempt=self.attempt,
                max_retries=self.max_retries,
                queue_wait=self._queue_wait,
                worker=self._worker,
                next_retry_at=self.next_retry_at,
                **self._facts,
            ),
            outcome=outcome,
            duration=duration,
            correlation=self._outer,
            error=error,
            severity=severity,
            event_id=self.event_id,
            ctx=None if self._is_current() else self._context,
        )
        ended(self._context, self.event_id, outcome, duration)
        closed(self.event_id)
        if self._span is None:
            link(trace.get_current_span(), self._joins)
        else:
            if outcome in ("failure", "dead"):
                self._span.set_status(StatusCode.ERROR)
            if error is not None:
                self._span.set_attribute("error.type", failure_of(error).type)
            self._span.end()

    @guarded
    def left_to_another(self) -> None:
        """Tell nothing: another process tells the attempt under the same id, or if that fails as well, it is told as
        interrupted.
        """
        self._told = True
        if self._span is not None:
            self._span.end()

    def requeued(self, *, eta: datetime | str | None = None, traced: bool = False) -> dict[str, str]:
        """Return the headers of the message for the next attempt, whose parent is this attempt's event.

        Args:
            eta: When the framework will run it.
            traced: As for `enqueued`.
        """
        self.next_retry_at = eta
        ctx, span = producer(self.job, traced)
        try:
            again = travelling(caused(self._outer, EXECUTION, self.event_id), self._context)
            return headers_for(again, ctx, eta, traced, self._joins)
        finally:
            if span is not None:
                span.end()

    def __enter__(self) -> JobScope:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        outcome = outcome_of(error)
        if outcome == "success":
            self.succeeded()
        elif outcome == "failure":
            self.failed(error)
        else:
            self.ended("end", outcome, error)
        self.close()

    def close(self) -> None:
        """Leave the attempt's context. An attempt that nobody ended has the outcome ``unknown``."""
        self.ended("end", "unknown")
        now, inside = context.get_current(), self._is_current()
        self._scope.close()
        if not inside:  # whoever set the context around ours has already put back what was before both
            context.attach(now)

    def _is_current(self) -> bool:
        return running() is self
