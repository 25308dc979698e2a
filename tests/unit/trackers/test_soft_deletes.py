"""Soft deletes: an update of a mark is told as what it means, unless that would be a guess."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from ezlogs.testing import capture
from ezlogs.trackers.data import Field
from ezlogs.trackers.soft_deletes import verb_of


@pytest.mark.parametrize(
    ("verb", "before", "after", "told"),
    [
        ("update", None, "2026-01-01", ("destroy", "soft_delete")),
        ("update", False, True, ("destroy", "soft_delete")),
        ("update", True, False, ("update", "restored")),
        ("update", "2026-01-01", "2026-01-02", ("update", None)),
        ("update", UNSET, True, ("update", None)),
        ("update", UNSET, None, ("update", None)),
        ("update", None, False, ("update", None)),
        ("update", False, UNSET, ("update", None)),
        ("bulk_update", UNSET, True, ("bulk_delete", "soft_delete")),
        ("bulk_update", UNSET, None, ("bulk_update", "restored")),
        ("bulk_update", UNSET, UNSET, ("bulk_update", None)),
    ],
)
def test_a_mark_says_what_an_update_means(verb, before, after, told):
    """Of a single row it must be known as it was; a statement that sets it means it."""
    with capture(soft_deletes=("gone", "deleted_at")):
        found, further = verb_of(verb, [Field("note", 1, 2), Field("gone", before, after)])
    assert (found, *further) == (told[0], *filter(None, told[1:]))


def test_no_field_is_a_mark_unless_the_setting_says_so():
    """Nor is any while nothing runs."""
    with capture():
        assert verb_of("update", [Field("deleted_at", None, 1)]) == ("update", {})
    assert verb_of("update", [Field("deleted_at", None, 1)]) == ("update", {})
