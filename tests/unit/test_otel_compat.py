"""Where OpenTelemetry's private names are missing, the public way round does the same."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanLimits, TracerProvider
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Link

from ezlogs import otel_compat


@pytest.fixture
def span() -> Span:
    """A recording span."""
    return TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("work")


@pytest.mark.parametrize("private", [True, False])
def test_an_event_is_put_on_a_recording_span(span: Span, private: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the private method, or copied by the public one."""
    if not private:
        monkeypatch.setattr(Span, "_add_event", None)
        monkeypatch.setattr(
            Span, "add_event", lambda self, name, attributes, timestamp: self._events.append(Event(name, attributes))
        )
    assert otel_compat.append_event(span, Event("order.action", {"a": 1}, 5))
    assert [(event.name, dict(event.attributes or {})) for event in span.events] == [("order.action", {"a": 1})]


def test_an_ended_span_takes_none(span: Span) -> None:
    """Without the SDK's log line."""
    span.end()
    assert not otel_compat.append_event(span, Event("order.action", {}, 5))


def test_a_provider_that_does_not_show_its_processors() -> None:
    """Then nobody can know who exports; the pipeline attaches, and no span is exported twice."""
    assert otel_compat.span_processors(TracerProvider(shutdown_on_exit=False)) == ()
    hidden = TracerProvider(shutdown_on_exit=False)
    del hidden._active_span_processor
    assert otel_compat.span_processors(hidden) is None


def test_without_the_sdks_configurator_the_caller_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It builds a plain provider then."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk._configuration", None)
    assert not otel_compat.configure_sdk(None)


def test_the_current_span_is_found(span: Span) -> None:
    """By the key that it is kept under; where there is none, and where it is not of the SDK."""
    other = trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=True))
    assert otel_compat.current_span(trace.set_span_in_context(span, Context())) is span
    assert otel_compat.current_span(trace.set_span_in_context(other, Context())) is other
    assert otel_compat.current_span(Context()) is None


class OtherContext:
    """A runtime context that keeps the current context in a way of its own, as ``OTEL_PYTHON_CONTEXT`` may name one."""

    def get_current(self) -> Context:
        """Return one that can be told from others."""
        return Context({"kept": "elsewhere"})


def test_the_current_context_is_asked_of_whoever_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that keeps it where there is one, else the public function."""
    token = context.attach(Context({"kept": "here"}))
    try:
        assert otel_compat.current_context() is context.get_current()
        assert otel_compat.context_reader() != context.get_current
    finally:
        context.detach(token)
    monkeypatch.setattr(context, "_RUNTIME_CONTEXT", OtherContext())
    assert otel_compat.context_reader()() == {"kept": "elsewhere"}
    monkeypatch.delattr(context, "_RUNTIME_CONTEXT")
    assert otel_compat.context_reader() == context.get_current


def test_jobs_are_children_where_nobody_says_that_they_are_linked() -> None:
    """What contrib was told is asked of whatever it is; an instrumentor that does not know it links nothing."""

    class Linking:
        _use_span_links = True

    assert otel_compat.links_jobs(Linking())
    assert not otel_compat.links_jobs(object())
    assert not otel_compat.links_jobs(None)


def test_an_instrumentor_is_switched_off_once_it_was_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made and never begun is not switched off, nor is one that is on; nothing is imported or made to find out."""

    class Instrumentor:
        _instance: Any = None
        _is_instrumented_by_opentelemetry = False

    def off(name: str = "Instrumentor") -> bool:
        return otel_compat.is_switched_off("contribs", name)

    assert not off()
    monkeypatch.setitem(sys.modules, "contribs", SimpleNamespace(Instrumentor=Instrumentor))
    assert not off()
    Instrumentor._instance = Instrumentor()
    assert not off()
    Instrumentor._instance._is_instrumented_by_opentelemetry = True
    assert not off()
    Instrumentor._instance._is_instrumented_by_opentelemetry = False
    assert off()
    assert not off("Other")


class Renamed(ReadableSpan):
    """A span whose name somebody keeps back, as wrappers of exporters do."""

    @property
    def name(self) -> str:
        """Another name than its own."""
        return "kept back"


class RenamedEvent(Event):
    """An event of that kind."""

    @property
    def name(self) -> str:
        """Another name than its own."""
        return "kept back"


def told(read: tuple[Any, ...]) -> list[Any]:
    """Return what was read in a form that compares: the SDK holds attributes and events in containers of its own."""
    return [
        dict(part) if isinstance(part, Mapping) else [*part] if type(part) in {tuple, BoundedList} else part
        for part in read
    ]


@pytest.mark.parametrize("private", [True, False])
def test_an_ended_span_is_read_as_it_shows_itself(private: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the fields behind its properties, or by these; what limits dropped is counted in either way."""
    limits = SpanLimits(max_events=1, max_span_attributes=1, max_event_attributes=1, max_links=1)
    there = Link(trace.SpanContext(3, 4, is_remote=True))
    tracer = TracerProvider(shutdown_on_exit=False, span_limits=limits).get_tracer("test")
    span = tracer.start_span("work", links=[there, there], attributes={"a": 1, "b": 2})
    for name in ("first", "second"):
        span.add_event(name, {"a": 1, "b": 2}, 5)
    span.end()
    if not private:
        monkeypatch.setattr(otel_compat, "_private_of_span", attrgetter("_gone"))
        monkeypatch.setattr(otel_compat, "_private_of_event", attrgetter("_gone"))
    assert isinstance(span, ReadableSpan)
    read = told(otel_compat.read_span(span))
    assert read[:7] == [span.context, None, "work", span.kind, span.start_time, span.end_time, span.status]
    assert read[7:] == [{"b": 2}, 1, [*span.events], 1, [there], 1]
    assert told(otel_compat.read_event(span.events[0])) == ["second", 5, {"b": 2}, 1]


def test_a_span_made_by_hand_is_read_as_it_shows_itself() -> None:
    """Its attributes know of no limits, and what a class keeps back stays so."""
    for kind, name in ((ReadableSpan, "work"), (Renamed, "kept back")):
        span = kind("work", trace.SpanContext(1, 2, is_remote=False), attributes={"a": 1})
        assert told(otel_compat.read_span(span))[2::5] == [name, {"a": 1}, 0]
    for of_event, name in ((Event, "placed"), (RenamedEvent, "kept back")):
        assert told(otel_compat.read_event(of_event("placed", {"a": 1}, 5))) == [name, 5, {"a": 1}, 0]


def test_what_only_looks_like_a_span_is_read_by_its_public_names() -> None:
    """As ezlogs' scrubbed copies are."""
    names = ("context", "parent", "name", "kind", "start_time", "end_time", "status", "attributes")
    of_lists = ("dropped_attributes", "events", "dropped_events", "links", "dropped_links")
    looks_alike: Any = SimpleNamespace(**{name: name for name in names + of_lists})
    assert otel_compat.read_span(looks_alike) == names + of_lists
