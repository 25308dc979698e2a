"""The page and what is hostile or fails: events that are scripts, a server that goes away, very many events."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import Route, expect
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
    """What is shown stays, without an alarm, and is asked for again until an answer comes."""
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
    expect(stories_of(page)).to_have_count(2)


def test_an_answer_that_is_cut_off_is_asked_for_again(visit: Visit, endpoint: Endpoint) -> None:
    """It is no answer, and nobody has to do anything."""
    arrive(endpoint, 1)
    page, cut = visit.page, list[str]()

    def cut_off(route: Route) -> None:
        if len(cut) > 1:
            return route.continue_()
        cut.append(route.request.url)
        return route.fulfill(body='{"total": 1, "stories": [{"title": "A', content_type="application/json")

    page.route("**/api/stories?*", cut_off)
    visit.go()
    expect(stories_of(page)).to_contain_text(["Ada placed order 1"])
    assert len(cut) == 2


def test_a_server_that_hangs_is_asked_again(visit: Visit, endpoint: Endpoint) -> None:
    """What never comes is given up after a while, and does not keep news away for good."""
    arrive(endpoint, 1)
    page, hanging = visit.page, list[Route]()
    page.clock.install()
    page.route("**/api/stories?*", lambda route: route.continue_() if hanging else hanging.append(route))
    with page.expect_request("**/api/stories?*"):
        visit.go()
    arrive(endpoint, 2)
    page.wait_for_timeout(600)  # so that there was news, which had to wait
    page.clock.fast_forward(21_000)
    expect(stories_of(page)).to_have_count(2)


def test_a_slow_server_is_waited_for(visit: Visit, endpoint: Endpoint) -> None:
    """Also by what is asked for again and again, for longer than between two times."""
    arrive(endpoint, 1)
    page = visit.page

    def slowly(route: Route) -> None:
        page.wait_for_timeout(2500)
        route.continue_()

    page.route("**/api/performance", slowly)
    visit.go("performance")
    expect(page.get_by_role("row", name="charge j-1")).to_be_visible(timeout=8_000)


def test_a_tab_that_nobody_sees_takes_no_connection(visit: Visit, endpoint: Endpoint) -> None:
    """As a browser has six for all of its tabs; it shows what is newer as soon as it is seen again."""
    arrive(endpoint, 1)
    page = visit.go()
    expect(stories_of(page)).to_have_count(1)
    hide = """(hidden) => {
        Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/api/live")):
        page.evaluate(hide, True)
    arrive(endpoint, 2)
    page.wait_for_timeout(600)  # for as long as news would take
    expect(stories_of(page)).to_have_count(1)
    expect(page.get_by_role("status").get_by_text("live")).to_be_visible()
    page.evaluate(hide, False)
    expect(stories_of(page)).to_have_count(2)
    arrive(endpoint, 3)
    expect(stories_of(page)).to_have_count(3)


def test_what_somebody_reads_holds_still_while_thousands_of_events_arrive(visit: Visit, endpoint: Endpoint) -> None:
    """Scrolled down, what is in sight stays; how much there is above is said, and it is there for a click."""
    arrive(endpoint, *range(1, 301))
    page = visit.go()
    expect(page.get_by_text("300 stories")).to_be_visible()
    page.locator(".long").evaluate("list => { list.scrollTop = 150 * 56 }")
    expect(page.get_by_text("Ada placed order 150", exact=True)).to_be_visible()
    place = "() => document.querySelector('.long').firstElementChild.children[14].getBoundingClientRect().top"
    before, seen = page.evaluate(place), stories_of(page).all_inner_texts()
    last = 300
    for _ in range(10):
        arrive(endpoint, *range(last + 1, last + 251))  # a thousand events
        last += 250
        page.wait_for_timeout(50)
        assert stories_of(page).all_inner_texts() == seen
    assert page.evaluate(place) == before
    expect(page.get_by_role("button", name="2,500 newer stories")).to_be_visible(timeout=60_000)
    assert stories_of(page).all_inner_texts() == seen
    expect(page.get_by_text("300 stories", exact=True)).to_be_visible()
    visit.keep("held")
    stories_of(page).filter(has_text="Ada placed order 150").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Ada placed order 150")
    page.go_back()
    expect(stories_of(page, selected=True)).to_contain_text("Ada placed order 150")
    page.get_by_role("button", name="newer stories").click()
    expect(stories_of(page, selected=True)).to_contain_text("Ada placed order 2800")
    expect(page.get_by_role("listbox")).to_be_focused()
    expect(page.get_by_role("button", name="newer stories")).to_have_count(0)
    expect(page.get_by_text("2,800 stories")).to_be_visible()


def test_a_list_that_is_narrowed_begins_anew(visit: Visit, endpoint: Endpoint) -> None:
    """At its top, with its first line as the current one, and live."""
    arrive(endpoint, *range(1, 101))
    page = visit.go()
    expect(page.get_by_text("100 stories")).to_be_visible()
    page.get_by_role("listbox").focus()
    page.keyboard.press("End")
    arrive(endpoint, 101)
    expect(page.get_by_role("button", name="1 newer story")).to_be_visible()
    page.get_by_label("Text").fill("order")
    expect(page.get_by_text("101 stories")).to_be_visible()
    expect(stories_of(page, selected=True)).to_contain_text("Ada placed order 101")
    expect(page.get_by_role("button", name="newer")).to_have_count(0)
    assert page.locator(".long").evaluate("list => list.scrollTop") == 0


def test_everything_is_forgotten_when_asked_twice(visit: Visit, endpoint: Endpoint) -> None:
    """Once is not enough."""
    arrive(endpoint, 1, 2)
    page = visit.go()
    page.get_by_role("button", name="Forget all").click()
    page.get_by_role("button", name="Really forget all?").click()
    expect(page.get_by_text("No story yet.")).to_be_visible()
    arrive(endpoint, 3)
    expect(stories_of(page)).to_have_count(1)


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
