"""Numbers that prove themselves: payment cards (ISO/IEC 7812), bank accounts (ISO 13616).

US social security numbers have no checksum, only ranges that are never issued.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ezlogs.expressions import expression
from ezlogs.privacy.rule import Span

CARD_LENGTHS: Final = range(14, 20)
"""Digits in a card number; the 13 of old Visa cards and the 12 of old Maestro cards are extinct."""

#: Issuer prefixes, first and last, and the lengths in use.
_ISSUERS: Final = tuple(
    (len(first), int(first), int(last), lengths)
    for first, last, lengths in (
        ("4", "4", (16, 19)),  # Visa
        ("51", "55", (16,)),  # Mastercard
        ("2221", "2720", (16,)),  # Mastercard
        ("34", "34", (15,)),  # American Express
        ("37", "37", (15,)),  # American Express
        ("6011", "6011", (16, 19)),  # Discover
        ("644", "659", (16, 19)),  # Discover
        ("300", "305", (14, 16, 19)),  # Diners Club
        ("3095", "3095", (14, 16, 19)),  # Diners Club
        ("36", "36", (14, 16, 19)),  # Diners Club
        ("38", "39", (14, 16, 19)),  # Diners Club
        ("3528", "3589", (16, 17, 18, 19)),  # JCB
        ("62", "62", (16, 17, 18, 19)),  # UnionPay
        ("81", "82", (16,)),  # UnionPay, RuPay
        ("60", "60", (16,)),  # RuPay
        ("508", "508", (16,)),  # RuPay
        ("2200", "2204", (16, 17, 18, 19)),  # Mir
        ("9792", "9792", (16,)),  # Troy
        ("5018", "5018", (16, 17, 18, 19)),  # Maestro
        ("5020", "5020", (16, 17, 18, 19)),  # Maestro
        ("5038", "5038", (16, 17, 18, 19)),  # Maestro
        ("5893", "5893", (16, 17, 18, 19)),  # Maestro
        ("6304", "6304", (16, 17, 18, 19)),  # Maestro
        ("6759", "6763", (16, 17, 18, 19)),  # Maestro
    )
)

#: How card numbers are printed, the longest first.
_GROUPINGS: Final = (
    (4, 4, 4, 4, 3),
    (4, 4, 4, 4, 2),
    (4, 4, 4, 4, 1),
    (4, 4, 4, 4),
    (4, 4, 4, 3),
    (4, 6, 5),
    (4, 6, 4),
    (6, 13),
    (8, 8),
)

_SEPARATOR = r"[ \t\r\n.\-_+/\u00a0\u2000-\u2015\u202f\u2060\u3000\ufeff]{1,2}"
_DIGIT_RUN = expression(rf"\d(?:(?:{_SEPARATOR})?\d){{13,}}")
_DIGITS = expression(r"\d+")
_HEX = expression(r"[0-9A-Fa-f]+")
_LETTERS_AND_DIGITS = expression(r"[0-9A-Za-z]{0,64}")

_IBAN_START = expression(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ \-\u00a0]?[A-Za-z0-9])")
_UUID = expression(r"(?<![A-Za-z0-9])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![A-Za-z0-9])")
_UUID_LENGTH = 36
_IBAN_REST = expression(r"(?:[ \-\u00a0]?[A-Za-z0-9]){11,30}")

#: Length of an IBAN by country, from the SWIFT IBAN registry.
_IBAN_LENGTHS: Final = {
    country: int(length)
    for length, countries in (
        line.split(":")
        for line in """15:NO
16:BE
18:DK FI FK FO GL NL SD
19:MK SI
20:AT BA EE KZ LT LU MN XK
21:CH HR LI LV
22:BG BH CR DE GB GE IE ME RS VA
23:AE GI IL IQ OM SO TL
24:AD CZ ES MD PK RO SA SE SK TN VG
25:LY PT ST
26:IS TR
27:BI DJ FR GR IT MC MR SM
28:AL AZ BY CY DO GT HN HU LB NI PL SV
29:BR EG PS QA UA
30:JO KW MU YE
31:MT SC
32:LC
33:RU""".splitlines()
    )
    for country in countries.split()
}

SSN = expression(r"(?<![\w-])(?!000|666|9\d\d)\d{3}([- ])(?!00)\d\d\1(?!0000)\d{4}(?![\w-])")


def is_card(number: str) -> bool:
    """Whether these digits are a card number: Luhn checksum, issuer prefix and the issuer's lengths.

    >>> is_card("4111111111111111"), is_card("4111111111111112"), is_card("1234567812345670")
    (True, False, False)
    """
    if len(number) not in CARD_LENGTHS:
        return False
    return _is_issued(number) and is_luhn(number)


def find_cards(text: str) -> Iterator[Span]:
    """Card numbers in one piece or in a usual grouping, in the digits of any script; not in a UUID."""
    for run in _DIGIT_RUN.finditer(text):
        groups = list(_DIGITS.finditer(text, *run.span()))
        sizes = tuple(group.end() - group.start() for group in groups)
        done = 0
        for first, size in enumerate(sizes):
            if first < done:
                continue
            if size in CARD_LENGTHS:
                start, end = groups[first].span()
                if is_card(text[start:end]) and not _is_part_of_something_else(text, start, end):
                    yield start, end
                continue
            for grouping in _GROUPINGS:
                last = first + len(grouping)
                if sizes[first:last] == grouping and is_card("".join(group[0] for group in groups[first:last])):
                    start, end = groups[first].start(), groups[last - 1].end()
                    if not _is_in_uuid(text, start, end):
                        yield start, end
                        done = last
                        break


def find_ibans(text: str) -> Iterator[Span]:
    """International bank account numbers: the country's length and the checksum modulo 97; not in a UUID.

    Of ten thousand of those, one or two would pass.
    """
    for match in _IBAN_START.finditer(text):
        start, end = match.span()
        wanted = _IBAN_LENGTHS.get(match[0][:2].upper())
        rest = wanted and _IBAN_REST.match(text, end)
        if not wanted or not rest:
            continue
        taken = match[0]
        while len(taken) < wanted and end < rest.end():
            taken += text[end] if text[end].isalnum() else ""
            end += 1
        whole = len(taken) == wanted and not text[end : end + 1].isalnum()
        if whole and _mod97(taken.upper()) == 1 and not _is_in_uuid(text, start, end):
            yield start, end


def _is_in_uuid(text: str, start: int, end: int) -> bool:
    near = _UUID.finditer(text, max(0, end - _UUID_LENGTH), start + _UUID_LENGTH + 1)
    return any(found.start() <= start and end <= found.end() for found in near)


def _is_issued(number: str) -> bool:
    return any(
        len(number) in lengths and first <= int(number[:digits]) <= last for digits, first, last, lengths in _ISSUERS
    )


def is_luhn(number: str) -> bool:
    """Whether the last digit is Luhn's check of the others (ISO/IEC 7812)."""
    digits = [int(digit) for digit in reversed(number)]
    return (sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0


def _mod97(iban: str) -> int:
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97


def _is_part_of_something_else(text: str, start: int, end: int) -> bool:
    """The digits after the point of a decimal fraction, or in the middle of a hexadecimal id."""
    if text[start - 1 : start] == "." and text[max(start - 2, 0) : start - 1].isdecimal():
        return True
    before = _LETTERS_AND_DIGITS.match(text[max(start - 64, 0) : start][::-1])
    after = _LETTERS_AND_DIGITS.match(text, end)
    neighbours = (before[0] if before else "") + (after[0] if after else "")
    return bool(neighbours) and _HEX.fullmatch(neighbours) is not None
