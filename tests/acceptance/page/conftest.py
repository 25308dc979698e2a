"""A browser as people have one, at the page of `ezlogs dev`; after each test, what the page must never do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Route, expect, sync_playwright
from tests.unit.dev.test_store import event, span

from ezlogs import Actor, Change, Correlation, UniversalEvent
from ezlogs.dev.endpoint import Endpoint

expect.set_options(timeout=30_000)  # milliseconds, as machines may be busy

SCREENSHOTS = Path(os.environ.get("EZLOGS_SCREENSHOTS", Path(__file__).parents[3] / ".screenshots"))
"""Where what the tests saw is kept, for people to look at."""


class Visit:
    """A page in a browser, and all that it asked for and said."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        self.is_left_alone = False
        """Whether the server is to go away, of which the browser will complain."""
        page.route("**/*", self._only_here)
        page.on("console", self._hear)
        page.on("pageerror", lambda problem: self.complaints.append(str(problem)))
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def go(self, place: str = "") -> Page:
        """Show a place of the page, such as ``errors``, and return the page."""
        self.page.goto(f"{self.address}/#/{place}")
        return self.page

    def keep(self, name: str) -> None:
        """Keep what is to be seen."""
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def _only_here(self, route: Route, request: Request) -> None:
        if urlsplit(request.url).netloc == urlsplit(self.address).netloc:
            route.continue_()
        else:
            self.elsewhere.append(request.url)
            route.abort()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not self.is_left_alone:
            self.complaints.append(message.text)


@pytest.fixture(scope="module")  # no longer: while it is there, an event loop runs in the thread of the tests
def chromium() -> Iterator[Browser]:
    """Chromium, without a window: Debian's, or the one that EZLOGS_CHROMIUM names."""
    found = os.environ.get("EZLOGS_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("there is no chromium: apt-get install chromium, or name one in EZLOGS_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """What `ezlogs dev` serves."""
    with Endpoint(port=0, grpc_port=0) as running:
        yield running


@pytest.fixture
def visit(chromium: Browser, endpoint: Endpoint, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A visit in light or dark, after which nothing was asked of others, and nothing was refused or failed."""
    scheme = getattr(request, "param", "light")
    context = chromium.new_context(
        color_scheme=scheme, viewport={"width": 1280, "height": 800}, permissions=["clipboard-read", "clipboard-write"]
    )
    context.set_default_timeout(20_000)
    visit = Visit(context.new_page(), endpoint.address)
    yield visit
    visit.page.unroute_all(behavior="ignoreErrors")  # what is asked for right now has nobody left who waits for it
    context.close()
    assert visit.elsewhere == []
    assert visit.complaints == []


def checkout(number: int = 1) -> list[UniversalEvent]:
    """Return a story of four events: an order, its row, a job that is tried again after a wait, and that failed."""
    ids = [f"evt_{number}_{part}" for part in range(4)]
    start = 1_700_000_000_000_000_000 + number * 1_000_000_000

    def part(index: int, kind: str, action: str, **fields: object) -> UniversalEvent:
        cause = ids[0] if index else None
        told = Correlation(correlation_id=f"story-{number}", parent_event_id=cause)
        at = {"event_id": ids[index], "timestamp": start + index * 400_000_000, "correlation": told}
        return event(number, action, event_type=kind, **at, **fields)

    return [
        part(0, "order.action", "placed", metadata={"total": 9.9, "password": "hunter2"}),
        part(1, "data.change", "order.update", changes=(Change("status", "new", "paid"), Change("total", 1, 9.9))),
        part(2, "job.execution", "charge.retry", outcome="retried", duration=0.1, subject=("job", "j-1", "charge")),
        part(
            3,
            "job.execution",
            "charge.failure",
            outcome="failure",
            duration=0.2,
            subject=("job", "j-1", "charge"),
            metadata={"queue_wait": 0.3},
            error=ValueError("no money"),
            actor=Actor("system", "worker"),
        ),
    ]


def arrive(endpoint: Endpoint, *numbers: int) -> None:
    """Have stories arrive."""
    for number in numbers:
        start = 1_700_000_000_000_000_000 + number * 1_000_000_000
        endpoint.store.take([span(*checkout(number), trace=number, start_time=start, end_time=start + 500_000_000)])


def stories_of(page: Page, *, selected: bool | None = None) -> Locator:
    """Return the lines of the list that are there, or the one that is the current one."""
    return page.get_by_role("listbox").get_by_role("option", selected=selected)
