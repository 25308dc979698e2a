"""Test cases: a mixin for ``unittest.TestCase`` and its relatives, Django's among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ezlogs.testing.capture import capture
from ezlogs.testing.captured import Captured
from ezlogs.testing.snapshot import story

__unittest = True  # unittest shows none of this file in a failure

if TYPE_CHECKING:
    from unittest import TestCase as _Case
else:
    _Case = object


class CaptureMixin(_Case):
    """Captures the events of each test as ``self.ezlogs``; to be named before the class of test cases.

    What ``setUp`` emits is captured too. ``ezlogs_settings`` are settings for all tests of a class, as for `capture`.

    Example:
        >>> import ezlogs, io, unittest
        >>> from ezlogs.testing import event
        >>> class OrderTest(CaptureMixin, unittest.TestCase):
        ...     def test_placed(self):
        ...         ezlogs.event("order.action", "placed")
        ...         self.ezlogs.expect_event_flow(event("order.placed"))
        >>> unittest.TextTestRunner(stream=io.StringIO()).run(OrderTest("test_placed")).wasSuccessful()
        True
    """

    ezlogs: Captured
    """What was captured in this test."""

    ezlogs_settings: ClassVar[dict[str, Any]] = {}
    """Settings for `capture`."""

    def run(self, result: Any = None) -> Any:
        """Run the test within a capture; an internal error of ezlogs is an error of the test."""
        with capture(**self.ezlogs_settings) as self.ezlogs:
            self.addCleanup(self._raise_errors)  # last of all, and here, where it is an error of the test
            return super().run(result)

    def _raise_errors(self) -> None:
        errors = [*self.ezlogs.errors]
        self.ezlogs.errors.clear()
        if errors:
            raise errors[0]

    def assertEzlogsStory(self, expected: str, **options: bool) -> None:  # noqa: N802  # as unittest's are called
        """Assert that the stories of this test are as a snapshot says; see `ezlogs.testing.story`.

        Args:
            expected: The text; blank lines around it and a common indentation make no difference.
            **options: As for `story`.
        """
        from inspect import cleandoc

        self.assertEqual(cleandoc(expected), story(self.ezlogs, **options))  # noqa: PT009  # for unittest's differences

    def assertNoPii(self) -> None:  # noqa: N802  # as unittest's are called
        """Assert that privacy finds nothing more in what would be sent; see `assert_no_pii`."""
        self.ezlogs.assert_no_pii()
