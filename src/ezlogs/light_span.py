"""A span of the SDK's in all that can be seen of it, which is made without what only other people's data needs.

Half of what a span costs is that the SDK looks at each attribute, takes locks, and makes lists and a copy for its
processors. A span that ezlogs opens, and on which nobody else does anything, needs none of that. As soon as somebody
does, one of the SDK's own takes over, with its limits, its warnings and whatever else it is that it does. Where spans
of the SDK's can do more than is known here, none is made: see `IS_WHOLE`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import time_ns
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)
from opentelemetry.util.types import Attributes, AttributeValue

from ezlogs.otel_compat import append_event, current_span, verdict_without_parent

if TYPE_CHECKING:
    from opentelemetry.trace import TraceState

    from ezlogs.otel_compat import TracerParts

_UNSET: Final = Status(StatusCode.UNSET)
_NOBODY: Final = SpanProcessor()
_MOST_EVENTS: Final = 128


class LightSpan(Span):
    """An open or ended span; see the module.

    Args:
        parts: What the tracer that opens it is made of.
        name: What it is called.
        context: What it is known by.
        parent: The one that it is in.
        kind: Its kind.
        attributes: Texts and numbers; it keeps them.
    """

    def __init__(  # noqa: PLR0917  # from one place; what the base class keeps is kept by the span that takes over
        self,
        parts: TracerParts,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: dict[str, Any],
    ) -> None:
        self._parts = parts
        self._called = name
        self._known_by = context
        self._within = parent
        self._sort = kind
        self._facts = attributes
        self._of: Resource = parts.tracer.resource
        self._told: list[Any] = []
        self._taken_over: dict[str, Span] = {}
        """Has the SDK's own once there is one."""
        self._ends: list[None] = [None]
        """Who takes it out ends the span."""
        self._ended_at: int | None = None
        self._started_at: int = time_ns()

    def only_facts(self) -> dict[str, Any] | None:
        """Return its attributes, if it has nothing else: neither status nor links nor events of anybody's."""
        return None if self._taken_over else self._facts

    def put_facts(self, attributes: Mapping[str, Any]) -> bool:
        """Take attributes that are texts and numbers; return whether it did."""
        if self._taken_over or self._ended_at is not None:
            return False
        self._facts.update(attributes)
        return True

    def _real(self) -> Span:
        """Return the span that takes over; whichever thread is the first makes it, and none waits for another."""
        made = self._taken_over.get("span")
        if made is None:
            tracer = self._parts.tracer
            made = _Real(
                self._called,
                self._known_by,
                self._within,
                tracer.sampler,
                None,
                self._of,
                self._facts.copy(),
                kind=self._sort,
                span_processor=_NOBODY,
                instrumentation_info=tracer.instrumentation_info,
                limits=self._parts.limits,
                instrumentation_scope=self._parts.scope,
            )
            made.start(self._started_at)
            for event in self._told:
                append_event(made, event)
            made = self._taken_over.setdefault("span", made)
            if self._ended_at is not None and made.is_recording():
                made.end(self._ended_at)
        return made

    def __getattr__(self, name: str) -> Any:
        """Return what only the SDK's own has: people look at private fields, too."""
        if name.startswith("__") or "_taken_over" not in vars(self):
            raise AttributeError(name)
        return getattr(self._real(), name)

    def get_span_context(self) -> SpanContext:
        """Return what it is known by."""
        return self._known_by

    def is_recording(self) -> bool:
        """Return whether it is open."""
        return self._ended_at is None

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Set attributes."""
        self._real().set_attributes(attributes)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Set one."""
        self._real().set_attribute(key, value)

    def _add_event(self, event: Any) -> None:
        if self._taken_over or self._ended_at is not None or len(self._told) >= _MOST_EVENTS:
            self._real()._add_event(event)
        else:
            self._told.append(event)

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """Add an event."""
        self._real().add_event(name, attributes, timestamp)

    def _add_link(self, link: Link) -> None:
        self._real()._add_link(link)

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        """Link it to another span."""
        self._real().add_link(context, attributes)

    def update_name(self, name: str) -> None:
        """Call it something else."""
        if self._taken_over or self._ended_at is not None:
            self._real().update_name(name)
        else:
            self._called = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Say how it went."""
        self._real().set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add an event for an exception."""
        self._real().record_exception(exception, attributes, timestamp, escaped)

    def start(self, start_time: int | None = None, parent_context: Any = None) -> None:
        """Say that it has begun already."""
        self._real().start(start_time, parent_context)

    def end(self, end_time: int | None = None) -> None:
        """End it, and hand it over to the processors that there are now."""
        try:
            self._ends.pop()
        except IndexError:
            self._real().end(end_time)  # which says that it has ended
            return
        self._ended_at = time_ns() if end_time is None else end_time
        if self._taken_over and (real := self._real()).is_recording():
            real.end(self._ended_at)
        self._parts.hand_over(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it; an exception is its last event and makes its status."""
        if error is not None and self.is_recording():
            self.record_exception(error, escaped=True)
            self.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
        self.end()

    def __repr__(self) -> str:
        return f'_Span(name="{self.name}", context={self._known_by})'

    def _readable_span(self) -> ReadableSpan:
        return self

    @property
    def name(self) -> str:
        """What it is called."""
        return self._real().name if self._taken_over else self._called

    @property
    def context(self) -> SpanContext:
        """What it is known by."""
        return self._known_by

    @property
    def kind(self) -> SpanKind:
        """Its kind."""
        return self._sort

    @property
    def parent(self) -> SpanContext | None:
        """The one that it is in."""
        return self._within

    @property
    def start_time(self) -> int | None:
        """Nanoseconds since 1970."""
        return self._started_at

    @property
    def end_time(self) -> int | None:
        """The same; None while it is open."""
        return self._ended_at

    @property
    def status(self) -> Status:
        """How it went."""
        return self._real().status if self._taken_over else _UNSET

    @property
    def attributes(self) -> Attributes:
        """Its attributes."""
        return self._real().attributes if self._taken_over else MappingProxyType(self._facts)

    @property
    def events(self) -> Sequence[Event]:
        """Its events."""
        return self._real().events if self._taken_over else tuple(self._told)

    @property
    def links(self) -> Sequence[Link]:
        """Its links."""
        return self._real().links if self._taken_over else ()

    @property
    def dropped_attributes(self) -> int:
        """How many there was no room for."""
        return self._real().dropped_attributes if self._taken_over else 0

    @property
    def dropped_events(self) -> int:
        """The same of events."""
        return self._real().dropped_events if self._taken_over else 0

    @property
    def dropped_links(self) -> int:
        """The same of links."""
        return self._real().dropped_links if self._taken_over else 0

    @property
    def resource(self) -> Resource:
        """What it is of."""
        return self._of

    @property
    def instrumentation_scope(self) -> InstrumentationScope | None:
        """What opened it."""
        scope: InstrumentationScope | None = self._parts.scope
        return scope

    @property
    def instrumentation_info(self) -> Any:
        """The same, as it was called before."""
        return self._real().instrumentation_info

    def to_json(self, indent: int | None = 4) -> str:
        """Return it as JSON."""
        return str(self._real().to_json(indent))


def opener(parts: TracerParts | None) -> Callable[..., trace.Span | None] | None:
    """Return what opens spans as a tracer does; None where that cannot be.

    Args:
        parts: What the tracer is made of.
    """
    if parts is None or not IS_WHOLE:
        return None
    tracer = parts.tracer
    ids, sampler = tracer.id_generator, tracer.sampler
    always = verdict_without_parent(sampler)
    without_parent = None if always is None else _judged(always)

    def opened(
        name: str, ctx: Context, kind: SpanKind, attributes: Mapping[str, str | int] | None
    ) -> trace.Span | None:
        """Return a span, or None where the tracer does not make one like any other."""
        if not parts.is_enabled() or (attributes and not _PLAIN.issuperset(map(type, attributes.values()))):
            return None
        outer = current_span(ctx)
        parent: SpanContext | None = None if outer is None else outer.get_span_context()
        if parent is not None and type(parent) is not SpanContext:
            return None
        if parent is None or not parent.is_valid:
            parent, trace_id, judged = None, ids.generate_trace_id(), without_parent
        else:
            trace_id, judged = parent.trace_id, None
        is_recording, flags, trace_state = judged or _judged(
            sampler.should_sample(ctx, trace_id, name, kind, attributes, ())
        )
        if parts.has_random_ids:
            flags |= _RANDOM * int(ids.is_trace_id_random() if parent is None else parent.trace_flags.random_trace_id)
        known_by = SpanContext(trace_id, ids.generate_span_id(), False, _FLAGS[flags], trace_state)
        if not is_recording:
            return NonRecordingSpan(known_by)
        span = LightSpan(parts, name, known_by, parent, kind, dict(attributes or ()))
        parts.begin(span, ctx)
        return span

    return opened


def _judged(verdict: Any) -> tuple[bool, int, TraceState | None]:
    """Return what a sampler's verdict says of a span: whether it records, its flags, and its trace state."""
    decision = verdict.decision
    return decision.is_recording(), int(decision.is_sampled()), verdict.trace_state


_PLAIN: Final = frozenset({str, int})
_RANDOM: Final = 2
_FLAGS: Final = tuple(map(TraceFlags, range(4)))


class _Real(Span):
    """A span that the SDK lets others make."""


def _seen(kind: type) -> set[str]:
    """Return the names under which a class of spans shows something, or has something done."""
    private = {"_add_event", "_add_link", "_readable_span"}
    return {name for name, found in vars(kind).items() if callable(found) or isinstance(found, property)} & (
        {name for name in vars(kind) if not name.startswith("_")} | private
    )


IS_WHOLE: Final = (_seen(Span) | _seen(ReadableSpan)) <= vars(LightSpan).keys()
"""Whether there is nothing about the SDK's spans that this one does not know of: a later SDK may have more."""
