"""The store keeps the newest stories, each event once, and finds them by whatever somebody looks for."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ezlogs import Actor, Change, Correlation, UniversalEvent
from ezlogs.dev.decode import ReceivedEvent, ReceivedLog, ReceivedSpan
from ezlogs.dev.store import MOST_TOLD, Filter, Store
from ezlogs.dev.web.story_view import story_view
from ezlogs.story import stories
from ezlogs.story.registry import Phrases
from ezlogs.wire import attributes


def event(number: int, action: str = "placed", **fields: Any) -> UniversalEvent:
    """Return an event of a story of its own."""
    known = {
        "actor": Actor("user", "7", "Ada"),
        "subject": ("order", number),
        "correlation": Correlation(correlation_id=f"story-{number}"),
        "timestamp": 1_700_000_000_000_000_000 + number,
    }
    return UniversalEvent.create(fields.pop("event_type", "order.action"), action, **{**known, **fields})


def span(*events: UniversalEvent, trace: int = 1, name: str = "POST /orders", **fields: Any) -> ReceivedSpan:
    """Return a span that brings events."""
    known: dict[str, Any] = {
        "resource": {"service.name": "shop", "process.pid": 42},
        "scope_name": "ezlogs",
        "scope_version": "1",
        "trace_id": f"{trace:032x}",
        "span_id": f"{trace:016x}",
        "parent_span_id": "",
        "name": name,
        "kind": "server",
        "start_time": 1_000,
        "end_time": 2_000,
        "attributes": {},
        "events": [ReceivedEvent(one.event_type, one.timestamp, attributes(one)) for one in events],
        "links": [],
        "status": "unset",
        "status_message": "",
    }
    return ReceivedSpan(**{**known, **fields})


def ids(store: Store, **wanted: str) -> list[str]:
    """Return the stories that a filter lets through."""
    return [summary.story for summary in store.stories(Filter(**wanted))[0]]


def test_a_story_is_summed_up() -> None:
    """Title, who, how it came out, and how much there is of it."""
    store = Store()
    store.take([span(event(1))])
    (summary,), total = store.stories(Filter())
    assert total == 1
    assert (summary.title, summary.actor, summary.outcome) == ("Ada placed order 1", "Ada (user:7)", "Completed")
    assert (summary.services, summary.events, summary.is_broken) == (("shop",), 1, False)
    assert store.processes("story-1") == dict.fromkeys(store.processes("story-1"), "shop 42")


def test_an_event_is_kept_once_and_its_end_wins() -> None:
    """Whatever comes again, as span event or log record, is no news; what is known to have ended is."""
    store = Store()
    begun = event(1, outcome="unknown", event_id="evt_1")
    ended = event(1, outcome="failure", event_id="evt_1")
    record = ReceivedLog(
        resource={"service.name": "shop"},
        scope_name="ezlogs",
        scope_version="1",
        trace_id="",
        span_id="",
        event_name=ended.event_type,
        timestamp=ended.timestamp,
        observed_timestamp=0,
        severity_number=0,
        severity_text="",
        body=None,
        attributes=attributes(ended),
    )
    for received in (span(begun), record, span(begun), span(ended, trace=2)):
        store.take([received])
    (told,) = store.told("story-1")
    assert told.event.outcome == "failure"
    assert store.rows("SELECT count(*) FROM events") == [(1,)]


def test_stories_are_found_by_what_is_in_them() -> None:
    """By words, by who began them, by subject, by type and by outcome; wildcards of SQL are letters."""
    store = Store()
    store.take(
        [
            span(
                event(1),
                event(2, "cancelled", outcome="failure", actor=("user", 8)),
                event(3, "100% sent", event_type="mail.action", subject=("mail", "m_1")),
            )
        ]
    )
    assert ids(store) == ["story-3", "story-2", "story-1"]
    assert ids(store, text="ORDER 1") == ["story-1"]
    assert ids(store, text="100%") == ["story-3"]
    assert ids(store, text="%") == ["story-3"]
    assert ids(store, text="order ada") == ["story-1"]
    assert ids(store, actor="user:8") == ["story-2"]
    assert ids(store, subject="order") == ["story-2", "story-1"]
    assert ids(store, subject="order:2") == ["story-2"]
    assert ids(store, type="mail.*") == ["story-3"]
    assert ids(store, outcome="failed") == ["story-2"]
    assert ids(store, outcome="nonsense", text="order") == ["story-2", "story-1"]


def test_stories_are_told_in_the_words_of_whoever_looks() -> None:
    """In the list, in the story, and where words are looked for; times are of their time zone."""
    phrases = Phrases()
    phrases.add("order.placed", "{actor} bought order {subject.id}")
    store = Store(teller=partial(stories, phrases=phrases, zone=timezone(timedelta(hours=9))))
    change = event(
        1,
        "order.update",
        event_type="data.change",
        changes=(Change("paid_at", None, "2026-01-31T12:00:00Z"),),
        correlation=Correlation(correlation_id="story-1"),
        timestamp=1_700_000_001_000_000_000,
    )
    store.take([span(event(1), change)])
    (summary,), _ = store.stories(Filter(text="bought"))
    assert summary.title == "Ada bought order 1"
    view = story_view(store, "story-1")
    assert view is not None
    assert [sentence["text"] for sentence in view["sentences"]] == [
        "Ada bought order 1.",
        "Order 1 was changed: paid_at from nothing to 2026-01-31 21:00:00 +09:00.",
    ]


def test_a_list_can_begin_with_a_story() -> None:
    """Those that began after it are left out; none when it is not there, or no longer."""
    store = Store()
    store.take([span(event(number), trace=number) for number in (1, 2, 3)])
    assert ids(store, until="story-2") == ["story-2", "story-1"]
    assert ids(store, until="story-2", text="order:1") == ["story-1"]
    assert len(ids(store, until="gone")) == 3


def test_a_filter_is_no_statement() -> None:
    """What somebody looks for is never read as SQL."""
    store = Store()
    store.take([span(event(1))])
    for field in Filter.__struct_fields__:
        assert store.stories(Filter(**{field: "x'); DROP TABLE stories; --"}))[1] in (0, 1)
    assert ids(store) == ["story-1"]


def test_a_chain_with_a_gap_is_broken() -> None:
    """An event whose cause did not arrive, until it does."""
    store = Store()
    cause = event(1, event_id="evt_1")
    effect = event(1, "paid", correlation=Correlation(correlation_id="story-1", parent_event_id="evt_1"))
    store.take([span(effect)])
    assert ids(store, outcome="broken") == ["story-1"]
    store.take([span(cause)])
    assert ids(store, outcome="broken") == []


def test_any_service_may_join() -> None:
    """The spans of one that knows nothing of ezlogs are in the story of their trace, or are one by themselves."""
    store = Store()
    other = {"resource": {"service.name": "billing", "host.name": "b1"}, "span_id": "f" * 16}
    store.take([span(name="GET /rates", status="error", **other)])
    (summary,), _ = store.stories(Filter())
    assert (summary.title, summary.outcome, summary.events) == ("GET /rates", "Failed", 0)
    store.take([span(event(1))])
    assert ids(store) == ["story-1"]
    assert {found["process"] for found in store.spans("story-1")} == {"shop 42", "billing @ b1"}


def test_carrier_spans_are_no_hops() -> None:
    """They only bring events."""
    store = Store()
    store.take([span(event(1), attributes={"ezlogs.carrier": True})])
    assert store.spans("story-1") == []
    assert ids(store) == ["story-1"]


def test_the_oldest_stories_go_first_and_whole() -> None:
    """The store holds so many events and hardly more; a story is there or not."""
    store = Store(most_events=100)
    for number in range(150):
        store.take([span(event(number), event(number, "paid"), trace=number + 1)])
    (events,) = store.rows("SELECT count(*) FROM events")[0]
    assert 80 <= events <= 102
    newest = ids(store, text="order:149")
    assert newest == ["story-149"]
    assert ids(store, text="order:0") == []
    assert store.rows("SELECT count(*) FROM events GROUP BY story HAVING count(*) != 2") == []
    assert store.spans("story-0") == []


def test_a_file_outlives_its_process(tmp_path: Path) -> None:
    """What is in it is there again; one with other tables is begun anew; what is no database is refused."""
    path = tmp_path / "stories.db"
    store = Store(path)
    store.take([span(event(1))])
    version = store.version
    store.close()
    again = Store(path)
    assert ids(again) == ["story-1"]
    assert again.version == version
    again.rows("PRAGMA user_version = 99")
    again.close()
    assert ids(Store(path)) == []
    (tmp_path / "other").write_text("not a database, but long enough to be taken for one" * 50)
    with pytest.raises(Exception, match="not a database"):
        Store(tmp_path / "other")


def test_everything_can_be_forgotten() -> None:
    """And that is news."""
    store = Store()
    store.take([span(event(1))])
    before = store.version
    store.clear()
    assert (ids(store), list(store.all_told())) == ([], [])
    assert store.version > before


def test_many_stories_are_told_a_hundred_at_a_time() -> None:
    """The newest first: a list need not wait for all of them."""
    store = Store()
    store.take([span(*(event(number) for number in range(250)))])
    assert store.stories(Filter())[1] == 100
    before = store.version
    store.tell_all()
    assert store.stories(Filter())[1] == 250
    assert store.version > before


def test_what_came_is_kept_as_it_came() -> None:
    """Resource, scope, span and attributes, whatever their types."""
    store = Store()
    one = event(1, event_id="evt_1")
    store.take([span(one, resource={"service.name": "shop", "odd": [1, None, b"\x00"]})])
    found = store.received("evt_1")
    assert found is not None
    told, received = found
    assert told.event == one
    assert received["resource"]["service.name"] == "shop"
    assert received["attributes"]["ezlogs.event.id"] == "evt_1"
    assert json.dumps(received)
    assert store.received("evt_2") is None


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """Its tables are nobody's to drop."""
    path = tmp_path / "db.sqlite3"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE precious (thing)")
    other.close()
    with pytest.raises(sqlite3.DatabaseError, match="something else"):
        Store(path)
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]
    other.close()


def test_the_store_is_bounded_in_bytes_and_spans(caplog: pytest.LogCaptureFixture) -> None:
    """Few large events make room, as many small ones do; spans without events, too; a huge one is not kept."""
    store = Store(most_bytes=200_000)
    for number in range(30):
        store.take([span(event(number, metadata={"text": "x" * 8_000}), trace=number + 1)])
    (size,) = store.rows("SELECT sum(length(document) + length(received)) FROM events")[0]
    assert 100_000 < size <= 200_000
    assert ids(store, text="order:29") == ["story-29"]
    few = Store(most_events=10)
    for number in range(250):
        few.take([span(trace=number + 1)])
    assert 90 <= few.rows("SELECT count(*) FROM spans")[0][0] <= 100
    huge = span(event(40), resource={"service.name": "shop", "text": "x" * 3_000_000})
    store.take([huge])
    assert "is not kept" in caplog.text
    assert store.told("story-40") == []


def test_a_story_without_an_end_is_told_from_its_beginning() -> None:
    """So many of its events are told; how many there are is said."""
    store = Store()
    one = Correlation(correlation_id="loop")
    for first in range(0, MOST_TOLD + 100, 100):
        store.take([span(*(event(first + number, correlation=one) for number in range(100)))])
    assert len(store.told("loop")) == MOST_TOLD
    (summary,), _ = store.stories(Filter())
    assert summary.events == store.size("loop") == MOST_TOLD + 100


def test_figures_have_the_name_that_the_events_of_their_process_have() -> None:
    """An application that names its service to ezlogs alone leaves its meter provider without a name."""
    store = Store()
    instance = {"service.instance.id": "1234"}
    store.take([span(event(1), resource={"service.name": "shop", **instance})])
    assert store.named("unknown_service:python", "unknown_service:python 1234") == ("shop", "shop 1234")
    assert store.named("unknown_service:python", "unknown_service:python 9") == (
        "unknown_service:python",
        "unknown_service:python 9",
    )
    assert store.named("billing", "billing 1234") == ("billing", "billing 1234")


def test_what_arrived_since_is_told() -> None:
    """Each event once, and again when its end is known."""
    store = Store()
    store.take([span(event(1, outcome="unknown", event_id="evt_1"), event(2))])
    first, after = store.since(0)
    assert [told.event.correlation.correlation_id for told in first] == ["story-1", "story-2"]
    assert store.since(after) == ([], after)
    store.take([span(event(1, outcome="failure", event_id="evt_1"))])
    (ended,), _ = store.since(after)
    assert ended.event.outcome == "failure"


def test_what_cannot_be_taken_in_leaves_no_trace() -> None:
    """All of a request is in the store, or nothing."""
    store = Store()
    broken = span(event(2), trace=2, start_time="soon", end_time=2**70)
    with pytest.raises(OverflowError):
        store.take([span(event(1)), broken])
    assert store.rows("SELECT count(*) FROM events") == [(0,)]
    store.take([span(event(1))])
    assert ids(store) == ["story-1"]


def test_what_is_no_event_of_ours_is_only_part_of_its_span() -> None:
    """As an exception that was recorded on it; an event may be about nothing, or of a process that is not named."""
    store = Store()
    brought = span(event(1, subject=None), resource={})
    brought.events.append(ReceivedEvent("exception", 1, {"exception.type": "ValueError"}))
    store.take([brought])
    (summary,), _ = store.stories(Filter())
    assert (summary.events, summary.services) == (1, ("unknown_service",))


def test_a_store_that_is_closed_tells_nothing() -> None:
    """Also to who waits for it."""
    store = Store()
    store.close()
    assert store.wait(5, timeout=10) == 0
    store.tell_all()
