"""What is done with findings: the policy's words, whom they are about, and what they never show."""

from __future__ import annotations

from typing import Any

import pytest

from ezlogs.privacy import DROPPED, Finding, Policy, Scrubber
from ezlogs.privacy.policy import Choice, is_hash

EMAIL, CARD = "ada@example.com", "4111 1111 1111 1111"
KEY = "k" * 32


def scrubbed(value: Any, policy: Policy, key: str = "m", event_type: str = "order.action") -> Any:
    """Return a value as it leaves."""
    return Scrubber(policy=policy).within(event_type).value(key, value, key, [])


@pytest.mark.parametrize(
    ("how", "email", "card"),
    [
        ("redact", "[redacted]", "[redacted]"),
        ("mask", "…@example.com", "…1111"),
        ("keep", EMAIL, CARD),
        ("drop", DROPPED, DROPPED),
        (lambda finding: f"<{finding.rule} at {finding.path}>", "<email at m>", "<card at m>"),
        (lambda finding: None, DROPPED, DROPPED),
    ],
)
def test_a_finding_is_treated_as_the_policy_says(how: Any, email: object, card: object) -> None:
    """By a word or by a function, and inside a text as well as alone."""
    policy = Policy({"*": how})
    assert scrubbed(EMAIL, policy) == email
    assert scrubbed(CARD, policy) == card
    inside = "" if email is DROPPED else email
    assert scrubbed(f"to {EMAIL}!", policy) == f"to {inside}!"


def test_equal_values_have_equal_hashes_under_a_key_of_ones_own() -> None:
    """However they are written and wherever they are, so that they can be joined."""
    policy = Policy({"*": "hash"}, hash_key=KEY)
    one = scrubbed(CARD, policy)
    assert is_hash(one)
    assert one == scrubbed("4111-1111-1111-1111", policy) == scrubbed(4111111111111111, policy)
    assert (
        scrubbed(EMAIL, policy)
        == scrubbed(EMAIL.upper(), policy)
        == scrubbed({"email_token": EMAIL}, policy)["email_token"]
    )
    assert one != scrubbed("5555 5555 5555 4444", policy)
    assert one != scrubbed(CARD, Policy({"*": "hash"}, hash_key="another"))
    assert is_hash(scrubbed("hunter2", policy, key="password"))


def test_without_a_key_nothing_is_hashed() -> None:
    """An unkeyed hash of a card number is the card number: it is masked."""
    assert scrubbed(CARD, Policy({"*": "hash"})) == "…1111"
    assert scrubbed("hunter2", Policy({"*": "hash"}), key="password") == "[redacted]"


@pytest.mark.parametrize("how", ["mask", "keep", lambda finding: finding.text, lambda finding: f"was {finding.text}"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("password", "correct-horse-battery"),
        ("api_token", "correct-horse-battery"),
        ("Cookie", "correct-horse-battery"),
        ("m", "password=correct-horse-battery"),
        ("m", "https://bob:correct-horse-battery@db.example/"),
        ("m", ["--password", "correct-horse-battery"]),
        ("m", {"name": "password", "value": "correct-horse-battery"}),
        ("m", "password=correct@horse-battery.example"),
    ],
)
def test_of_what_gives_access_nothing_is_shown(key: str, value: object, how: Any) -> None:
    """Not its end, not all of it, and not because a function says so."""
    left = str(scrubbed(value, Policy({"*": how}), key=key))
    assert "battery" not in left
    assert "ery" not in left


def test_what_only_says_who_somebody_is_may_be_masked() -> None:
    """And what the user denies, unless it is a secret all the same."""
    scrubber = Scrubber(deny=["salary", "vault secret"], policy=Policy({"*": "mask"}))
    value = {
        "phone": "030 1234567890",
        "salary": 1234567890123,
        "vault_secret": "correct-horse",
        "iban": "DE00 0000 0000",
    }
    assert scrubber.value("", value, "m", []) == {
        "phone": "…7890",
        "salary": "…0123",
        "vault_secret": "[redacted]",
        "iban": "…0000",
    }
    assert Scrubber(policy=Policy({"*": "mask"})).value("secret", "correct-horse", "m", []) == "[redacted]"


def test_the_first_line_that_is_about_a_finding_counts() -> None:
    """By rule, by path, by type of event, by everything."""
    policy = Policy(
        {"payment.*/card": "drop", "metadata.customer.*": "keep", "order.action/email": "mask", "email": "redact"}
    )
    scrubber = Scrubber(policy=policy)
    payment, order = scrubber.within("payment.action"), scrubber.within("order.action")
    assert payment.value("c", CARD, "metadata.c", []) is DROPPED
    assert order.value("c", CARD, "metadata.c", []) == "[redacted]"
    assert order.value("c", EMAIL, "metadata.c", []) == "…@example.com"
    assert payment.value("c", EMAIL, "metadata.c", []) == "[redacted]"
    assert scrubber.value("c", EMAIL, "metadata.c", []) == "[redacted]"
    assert payment.value("customer", {"note": EMAIL}, "metadata.customer", []) == {"note": EMAIL}
    assert scrubber.within("order.action") is order
    assert Scrubber().within("order.action").within("a.b") is not None


def test_attributes_are_named_with_or_without_their_surface() -> None:
    """A pattern of an attribute's name holds on spans, their events and resources alike."""
    scrubber = Scrubber(policy=Policy({"customer.contact*": "mask", "events[[]*.note": "keep"}))
    attributes = {"customer.contact": EMAIL, "note": EMAIL}
    assert scrubber.attributes(attributes, [], "attributes.") == {
        "customer.contact": "…@example.com",
        "note": "[redacted]",
    }
    assert scrubber.attributes(attributes, [], "events[3].")["note"] == EMAIL


def test_what_is_dropped_leaves_no_place() -> None:
    """Not in mappings, lists, tuples, pairs or attributes; the rest stays, and the finding is on record."""
    scrubber = Scrubber(policy=Policy({"*": "drop"}))
    found: list[str] = []
    value = {"a": EMAIL, "b": [EMAIL, 1], "c": (("password", "x"), ("n", 2)), "d": {"password": "x"}, "e": f"<{EMAIL}>"}
    assert scrubber.value("m", value, "m", found) == {"b": [1], "c": [("n", 2)], "d": {}, "e": "<>"}
    assert found == ["m.a: email", "m.b[0]: email", "m.c.password: key", "m.d.password: key", "m.e: email"]
    assert scrubber.attributes({"a": EMAIL, "b": 1}, found) == {"b": 1}
    assert scrubber.text(EMAIL, "name", found) == ""
    assert scrubber.text(f'["{EMAIL}"]', "body", found) == "[]"
    assert scrubber.text(f'"{EMAIL}"', "body", found) == ""
    assert repr(DROPPED) == "DROPPED"


@pytest.mark.parametrize("answer", [1 / 3, b"x", object()])
def test_a_function_that_fails_redacts(answer: object) -> None:
    """Whether it raises or returns what is no text; it is counted, and raises nothing."""

    def failing(finding: Finding) -> str:
        raise RuntimeError(finding.text)

    for how in (failing, lambda finding: answer):
        scrubber = Scrubber(policy=Policy({"*": how}))  # type: ignore[dict-item]  # on purpose
        assert scrubber.within("a.b").value("m", EMAIL, "m", []) == "[redacted]"
        assert scrubber.errors == 1


@pytest.mark.parametrize("how", ["mask", "hash", "redact"])
def test_what_is_scrubbed_twice_is_as_scrubbed_once(how: Any) -> None:
    """A processor and an exporter may both do it."""
    scrubber = Scrubber(policy=Policy({"*": how}, hash_key=KEY))
    value = {"note": f"to {EMAIL} and {CARD}", "phone": "+49 30 1234567", "password": "hunter2", "log": "pwd=hunter2"}
    once = scrubber.value("m", value, "m", [])
    assert EMAIL not in str(once)
    assert scrubber.value("m", once, "m", []) == once


def test_a_wrong_word_is_told() -> None:
    """With those that there are."""
    with pytest.raises(ValueError, match="'masked' is no treatment; use redact, mask, hash, drop, keep or a function"):
        Choice("email", "masked")  # type: ignore[arg-type]  # on purpose


def test_a_finding_does_not_show_itself() -> None:
    """A function that logs what it was given must not leak it."""
    assert EMAIL not in repr(Finding("email", "m", EMAIL))


def test_what_is_kept_stays_as_it_is_and_is_no_redaction() -> None:
    """In its own type, also inside of JSON; elsewhere, where it is not to be kept, it is not remembered as clean."""
    scrubber = Scrubber(policy=Policy({"m.free*": "keep"}))
    value = {"phone": 49301234567, "card": 4111111111111111, "to": EMAIL, "json": '{"phone": "1", "n": 1}'}
    for _ in range(2):
        found: list[str] = []
        assert scrubber.value("", {"free": value}, "m", found) == {"free": value}
        assert found == []
        gone = {
            "phone": "[redacted]",
            "card": "[redacted]",
            "to": "[redacted]",
            "json": '{"phone": "[redacted]", "n": 1}',
        }
        assert scrubber.value("", {"other": value}, "m", found) == {"other": gone}
        assert len(found) == 4


def test_labels_that_are_addresses_are_masked_unless_more_is_said() -> None:
    """A reader tells people apart by their domain at least; in any other place nothing of an address is shown."""
    assert Scrubber().text("ada@example.com", "actor.label", []) == "…@example.com"
    assert Scrubber().text("ada@example.com", "metadata.label", []) == "[redacted]"
    assert Scrubber().text("4111111111111111", "actor.label", []) == "[redacted]"
    assert Scrubber(policy=Policy({"email": "redact"})).text("ada@example.com", "actor.label", []) == "[redacted]"
