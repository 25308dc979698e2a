"""The cut of long texts: wherever it falls, no half of a secret is left before it."""

from __future__ import annotations

from typing import Any

import pytest

import ezlogs
from ezlogs.delivery.event_encoder import EventEncoder
from ezlogs.otlp import EVENT_HEADS
from ezlogs.privacy import Scrubber
from ezlogs.snapshot import MAX_TEXT, OVERLAP
from ezlogs.testing import capture
from ezlogs.wire import scrubbed_attributes

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"
BODY = "\n".join(LETTERS[number % 60 :] + LETTERS[: number % 60] for number in range(26))
KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n-----END RSA PRIVATE KEY-----"
SECRETS = {
    "card": "4111 1111 1111 1111",
    "e-mail": "augusta.ada.lovelace@analytical-engine.example",
    "password": "password=correct-horse-battery-staple",
    "jwt": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI{LETTERS[:60] * 10}.{LETTERS[:43]}",
    "key": KEY,
}
PIECE = 8
"""Characters of a secret in one piece that are too many."""


def sent(text: Any) -> dict[str, Any]:
    """Return the attributes in which a text is on every surface that takes a long one."""
    with capture() as captured:
        ezlogs.event("order.action", "placed", metadata={"note": text, "in": [{"deep": text}]})
    (event,) = captured.events
    parts: list[bytes] = []
    EventEncoder(SCRUBBER, EVENT_HEADS).append(parts, event)
    return {**scrubbed_attributes(event, SCRUBBER), "encoded": b"".join(parts).decode("utf-8", "replace")}


SCRUBBER = Scrubber()


def pieces(secret: str) -> set[str]:
    """Return the parts of a secret that may not be seen: those that do not belong to its name or its frame."""
    told = secret.removeprefix("password=").removeprefix("-----BEGIN RSA PRIVATE KEY-----\n")
    return {told[start : start + PIECE] for start in range(len(told) - PIECE + 1)}


def offsets(secret: str, cut: int) -> range:
    """Return where a secret may begin so that it lies across a cut: everywhere, or a tenth where it is long."""
    return range(cut - len(secret) - 1, cut + 2, 1 if len(secret) < 100 else len(secret) // 10)


@pytest.mark.parametrize("cut", [MAX_TEXT, MAX_TEXT + OVERLAP], ids=["what is sent", "what is kept"])
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_no_half_of_a_secret_is_left(secret: str, cut: int) -> None:
    """Across either end, in a text of words, with more text behind it."""
    filler = "so it is. " * 2000
    forbidden = pieces(secret)
    for offset in offsets(secret, cut):
        text = f"{filler[: offset - 1]} {secret} {filler[:9000]}"
        told = repr(sent(text))
        assert not [piece for piece in forbidden if piece in told], offset


@pytest.mark.parametrize("cut", [MAX_TEXT, MAX_TEXT + OVERLAP], ids=["what is sent", "what is kept"])
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_no_half_of_a_secret_is_left_where_the_text_ends_with_it(secret: str, cut: int) -> None:
    """Whatever stands before it is redacted as well, which makes the text shorter."""
    forbidden = pieces(secret)
    before = "ada@example.com " * 800
    for offset in offsets(secret, cut):
        told = repr(sent(f"{before[: offset - 1]} {secret}"))
        assert not [piece for piece in forbidden if piece in told], offset


def test_bytes_are_cut_alike() -> None:
    """They are shown as the text that they encode."""
    secret = SECRETS["e-mail"]
    for offset in offsets(secret, MAX_TEXT):
        told = repr(sent(f"{'so it is. ' * 2000}"[: offset - 1].encode() + b" " + secret.encode() + b" so" * 3000))
        assert not [piece for piece in pieces(secret) if piece in told], offset


def test_what_was_cut_is_told_after_something_was_redacted_too() -> None:
    """The number is that of the text as it was given."""
    told = sent("mail to ada@example.com " + "x " * 5000)["ezlogs.metadata.note"]
    assert told.startswith("mail to [redacted] x x")
    assert told.endswith(f"x … (+{24 + 10_000 - MAX_TEXT} characters)")


def test_a_long_label_is_cut_alike() -> None:
    """As are the action, and the message of an error."""
    secret = SECRETS["e-mail"]
    long = f"{'so it is. ' * 818} {secret} {'so it is. ' * 900}"
    with capture() as captured:
        ezlogs.event("order.action", long, actor={"type": "user", "id": 7, "label": long}, subject=("order", 1))
        with pytest.raises(ValueError, match="so it is"), ezlogs.tracked("report.run", "run"):
            raise ValueError(long)
    for event in captured.events:
        told = repr(scrubbed_attributes(event, SCRUBBER))
        assert not [piece for piece in pieces(secret) if piece in told]
    assert any("characters)" in str(told.get("ezlogs.error.message")) for told in captured.exported)
