"""The page's server answers the page and no other, and says of everything what it may do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from tests.unit.dev.test_store import event, span

from ezlogs import Change, Correlation
from ezlogs.dev.metrics import ReceivedPoint
from ezlogs.dev.serving import Served
from ezlogs.dev.store import MOST_TOLD, Store
from ezlogs.dev.web import live
from ezlogs.dev.web.app import application
from ezlogs.dev.web.guard import Guard
from ezlogs.dev.web.performance import error_groups, percentile, performance
from ezlogs.dev.web.story_view import story_view


class Browser:
    """A browser on this machine, at the page."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._pool = urllib3.PoolManager(retries=False)

    def ask(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET", body: bytes | None = None
    ) -> urllib3.BaseHTTPResponse:
        """Ask for something."""
        return self._pool.request(method, self.address + path, headers=headers or {}, body=body, preload_content=False)

    def get(self, path: str) -> Any:
        """Return what the answer says, as JSON."""
        with self.ask(path) as answer:
            assert answer.status == 200
            return answer.json()


@pytest.fixture
def store() -> Store:
    """A store with two stories, of which one failed."""
    store = Store()
    failed: dict[str, Any] = {"outcome": "failure", "error": ValueError("no money")}
    run: dict[str, Any] = {"event_type": "job.execution", "subject": ("job", "j-1", "charge"), "duration": 2.0}
    store.take(
        [
            span(
                event(1, event_id="evt_1", changes=(Change("status", "new", "paid"),), metadata={"total": 9.9}),
                event(2, "charge.retry", outcome="retried", **run),
                event(2, "charge.failure", timestamp=1_700_000_003_000_000_000, **failed, **run),
            )
        ]
    )
    return store


@pytest.fixture
def browser(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """A browser that talks to the page's server."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    served = Served(application(store))
    served.start()
    yield Browser(served.address)
    served.stop()


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "ezlogs.evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/", "/api/stories", "/api/live", "/history?type=order&id=1"])
def test_pages_of_others_are_not_answered(browser: Browser, path: str, headers: dict[str, str]) -> None:
    """Neither one that had its name resolve to this machine, nor one that just asks."""
    with browser.ask(path, headers) as answer:
        assert answer.status in (400, 403)


def test_no_other_page_can_make_it_forget_or_receive(browser: Browser, store: Store) -> None:
    """Deleting and sending are for this page, and for programs, which have no origin."""
    evil = {"origin": "https://evil.example"}
    assert browser.ask("/api/stories", evil, "DELETE").status == 403
    assert browser.ask("/v1/traces", {**evil, "content-type": "application/json"}, "POST", b"{}").status == 403
    assert store.told("story-1")
    assert browser.ask("/api/stories", {"origin": browser.address}, "DELETE").status == 200
    assert store.told("story-1") == []


def test_every_answer_says_what_the_page_may_do(browser: Browser) -> None:
    """No script or style that is inside of HTML or comes from elsewhere; no guessing of types; no CORS."""
    for path in ("/", "/app.js", "/api/stories", "/nowhere", "/vendor/libraries.js"):
        headers = browser.ask(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
    page = browser.ask("/").data.decode()
    assert "<script type" in page
    assert "http://" not in page
    assert "https://" not in page


def test_one_story_has_lanes_and_waits(browser: Browser) -> None:
    """Each event and span a bar, in the lane of its process."""
    story: dict[str, Any] = browser.get("/api/stories/story-2")
    assert story["lanes"] == ["shop 42"]
    names = [bar["name"] for bar in story["bars"]]
    assert names == ["POST /orders", "job.execution charge.retry", "job.execution charge.failure"]
    assert story["bars"][1]["label"] == "charge.retry"
    assert browser.ask("/api/stories/nothing").status == 404


def test_one_event_is_told_whole(browser: Browser) -> None:
    """Changes, what it belongs to, how it came."""
    found: dict[str, Any] = browser.get("/api/events/evt_1")
    assert found["changes"] == [{"field": "status", "from": "new", "to": "paid"}]
    assert found["correlation"]["correlation_id"] == "story-1"
    assert found["received"]["span_name"] == "POST /orders"
    assert browser.ask("/api/events/evt_9").status == 404


def test_the_history_of_a_subject(browser: Browser) -> None:
    """As `ezlogs history` tells it, also for odd ids."""
    found: dict[str, Any] = browser.get("/api/subjects/order/1")
    assert [entry["deed"] for entry in found["entries"]] == ["placed"]
    assert browser.get("/api/subjects/order/a%2Fb%20c")["entries"] == []
    assert browser.get("/history?type=order&id=1")["kinds"] == {"order": 1, "job": 1}


def test_what_is_newer_than_the_list_is_counted(browser: Browser) -> None:
    """As far as it is looked for."""
    asked = {query: browser.get(f"/api/stories?{query}") for query in ("", "until=story-1", "until=story-1&text=gone")}
    assert [(found["total"], found["newer"]) for found in asked.values()] == [(2, 0), (1, 1), (0, 0)]


@pytest.mark.parametrize("query", ["offset=-1", "limit=0", "limit=100000", "offset=x"])
def test_odd_questions_are_refused(browser: Browser, query: str) -> None:
    """With a word on what is allowed."""
    assert browser.ask(f"/api/stories?{query}").status == 400


def test_errors_are_in_groups(store: Store) -> None:
    """By fingerprint, else by type and what failed."""
    told = {"event_type": "system.error", "subject": ("error", "f00d", "ValueError in shop.pay"), "outcome": "failure"}
    for number in (4_000_000_000, 5_000_000_000, 6_000_000_000):
        store.take(
            [span(event(number, "unhandled", error=ValueError(str(number)), metadata={"place": "shop.pay"}, **told))]
        )
    first, second = error_groups(store)
    assert (first["fingerprint"], first["place"], first["count"]) == ("f00d", "shop.pay", 3)
    assert first["first"] < first["last"]
    assert (second["type"], second["place"], second["count"]) == ("ValueError", "job.execution charge.failure", 1)


def test_what_is_slow_and_what_was_tried_again(store: Store) -> None:
    """By type and action, with an example."""
    told = performance(store)
    assert [(row["action"], row["count"], row["failures"], row["p95"]) for row in told["slowest"]] == [
        ("charge", 2, 1, 2.0)
    ]
    (retry,) = told["retries"]
    assert (retry["job"], retry["retries"]) == ("j-1", 1)


def test_services_tell_of_their_own_delivery(store: Store) -> None:
    """Of counters the newest figure of each process counts; of histograms percentiles are told."""
    resource = {"service.name": "shop", "process.pid": 1}

    def point(name: str, value: float, at: int, **more: Any) -> ReceivedPoint:
        attributes = more.pop("attributes", {})
        return ReceivedPoint(resource=resource, name=name, attributes=attributes, time=at, value=value, **more)

    lost = {"ezlogs.result": "lost", "error.type": "queue_full"}
    store.take_points(
        [
            point("ezlogs.events", 3, 1, attributes=lost),
            point("ezlogs.events", 5, 2, attributes=lost),
            point("ezlogs.emit.duration", 1.0, 2, count=10, bounds=(0.1, 1.0), buckets=(5, 4, 1)),
        ]
    )
    told = performance(store)
    assert told["losses"] == [{"service": "shop", "result": "lost", "reason": "queue_full", "events": 5}]
    (latency,) = told["latencies"]
    assert (latency["p50"], latency["p95"], latency["mean"]) == (0.1, None, 0.1)


def test_percentiles_of_nothing() -> None:
    """There are none; of more buckets than there are bounds for, the rest is beyond all."""
    assert percentile([0.1], [0, 0], 0.5) is None
    assert percentile([], [0, 0, 5], 0.5) == float("inf")


def test_hostile_events_are_data(browser: Browser, store: Store) -> None:
    """Scripts in them come as JSON, which no browser runs."""
    script = "<script>alert(1)</script>"
    store.take([span(event(3, script, correlation=Correlation(correlation_id="s3"), subject=("x", script)))])
    with browser.ask("/api/stories/s3") as answer:
        assert answer.headers["content-type"] == "application/json"
        assert script in answer.json()["events"][0]["action"]


def test_a_story_is_copied_as_a_test(browser: Browser) -> None:
    """As the code that expects it."""
    with browser.ask("/api/stories/story-1/test") as answer:
        assert answer.headers["content-type"].startswith("text/plain")
        assert b"expect_event_flow(" in answer.data
    assert browser.ask("/api/stories/nothing/test").status == 404


def test_ids_may_be_anything(browser: Browser, store: Store) -> None:
    """Also what looks like a path."""
    odd = {"event_id": "evt_a/b", "correlation": Correlation(correlation_id="../a/b c")}
    store.take([span(event(5, **odd))])
    assert browser.get("/api/stories/..%2Fa%2Fb%20c")["correlation_id"] == "../a/b c"
    assert browser.get("/api/events/evt_a%2Fb")["event_id"] == "evt_a/b"


def test_news_come_as_they_happen(browser: Browser, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once what a browser does not know yet, then each change, and in between that the connection stands."""
    monkeypatch.setattr(live, "TICK", 0.01)
    monkeypatch.setattr(live, "SILENCE", 0.05)
    answer = browser.ask("/api/live")
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = iter(part for chunk in answer.stream(None) for part in chunk.decode().splitlines())
    first = next(lines)
    assert first.startswith("id: ")
    assert any(line == ": still here" for line in lines)
    store.take([span(event(9))])
    second = next(line for line in lines if line.startswith("id: "))
    assert second != first
    answer.close()
    known = browser.ask("/api/live", {"last-event-id": second.removeprefix("id: ")})
    assert known.read(5) == b": sti"
    known.close()


def test_curves_are_one_for_each_process(store: Store) -> None:
    """And one for each state of a breaker; what is older than the window is left out."""

    def point(state: str, value: float, seconds: float) -> ReceivedPoint:
        at = store.begun - int(seconds * 1e9)
        attributes = {"ezlogs.breaker.state": state}
        resource = {"service.name": "shop", "process.pid": 1}
        return ReceivedPoint(
            resource=resource, name="ezlogs.breaker.state", attributes=attributes, time=at, value=value
        )

    store.take_points([point("open", 1, 9_999), point("open", 1, 2), point("closed", 0, 2), point("open", 0, 1)])
    curves = performance(store)["series"]["ezlogs.breaker.state"]
    found = {(curve["process"], curve["of"]): [value for _, value in curve["points"]] for curve in curves}
    assert found == {("shop 1", "open"): [1.0, 0.0], ("shop 1", "closed"): [0.0]}


def test_a_story_that_is_too_long_says_so(store: Store) -> None:
    """How much of it is told."""
    one = Correlation(correlation_id="loop")
    store.take([span(*(event(number, correlation=one) for number in range(MOST_TOLD + 1)))])
    view = story_view(store, "loop")
    assert view is not None
    assert view["notes"][-1] == "These are the first 2,000 of 2,001 events."


async def _nobody(*_: object) -> None:
    raise AssertionError("nobody is asked")


def test_what_is_no_request_goes_on() -> None:
    """The guard looks at HTTP."""
    seen = list[str]()

    async def app(scope: Any, _receive: object, _send: object) -> None:
        seen.append(scope["type"])

    asyncio.run(Guard(app)({"type": "lifespan"}, _nobody, _nobody))  # type: ignore[arg-type]  # neither is called
    assert seen == ["lifespan"]
