"""Telephone numbers as they are written at home: found beside a word that tells them, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Scrub = Callable[[str], tuple[str, list[str]]]


@pytest.mark.parametrize(
    ("before", "number", "after"),
    [
        ("phone: ", "020 7946 0958", ""),
        ("call me on ", "07700 900123", " please"),
        ("Telefon ", "030/123456-78", "."),
        ("Tel.: ", "(030) 1234567", ""),
        ("Handynummer: ", "0151 12345678", ", danke"),
        ("tél. ", "01 23 45 67 89", ""),
        ("fax ", "01.23.45.67.89", ""),
        ("mobile ", "98765 43210", ""),
        ("WhatsApp ", "9876543210", ""),
        ("tel:", "00442079460958", ""),
        ("contact_phone ", "07700900123", ""),
        ('"userPhone": "', "07700900123", '"'),
        ("cell ", "4155552671", ""),
        ("text me at ", "07700 900 123", ""),
        ("sms sent to ", "07700\u00a0900123", ""),
    ],
)
def test_a_national_number_is_found_beside_a_telling_word(scrub: Scrub, before: str, number: str, after: str) -> None:
    """Only the number goes; without the word it could be anything."""
    clean, found = scrub(before + number + after)
    assert clean == f"{before}[redacted]{after}"
    assert "phone" in found
    alone = f"order {number}{after}"
    assert scrub(alone) == (alone, [])


def test_several_numbers_each_have_their_word(scrub: Scrub) -> None:
    """As at the end of a letter."""
    assert scrub("Tel 020 7946 0958, Fax 020 7946 0959")[0] == "Tel [redacted], Fax [redacted]"


@pytest.mark.parametrize(
    "text",
    [
        "hotel 0123456789",
        "call id 01234567890",
        "call_id=01234567890",
        "callback 01234567890",
        "the phone rang at 08:30:00.123456",
        "mobile 2024-01-01 10:00:00",
        "cell 0.123456789012",
        "phone 0123",
        "phones sold in 2 weeks: 09876543210",
        "call took 1700000000 ns",
        "signal 15",
        "context 01234567890",
        "phone case, order\n01234567890",
    ],
)
def test_other_numbers_stay_beside_such_words(scrub: Scrub, text: str) -> None:
    """Ids, times, amounts, what another number or line stands before."""
    assert scrub(text) == (text, [])


@pytest.mark.parametrize(
    "address", ["ada+news@example.com", "jörg+x@müller.example", "用户@例子.公司", "a.b-c_d@x-y.example"]
)
def test_addresses_have_tags_and_letters_of_any_script(scrub: Scrub, address: str) -> None:
    """Nothing of them is left."""
    assert scrub(f"to <{address}>") == ("to <[redacted]>", ["email"])
