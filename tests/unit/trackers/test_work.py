"""Work ends as what left it says, may be entered anywhere and any number of times, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

import ezlogs
from ezlogs import Actor, Subject
from ezlogs.correlation import current
from ezlogs.event import InvalidEvent
from ezlogs.testing import Captured, capture
from ezlogs.trackers.work import StoryOfItsOwn, Work, exit_code_of, outcome_of, with_facts


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Collect the finished spans of a real SDK."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", lambda name, version=None, *_, **__: provider.get_tracer(name, version))
    yield exporter
    provider.shutdown()


def nightly(**fields: Any) -> StoryOfItsOwn:
    """Return work that begins a story."""
    return StoryOfItsOwn("night.run", "nightly", Actor("scheduler", "nightly"), **fields)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "success"),
        (ValueError(), "failure"),
        (SystemExit(), "success"),
        (SystemExit(0), "success"),
        (SystemExit(2), "failure"),
        (SystemExit("usage: ..."), "failure"),
        (KeyboardInterrupt(), "unknown"),
        (GeneratorExit(), "unknown"),
        (asyncio.CancelledError(), "unknown"),
    ],
)
def test_work_ends_as_what_left_it_says(captured: Captured, error: BaseException | None, outcome: str) -> None:
    """What comes from outside does not tell how far the work came; whatever it is goes on unchanged."""
    work = Work("invoice.action", "rendered", subject=("invoice", 7), metadata={"format": "pdf"})
    if error is None:
        with work:
            pass
    else:
        with pytest.raises(type(error)) as raised, work:
            raise error
        assert raised.value is error
    (event,) = captured.events
    assert (event.outcome, outcome_of(error)) == (outcome, outcome)
    assert (event.error is None) == (outcome == "success")
    assert (event.subject, event.metadata) == (Subject("invoice", "7"), {"format": "pdf"})
    assert event.duration is not None


def test_an_exit_code_is_what_python_makes_of_it() -> None:
    """None is 0, a text is 1."""
    assert [exit_code_of(SystemExit(*code)) for code in ((), (3,), ("usage",), (True,))] == [0, 3, 1, 1]


def test_work_is_async_too(captured: Captured) -> None:
    """The task's context is its own."""

    async def render() -> None:
        async with Work("invoice.action", "rendered") as work:
            await asyncio.sleep(0)
            assert current() == work.correlation

    asyncio.run(render())
    assert captured.events[0].outcome == "success"


def test_what_happens_in_work_is_caused_by_it(captured: Captured) -> None:
    """Its event is told last, under the id that was reserved first."""
    work = Work("invoice.action", "rendered")
    assert work.correlation is None
    with work:
        ezlogs.event("file.action", "written")
    written, rendered = captured.events
    assert written.correlation.parent_event_id == rendered.event_id == work.event_id
    assert rendered.correlation.parent_event_id is None


def test_work_begun_by_hand_is_not_entered(captured: Captured) -> None:
    """For hooks that see a beginning and an end; it is told in its own context, wherever it ends."""
    work = Work("invoice.action", "rendered")
    with ezlogs.actor("user", 7):
        work.begin()
        assert current() is None
    work.end()
    assert captured.events[0].actor == Actor("user", "7")


def test_work_under_way_can_be_entered_once_more(captured: Captured) -> None:
    """The inner stretch is another one, caused by the outer one; each restores what was before."""
    work = Work("tree.action", "walked")
    with work as outer:
        with work as inner:
            assert inner is not outer
        assert current() == outer.correlation
    assert current() is None
    with work as again:
        assert again is work
    first, last, later = captured.events
    assert first.correlation.parent_event_id == last.event_id
    assert later.event_id not in (first.event_id, last.event_id)


def test_work_can_be_shared_between_threads(captured: Captured) -> None:
    """Each thread has a stretch of its own, and is left as it was."""
    work, together, left = Work("file.action", "read"), threading.Barrier(4, timeout=10), []

    def read() -> None:
        with work:
            together.wait()
        left.append(current())

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({event.event_id for event in captured.events}) == 4
    assert len({event.correlation.correlation_id for event in captured.events}) == 4
    assert left == [None] * 4


def test_a_wrong_event_leaves_the_work_as_it_was() -> None:
    """With ``strict`` it is refused: at the end of the work, with the scope closed; the next use is a new one."""
    flow = ezlogs.flow("checkout", 42, metadata=5)  # type: ignore[arg-type]  # wrong
    with capture() as captured:
        with pytest.raises(InvalidEvent, match="metadata 5"), flow:
            pytest.fail("entered")  # pragma: no cover  # it is not
        with pytest.raises(InvalidEvent), Work("Wrong", "rendered"):
            pass
    assert captured.events == []
    assert current() is None
    with flow as used:
        assert used is flow


def test_work_survives_a_context_that_was_lost(captured: Captured) -> None:
    """It is told in its own context, and the present one is left alone."""
    work = Work("invoice.action", "rendered")
    token = context.attach(context.get_current())
    with work:
        context.attach(context.Context())
    assert len(captured.events) == 1
    assert captured.events[0].event_id == work.event_id
    context.detach(token)


class Resisting(Mapping[str, Any]):
    """A mapping whose own code raises."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError

    __iter__ = __len__ = __getitem__  # type: ignore[assignment]  # resisting


@pytest.mark.parametrize(
    ("given", "together"),
    [
        (None, {"step": "paid"}),
        ({"total": 5}, {"total": 5, "step": "paid"}),
        ({"step": "mine"}, {"step": "paid"}),
        (7, {"value": 7, "step": "paid"}),
        (Resisting(), {"value": "<tests.unit.trackers.test_work.Resisting>", "step": "paid"}),
    ],
)
def test_measured_facts_join_what_was_given(given: object, together: dict[str, object]) -> None:
    """Whatever that is; what was not measured is left out."""
    assert with_facts(given, step="paid", lateness=None) == together


def test_a_story_of_its_own_has_a_trace_of_its_own(captured: Captured, spans: InMemorySpanExporter) -> None:
    """Its span's trace id is the story's; whoever acted around it does not act in it."""
    with ezlogs.actor("user", 7), ezlogs.flow("checkout", 42) as around:
        with nightly() as work:
            ezlogs.event("file.action", "removed")
        assert current() == around.correlation
    _, removed, night, _ = captured.events
    (span,) = spans.get_finished_spans()
    assert night.correlation.correlation_id == f"{span.context.trace_id:032x}"
    assert (span.parent, span.name, span.instrumentation_scope.name) == (None, "nightly", "ezlogs.night")
    assert removed.actor == night.actor == Actor("scheduler", "nightly")
    assert removed.correlation.flow_id is None
    assert removed.correlation.parent_event_id == work.event_id


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (ValueError("5"), StatusCode.ERROR, "ValueError"),
        (KeyboardInterrupt(), StatusCode.UNSET, "KeyboardInterrupt"),
        (SystemExit(0), StatusCode.UNSET, None),
        (SystemExit(3), StatusCode.ERROR, "SystemExit"),
    ],
)
def test_its_span_says_how_it_ended(
    captured: Captured, spans: InMemorySpanExporter, error: BaseException, status: StatusCode, kind: str | None
) -> None:
    """An error has a type, and never a message."""
    with pytest.raises(type(error)), nightly():
        raise error
    (span,) = spans.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (status, None)
    assert (span.attributes or {}).get("error.type") == kind
    assert span.events == ()


def test_a_story_of_its_own_runs_when_nothing_listens(spans: InMemorySpanExporter) -> None:
    """In a new story, and without a span; used again it has no span of an earlier use."""
    work = nightly()
    with capture(), work:
        pass
    with work:
        assert current() is not None
    assert len(spans.get_finished_spans()) == 1


def test_a_tracer_that_fails_does_not_stop_the_work(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is reported, and the work told without a story of its own."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a sampler of somebody's")

    monkeypatch.setattr(trace, "get_tracer", fail)
    with capture(strict=False) as captured, caplog.at_level(logging.WARNING), nightly():
        pass
    assert [event.action for event in captured.events] == ["nightly"]
    assert "failed: RuntimeError" in caplog.text
