"""Django's test cases with their events captured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ezlogs.testing.cases import CaptureMixin
from ezlogs_instrumentors.django.testing import tell_writes


class DjangoCaptureMixin(CaptureMixin):
    """Captures the events of each of Django's test cases, and ends their transactions where a test asks for it.

    Rows that are written in a ``TestCase`` are told without it, since its own transactions are looked through.

    Example:
        >>> from django.test import SimpleTestCase
        >>> class OrderTest(DjangoCaptureMixin, SimpleTestCase):
        ...     def test_placed(self):
        ...         with self.committed():
        ...             self.client.post("/orders/")
        ...         self.ezlogs.expect_correlation_chain("http", "db", "job", "email")
    """

    @contextmanager
    def committed(self, using: str = "default") -> Iterator[None]:
        """Do at the end of a block what a commit would do: run the callbacks of ``on_commit``, which may queue jobs.

        In test cases whose transactions are committed there is nothing to do.

        Args:
            using: The database's alias.
        """
        callbacks = getattr(self, "captureOnCommitCallbacks", None)
        if callbacks is None:
            yield
            return
        with callbacks(using=using, execute=True):
            yield
        tell_writes(using)
