"""The summary of an event: one sentence of what is left of it, where it is asked for."""

from __future__ import annotations

import pytest

import ezlogs
from ezlogs import Correlation, UniversalEvent
from ezlogs.dev.decode import decode_request
from ezlogs.exchange.writing import requests
from ezlogs.runtime import scrubber_of
from ezlogs.settings import Settings
from ezlogs.story.tree import Told
from ezlogs.summary import LONGEST, summary
from ezlogs.testing import capture


def test_an_event_has_its_sentence_where_that_is_asked_for() -> None:
    """Without what privacy keeps back; by default there is none."""
    for asked in (True, False):
        with capture(summary=asked) as captured:
            ezlogs.event(
                "order.action", "placed", actor=("user", 7), subject=ezlogs.Subject("order", "1", "a@b.example")
            )
        told = captured.exported[0].get("ezlogs.summary")
        assert told == ("User 7 placed order …@b.example." if asked else None)


def test_a_summary_is_in_what_is_sent_and_no_part_of_the_event() -> None:
    """Whoever reads the event back has it as it was."""
    event = UniversalEvent.create("order.action", "placed", correlation=Correlation(correlation_id="s"))
    for asked in (True, False):
        [batch] = requests([Told(event, "shop")], scrubber_of(Settings(summary=asked)))
        [span] = decode_request(batch.body)
        assert span.events[0].attributes.get("ezlogs.summary") == ("An order was placed." if asked else None)


def test_a_long_summary_is_cut_and_one_that_cannot_be_made_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event is never lost for it."""
    event = UniversalEvent.create(
        "order.action", "placed", subject=("order", "x" * 300), correlation=Correlation(correlation_id="s")
    )
    assert len(summary(event)) == LONGEST
    monkeypatch.setattr("ezlogs.summary.stories", lambda *_, **__: 1 / 0)
    assert summary(event) == ""
