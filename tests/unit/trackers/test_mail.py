"""The mail tracker: what an event tells of a message, and what it never tells."""

from __future__ import annotations

import pytest

from ezlogs.testing import Captured
from ezlogs.trackers import mail

MESSAGE = "From: shop@example.org\r\nSubject: Your secret order\r\nMessage-ID: <1.2@shop.example.org>\r\n\r\nHéllo"


def test_a_delivered_message_is_told_by_counts_and_domains(captured: Captured) -> None:
    """Recipients are counted, their domains named once, and the size is that of the bytes sent."""
    mail.delivered(["ada@Example.com", "Bob <bob@example.com>", "eve@a.test"], MESSAGE, backend="smtp", duration=0.5)

    (event,) = captured.events
    assert (event.event_type, event.action, event.outcome) == ("email.delivery", "message.sent", "success")
    assert dict(event.metadata) == {
        "backend": "smtp",
        "recipients": 3,
        "domains": ("a.test", "example.com"),
        "size": len(MESSAGE.encode()),
    }
    assert event.subject.type == "email"
    assert event.duration == 0.5


def test_nothing_that_names_a_person_is_told(captured: Captured) -> None:
    """Neither addresses, nor the subject line, nor what the error says are in the event."""
    mail.delivered(["ada@example.com"], MESSAGE, backend="smtp", refused=1, code=550, error=OSError("ada@example.com"))

    (event,) = captured.events
    assert (event.action, event.outcome, event.error.type) == ("message.failed", "failure", "OSError")
    assert (event.metadata["refused"], event.metadata["smtp_code"]) == (1, 550)
    assert not [word for word in ("ada@", "shop@", "secret", "1.2@") if word in repr(event)]


@pytest.mark.parametrize(
    "message",
    [
        MESSAGE,
        MESSAGE.encode(),
        b"MESSAGE-ID:\r\n <1.2@shop.example.org>\r\n\r\n",
        "To: x\nmessage-id: <1.2@shop.example.org>\n\nbody",
    ],
)
def test_the_same_message_id_has_the_same_key(message: str | bytes) -> None:
    """However it is written, attempts to send one message can be told to belong together."""
    assert mail.message_key(message) == mail.message_key(MESSAGE)


@pytest.mark.parametrize("message", ["", b"Subject: x\r\n\r\nMessage-ID: <in@the.body>", "Message-ID:\n\nbody"])
def test_a_message_without_an_id_has_no_key(message: str | bytes) -> None:
    """A body that looks like a header is not taken for one."""
    assert mail.message_key(message) is None


def test_domains_are_bounded_and_well_formed() -> None:
    """A thousand recipients, or an address that is none, cannot fill an event."""
    addresses = [f"x@host{number:04}.test" for number in range(1000)]

    assert len(mail.domains(addresses)) == mail.MAX_DOMAINS
    assert mail.domains(["root", "x@<evil>", "x@", "x@münchen.de"]) == ["münchen.de"]


def test_of_several_layers_the_innermost_tells(captured: Captured) -> None:
    """With the nearest template; the outer ones tell nothing more, and afterwards tell their own again."""
    with mail.Delivering("outer", template="outer.txt") as outer, mail.Delivering("inner") as inner:
        assert mail.delivering() is inner
        mail.delivered(["ada@example.com"], MESSAGE, backend="smtp")
        inner.tell(["ada@example.com"])
        outer.tell(["ada@example.com"])
    assert mail.delivering() is None

    (event,) = captured.events
    assert (event.metadata["backend"], event.metadata["template"]) == ("smtp", "outer.txt")


def test_what_nobody_told_is_told_by_the_layer_itself(captured: Captured) -> None:
    """Without the message there is no size and no key."""
    with mail.Delivering("own") as delivering:
        delivering.tell(["ada@example.com"], template="receipt", refused=1, outcome="failure")

    (event,) = captured.events
    assert (event.action, event.outcome, event.error) == ("message.failed", "failure", None)
    assert (event.metadata["template"], event.metadata["refused"]) == ("receipt", 1)
    assert "size" not in event.metadata
    assert event.subject.id is None
    assert event.duration >= 0


def test_an_attempt_that_was_interrupted_is_unknown(captured: Captured) -> None:
    """Nobody knows how far it came."""
    mail.delivered(["ada@example.com"], MESSAGE, backend="smtp", error=KeyboardInterrupt())

    assert (captured.events[0].action, captured.events[0].outcome) == ("message.interrupted", "unknown")
