"""The mail tracker: what an event tells of a message, and what it never tells."""

from __future__ import annotations

from hashlib import sha256

import pytest

from ezlogs.event import UniversalEvent
from ezlogs.privacy.policy import hashed
from ezlogs.testing import Captured, capture
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


def test_with_a_key_each_address_is_told_as_a_hash() -> None:
    """The same as privacy makes of it anywhere else; bounded, and none without a key."""
    many = [f"Ada <Ada{number}@example.com>" for number in range(mail.MAX_HASHES + 1)]
    with capture(hash_key="a key") as captured:
        mail.delivered(["Ada <ada@example.com>", "bob@a.test"], MESSAGE, backend="smtp")
        mail.delivered(many, MESSAGE, backend="smtp")
    few, bounded = (event.metadata["recipient_hashes"] for event in captured.events)
    assert few == (hashed("ada@example.com", b"a key"), hashed("bob@a.test", b"a key"))
    assert len(bounded) == mail.MAX_HASHES
    told = captured.exported[0]["ezlogs.metadata.recipient_hashes"]
    assert tuple(told) == few
    assert "ada@" not in repr(captured.exported)


def test_what_a_provider_calls_a_message_stands_in_for_its_id(captured: Captured) -> None:
    """Where it has none of its own."""
    mail.delivered(["ada@example.com"], None, backend="Test", message_id="m-1")
    mail.delivered(["ada@example.com"], MESSAGE, backend="Test", message_id="m-1")
    first, second = captured.events
    assert first.subject.id == sha256(b"m-1").hexdigest()[:32]
    assert second.subject.id == mail.message_key(MESSAGE)


def test_an_attempt_is_noted_when_it_begins_where_the_note_outlives_the_process(captured: Captured) -> None:
    """It says what the event will say, under its id; and where nothing outlives the process nothing is noted."""
    notes: list[UniversalEvent] = []
    ended: list[str] = []
    captured.notes_openings = False
    assert mail.attempted(["ada@example.com"], MESSAGE, backend="smtp") is None
    captured.notes_openings = True
    captured.opened = lambda note, _ctx: notes.append(note)
    captured.closed = ended.append
    with mail.Delivering("outer", template="receipt.html"):
        event_id = mail.attempted("ada@example.com", MESSAGE, backend="smtp")
        mail.delivered(["ada@example.com"], MESSAGE, backend="smtp", event_id=event_id)
    (note,), (event,) = notes, captured.events
    assert (note.event_id, ended) == (event.event_id, [event.event_id])
    assert (note.action, note.outcome, note.subject) == ("message.interrupted", "unknown", event.subject)
    assert dict(note.metadata) == {**event.metadata, "reason": "interrupted"}
