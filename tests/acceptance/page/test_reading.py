"""What somebody sees at the page: stories, one story, one event, one subject, errors, how services fare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from tests.acceptance.page.conftest import Visit, arrive, checkout, stories_of
from tests.unit.dev.test_store import event, span

from ezlogs import Correlation
from ezlogs.dev.endpoint import Endpoint
from ezlogs.dev.metrics import ReceivedPoint
from ezlogs.wire import attributes

BOTH = pytest.mark.parametrize("visit", ["light", "dark"], indirect=True)


@BOTH
def test_stories_are_listed_and_narrowed(visit: Visit, endpoint: Endpoint, request: pytest.FixtureRequest) -> None:
    """The newest first, each with who, how it came out and how much there is; by words, who, what, type and outcome."""
    arrive(endpoint, 1, 2)
    orphan = Correlation(correlation_id="story-3", parent_event_id="evt_gone")
    endpoint.store.take([span(event(3, "refunded", correlation=orphan, actor=("user", 8)), trace=3)])
    page = visit.go()
    lines = stories_of(page)
    expect(lines).to_have_count(3)
    expect(page.get_by_text("3 stories")).to_be_visible()
    expect(lines.nth(0)).to_contain_text("Ada placed order 2")
    for part in ("Failed", "Ada (user:7)", "shop", "4 events"):
        expect(lines.nth(0)).to_contain_text(part)
    expect(lines.filter(has_text="broken chain")).to_have_count(1)
    visit.keep(f"list-{request.node.callspec.params['visit']}")
    narrowed = {"Text": "order:1", "Who": "user:8", "What": "order:2", "Type of event": "job.*"}
    for (label, value), number in zip(narrowed.items(), (1, 1, 1, 2), strict=True):
        page.get_by_label(label, exact=True).fill(value)
        expect(lines).to_have_count(number)
        page.get_by_label(label, exact=True).fill("")
        expect(lines).to_have_count(3)
    for value, number in (("broken", 1), ("failed", 2), ("completed", 1)):
        page.get_by_label("Outcome").select_option(value)
        expect(lines).to_have_count(number)


def test_a_story_arrives_without_a_reload(visit: Visit, endpoint: Endpoint) -> None:
    """And what was empty before said what to do."""
    page = visit.go()
    expect(page.get_by_text("No story yet.")).to_be_visible()
    settings = page.locator(".empty pre").filter(has_text="PROTOCOL").inner_text().splitlines()
    assert settings == [
        f"OTEL_EXPORTER_OTLP_ENDPOINT={endpoint.address}", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
    ]  # fmt: skip
    visit.keep("empty")
    arrive(endpoint, 1)
    expect(stories_of(page)).to_have_count(1)
    arrive(endpoint, 2)
    expect(stories_of(page).nth(0)).to_contain_text("order 2")
    page.get_by_label("Text").fill("nothing like that")
    expect(page.get_by_text("No story is like that.")).to_be_visible()
    page.get_by_role("button", name="Show all").click()
    expect(stories_of(page)).to_have_count(2)


def test_the_small_shop_of_the_empty_page_fills_it(visit: Visit, endpoint: Endpoint, tmp_path: Path) -> None:
    """The command that it names, in a shell as it is."""
    page = visit.go()
    command = page.locator(".empty pre").last.inner_text()
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environ = {**os.environ, "PATH": path, "EZLOGS_STATE_DIR": str(tmp_path)}
    subprocess.run(command, shell=True, check=True, env=environ, cwd=tmp_path, timeout=50)
    expect(stories_of(page)).to_have_count(2)
    expect(stories_of(page).filter(has_text="Ada placed order 41")).to_contain_text("shop")


@BOTH
def test_a_story_in_sentences_as_tree_and_in_lanes(
    visit: Visit, endpoint: Endpoint, request: pytest.FixtureRequest
) -> None:
    """Each of them leads to the event."""
    arrive(endpoint, 1)
    page = visit.go()
    stories_of(page).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Ada placed order 1")
    panel = page.get_by_role("tabpanel")
    expect(panel.get_by_role("listitem").first).to_contain_text("Ada placed order 1.")
    page.get_by_role("tab", name="Tree").click()
    expect(panel.get_by_role("button", name="level 1, order.action placed, success")).to_be_visible()
    expect(panel.get_by_role("button", name="level 2, data.change order.update")).to_be_visible()
    page.get_by_role("tab", name="Lanes").click()
    lane = page.get_by_role("region", name="shop 42")
    expect(lane.get_by_role("button", name="charge.failure")).to_have_accessible_name(
        "job.execution charge.failure, 200 ms after 1.2 s, failure, waited 300 ms"
    )
    expect(lane.locator(".wait")).to_have_count(1)
    lane.get_by_role("button", name="charge.failure").click()
    expect(page.get_by_role("complementary", name="The event")).to_contain_text("ValueError: no money")
    visit.keep(f"lanes-{request.node.callspec.params['visit']}")


def test_an_event_is_told_whole(visit: Visit, endpoint: Endpoint) -> None:
    """Who, what, changes as a diff, what else, where it belongs, redactions, sampling, how it came; to be copied."""
    first, change, *_ = checkout()
    raw: dict[str, Any] = attributes(first) | {"ezlogs.redacted": ["metadata.password: key"]}
    brought = span(first, change)
    brought.events[0].attributes.update(raw)
    endpoint.store.take([brought])
    page = visit.go("story/story-1/evt_1_0")
    told = page.get_by_role("complementary", name="The event")
    for part in ("Ada (user:7)", "order:1", "success", "total", "9.9", "story-1", "metadata.password", "key"):
        expect(told).to_contain_text(part)
    expect(told.get_by_role("heading", name="Kept back by privacy")).to_be_visible()
    expect(told.get_by_role("heading", name="Sampling")).to_be_visible()
    told.get_by_text("As it came (OTLP)").click()
    expect(told.locator("pre")).to_contain_text('"ezlogs.event.id": "evt_1_0"')
    told.get_by_role("button", name="Copy as JSON").click()
    expect(told.get_by_text("copied", exact=True)).to_be_visible()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied["event_id"] == "evt_1_0"
    told.get_by_role("button", name="Copy the story as a test").click()
    expect(told.get_by_text("copied", exact=True).last).to_be_visible()
    page.wait_for_function("async () => (await navigator.clipboard.readText()).includes('expect_event_flow(')")
    visit.keep("event")
    visit.go("story/story-1/evt_1_1")
    row = told.get_by_role("row", name="status")
    expect(row.get_by_role("deletion")).to_have_text("new")
    expect(row.get_by_role("insertion")).to_have_text("paid")
    expect(told.get_by_text("Privacy kept nothing back.")).to_be_visible()
    told.get_by_role("link", name="evt_1_0").click()
    expect(told.get_by_role("heading", level=2)).to_contain_text("order.action placed")


def test_what_happened_to_a_subject(visit: Visit, endpoint: Endpoint) -> None:
    """In the order of time, with the way to each story."""
    arrive(endpoint, 1)
    page = visit.go("story/story-1/evt_1_0")
    page.get_by_role("link", name="order:1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("order 1")
    entries = page.get_by_role("main").get_by_role("listitem")
    expect(entries).to_have_count(2)
    expect(entries.nth(1)).to_contain_text("status: new → paid")
    visit.keep("subject")
    entries.nth(0).get_by_role("link").click()
    expect(page.get_by_role("complementary", name="The event")).to_be_visible()
    visit.go("subject/order/nothing")
    expect(page.get_by_text("Nothing is known of it.")).to_be_visible()


def test_errors_in_groups(visit: Visit, endpoint: Endpoint) -> None:
    """By type and place, with the way to an example; explained where there are none."""
    page = visit.go("errors")
    expect(page.get_by_text("Nothing went wrong.")).to_be_visible()
    arrive(endpoint, 1, 2)
    row = page.get_by_role("row", name="ValueError")
    expect(row).to_contain_text("job.execution charge.failure")
    expect(row.get_by_role("cell").nth(1)).to_have_text("2")
    visit.keep("errors")
    row.get_by_role("link", name="the latest").click()
    expect(page.get_by_role("complementary", name="The event")).to_contain_text("no money")


@BOTH
def test_how_services_fare(visit: Visit, endpoint: Endpoint, request: pytest.FixtureRequest) -> None:
    """Curves and tables; each says what it lacks where nothing was told yet."""
    page = visit.go("performance")
    expect(page.get_by_text("No service has told of its own delivery yet.").first).to_be_visible()
    arrive(endpoint, 1)
    now = endpoint.store.begun
    lost = {"ezlogs.result": "lost", "error.type": "queue_full"}
    figures: list[tuple[str, float, dict[str, Any]]] = [
        ("ezlogs.events", 5, {"attributes": lost}),
        ("ezlogs.queue.bytes", 2048, {}),
        ("ezlogs.journal.waiting", 7, {}),
        ("ezlogs.breaker.state", 1, {"attributes": {"ezlogs.breaker.state": "half-open"}}),
        ("ezlogs.emit.duration", 0.001, {"count": 10, "bounds": (0.0001, 0.001), "buckets": (9, 1, 0)}),
        ("ezlogs.delivery.duration", 20.0, {"count": 10, "bounds": (1.0, 5.0), "buckets": (5, 4, 1)}),
    ]
    resource = {"service.name": "shop", "process.pid": 42}
    endpoint.store.take_points(
        [
            ReceivedPoint(resource=resource, name=name, time=now, value=value, **{"attributes": {}, **more})
            for name, value, more in figures
        ]
    )
    breaker = page.get_by_role("img", name="Circuit breaker in the last minutes")
    expect(breaker).to_have_accessible_name("Circuit breaker in the last minutes; now shop 42: half-open")
    for name in ("Events a second", "Waiting in memory", "Waiting in the journal"):
        expect(page.get_by_role("img", name=name)).to_be_visible()
    expect(page.get_by_role("row", name="queue_full")).to_contain_text("5")
    expect(page.get_by_role("row", name="from event to collector")).to_contain_text("> 5 s")
    expect(page.get_by_role("row", name="making an event")).to_contain_text("≤ 100 µs")
    expect(page.get_by_role("row", name="charge 2 1 150 ms 200 ms 200 ms")).to_be_visible()
    expect(page.get_by_role("row", name="charge j-1")).to_contain_text("1")
    expect(page.get_by_role("row", name="no money")).to_be_visible()
    visit.keep(f"performance-{request.node.callspec.params['visit']}")
