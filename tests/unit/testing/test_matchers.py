"""Expected events: by value, pattern, condition, and what is wrong with those that cannot be."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ezlogs import Actor, Change, Correlation, UniversalEvent
from ezlogs.event import Failure
from ezlogs.testing import any_of, at_least, at_most, event, same
from ezlogs.testing.matchers import Matcher

STORY = Correlation(
    correlation_id="story-1", flow_id="checkout:42", session_id="s-1", attempt=2, parent_event_id="evt_0"
)


def placed(**given: Any) -> UniversalEvent:
    """An event with something in every field."""
    fields: dict[str, Any] = {
        "actor": Actor("user", "7", "Ada"),
        "subject": ("order", 42),
        "metadata": {"total": 99.9, "items": [1, 2], "card": {"brand": "visa", "last": "4242"}, "note": "a *"},
        "changes": (Change("status", "pending", "paid"), Change("secret")),
        "duration": 0.5,
        "correlation": STORY,
    }
    return UniversalEvent.create("order.action", "placed", **{**fields, **given})


FITTING = [
    event("order.action"),
    event("order.*"),
    event("*"),
    event("order.placed"),
    event(re.compile("^order")),
    event(any_of("order.action", "payment.action")),
    event("order.action", "placed"),
    event("order.action", "pl*"),
    event("order.action", lambda action: action == "placed"),
    event("*", actor="user:7"),
    event("*", actor="user:*"),
    event("*", actor="user"),
    event("*", actor="*"),
    event("*", actor=("user", 7)),
    event("*", actor=Actor("user", "7")),
    event("*", actor=Actor("user", "7", "Ada")),
    event("*", actor=re.compile(":7$")),
    event("*", actor=lambda actor: actor.label == "Ada"),
    event("*", actor=any_of("service:*", ("user", 7))),
    event("*", actor="$anybody"),
    event("*", actor="user#1"),
    event("*", subject="order:42", outcome="success", severity="info", error=None),
    event("*", outcome=any_of("success", "failure")),
    event("*", metadata={}),
    event("*", metadata={"total": 99.9, "card": {"brand": "visa"}}),
    event("*", metadata={"items": [1, 2]}),
    event("*", metadata={"items": (1, 2)}),
    event("*", metadata={"note": "a *"}),
    event("*", metadata={"note": re.compile("^a")}),
    event("*", metadata={"total": lambda total: total > 50}),
    event("*", metadata={"card": {"last": any_of("4242", "1111")}}),
    event("*", metadata=lambda metadata: len(metadata) == 4),
    event("*", changes=["status"]),
    event("*", changes="status"),
    event("*", changes={"status": "paid"}),
    event("*", changes={"status": ("pending", "paid")}),
    event("*", changes={"status": (any_of("new", "pending"), "paid"), "secret": lambda _: True}),
    event("*", changes=lambda changes: len(changes) == 2),
    event("*", flow="checkout:42", session="s-1", attempt=2),
    event("*", flow="checkout:*"),
    event("*", flow="flow#1"),
    event("*", duration=lambda seconds: seconds < 1),
    event("*", where=lambda found: found.subject.id == "42"),
    event("*", actor=same("other"), metadata={"total": same("other")}),
    event("*", caused_by="other"),
]
NOT_FITTING = [
    event("payment.action"),
    event("order.changed"),
    event("order.action", "plac"),
    event("*", "$placed"),
    event("*", actor="user:8"),
    event("*", actor="use"),
    event("*", actor="service#1"),
    event("*", actor=Actor("user", "7", "Grace")),
    event("*", actor=None),
    event("*", subject=None),
    event("*", outcome="failure"),
    event("*", error="ValueError"),
    event("*", metadata={"total": 99.8}),
    event("*", metadata={"discount": None}),
    event("*", metadata={"card": "visa"}),
    event("*", metadata={"total": {"of": 1}}),
    event("*", metadata={"note": "a*"}),
    event("*", changes=[]),
    event("*", changes=["total"]),
    event("*", changes={"status": "pending"}),
    event("*", changes={"status": ("new", "paid")}),
    event("*", flow=None),
    event("*", flow="checkout:4"),
    event("*", attempt=1),
    event("*", where=lambda found: None),
]


@pytest.mark.parametrize("matcher", FITTING, ids=repr)
def test_an_event_fits(matcher: Matcher) -> None:
    """By every way in which something can be expected of it."""
    assert matcher == placed()
    assert placed() == matcher
    assert all(field.fits for field in matcher.compare(placed()))


@pytest.mark.parametrize("matcher", NOT_FITTING, ids=repr)
def test_an_event_does_not_fit(matcher: Matcher) -> None:
    """And a field says so."""
    assert matcher != placed()
    assert [field for field in matcher.compare(placed()) if not field.fits]


def test_nothing_is_expected_by_none() -> None:
    """No subject, no error, no flow, no changes."""
    bare = placed(subject=None, changes=(), correlation=Correlation(correlation_id="story-1"))
    assert event("*", subject=None, error=None, flow=None, changes=[]) == bare
    assert event("*", subject=lambda subject: subject is None) == bare
    assert event("*", subject="order:*") != bare
    assert event("*", subject="$order") != bare
    assert event("*", flow="flow#1") != bare
    assert [field.got for field in event("*", subject="order:*", changes=["a"]).compare(bare)][1:] == ["nothing"] * 2


def test_an_error_is_expected_by_its_type() -> None:
    """As it is on the wire."""
    failed = placed(outcome="failure", error=Failure("smtplib.SMTPServerDisconnected"))
    assert event("*", outcome="failure", error="*.SMTPServerDisconnected") == failed


def test_a_type_alone_is_a_party_without_id() -> None:
    """Such as an anonymous visitor."""
    assert event("*", actor="anonymous") == placed(actor=Actor("anonymous"))


def test_a_matcher_is_written_as_it_was_made() -> None:
    """So that messages can be read."""
    written = [
        "event('order.action', 'placed', actor='user:7', metadata={'total': any_of(1, 2)}, times=2, name='first')",
        "event('data.*', subject=re.compile('^order'), caused_by='order.placed', times=at_least(2))",
        "event('job.execution', actor=same('order.placed', 'subject'), where=even, times=at_most(1))",
        "event('*', subject='order:42')",
    ]

    def even(found: UniversalEvent) -> bool:
        return found.sequence % 2 == 0

    made = [
        event("order.action", "placed", actor="user:7", metadata={"total": any_of(1, 2)}, times=2, name="first"),
        event("data.*", subject=re.compile("^order"), caused_by="order.placed", times=at_least(2)),
        event("job.execution", actor=same("order.placed", "subject"), where=even, times=at_most(1)),
        event("*", subject=("order", 42)),
    ]
    assert [repr(one) for one in made] == written


def test_it_is_equal_to_itself_alone_otherwise() -> None:
    """It can be in sets, and compared with anything."""
    one, other = event("order.action"), event("order.action")
    assert one == one  # noqa: PLR0124  # that is the question
    assert one != other
    assert len({one, other, one}) == 2
    assert one != "order.action"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"event_type": "Order"}, "event type 'Order': two lower-case segments"),
        ({"event_type": "*", "outcome": "sucess"}, "outcome 'sucess'; did you mean 'success'?"),
        ({"event_type": "*", "severity": "x"}, "severity 'x'; use debug, info, warn, error, fatal"),
        ({"event_type": "*", "metadata": 5}, "metadata 5: a mapping of what some keys hold"),
        ({"event_type": "*", "actor": 5}, "actor 5: use a"),
        ({"event_type": "*", "times": -1}, "times -1: use 0 or more"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], told: str) -> None:
    """With what is wrong and what is allowed."""
    with pytest.raises(ValueError, match=re.escape(told)):
        event(**given)


def test_times_are_told_in_words() -> None:
    """For messages."""
    told = [event("*", times=number).times for number in (0, 1, 2, 3)] + [at_least(1), at_least(2), at_most(1)]
    assert [one.words for one in told if one] == [
        *("never", "once", "twice", "3 times", "at least once", "at least 2 times", "at most once"),
    ]
