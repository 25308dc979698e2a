"""Where OpenTelemetry's private names are missing, the public way round does the same."""

from __future__ import annotations

import sys

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Event, Span, TracerProvider

import ezlogs
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


@pytest.mark.parametrize("private", [True, False])
def test_the_current_span_is_found(span: Span, private: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the key that it is kept under, or by the public way; where there is none, and where it is not of the SDK."""
    if not private:
        monkeypatch.setattr(otel_compat, "_SPAN_KEY", None)
    other = trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=True))
    assert otel_compat.current_span(trace.set_span_in_context(span, Context())) is span
    assert otel_compat.current_span(trace.set_span_in_context(other, Context())) is other
    assert otel_compat.current_span(Context()) is None


def test_without_its_private_name_events_ride_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipeline finds the current span by the public way, and no event is on a carrier for want of it."""
    monkeypatch.setattr(otel_compat, "_SPAN_KEY", None)
    provider = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    ezlogs.configure(endpoint="http://127.0.0.1:9", instrument="none")
    ezlogs.event("order.action", "shipped")
    with provider.get_tracer("test").start_as_current_span("work") as span:
        ezlogs.event("order.action", "placed")
    assert isinstance(span, Span)
    assert [event.name for event in span.events] == ["order.action"]
    assert ezlogs.health()["pending"] == 2, "one on its carrier, one on its span"
    ezlogs.shutdown()
    provider.shutdown()


def test_a_logger_provider_that_does_not_show_its_processors() -> None:
    """Nor does one that is not the SDK's."""
    from opentelemetry._logs import NoOpLoggerProvider
    from opentelemetry.sdk._logs import LoggerProvider

    provider = LoggerProvider(shutdown_on_exit=False)
    assert otel_compat.log_processors(provider) == ()
    assert otel_compat.log_processors(NoOpLoggerProvider()) is None
    assert otel_compat.log_processors(None) is None
