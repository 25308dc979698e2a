"""The pipeline of those who want events as log records, instead of span events or besides them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource

from ezlogs.delivery.logs import ForeignLogs, LogEncoder, hand_over, span_context
from ezlogs.delivery.pipeline import Pipeline
from ezlogs.delivery.riders import LoggedRidingEvent
from ezlogs.delivery.sealed import SealedEvent
from ezlogs.delivery.signal import Signal
from ezlogs.delivery.worker import Worker
from ezlogs.event import UniversalEvent
from ezlogs.privacy import Scrubber
from ezlogs.runtime import Ledger
from ezlogs.settings import Loaded, logs_address

if TYPE_CHECKING:
    from ezlogs.delivery.prepared import Way


class LogPipeline(Pipeline):
    """Events leave as log records, each under the span that it was emitted in; the spans leave without them.

    ezlogs delivers the log records itself - unless nobody gave it an endpoint for them and the application has a logs
    pipeline of its own that exports: then they are emitted there, with whatever guarantees that one has.
    """

    _signal = Signal("logs")

    def __init__(self, loaded: Loaded, ledger: Ledger, scrubber: Scrubber) -> None:
        super().__init__(loaded, ledger, scrubber)
        self._logs_endpoint, self._logs_endpoint_given = logs_address(loaded)
        self._logs = self._make_worker(self._logs_endpoint, LogEncoder(scrubber, self._priorities), self._signal)
        self._workers.append(self._logs)
        self._logs.also.append(self._notices.turn)
        self._foreign = ForeignLogs()
        self._log_ways: tuple[Way, ...] = ()

    def carry(self, event: UniversalEvent, ctx: Context) -> None:
        """Take one event; see the class."""
        logger = None if self._delivers_logs() else self._foreign.logger()
        if logger is None:
            under = span_context(ctx)
            kept = event if self._logs.keeper is None else self._logs.keeper.kept(event, under)
            self._logs.put((event, under) if kept is event else kept)
        else:
            hand_over(logger, event, ctx, self._scrubber)
            self._ledger.note(self._signal.of_events("handed_over"))

    def _journal(self, resource: Resource) -> None:
        super()._journal(resource)
        keeper = self._logs.keeper
        if not self._signal.copies:
            self._note_by(keeper)
        if keeper is not None:
            from ezlogs.delivery.prepared import Way

            carry = partial(LogPipeline.carry, self)
            self._log_ways = (Way(keeper, span_context, self._deliver_prepared_log, carry),)

    def _ways(self) -> tuple[Way, ...]:
        return self._log_ways if self._sends_logs() else ()

    def _workers_of_events(self) -> Sequence[Worker]:
        return (self._logs,) if self._sends_logs() else ()

    def _deliver_prepared_log(self, event: UniversalEvent, sealed: SealedEvent, ctx: Context) -> None:
        """Take one event that is journaled already."""
        self._logs.put(sealed)

    def _addresses(self) -> Iterable[tuple[Worker, str]]:
        return ((self._logs, self._logs_endpoint),)

    def _pending_events(self) -> int:
        copies = self._signal.copies
        return super()._pending_events() + (0 if copies else self._logs.pending_events())

    def _delivers_logs(self) -> bool:
        """Return whether ezlogs delivers log records itself, whoever else would."""
        return self._logs_endpoint_given or self._settings.pipeline == "owned"

    def _sends_logs(self) -> bool:
        """Return whether log records leave by ezlogs: nobody else would, or ezlogs does in any case."""
        return self._delivers_logs() or self._foreign.logger() is None

    def health(self) -> dict[str, object]:
        """Return what the pipeline says of spans, and under ``logs`` the same of log records."""
        spans, logs = super().health(), self._logs.health()
        mode = "owned" if self._sends_logs() else "attached without an endpoint"
        return {**spans, "logs": {"pipeline": mode, "endpoint": self._logs_endpoint, **logs}}


class BothPipeline(LogPipeline):
    """Events leave as span events and as log records, once each."""

    _riding = LoggedRidingEvent
    _in_one_form = False
    _signal = Signal("logs", copies=True)

    def _addresses(self) -> Iterable[tuple[Worker, str]]:
        return (*Pipeline._addresses(self), *super()._addresses())

    def _ways(self) -> tuple[Way, ...]:
        spans, logs = Pipeline._ways(self), super()._ways()
        return (*spans, *logs) if spans and logs else ()  # half prepared it would be told in one form and not the other

    def _workers_of_events(self) -> Sequence[Worker]:
        return (*Pipeline._workers_of_events(self), *super()._workers_of_events())

    def carry(self, event: UniversalEvent, ctx: Context) -> None:
        """Take one event; trouble with one form does not cost the other."""
        try:
            Pipeline.carry(self, event, ctx)
        finally:
            super().carry(event, ctx)
