"""The page and what is hostile or fails: events that are scripts, a server that goes away, very many events."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import expect
from tests.acceptance.page.conftest import Visit, arrive, checkout, stories_of
from tests.unit.dev.test_store import event, span

from ezlogs import Actor, Change, Correlation
from ezlogs.dev.endpoint import Endpoint

SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'`${alert(3)}"


def test_hostile_events_do_nothing(visit: Visit, endpoint: Endpoint) -> None:
    """A script in every field is text, at every place; nothing breaks what the page's policy allows."""
    told = event(
        1,
        SCRIPT,
        event_id="evt_<script>",
        actor=Actor(SCRIPT, SCRIPT, SCRIPT),
        subject=("x", SCRIPT, SCRIPT),
        changes=(Change(SCRIPT, SCRIPT, SCRIPT),),
        metadata={SCRIPT: SCRIPT, "__proto__": {"x": 1}, **{f"long{part}": "x" * 100_000 for part in range(9)}},
        outcome="failure",
        error=ValueError(SCRIPT),
        correlation=Correlation(correlation_id="../../<b>/javascript:alert(1)"),
    )
    resource = {"service.name": SCRIPT, "process.pid": SCRIPT}
    endpoint.store.take([span(told, name=SCRIPT, resource=resource)])
    page = visit.page
    page.add_init_script(
        "window.broken = []; addEventListener('securitypolicyviolation', (it) => broken.push(it.violatedDirective))"
    )
    visit.go()
    expect(stories_of(page)).to_contain_text(["<script>alert(2)</script>"])
    stories_of(page).click()
    page.get_by_role("tabpanel").get_by_role("button").first.click()
    aside = page.get_by_role("complementary", name="The event")
    expect(aside).to_contain_text(SCRIPT)
    expect(aside).to_contain_text("characters more")
    aside.get_by_text("As it came (OTLP)").click()
    for name in ("Tree", "Lanes"):
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_role("tabpanel")).to_contain_text("alert(2)")
    visit.keep("hostile")
    aside.get_by_role("link", name="x:<img").click()
    expect(page.get_by_role("main").get_by_role("listitem")).to_have_count(1)
    for place in ("errors", "performance"):
        visit.go(place)
        expect(page.get_by_role("main")).to_contain_text("alert(2)")
    assert page.evaluate("broken") == []
    assert page.locator("main img[src=x], main script").count() == 0


def test_odd_addresses_are_answered(visit: Visit) -> None:
    """What is not there is said; what cannot be read as an address is shown as the list."""
    visit.is_left_alone = True  # a browser complains of each 404
    page = visit.go("story/nothing")
    expect(page.get_by_role("alert")).to_have_text("It is not here, or no longer.")
    visit.go("%E0%A4%A")
    expect(page.get_by_text("No story yet.")).to_be_visible()


def test_the_server_goes_away_and_comes_back(visit: Visit, endpoint: Endpoint) -> None:
    """The page says so, keeps what it shows, and shows what is new once there is a server again."""
    arrive(endpoint, 1)
    page = visit.go()
    expect(stories_of(page)).to_have_count(1)
    visit.is_left_alone = True
    port = urlsplit(endpoint.address).port
    assert port is not None
    endpoint.__exit__(None, None, None)
    expect(page.get_by_text("ezlogs dev has ended")).to_be_visible(timeout=20_000)
    expect(stories_of(page)).to_have_count(1)
    visit.keep("ended")
    with Endpoint(port=port, grpc_port=0) as again:
        expect(page.get_by_role("status").get_by_text("live")).to_be_visible(timeout=30_000)
        expect(page.get_by_text("No story yet.")).to_be_visible()
        arrive(again, 7)
        expect(stories_of(page)).to_contain_text(["Ada placed order 7"])


def test_an_answer_that_does_not_come_changes_nothing(visit: Visit, endpoint: Endpoint) -> None:
    """What is shown stays, without an alarm, until the next answer comes."""
    arrive(endpoint, 1)
    page = visit.go()
    expect(stories_of(page)).to_have_count(1)
    visit.is_left_alone = True
    page.route("**/api/stories?*", lambda route: route.abort())
    with page.expect_event("requestfailed"):
        arrive(endpoint, 2)
    page.wait_for_timeout(300)
    expect(stories_of(page)).to_have_count(1)
    expect(page.get_by_role("alert")).to_have_count(0)
    page.unroute("**/api/stories?*")
    arrive(endpoint, 3)
    expect(stories_of(page)).to_have_count(3)


def test_fifty_thousand_events(visit: Visit, endpoint: Endpoint) -> None:
    """What is there of the list is what is in sight, and it is asked for by the page, wherever one scrolls to."""
    number = 12_500
    for first in range(0, number, 500):
        endpoint.store.take([span(*checkout(one), trace=one) for one in range(first + 1, first + 501)])
    endpoint.store.rows(  # as telling each would leave them, which takes its time and is not the page's
        "UPDATE stories SET is_told = 1, title = 'Story ' || substr(story, 7), outcome = 'Completed', events = 4,"
        " began = CAST(substr(story, 7) AS INTEGER) * 1000000000 WHERE NOT is_told"
    )
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.url) if "/api/stories" in request.url else None)
    page = visit.go()
    expect(page.get_by_text("12,500 stories")).to_be_visible(timeout=30_000)
    page.get_by_role("listbox").focus()
    page.keyboard.press("End")
    expect(stories_of(page, selected=True)).to_contain_text("1", timeout=20_000)
    expect(stories_of(page).last).to_have_attribute("aria-posinset", "12500")
    seen = stories_of(page).count()
    assert seen < 60
    for part in range(1, 20):
        page.locator(".long").evaluate("(list, part) => { list.scrollTop = list.scrollHeight * part / 20 }", part)
    page.keyboard.press("Home")
    expect(stories_of(page, selected=True)).to_have_attribute("aria-posinset", "1")
    expect(stories_of(page).first).not_to_have_text("…")
    assert stories_of(page).count() < 60
    assert len(page.locator("*").all()) < 600
    assert len(asked) < 2 * 20 + 20
    visit.keep("many")
