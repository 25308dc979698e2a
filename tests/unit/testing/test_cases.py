"""The mixin for unittest's test cases, sync and async."""

from __future__ import annotations

import io
import unittest
from collections.abc import Callable
from typing import Any

from tests.unit.testing.programs import fail

import ezlogs
from ezlogs.runtime import current_runtime
from ezlogs.testing import CaptureMixin, event


class Case(CaptureMixin, unittest.TestCase):
    """Whatever a test does."""

    ezlogs_settings = {"changes": "full"}  # noqa: RUF012  # as users write it
    __test__ = False

    def setUp(self) -> None:
        ezlogs.event("order.action", "prepared")

    def passes(self) -> None:
        """Expect what was emitted."""
        runtime = current_runtime()
        assert runtime is not None
        self.assertEqual(runtime.settings.changes, "full")  # noqa: PT009  # as users write it
        ezlogs.event("order.action", "placed", actor=("user", 7))
        self.ezlogs.expect_event_flow(event("order.placed", actor="user:*"))
        self.assertNoPii()
        self.assertEzlogsStory(
            """
            story#1
              ✓ order.action prepared
            story#2
              ✓ order.action placed user#1
            """
        )

    def swallows(self) -> None:
        """Run into an error of ezlogs', and swallow it."""
        fail()

    def expects(self) -> None:
        """Expect what does not happen."""
        self.ezlogs.expect_event_flow("order.placed")

    def forbids(self) -> None:
        """Forbid what is there."""
        self.ezlogs.assert_absent("prepared")

    def differs(self) -> None:
        """Expect another story."""
        self.assertEzlogsStory("story#1", metadata=False)

    @unittest.skip("not now")
    def skipped(self) -> None:
        """Be left out."""

    def leaks(self) -> None:
        """Send what privacy finds."""
        ezlogs.event("order.action", "placed", metadata={"note": "x"})
        self.ezlogs._entries[-1] = self.ezlogs.entries[-1]._replace(
            event=ezlogs.UniversalEvent.create(
                "order.action", "ada@example.com", correlation=ezlogs.Correlation(correlation_id="s-1")
            )
        )
        self.assertNoPii()


class AsyncCase(CaptureMixin, unittest.IsolatedAsyncioTestCase):
    """An async test."""

    __test__ = False

    async def passes(self) -> None:
        """Expect what was emitted."""
        ezlogs.event("order.action", "placed")
        await self.ezlogs.eventually("order.placed")


def outcome(case: Callable[[str], Any], name: str) -> unittest.TestResult:
    """Run one test."""
    result = unittest.TextTestRunner(stream=io.StringIO()).run(case(name))
    assert current_runtime() is None
    return result


def test_the_events_of_a_test_are_captured() -> None:
    """From its setUp on."""
    for case in (Case, AsyncCase):
        assert outcome(case, "passes").wasSuccessful()


def test_an_error_of_ezlogs_is_one_of_the_test() -> None:
    """Also where it was swallowed."""
    [(_, text)] = outcome(Case, "swallows").errors
    assert "KeyError: 'bug'" in text


def test_a_failure_is_shown_where_it_was_expected() -> None:
    """And no line of ezlogs'."""
    for name in ("expects", "forbids", "differs"):
        [(_, text)] = outcome(Case, name).failures
        assert text.count("  File ") == 1, text
        assert f"in {name}" in text


def test_a_story_that_differs_is_shown() -> None:
    """As unittest shows differences."""
    [(_, text)] = outcome(Case, "differs").failures
    assert "✓ order.action prepared" in text


def test_a_test_that_is_skipped_leaves_nothing() -> None:
    """Behind."""
    assert len(outcome(Case, "skipped").skipped) == 1


def test_what_would_leave_is_scrubbed() -> None:
    """So that nothing is found in it."""
    assert outcome(Case, "leaks").wasSuccessful()
