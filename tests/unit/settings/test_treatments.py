"""The settings of what is done with findings: how they are written, shown and refused."""

from __future__ import annotations

import pytest

from ezlogs.settings import load
from ezlogs.settings.kinds import UnacceptableError
from ezlogs.settings.treatments import Secret, TreatmentList, Treatments

KIND = TreatmentList()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("mask", {"*": "mask"}),
        (" email = Mask , payment.*/card=drop,", {"email": "mask", "payment.*/card": "drop"}),
        ({"ip": "keep"}, {"ip": "keep"}),
        ("mask, card=redact", {"*": "mask", "card": "redact"}),
        ("", {}),
        (str.upper, {"*": str.upper}),
        ({"email": str.upper}, {"email": str.upper}),
    ],
)
def test_what_is_understood(given: object, expected: object) -> None:
    """One word for all, pairs, a mapping, functions; in the order that they were given in."""
    parsed = KIND.parse(given)
    assert isinstance(parsed, Treatments)
    assert dict(parsed) == expected
    assert KIND.parse(parsed) == parsed
    assert hash(KIND.parse(parsed)) == hash(parsed)


@pytest.mark.parametrize("given", [7, None, {7: "mask"}, {"": "mask"}, {"email": None}])
def test_what_is_refused(given: object) -> None:
    """The text says what is allowed."""
    with pytest.raises(UnacceptableError, match="redact, mask, hash, drop or keep, or pairs such as 'email=mask'"):
        KIND.parse(given)


def test_a_wrong_word_has_the_nearest_right_one() -> None:
    """As everywhere."""
    with pytest.raises(UnacceptableError, match=r"'redcat' is no treatment; did you mean 'redact'\?"):
        KIND.parse("email=redcat")


def test_functions_are_shown_by_name_and_secrets_not_at_all() -> None:
    """In `ezlogs settings`, `ezlogs doctor` and errors."""
    assert KIND.shown(Treatments({"email": str.upper, "card": "drop"})) == {"email": "str.upper", "card": "drop"}
    secret = Secret("a long random text")
    assert (secret.shown("s3cret"), secret.shown(None), secret.quoted("s3cret")) == ("****", None, "****")
    assert "s3cret" not in repr(load({"EZLOGS_HASH_KEY": "s3cret"}).settings)


def test_the_order_of_lines_counts() -> None:
    """The first that fits is taken, so two orders are two settings."""
    assert Treatments({"a.*": "mask", "email": "drop"}) != Treatments({"email": "drop", "a.*": "mask"})
