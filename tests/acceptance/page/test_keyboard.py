"""The page by keyboard alone: everything is reached, what has the focus is seen, and news do not take it away."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from tests.acceptance.page.conftest import Visit, arrive, stories_of

from ezlogs.dev.endpoint import Endpoint

FOCUSED = """() => {
    const it = document.activeElement;
    const style = getComputedStyle(it);
    const seen = style.outlineStyle !== 'none' || it.querySelector('[aria-selected="true"]') !== null;
    return { name: it.getAttribute('aria-label') || it.name || it.textContent.trim(), tag: it.tagName, seen };
}"""


def tabbed(page: Page, times: int) -> list[str]:
    """Press Tab, and return what had the focus in turn; each of it must be seen to have it."""
    found = []
    for _ in range(times):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        assert focused["seen"], focused
        found.append(focused["name"])
    return found


def test_everything_is_reached_by_tab(visit: Visit, endpoint: Endpoint) -> None:
    """The way to the content first, then the places, what narrows the list, and the list."""
    arrive(endpoint, 1)
    page = visit.go()
    expect(stories_of(page)).to_have_count(1)
    assert tabbed(page, 12) == [
        *("Skip to the content", "ezlogs", "Stories", "Errors", "Performance and delivery"),
        *("text", "actor", "subject", "type", "outcome", "Forget all", "Stories, newest first"),
    ]


def test_from_the_list_to_an_event_and_back(visit: Visit, endpoint: Endpoint) -> None:
    """Arrows, Enter, Tab, Escape, Escape: the line that was opened is the current one again."""
    arrive(endpoint, 1, 2, 3)
    page = visit.go()
    expect(stories_of(page)).to_have_count(3)
    page.get_by_role("listbox").focus()
    page.keyboard.press("ArrowDown")
    expect(stories_of(page, selected=True)).to_contain_text("Ada placed order 2")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Ada placed order 2")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("tab", name="Sentences")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Tree")).to_be_focused()
    expect(page.get_by_role("tab", name="Tree")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    told = page.get_by_role("complementary", name="The event")
    expect(told.get_by_role("heading", level=2)).to_be_focused()
    expect(told).to_contain_text("data.change")
    page.keyboard.press("Escape")
    expect(told).to_have_count(0)
    expect(page.get_by_role("button", name="level 2, data.change")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_focused()
    expect(stories_of(page, selected=True)).to_contain_text("Ada placed order 2")
    page.keyboard.press("End")
    expect(stories_of(page, selected=True)).to_contain_text("Ada placed order 1")
    page.keyboard.press("Home")
    expect(stories_of(page, selected=True)).to_contain_text("Ada placed order 3")


def test_news_take_no_focus_and_move_no_choice(visit: Visit, endpoint: Endpoint) -> None:
    """In the list, while somebody types, and beside an event."""
    arrive(endpoint, 1, 2)
    page = visit.go()
    expect(stories_of(page)).to_have_count(2)
    page.get_by_role("listbox").focus()
    page.keyboard.press("ArrowDown")
    arrive(endpoint, 3)
    expect(page.get_by_role("button", name="1 newer story")).to_be_visible()
    expect(page.get_by_role("listbox")).to_be_focused()
    expect(stories_of(page, selected=True)).to_contain_text("Ada placed order 1")
    expect(stories_of(page)).to_have_count(2)
    page.keyboard.press("Home")
    expect(stories_of(page)).to_have_count(3)
    expect(stories_of(page, selected=True)).to_contain_text("Ada placed order 2")
    page.get_by_label("Text").focus()
    page.keyboard.type("order")
    arrive(endpoint, 4)
    expect(stories_of(page)).to_have_count(4)
    page.keyboard.type(" 4")
    expect(page.get_by_label("Text")).to_have_value("order 4")
    visit.go("story/story-4/evt_4_0")
    heading = page.get_by_role("complementary").get_by_role("heading", level=2)
    expect(heading).to_be_focused()
    page.get_by_role("button", name="Copy as JSON").focus()
    arrive(endpoint, 5)
    page.wait_for_timeout(600)  # until after the next news
    expect(page.get_by_role("button", name="Copy as JSON")).to_be_focused()


def test_it_is_told_to_who_does_not_see_it(visit: Visit, endpoint: Endpoint) -> None:
    """Each part has its role and its name."""
    arrive(endpoint, 1)
    page = visit.go()
    expect(stories_of(page)).to_contain_text(["Ada placed order 1"])
    expect(page.locator("body")).to_match_aria_snapshot("""
        - link "Skip to the content"
        - banner:
          - link "ezlogs"
          - navigation "Pages":
            - link "Stories"
            - link "Errors"
            - link "Performance and delivery"
          - status: /live/
        - main:
          - heading "Stories" [level=1]
          - search:
            - searchbox "Text"
            - searchbox "Who"
            - searchbox "What"
            - searchbox "Type of event"
            - combobox "Outcome"
            - status: 1 story
            - button "Forget all"
          - listbox "Stories, newest first":
            - option /Ada placed order 1/ [selected]
        """)
    page.get_by_role("link", name="Skip to the content").press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
