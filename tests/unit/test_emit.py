"""One way out for every event: nothing is made when nothing listens, and nothing ever reaches the application."""

from __future__ import annotations

import logging
import threading
from collections import UserDict
from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_instrumentation

import ezlogs
from ezlogs import emit as emit_module
from ezlogs import runtime as runtime_module
from ezlogs.correlation import Correlation
from ezlogs.emit import guarded, listening, record
from ezlogs.event import OUTCOMES, SEVERITIES, SYSTEM, Actor, Failure, InvalidEvent, UniversalEvent
from ezlogs.runtime import Runtime, current_runtime, install
from ezlogs.settings import load
from ezlogs.snapshot import freeze
from ezlogs.testing import Captured, capture


class Broken(Captured):
    """A carrier that raises."""

    def carry(self, event: UniversalEvent, ctx: Context) -> None:
        """Raise."""
        raise OSError("no carrier today")


@pytest.fixture
def production() -> Runtime:
    """A runtime as in production, with a carrier that raises; the test's end takes it down."""
    runtime = Runtime(load({}).settings, Broken())
    install(runtime)
    yield runtime
    install(None)


def test_events_are_numbered_in_order(captured: Captured) -> None:
    """The sequence orders what happened in the same nanosecond."""
    for _ in range(3):
        record("order.action", "placed")
    assert [event.sequence for event in captured.events] == [1, 2, 3]


def test_nothing_is_made_when_nothing_listens() -> None:
    """Without a runtime, or with ezlogs switched off, an event costs a look and no more."""
    assert not listening()
    assert record("not even", "checked") is None
    install(Runtime(load({}, {"enabled": False}).settings))
    assert not listening()
    assert record("not even", "checked") is None
    install(None)


def test_nothing_is_made_inside_suppressed_instrumentation(captured: Captured) -> None:
    """Exporters and health checks that ask for silence get it."""
    with suppress_instrumentation():
        assert record("order.action", "placed") is None
    assert captured.events == []


def test_in_tests_a_wrong_event_raises(captured: Captured) -> None:
    """The developer sees what is wrong, with what is allowed."""
    with pytest.raises(InvalidEvent, match="use two lower-case segments"):
        ezlogs.event("Order Placed", "placed")


def test_in_production_a_wrong_event_is_repaired_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """It is delivered, marked, and named in the log without what privacy keeps back."""
    with capture(strict=False) as captured, caplog.at_level(logging.WARNING, "ezlogs"):
        for _ in range(3):
            ezlogs.event("Order Placed ada@example.com", "placed")
    assert {event.event_type for event in captured.events} == {"order.placed_ada_example_com"}
    assert len(caplog.records) == 1
    assert "use two lower-case segments" in caplog.text
    assert "ada@example.com" not in caplog.text


def test_a_repaired_event_is_counted_as_such() -> None:
    """It is no error of ezlogs' own."""
    with capture(strict=False):
        ezlogs.event("Order Placed", "placed")
        runtime = current_runtime()
        assert runtime is not None
        assert runtime.ledger.counts() == {"emitted": 1, "invalid": 1}


def test_an_internal_error_never_reaches_the_application(production: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted, and said once."""
    assert ezlogs.event("order.action", "placed") is None
    assert ezlogs.event("order.action", "placed") is None
    assert production.ledger.counts()["internal_errors"] == 2
    assert [entry.getMessage() for entry in caplog.records] == ["ezlogs: an event was lost: OSError"]


def test_nor_does_an_error_while_it_is_reported(production: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no memory is left, nothing can be counted or said."""

    def refuse(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(runtime_module, "_cause", refuse)
    assert ezlogs.event("order.action", "placed") is None
    monkeypatch.setattr(production.ledger, "note", refuse)
    assert ezlogs.event("order.action", "placed") is None
    assert guarded(refuse)() is None
    monkeypatch.setattr(emit_module, "_name_of", refuse)
    assert guarded(refuse)() is None


def test_a_hooks_error_never_reaches_the_application(production: Runtime) -> None:
    """A guarded hook returns None instead."""

    @guarded
    def hook(value: int) -> float:
        return 1 / value

    assert hook(2) == 0.5
    assert hook(0) is None
    assert production.ledger.counts()["internal_errors"] == 1
    install(None)
    assert hook(0) is None


class Dividing:
    def __call__(self, value: int) -> float:
        return 1 / value


@pytest.mark.parametrize(
    ("hook", "name"),
    [
        (partial(divmod, 1), "builtins.divmod"),
        (partial(partial(Dividing())), f"{__name__}.Dividing"),
        (Dividing(), f"{__name__}.Dividing"),
        (Dividing().__call__, f"{__name__}.Dividing.__call__"),
    ],
)
def test_a_hook_without_a_name_of_its_own_is_reported_too(
    production: Runtime, caplog: pytest.LogCaptureFixture, hook: Callable[[int], object], name: str
) -> None:
    """A partial and an instance have none; what they hold is the application's."""
    assert guarded(hook)(2) is not None
    assert guarded(hook)(0) is None
    assert [entry.getMessage() for entry in caplog.records] == [f"ezlogs: {name} failed: ZeroDivisionError"]


def test_in_tests_a_hooks_error_is_raised(captured: Captured) -> None:
    """So that it is found."""

    @guarded
    def hook() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        hook()
    captured.errors.clear()


def test_captures_nest() -> None:
    """The inner one takes the events, and the outer one comes back."""
    with capture() as outer:
        with capture() as inner:
            ezlogs.event("order.action", "placed")
        assert (len(inner.of("order.action")), outer.events) == (1, [])
        assert ezlogs.health()["captured"] == 0
        assert ezlogs.flush()
        ezlogs.event("order.action", "placed", metadata={"password": "x"})
        assert outer.exported[0]["ezlogs.metadata.password"] == "[redacted]"
        outer.clear()
        assert outer.events == []


plain_parties = (
    st.none()
    | st.builds(Actor, st.text(min_size=1), st.text(min_size=1))
    | st.tuples(st.text(min_size=1), st.text(min_size=1) | st.integers())
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.characters(categories=["Cs"])


@given(
    action=st.text(min_size=1) | st.sampled_from(["\xa0", " ", "\u2003\t"]),
    actor=plain_parties,
    subject=st.none() | st.tuples(st.text(min_size=1), st.text(min_size=1) | st.integers()),
    metadata=st.none() | st.dictionaries(st.text() | st.integers(), scalars, max_size=5),
    outcome=st.sampled_from(OUTCOMES),
    severity=st.none() | st.sampled_from(SEVERITIES),
    duration=st.none() | st.floats() | st.integers(),
    error=st.none() | st.builds(Failure, st.text(min_size=1)) | st.builds(ValueError, st.text()),
    event_id=st.none() | st.just("evt_1"),
)
def test_an_event_is_the_same_whether_it_took_the_short_way_or_was_checked(**fields: Any) -> None:
    """What `record` keeps for later is what `UniversalEvent.create` makes of it at once."""
    story = Correlation(correlation_id="a" * 32)
    with capture(strict=False):
        event = record("order.action", correlation=story, timestamp=5, **fields)
    assert event is not None
    reserved = {**fields, "event_id": event.event_id}
    given_actor = SYSTEM if fields["actor"] is None else fields["actor"]
    expected = UniversalEvent.create(
        "order.action", correlation=story, timestamp=5, sequence=1, **{**reserved, "actor": given_actor}
    )
    assert event.facts == expected.facts


def test_an_event_is_snapshotted_at_the_call_and_made_when_read(captured: Captured) -> None:
    """Later changes of the caller's dict do not reach it, though nothing was made of it yet."""
    metadata = {"total": 1}
    event = record("order.action", "placed", metadata=metadata)
    metadata["total"] = 2
    assert event is not None
    assert event.metadata == {"total": 1}


def test_two_readers_of_a_new_event_see_one_id(captured: Captured) -> None:
    """Threads that read an event at the same time agree on its fields."""
    for _ in range(200):
        event = record("order.action", "placed")
        begin = threading.Barrier(2)
        seen: list[str] = []

        def read(event: Any = event, begin: threading.Barrier = begin, seen: list[str] = seen) -> None:
            begin.wait()
            seen.append(event.event_id)

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen[0] == seen[1]


@pytest.mark.parametrize("wrong", [[], {}, None, 5, object()], ids=lambda wrong: type(wrong).__name__)
def test_an_event_type_of_any_kind_is_repaired(wrong: object) -> None:
    """Also one that cannot be hashed."""
    with capture(strict=False) as captured:
        record(wrong, "placed")  # type: ignore[arg-type]  # wrong input is the point
    assert captured.events[0].event_type == "custom.event"


def test_the_memory_of_event_types_is_bounded(captured: Captured) -> None:
    """An application that makes types up as it goes fills no memory."""
    for number in range(5000):
        record(f"made.up_{number}", "seen")
    runtime = current_runtime()
    assert runtime is not None
    assert len(runtime.event_types) <= 4096


def test_a_disabled_type_of_event_is_not_made() -> None:
    """The verdict on a type is found once, and trackers can ask for it before they work."""
    with capture(disabled_events="data.*,order.viewed") as captured:
        assert ezlogs.event("order.viewed", "seen") is None
        assert ezlogs.event("data.change", "order.update") is None
        assert ezlogs.event("order.action", "placed") is not None
        assert (listening("data.change"), listening("order.action"), listening()) == (False, True, True)
    assert [event.event_type for event in captured.events] == ["order.action"]


def test_a_disabled_type_stays_so_however_it_is_spelled() -> None:
    """An event whose type had to be repaired is held to the repaired type's verdict."""
    with capture(strict=False, disabled_events="order.action") as captured:
        assert ezlogs.event("Order.Action", "placed") is None
    assert captured.events == []


def test_what_is_never_made_is_nobodys_cause() -> None:
    """What happens in a disabled scope has the cause of the scope itself for its own."""
    with capture(disabled_events="cli.command") as captured, ezlogs.flow("import", 1), ezlogs.command("x", nested=True):
        ezlogs.event("order.action", "placed")
    start, placed, _ = captured.events
    assert placed.correlation.parent_event_id == start.event_id


def test_a_share_of_the_stories_is_kept_and_each_as_a_whole() -> None:
    """All that succeeds in a story has one fate; what failed, and what is always kept, is there in every story."""
    with capture(sample_rate=0.5, always_events="payment.*", keep_errors=False) as captured:
        for _ in range(200):
            with ezlogs.CorrelationManager.start_request_context():
                ezlogs.event("order.action", "placed")
                ezlogs.event("order.action", "confirmed")
                ezlogs.event("order.action", "shipped", outcome="failure")
                ezlogs.event("payment.action", "taken")
        counts = current_runtime().ledger.counts()
    stories: dict[str, set[str]] = {}
    for event in captured.events:
        stories.setdefault(event.correlation.correlation_id, set()).add(event.action)
    assert {frozenset(actions) for actions in stories.values()} == {
        frozenset({"shipped", "taken"}),
        frozenset({"placed", "confirmed", "shipped", "taken"}),
    }
    assert len(stories) == 200
    kept = sum("placed" in actions for actions in stories.values())
    assert 60 < kept < 140
    assert counts == {"emitted": 800, "sampled_out_by.rate": 400 - 2 * kept}


ODD = [[], {}, object(), 5, b"x", None, ("a",), ([], 1), (1, 2, 3, 4), ("a", [1]), float("nan"), (Actor, [])]
FIELDS = ("event_type", "action", "actor", "subject", "metadata", "outcome", "duration", "changes", "error", "severity")


@pytest.mark.parametrize("field", [*FIELDS, "event_id", "timestamp"])
@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_no_argument_loses_an_event(field: str, value: object) -> None:
    """Whatever is given for any field, the event is made, and what was wrong with it is marked."""
    with capture(strict=False):
        event = record(**{"event_type": "order.action", "action": "placed", field: value})  # type: ignore[arg-type]  # wrong on purpose
    assert event is not None
    assert UniversalEvent.from_json(event.to_json()) == event


def test_an_event_is_read_alike_before_and_after_it_is_settled() -> None:
    """Its severity follows from its outcome unless it was given, whichever field is read first."""
    with capture(strict=False):
        quiet = ezlogs.event("order.action", "placed", severity="debug")
        failed = ezlogs.event("order.action", "placed", outcome="failure")
    assert quiet is not None
    assert failed is not None
    assert (quiet.severity, failed.severity) == ("debug", "error") == (quiet.facts.severity, failed.facts.severity)


@pytest.mark.parametrize(
    "metadata",
    [
        {"total": 5},
        MappingProxyType({"total": 5}),
        UserDict(total=5),
        {"total": 5, "tags": ["a"]},
        {"total": 5, "number": 2**70},
        {"total": 5, "share": float("nan")},
        {"total": 5, "name": "é" * 10_000},
    ],
    ids=["flat", "proxy", "other", "nested", "large", "no number", "long"],
)
@pytest.mark.parametrize("strict", [False, True])
def test_metadata_of_any_kind_is_a_snapshot(metadata: Any, strict: bool) -> None:
    """Plain scalars are copied, anything else is frozen at the call."""
    with capture(strict=strict):
        event = ezlogs.event("order.action", "placed", metadata=metadata)
    assert event is not None
    assert event.facts.metadata == freeze(dict(metadata))
    assert event.metadata["total"] == 5


@pytest.mark.parametrize(
    ("field", "value"),
    [("action", " "), ("outcome", "sucess"), ("duration", -1.0), ("actor", ("user", None)), ("subject", ("", 7))],
)
def test_what_is_found_wrong_when_an_event_is_read_is_counted_and_said(
    field: str, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Once for each event, and in the log once at all, though the call itself had no look at it."""
    with capture(strict=False), caplog.at_level(logging.WARNING, "ezlogs"):
        told = [record(**{"event_type": "order.action", "action": "placed", field: value}) for _ in range(2)]  # type: ignore[arg-type]  # wrong on purpose
        for event in (*told, *told):
            assert event is not None
            assert len(event.invalid) == 1
        counts = current_runtime().ledger.counts()  # type: ignore[union-attr]  # captured
    assert counts["invalid"] == 2
    assert len(caplog.records) == 1
    assert field in caplog.text
