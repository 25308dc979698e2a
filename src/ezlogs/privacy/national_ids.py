"""Numbers that states give to people and firms: those that prove themselves, or that a word before them tells.

A checksum of one digit passes a tenth of all numbers, so a row of digits alone is never enough: either it is written
with the separators of its kind, or a word says what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from ezlogs.expressions import expression
from ezlogs.privacy.checksums import SSN, is_luhn
from ezlogs.privacy.rule import Pattern, Rule
from ezlogs.privacy.telling import Number, telling

_CONTROL_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_CODICE_ODD: Final = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21) * 2 + (2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)
#: The dihedral group of the pentagon, and the permutation that Verhoeff's check applies by position.
_DIHEDRAL: Final = tuple(
    "0123456789 1234067895 2340178956 3401289567 4012395678 5987604321 6598710432 7659821043 8765932104 9876543210".split()  # noqa: SIM905, E501 - the table reads as it is printed
)
_PERMUTED: Final = "0123456789 1576283094 5803796142 8916043527 9453126870 4286573901 2793806415 7046913258".split()  # noqa: SIM905 - as above

_DAY: Final = r"(?:0[1-9]|[12]\d|3[01])"
_COMPACT_DATE = expression(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])\d\d[TZ]")
_TIME_OF_DAY = expression(rf"(?:20)?[0-3]\d(?:0[1-9]|1[0-2]){_DAY}-(?:[01]\d|2[0-3])[0-5]\d")


def _form(pattern: str) -> Callable[[str], object]:
    form = expression(pattern)
    return lambda text: form.fullmatch(text)  # noqa: PLW0108  # bound, it would be compiled here


def _plain(text: str) -> str:
    return "".join(str(int(sign)) if sign.isdecimal() else sign.upper() for sign in text if sign.isalnum())


def _weighted(digits: Iterable[str], weights: Sequence[int]) -> int:
    # Letters count as their place in ASCII after 0, as in Brazil since 2026.
    return sum((ord(digit) - 48) * weight for digit, weight in zip(digits, weights, strict=False))


def is_verhoeff(digits: str) -> bool:
    """Whether the last digit is Verhoeff's check of the others.

    >>> is_verhoeff("2363"), is_verhoeff("2364")
    (True, False)
    """
    check = 0
    for position, digit in enumerate(reversed(digits)):
        check = int(_DIHEDRAL[check][int(_PERMUTED[position % 8][int(digit)])])
    return check == 0


def _is_sin(text: str) -> bool:
    return is_luhn(_plain(text))


def _is_nino(text: str) -> bool:
    return _plain(text)[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")


def _is_cpf(text: str) -> bool:
    digits = _plain(text)
    if len(set(digits)) == 1:
        return False
    return all(_weighted(digits, range(n + 1, 1, -1)) * 10 % 11 % 10 == int(digits[n]) for n in (9, 10))


def _is_cnpj(text: str) -> bool:
    digits = _plain(text)
    if len(set(digits)) == 1:
        return False
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    return all(-_weighted(digits, weights[13 - n :]) % 11 % 10 == int(digits[n]) for n in (12, 13))


def _is_dni(text: str) -> bool:
    number = _plain(text)
    digits = str("XYZ".find(number[0])) + number[1:-1] if number[0] in "XYZ" else number[:-1]
    return _CONTROL_LETTERS[int(digits) % 23] == number[-1] and not _COMPACT_DATE.fullmatch(text)


def _is_codice_fiscale(text: str) -> bool:
    code = text.upper()
    total = sum(_CODICE_ODD[character] for character in code[:15:2])
    total += sum(int(character) if character.isdecimal() else ord(character) - 65 for character in code[1:15:2])
    return chr(65 + total % 26) == code[15]


def _is_nir(text: str) -> bool:
    number = _plain(text)
    digits = number[:13].replace("2A", "19").replace("2B", "18") if number[5:7] in ("2A", "2B") else number[:13]
    return digits.isdecimal() and 97 - int(digits) % 97 == int(number[13:])


def _is_steuer_id(text: str) -> bool:
    digits = _plain(text)
    counts = sorted(map(digits[:10].count, set(digits[:10])))
    if counts[-1] not in (2, 3) or counts[-2] != 1:  # one digit comes twice or thrice, all others once at most
        return False
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def _is_aadhaar(text: str) -> bool:
    return is_verhoeff(_plain(text))


def _is_bsn(text: str) -> bool:
    digits = _plain(text)
    return digits != "0" * 9 and _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def _is_personnummer(text: str) -> bool:
    return is_luhn(_plain(text)[-10:])


def _is_no_time(text: str) -> bool:
    """Not 20240101-1230 or 240101-1230, as files are named after when they were made."""
    return not _TIME_OF_DAY.fullmatch(text)


_NINE: Final = (b"0" * 9,)

NATIONAL_IDS: Final[tuple[Rule, ...]] = (
    Pattern("ssn", _NINE, SSN),
    # US taxpayers without a social security number: the ranges that the IRS issues.
    Pattern(
        "itin",
        _NINE,
        expression(r"(?<![\w-])9\d\d([- ])(?:5\d|6[0-5]|7\d|8[0-8]|9[0-2]|9[4-9])\1\d{4}(?![\w-])"),
    ),
    Number(
        "nino",  # United Kingdom
        (b"aa000000a",),
        expression(
            r"(?<![\w-])[A-CEGHJ-PR-TW-Za-ceghj-pr-tw-z][A-CEGHJ-NPR-TW-Za-ceghj-npr-tw-z][ -]?\d\d(?:[ -]?\d\d){2}"
            r"[ -]?[A-Da-d](?![\w-])"
        ),
        _is_nino,
        telling("nino|ni.?number|ni.?no|national.?insurance(?:.?n(?:umber|o|r))?"),
        _form(r"[A-Z]{2} \d\d \d\d \d\d [A-D]"),
    ),
    Number(
        "sin",  # Canada
        _NINE,
        expression(r"(?<![\w.,-])[1-79]\d\d([ -]?)\d{3}\1\d{3}(?![\w-]|[.,]\d| \d)"),
        _is_sin,
        telling("sin|social.?insurance(?:.?n(?:umber|o))?|nas"),
        _form(r"\d{3}-\d{3}-\d{3}"),
    ),
    Number("cpf", (b"0" * 11,), expression(r"(?<![\w.-])\d{3}\.\d{3}\.\d{3}-\d\d(?![\w-]|\.\d)"), _is_cpf),  # Brazil
    Number(
        "cnpj",  # Brazil, of firms
        ("/",),
        expression(r"(?<![\w.-])[0-9A-Z]{2}\.[0-9A-Z]{3}\.[0-9A-Z]{3}/[0-9A-Z]{4}-\d\d(?![\w-]|\.\d)"),
        _is_cnpj,
    ),
    Number(
        "dni",  # Spain; of foreigners it begins with X, Y or Z
        (b"00000000a", b"a0000000a"),
        expression(r"(?<![\w.,/-])(?:\d{8}|[XYZxyz]-?\d{7})-?[A-HJ-NP-TV-Za-hj-np-tv-z](?![\w-])"),
        _is_dni,
        telling("dni|nie|nif"),
        _form(r"(?:\d{8}|[XYZ]-?\d{7})-?[A-Z]"),
    ),
    Number(
        "codice_fiscale",  # Italy; letters may stand for digits where two people would have the same
        (b"aaaaaa00a",),
        expression(
            r"(?<![\w-])[A-Za-z]{6}[0-9]{2}[ABCDEHLMPRSTabcdehlmprst][0-9LMNP-Vlmnp-v]{2}[A-Za-z][0-9LMNP-Vlmnp-v]{3}"
            r"[A-Za-z](?![\w-])"
        ),
        _is_codice_fiscale,
    ),
    Number(
        "nir",  # France
        (b"0" * 8,),
        expression(r"(?<![\w.,-])[1-478]([ .]?)\d\d\1(?!00)\d\d\1(?:\d\d|2[ABab])\1\d{3}\1\d{3}[ ./]?\d\d(?![\w-])"),
        _is_nir,
        telling("nir|insee|s[ée]cu(?:rit[ée].?sociale)?|num[ée]ro.?de.?s[ée]cu(?:rit[ée].?sociale)?"),
        _form(r"\d[ .].*"),
    ),
    Number(
        "steuer_id",  # Germany
        (b"0" * 11,),
        expression(r"(?<![\w.,-])[1-9]\d([ ]?)\d{3}\1\d{3}\1\d{3}(?![\w-]|[.,]\d)"),
        _is_steuer_id,
        telling("steuer.?id|steuer.?identifikations.?nummer|id.?nr|idnr|tin|tax.?id|steuernummer"),
    ),
    Number(
        "aadhaar",  # India
        (b"0" * 12,),
        expression(r"(?<![\w.,-])(?<!\d[ -])[2-9]\d{3}([ -]?)\d{4}\1\d{4}(?![\w-]|[ .,]\d)"),
        _is_aadhaar,
        telling("aadhaar|aadhar|adhaar|uidai|uid"),
        _form(r"\d{4}[ -]\d{4}[ -]\d{4}"),
    ),
    Number(
        "indian_pan",
        (b"aaaaa0000a",),
        expression(r"(?<![\w-])[A-Za-z]{3}[ABCFGHJLPTabcfghjlpt][A-Za-z]\d{4}[A-Za-z](?![\w-])"),
        bool,
        telling("pan|permanent.?account(?:.?n(?:umber|o))?"),
        _form(r"[A-Z]{3}P[A-Z]\d{4}[A-Z]"),  # a person's
    ),
    Number(
        "bsn",  # Netherlands
        _NINE,
        expression(r"(?<![\w.,-])(?:\d{4}([. ]?)\d\d\1\d{3}|\d{3}([. ])\d{3}\2\d{3})(?![\w-]|[.,]\d)"),
        _is_bsn,
        telling("bsn|burger.?service.?nummer|sofi(?:.?nummer)?"),
        _form(r"\d{4}\.\d\d\.\d{3}"),
    ),
    Number(
        "personnummer",  # Sweden
        (b"0" * 10,),
        expression(rf"(?<![\w.,+-])(?:(?:19|20)?\d\d)(?:0[1-9]|1[0-2]){_DAY}[-+]?\d{{4}}(?![\w-]|\.\d)"),
        _is_personnummer,
        telling("person.?n(?:umme)?r|pnr|personal.?identity.?number"),
        lambda text: not text.isdecimal() and _is_no_time(text),
    ),
)
