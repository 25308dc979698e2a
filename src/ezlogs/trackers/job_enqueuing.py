"""Enqueuing: a job on its way into its queue, and the story in messages that are not told themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from time import time_ns
from types import TracebackType

from opentelemetry import context, trace
from opentelemetry.trace import StatusCode

from ezlogs.correlation import begun, current
from ezlogs.emit import caused, guarded, record, tracking
from ezlogs.event import Subject, failure_of
from ezlogs.ids import new_event_id
from ezlogs.opening import closed, opened
from ezlogs.sampling.root import travelling
from ezlogs.trackers import job_joins
from ezlogs.trackers.job_joins import Joined
from ezlogs.trackers.job_message import ENQUEUE, Arguments, Job, headers_for, known, producer


class Sending:
    """A ``with`` block that sends jobs: what `enqueued` begins in it is told when it ends, with what was raised.

    Example:
        >>> from contextlib import suppress
        >>> from ezlogs.testing import capture
        >>> with capture() as captured, suppress(ConnectionError), Sending():
        ...     headers = enqueued(Job("send_receipt", "j-1"))
        ...     raise ConnectionError("no broker")
        >>> captured.events[0].outcome
        'failure'
    """

    def __init__(self) -> None:
        self.begun: list[Enqueuing] | None = []
        """What is to be told; None once that is done."""

    def __enter__(self) -> Sending:
        self._token = _sending.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _sending.reset(self._token)
        begun, self.begun = self.begun, None  # threads and tasks that began meanwhile have copies of the context
        for one in begun or ():
            one.end(error)


_sending: ContextVar[Sending | None] = ContextVar("ezlogs_job_sending", default=None)


def enqueued(
    job: Job,
    *,
    eta: datetime | str | None = None,
    priority: int | None = None,
    traced: bool = False,
    facts: Mapping[str, object] | None = None,
    arguments: Arguments | None = None,
    joins: Sequence[Joined] = (),
) -> dict[str, str]:
    """Emit the ``job.enqueue`` event, and return the headers that let the worker continue the story.

    Args:
        job: The job that is handed over.
        eta: When it shall run at the earliest; a `datetime` or ISO 8601 text.
        priority: Its priority, as the queue counts.
        traced: Whether another instrumentation makes the span and the W3C headers of this message.
        facts: Further facts to be told, such as ``{"group": "g-1"}``.
        arguments: What the job is given, told as far as the setting ``job_arguments`` allows it.
        joins: The jobs that it had to wait for; its spans link to theirs.

    Returns:
        The ``ezlogs`` header, and unless ``traced`` those of the global propagator; nothing when nothing listens.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture() as captured:
        ...     headers = enqueued(Job("send_receipt", "j-1", "mail"), traced=True)
        >>> list(headers), captured.events[0].action
        (['ezlogs'], 'send_receipt.enqueue')
    """
    sending = enqueuing(job, eta=eta, priority=priority, traced=traced, facts=facts, arguments=arguments, joins=joins)
    if sending is None:
        return {}
    block = _sending.get()
    if block is None or block.begun is None:
        sending.end()
    else:
        block.begun.append(sending)
    return sending.headers


def enqueuing(
    job: Job,
    *,
    eta: datetime | str | None = None,
    priority: int | None = None,
    traced: bool = False,
    facts: Mapping[str, object] | None = None,
    arguments: Arguments | None = None,
    joins: Sequence[Joined] = (),
) -> Enqueuing | None:
    """Begin to hand a job over, where it is known only later whether the queue has taken it.

    Args:
        job: The job; this and what follows as for `enqueued`.
        facts: Further facts to be told, such as ``{"group": "g-1"}``.

    Returns:
        What has the headers of the message and is told how it ended, or None when nothing listens.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture() as captured:
        ...     sending = enqueuing(Job("send_receipt", "j-1", "mail"), traced=True)
        ...     sending.end(ConnectionError("no broker"))
        >>> list(sending.headers), captured.events[0].outcome
        (['ezlogs'], 'failure')
    """
    if not tracking():
        return None
    summary = None
    if arguments is not None:
        from ezlogs.trackers.job_arguments import arguments_told  # only where it is needed

        summary = arguments_told(arguments)
    told = known(arguments=summary, joined=job_joins.names(joins), **(facts or {}))
    return Enqueuing(job, eta, priority, traced=traced, facts=told, joins=joins)


class Enqueuing:
    """A job on its way into its queue. Made by `enqueuing`."""

    headers: dict[str, str]
    """What the message carries."""

    def __init__(
        self,
        job: Job,
        eta: datetime | str | None,
        priority: int | None,
        *,
        traced: bool,
        facts: Mapping[str, object],
        joins: Sequence[Joined],
    ) -> None:
        self.job = job
        self._joins = joins
        self._began_at = time_ns()
        self._event_id = new_event_id(self._began_at)
        self._metadata = known(
            job=job.name, queue=job.queue, eta=eta, priority=priority, max_retries=job.max_retries, **facts
        )
        self._context, self._span = producer(job, traced, joins)
        self._correlation = begun(self._context)
        opened(
            ENQUEUE,
            f"{job.name}.enqueue",
            event_id=self._event_id,
            correlation=self._correlation,
            ctx=self._context,
            subject=Subject("job", job.id, job.name),
            metadata=self._metadata,
            timestamp=self._began_at,
        )
        carried = travelling(caused(self._correlation, ENQUEUE, self._event_id), self._context)
        self.headers = headers_for(carried, self._context, eta, traced, joins)

    @guarded
    def end(self, error: BaseException | None = None) -> None:
        """Tell that the queue has taken the job, or what kept it from that."""
        record(
            ENQUEUE,
            f"{self.job.name}.enqueue",
            subject=Subject("job", self.job.id, self.job.name),
            metadata=self._metadata,
            outcome="success" if error is None else "failure",
            correlation=self._correlation,
            error=error,
            event_id=self._event_id,
            timestamp=self._began_at,
            ctx=self._context,
        )
        closed(self._event_id)
        if self._span is None:
            job_joins.link(trace.get_current_span(), self._joins)
        else:
            if error is not None:
                self._span.set_status(StatusCode.ERROR)
                self._span.set_attribute("error.type", failure_of(error).type)
            self._span.end()


def passed_on(*, traced: bool = False) -> dict[str, str]:
    """Return the headers of a message that carries the present story on, without being told itself."""
    ctx = context.get_current()
    if not tracking() or current(ctx) is None:
        return {}
    return headers_for(travelling(begun(ctx), ctx), ctx, None, traced)
