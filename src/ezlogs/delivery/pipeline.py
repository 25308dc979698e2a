"""The pipeline: decides how each event leaves - on the current span, on a carrier span, or with a foreign exporter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter

from ezlogs import otel_compat
from ezlogs.delivery.batch import SpanEncoder
from ezlogs.delivery.breaker import Limits
from ezlogs.delivery.foreign import exports
from ezlogs.delivery.hurry import flush
from ezlogs.delivery.items import EndedSpan, Rider
from ezlogs.delivery.keeping import Keeper
from ezlogs.delivery.notices import Notices
from ezlogs.delivery.processor import EzlogsSpanProcessor
from ezlogs.delivery.resource import resource_of
from ezlogs.delivery.riders import Riders, RidingEvent
from ezlogs.delivery.sealed import SealedEvent, SealedSpan
from ezlogs.delivery.sealed_rows import SealedRows
from ezlogs.delivery.signal import SPANS, Signal
from ezlogs.delivery.together import TOGETHER, Together
from ezlogs.delivery.transport import transport
from ezlogs.delivery.worker import Encoder, Worker
from ezlogs.event import UniversalEvent
from ezlogs.opening import ENDING
from ezlogs.otel_compat import SPAN_KEY
from ezlogs.patterns import matches
from ezlogs.priority import Priorities
from ezlogs.privacy import Scrubber
from ezlogs.runtime import Ledger
from ezlogs.settings import Loaded, traces_address
from ezlogs.wire import scrubbed_attributes

if TYPE_CHECKING:
    from ezlogs.delivery.prepared import Preparation, Way


class Pipeline:
    """ezlogs' carrier in production: events are span events.

    *Owned*: ezlogs' processor is the provider's only exporter; events ride on the current span. *Attached*: another
    pipeline exports the spans, so ezlogs exports none of them, and events go on carrier spans - or, when nobody
    gave ezlogs an endpoint, on the current span, with whatever guarantees the other pipeline has.
    """

    _riding: type[RidingEvent] = RidingEvent
    _in_one_form = True
    """Whether an event leaves in one form only."""

    def __init__(self, loaded: Loaded, ledger: Ledger, scrubber: Scrubber) -> None:
        self._settings = loaded.settings
        self._ledger = ledger
        self._scrubber = scrubber
        self._priorities = Priorities(loaded.settings.audit_events)
        self._endpoint_given = loaded.explicit("endpoint")
        self._durability_given = loaded.explicit("durability")
        self.processor = EzlogsSpanProcessor(self)
        self._endpoint = traces_address(loaded).endpoint
        self._spans = SpanEncoder(scrubber, self._priorities)
        self._worker = self._make_worker(self._endpoint, self._spans, SPANS)
        if self._in_one_form:
            self._worker.be_the_only_way()
        self._workers = [self._worker]
        self._put = self._worker.put
        self._keeper: Keeper | None = None
        """Journals what is handed over before the application goes on, where there is a journal."""
        self._keeper_of_events: Keeper | None = None
        """The same of events alone."""
        self.notes_openings = False
        """Whether events are journaled, and so what will be told of them later."""
        self._span_ways: tuple[Way, ...] = ()
        self._preparation: type[Preparation]
        wanted = not matches(loaded.settings.disabled_events, "system.error")
        self._notices = Notices(ledger, self._workers_of_events, events=wanted)
        self._worker.also.append(self._notices.turn)
        self._watch = otel_compat.ProcessorWatch(None)
        self._owned = False
        self._own_resource: Resource | None = None

    def _make_worker(self, endpoint: str, encoder: Encoder, signal: Signal) -> Worker:
        """Return a worker for one signal: the settings of delivery are the same for each, but for the address."""
        settings = self._settings
        return Worker(
            transport(settings, endpoint, "logs" if signal.records == "logs" else "traces"),
            encoder,
            self._resource,
            self._ledger,
            signal,
            flush_interval=settings.flush_interval,
            max_batch_size=settings.max_batch_size,
            max_queue_size=settings.max_queue_size,
            max_queue_bytes=settings.max_queue_bytes,
            audit_wait=settings.audit_wait,
            limits=Limits(first_wait=0.5, longest_wait=5.0, longest_probe=4 * settings.timeout + 60),
        )

    def meet(self, provider: TracerProvider) -> None:
        """Put a span processor on a provider, or take over the one that an earlier pipeline put there."""
        self._journal(provider.resource)
        for processor in otel_compat.span_processors(provider) or ():
            if isinstance(processor, EzlogsSpanProcessor):
                self.processor, processor.destination = processor, self
                return
        provider.add_span_processor(self.processor)

    def _journal(self, resource: Resource) -> None:
        """Journal events from now on, if the settings say so."""
        settings = self._settings
        wanted = self._durability_given or self._endpoint_given  # without either nobody may ever come for it
        if settings.durability == "memory" or not wanted:
            return
        # Most of the journal is about files, and is not needed otherwise. What prepares events is loaded here and not
        # when it is first needed: then another thread may fork.
        from ezlogs.delivery.prepared import Preparation, Way
        from ezlogs.journal import journal_directory

        service = str(resource.attributes.get("service.name", ""))
        environ = {**os.environ, "EZLOGS_STATE_DIR": settings.state_dir or ""}
        for worker, endpoint in self._addresses():
            worker.journal(
                partial(journal_directory, service, endpoint, environ),
                resource,
                cap=settings.journal_size,
                max_age=settings.journal_age,
                endpoint=endpoint,
            )
        self._preparation = Preparation
        _ = self._spans.rows
        keeper = self._keeper = self._worker.keeper
        self._note_by(keeper)
        if keeper is not None:
            carry = partial(Pipeline.carry, self)
            self._span_ways = (Way(keeper, _under, self._deliver_prepared, carry, self._spans, self._deliver_rows),)

    def _note_by(self, keeper: Keeper | None) -> None:
        """Have it noted by a keeper what will be told later."""
        self._keeper_of_events = keeper
        self.notes_openings = keeper is not None

    def _addresses(self) -> Iterable[tuple[Worker, str]]:
        """The workers, and where each of them sends to."""
        return ((self._worker, self._endpoint),)

    def carry(self, event: UniversalEvent, ctx: Context) -> None:
        """Take one event; see the class."""
        span: trace.Span | None = ctx.get(SPAN_KEY)  # type: ignore[assignment]  # what `set_span_in_context` puts there
        keeper = self._keeper
        if span is None:
            if self._endpoint_given or self.owned():
                self._put(keeper.kept(event, None) if keeper else event)
            else:
                self._lose_without_span()
        elif self.owned():
            riders = None if TOGETHER in ctx else self.processor.riders(span)
            rider = self._kept_on(keeper, event, span, riders, ctx) if keeper else event
            if riders is None or not self._ride(event, rider, span, riders):
                self._put_loose(rider, span)
        elif self._endpoint_given:
            self._put_loose(keeper.kept(event, span.get_span_context()) if keeper else event, span)
        else:
            self._hand_over(event, self._span_of_another(event, span, ctx))

    @property
    def opens_spans(self) -> bool:
        """Whether spans are ezlogs' to open: where it delivers them, or its events need one to ride on."""
        return self.owned() or not self._endpoint_given

    def opened(self, note: UniversalEvent, ctx: Context, *, with_span: bool = False) -> None:
        """Journal what is to be delivered if this process does not get to the event of the same id."""
        keeper = self._keeper_of_events
        if keeper is None:
            return
        if with_span and keeper is self._keeper and self.owned():
            span = otel_compat.current_span(ctx)
            riders = None if span is None else self.processor.riders(span)
            if riders is not None and riders.under is not None and not riders.openings:
                sealed, riders.begun = self._spans.seal_open(span)  # type: ignore[arg-type]  # an SDK span: it is in the register
                riders.openings.append(keeper.note_with_span(note, sealed, riders.under))
                riders.note = note
                return
        keeper.note(note, _under(ctx))

    def awaited(self, event_id: str, note: Callable[[bool], object]) -> None:
        """Have it noted before anything that it causes, and if it takes longer than a moment; see `ezlogs.opening`."""
        keeper = self._keeper_of_events
        if keeper is not None:
            keeper.wait_to_note(event_id, note)

    def closed(self, event_id: str) -> None:
        """Take back what was journaled for an event, which is journaled itself by now, or will never be."""
        keeper = self._keeper_of_events
        if keeper is not None:
            keeper.take_back(event_id)

    def preparing(self) -> Preparation | None:
        """Return where a transaction's events are journaled before it is committed; None where nothing is."""
        ways = self._ways()
        return self._preparation(ways, self._ledger) if ways else None

    def _ways(self) -> tuple[Way, ...]:
        """The ways by which events leave that are journaled."""
        return self._span_ways if self._endpoint_given or self.owned() else ()

    def _workers_of_events(self) -> Sequence[Worker]:
        """The workers by which events leave."""
        return (self._worker,) if self._endpoint_given or self.owned() else ()

    def _deliver_prepared(self, event: UniversalEvent, sealed: SealedEvent, ctx: Context) -> None:
        """Take one event that is journaled already; such rows never ride on the span that they happened under."""
        span = otel_compat.current_span(ctx)
        if span is None or self._keeper is None or self._endpoint_given or self.owned():
            self._put(sealed)
        else:  # another exporter came while the transaction was open
            self._keeper.let_go([sealed], ())
            self._hand_over(event, self._span_of_another(event, span, ctx))

    def _deliver_rows(self, rows: SealedRows, ctx: Context) -> bool:
        """Take rows that are journaled already; return False, and forget them, where another exporter came."""
        span = otel_compat.current_span(ctx)
        if span is None or self._keeper is None or self._endpoint_given or self.owned():
            self._put(rows)
            return True
        self._keeper.done([rows.receipt])
        return False

    def _kept_on(  # by position, from one place
        self, keeper: Keeper, event: UniversalEvent, span: trace.Span, riders: Riders | None, ctx: Context
    ) -> Rider:
        """Journal an event, and before the first one of a span that it is open, unless it is about to end."""
        under = span.get_span_context()
        if keeper.awaited:
            keeper.note_cause(event)
        if riders is not None and not riders.openings and ENDING not in ctx:
            riders.openings.append(self._opened_span(keeper, span, riders, under))
        return keeper.kept(event, under, on_span=riders is not None)

    def _opened_span(self, keeper: Keeper, span: trace.Span, riders: Riders, under: trace.SpanContext) -> object:
        """Journal that a span is open; return the receipt, or None where that cannot be."""
        try:
            sealed, riders.begun = self._spans.seal_open(span)  # type: ignore[arg-type]  # an SDK span, as `_ride` says
            return keeper.open_span(sealed, under)
        except Exception:
            return None

    def _sealed(self, item: EndedSpan, riders: Riders) -> SealedSpan | None:
        """Return a span as it will be sent; None where that cannot be, as the batch will say and count."""
        try:
            return self._spans.seal_span(*item, riders.begun)
        except Exception:
            return None

    def _put_loose(self, event: Rider, span: trace.Span) -> None:
        self._put(event if isinstance(event, SealedEvent) else (event, span.get_span_context()))

    def _ride(self, event: UniversalEvent, rider: Rider, span: trace.Span, riders: Riders) -> bool:
        """Put an event on a span, to be delivered with it; return whether it will be."""
        return (
            isinstance(span, ReadableSpan)
            and otel_compat.append_event(span, self._riding(event, self._scrubber))  # type: ignore[arg-type]  # an SDK span: it is in the register
            and riders.add(rider)
        )

    def every_turn(self, call: Callable[[], object]) -> None:
        """Have the workers call something now and then; it must not raise."""
        for worker in self._workers:
            worker.also.append(call)

    def owned(self) -> bool:
        """Return whether ezlogs' processor is the current provider's only exporter; cheap while nothing changes."""
        provider = trace.get_tracer_provider()
        if not self._watch.unchanged(provider):
            self._watch = otel_compat.ProcessorWatch(provider)
            self._owned = self._is_to_own(self._watch.processors)
        return self._owned

    def _is_to_own(self, processors: Sequence[SpanProcessor] | None) -> bool:
        if self._settings.pipeline != "auto":
            return self._settings.pipeline == "owned"
        return (
            processors is not None
            and self.processor in processors
            and not any(_exports(processor) for processor in processors if processor is not self.processor)
        )

    def flush(self, timeout: float) -> bool:
        """Deliver what was handed over within ``timeout`` seconds; return whether all of it went out."""
        return flush(self._workers, timeout)

    def drain(self) -> None:
        """Deliver what can be delivered before the process ends, also what rides on spans that have not ended."""
        for riders in self.processor.unfinished():
            self.abandon(riders)
        flush(self._workers, self._settings.shutdown_timeout, ending=True)

    def shutdown(self, timeout: float) -> None:
        """Deliver what can be delivered within ``timeout`` seconds, count the rest as lost, and end."""
        for riders in self.processor.unfinished():
            self.abandon(riders)
        flush(self._workers, timeout, ending=True)
        for worker in self._workers:
            worker.stop()
        self._notices.last_turn()

    def forget(self) -> None:
        """In a forked child: leave everything under way to the parent."""
        self.processor.forget()
        self._notices.forget()
        for worker in self._workers:
            worker.forget()

    def health(self) -> dict[str, object]:
        """Return the pipeline's mode and the queue's state."""
        mode = "owned" if self.owned() else "attached" if self._endpoint_given else "attached without an endpoint"
        return {
            "carrier": self._settings.carrier,
            "pipeline": mode,
            "endpoint": self._endpoint,
            **self._worker.health(),
            "pending": sum(worker.pending() for worker in self._workers) + self._riding_events(),
            "pending_events": self._pending_events(),
        }

    def _riding_events(self) -> int:
        """Return how many events ride on spans that have not ended."""
        return sum(map(len, self.processor.unfinished()))

    def _pending_events(self) -> int:
        """Return how many events are not delivered yet, each once."""
        return self._worker.pending_events() + self._riding_events()

    def ended(self, span: ReadableSpan, riders: Riders) -> None:
        """Take a sampled span that ended, and what rode on it."""
        if self._keeper and riders.note is not None and self._keeper.awaits(riders.note):
            self._keeper.note(riders.note, riders.under)  # somebody has ended the span before its time
        if self.owned():
            item = EndedSpan(span, riders.close())
            sealed = self._sealed(item, riders) if self._keeper else None
            if self._keeper and sealed is not None and riders.under is not None:
                self._keeper.keep_span(sealed, riders.under, riders.openings)
            self._put(sealed or item)
            return
        events = []
        if self._endpoint_given:  # another exporter came while the span was open: it has the span, we have the events
            self.abandon(riders)
        else:  # it has both
            events = riders.close()
            self._worker.handed_over(len(events))
        if self._keeper:
            self._keeper.let_go(events, riders.openings)

    def abandon(self, riders: Riders) -> None:
        """Deliver events without the span that they ride on."""
        for event in riders.close():
            self._put(event if isinstance(event, SealedEvent) else (event, riders.under))  # type: ignore[arg-type]  # of a span

    def _span_of_another(self, event: UniversalEvent, span: trace.Span, ctx: Context) -> trace.Span:
        """Return the span on which another pipeline is to deliver an event."""
        events: Together | None = ctx.get(TOGETHER)  # type: ignore[assignment]  # what `Together.within` puts there
        return span if events is None else events.span_for(span, event.timestamp)

    def _hand_over(self, event: UniversalEvent, span: trace.Span) -> None:
        if span.is_recording():
            attributes = scrubbed_attributes(event, self._scrubber)
            span.add_event(self._riding.name_of(event), attributes, event.timestamp)
            self._ledger.note("handed_over")
        else:
            self._lose_without_span()

    def _lose_without_span(self) -> None:
        self._ledger.note("lost.no_recording_span")
        self._worker.work()  # somebody has to tell

    def _resource(self) -> Resource:
        provider = trace.get_tracer_provider()
        if isinstance(provider, TracerProvider):
            return provider.resource
        if self._own_resource is None:
            self._own_resource = resource_of(self._settings.service_name)
        return self._own_resource


def _under(ctx: Context) -> trace.SpanContext | None:
    span = otel_compat.current_span(ctx)
    return None if span is None else span.get_span_context()


def _exports(processor: SpanProcessor) -> bool:
    return exports(processor, (BatchSpanProcessor, SimpleSpanProcessor, SpanExporter), SpanProcessor)


def pipeline(loaded: Loaded, ledger: Ledger, scrubber: Scrubber) -> Pipeline:
    """Return the pipeline that the setting ``carrier`` asks for.

    Args:
        loaded: The settings.
        ledger: Where deliveries and losses are counted.
        scrubber: What keeps back what must not leave.
    """
    if loaded.settings.carrier == "span":
        return Pipeline(loaded, ledger, scrubber)
    from ezlogs.delivery.log_pipeline import BothPipeline, LogPipeline  # here: OpenTelemetry's logs cost a third more

    kind = LogPipeline if loaded.settings.carrier == "log" else BothPipeline
    return kind(loaded, ledger, scrubber)
