"""The pytest plugin of ezlogs. It imports neither ezlogs nor OpenTelemetry until a test uses them.

In the process that it is loaded in - pytest's own, and each worker's of xdist - ``ezlogs.configure()`` sends nothing,
whoever calls it. Processes that tests start are left alone, unless a capture is under way. ``-p no:ezlogs`` does
without the plugin.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ezlogs.testing import Captured

sending = False
"""Whether ``ezlogs.configure()`` sends in this process."""

_TESTING = "ezlogs.testing"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let users ask for events to be sent."""
    doc = "send the events of tests to where ezlogs is configured to send them; else nothing is sent"
    parser.getgroup("ezlogs").addoption("--ezlogs-send", action="store_true", default=None, help=doc)
    parser.addini("ezlogs_send", doc, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Heed the option, and make the markers known."""
    global sending  # noqa: PLW0603  # where ezlogs starts it is read as an attribute of this module
    sending = bool(config.getoption("--ezlogs-send") or config.getini("ezlogs_send"))
    config.addinivalue_line("markers", "ezlogs(**settings): settings for the fixture ezlogs_events")
    config.addinivalue_line("markers", "ezlogs_send: events of this test are sent to where ezlogs is configured to")


@pytest.fixture
def ezlogs_events(request: pytest.FixtureRequest) -> Iterator[Captured]:
    """Capture the events of a test; see ``ezlogs.testing.capture``. The marker ``ezlogs`` holds settings for it."""
    from ezlogs.testing import capture

    settings: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("ezlogs"))):  # the closest one last
        settings.update(marker.kwargs)
    with capture(**settings) as captured:
        yield captured


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test send if it is marked so, and let none see what an earlier one captured."""
    global sending  # noqa: PLW0603  # where ezlogs starts it is read as an attribute of this module
    before = sending
    sending = before or item.get_closest_marker("ezlogs_send") is not None
    if (testing := sys.modules.get(_TESTING)) is not None:
        testing.forget_latest()
    try:
        return (yield)
    finally:
        sending = before


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a test that failed what was captured in it."""
    report = yield
    testing = sys.modules.get(_TESTING)
    if report.when == "call" and report.failed and testing is not None:
        try:
            told = testing.captured_trees()
        except LookupError:
            return report
        if told and "captured:" not in report.longreprtext:  # an expectation has shown it already
            report.sections.append(("Captured ezlogs events", told))
    return report


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Explain why an event is not as ``event(...)`` says."""
    testing = sys.modules.get(_TESTING)
    return None if testing is None else testing.comparison(op, left, right)
