"""Cards, bank accounts and social security numbers prove themselves."""

from __future__ import annotations

import pytest

from ezlogs.privacy.checksums import SSN, find_cards, find_ibans, is_card

CARDS = {
    "Visa": "4111111111111111",
    "Mastercard": "5555555555554444",
    "Mastercard 2": "2223003122003222",
    "American Express": "378282246310005",
    "Discover": "6011111111111117",
    "Diners Club": "30569309025904",
    "JCB": "3530111333300000",
    "UnionPay": "6200000000000005",
    "Maestro": "6759649826438453",
    "Mir": "2200000000000004",
}


def found_in(text: str) -> list[str]:
    """The card numbers in a text."""
    return [text[start:end] for start, end in find_cards(text)]


@pytest.mark.parametrize("number", CARDS.values(), ids=CARDS.keys())
def test_an_issued_card_number_is_one(number: str) -> None:
    """Test numbers of the issuers pass, and fail with any digit changed."""
    assert is_card(number)
    assert not any(is_card(number[:i] + str((int(number[i]) + 1) % 10) + number[i + 1 :]) for i in range(len(number)))


@pytest.mark.parametrize("number", ["1234567812345670", "0000000000000000", "411111111111", "4" * 25])
def test_other_digits_are_not(number: str) -> None:
    """A right checksum without an issuer, or a wrong length, is no card."""
    assert not is_card(number)


@pytest.mark.parametrize(
    "written",
    [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111+1111+1111+1111",
        "4111\u00a01111\u00a01111\u00a01111",
        "4111  1111  1111  1111",
        "3782 822463 10005",
        "3056 930902 5904",
        "４１１１ １１１１ １１１１ １１１１",  # noqa: RUF001 - full-width digits are the point
        "٤١١١١١١١١١١١١١١١",
    ],
)
def test_a_card_number_is_found_as_people_write_it(written: str) -> None:
    """Groupings, separators and the digits of other scripts make no difference."""
    assert found_in(f"paid with {written}, thanks") == [written]


@pytest.mark.parametrize(
    ("text", "card"),
    [
        ("order 12345 4111 1111 1111 1111", "4111 1111 1111 1111"),
        ("4111 1111 1111 1111 12/29 123", "4111 1111 1111 1111"),
        ("PAN4111111111111111", "4111111111111111"),
        ("4111111111111111.0", "4111111111111111"),
        ("No.4111111111111111", "4111111111111111"),
    ],
)
def test_a_card_number_is_found_among_other_numbers(text: str, card: str) -> None:
    """Neighbouring digits and letters do not hide it."""
    assert found_in(text) == [card]


def test_several_card_numbers_are_found() -> None:
    """Each number of a list is found, also where they are written one after the other."""
    assert len(found_in("4111 1111 1111 1111 5555 5555 5555 4444, 378282246310005")) == 3


@pytest.mark.parametrize(
    "text",
    [
        "0.4111111111111111",
        "4bf92f34111111111111111a6a3ce929",
        "411111111111111111111111",
        "41 11 11 11 11 11 11 11",
        "1700000000000000000",
        "550e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_other_numbers_are_left_alone(text: str) -> None:
    """Fractions, hexadecimal ids, timestamps and odd groupings are no cards."""
    assert found_in(text) == []


@pytest.mark.parametrize(
    "iban",
    [
        "GB82 WEST 1234 5698 7654 32",
        "GB82WEST12345698765432",
        "DE89370400440532013000",
        "de89-3704-0044-0532-0130-00",
        "MT84MALT011000012345MTLCAST001S",
        "NO9386011117947",
    ],
)
def test_a_bank_account_is_found(iban: str) -> None:
    """Grouped or not, in either case, with the country's length and the right checksum."""
    text = f"to {iban} and more"
    assert [text[start:end] for start, end in find_ibans(text)] == [iban]


@pytest.mark.parametrize(
    "text",
    [
        "GB83WEST12345698765432",
        "XX82WEST12345698765432",
        "GB82WEST123456987654321",
        "GB82WEST1234",
        "DE8937040044053201300",
        "AB12 CDEF",
    ],
)
def test_what_only_looks_like_a_bank_account_is_not(text: str) -> None:
    """A wrong checksum, country or length is none."""
    assert list(find_ibans(text)) == []


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("123-45-6789", True),
        ("123 45 6789", True),
        ("000-45-6789", False),
        ("666-45-6789", False),
        ("912-45-6789", False),
        ("123-00-6789", False),
        ("123-45-0000", False),
        ("123-45 6789", False),
        ("1123-45-6789", False),
    ],
)
def test_social_security_numbers_have_ranges(text: str, is_one: bool) -> None:
    """Numbers that are never issued are not taken for one."""
    assert (SSN.search(text) is not None) is is_one


@pytest.mark.parametrize(
    "text",
    [
        "be71716f-b03e-48be-ad48-6740bbb19f9e",
        "job da8ff6ff-0f28-4fd5-be18-e8366be70a99.",
        "ee033556-45e1-4ef7-9e7b-4a0bd0400558/3251a7ce-ad11-4d07-8a19-07c8aa52b033",
    ],
)
def test_a_uuid_is_no_bank_account(text: str) -> None:
    """Of ten thousand random ones, one or two have a part with the length and the checksum of one."""
    assert list(find_ibans(text)) == []


def test_a_bank_account_beside_a_uuid_is_found() -> None:
    """What only looks like the beginning of a UUID is none, either."""
    account = "DE89 3704 0044 0532 0130 00"
    text = f"{account} be71716f-b03e-48be-ad48-6740bbb19f9e"
    assert [text[start:end] for start, end in find_ibans(text)] == [account]
    assert list(find_ibans("be71716f-b03e-48be-ad48-6740bbb19f9e8"))


@pytest.mark.parametrize("text", ["218e4649-3328-4806-9148-ce1b077d7aad", "505333fc-4836-4545-8830-5772dbd3db7c"])
def test_a_uuid_is_no_card(text: str) -> None:
    """Four groups of four digits in it are none, though one in a hundred thousand passes; without the rest they are."""
    assert list(find_cards(f"job {text}")) == []
    assert list(find_cards(f"job {text[:-1]}"))
