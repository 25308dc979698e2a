"""The Django instrumentor in other people's tests: what the application commits is told, though the test never does."""

from __future__ import annotations

import unittest

import pytest
from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase

import ezlogs
from ezlogs_instrumentors.django.cases import DjangoCaptureMixin
from ezlogs_instrumentors.django.testing import tell_writes

from .shop.models import Gift, Order, Tag

pytestmark = pytest.mark.usefixtures("database", "instrumented")


def run(case):
    """Run a test case as Django's test runner would."""
    result = unittest.TestResult()
    unittest.TestLoader().loadTestsFromTestCase(case).run(result)
    assert result.wasSuccessful(), result.failures + result.errors
    assert result.testsRun


def names(captured):
    """Return what happened, in short."""
    return [event.action for event in captured.events]


def test_set_up_and_test_are_in_autocommit_mode_for_the_application(captured):
    """Rows of setUpTestData and of the test are told at once, whatever Django needs a block of its own for."""
    told = []

    class Case(TestCase):
        @classmethod
        def setUpTestData(cls):
            cls.order = Order.objects.create()
            told.append(names(captured))

        def test(self):
            captured.clear()
            tag = Tag.objects.create()
            self.order.tags.set([tag])
            Gift.objects.create()
            Tag.objects.bulk_create([Tag()])
            Gift.objects.get().delete()
            told.append(names(captured))

    run(Case)
    assert told == [
        ["order.create"],
        ["tag.create", "order.update", "gift.create", "tag.bulk_create", "gift.destroy"],
    ]
    assert not Order.objects.exists()


def test_blocks_of_the_application_end_when_they_would(captured):
    """With a savepoint or without one, by an error or not."""
    told = []

    class Case(TestCase):
        def test(self):
            with transaction.atomic(savepoint=False):
                Tag.objects.create()
                told.append(names(captured))
            told.append(names(captured))
            with transaction.atomic(durable=True):
                Tag.objects.create()
                with transaction.atomic(savepoint=False):
                    Tag.objects.create()
                told.append(len(captured.events))
            told.append(len(captured.events))
            captured.clear()
            with pytest.raises(KeyError), transaction.atomic(savepoint=False):  # noqa: PT012  # the error ends the block
                Tag.objects.create()
                raise KeyError
            told.append(names(captured))

    run(Case)
    assert told == [[], ["tag.create"], 1, 3, ["rollback"]]


def test_callbacks_can_be_run_as_ever(captured):
    """captureOnCommitCallbacks sees the application's, and none of ours."""
    seen = []

    class Case(TestCase):
        def test(self):
            with self.captureOnCommitCallbacks(execute=True) as callbacks, transaction.atomic():
                Tag.objects.create()
                transaction.on_commit(lambda: seen.extend(names(captured)))
            assert len(callbacks) == 1

    run(Case)
    assert seen == ["tag.create"]


def test_a_case_that_really_commits(captured):
    """TransactionTestCase is like the application itself."""
    told = []

    class Case(TransactionTestCase):
        def test(self):
            with transaction.atomic():
                Tag.objects.create()
                told.append(names(captured))
            told.append(names(captured))

        def _fixture_teardown(self):
            """Leave the tables of the other tests alone."""

    run(Case)
    assert told == [[], ["tag.create"]]


def test_a_transaction_that_a_test_itself_puts_around(captured):
    """As its fixture may: tell_writes() tells what it holds back, once."""
    with transaction.atomic():
        Tag.objects.create()
        assert names(captured) == []
        tell_writes()
        assert names(captured) == ["tag.create"]
        tell_writes()
        with transaction.atomic():
            Order.objects.create()
        tell_writes("default")
        transaction.set_rollback(True)
    assert names(captured) == ["tag.create", "order.create"]
    tell_writes()
    assert connection.get_autocommit()
    assert not Tag.objects.exists()


@pytest.mark.parametrize("base", [TestCase, TransactionTestCase])
def test_the_mixin_captures_each_test(base):
    """Rows as they are written, and what waits for a commit at the end of the block that stands for one."""
    told = []

    class Case(DjangoCaptureMixin, base):
        def test(self):
            Tag.objects.create()
            self.ezlogs.expect_event_flow("data.change")
            with self.committed():
                transaction.on_commit(lambda: ezlogs.event("order.action", "placed"))
                told.append(names(self.ezlogs))
            told.append(names(self.ezlogs))

    run(Case)
    assert told[-1] == ["tag.create", "placed"]
    assert told[0] == (["tag.create"] if base is TestCase else ["tag.create", "placed"])
