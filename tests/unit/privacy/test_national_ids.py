"""Numbers that states give: found by their checksum and their form, or by the word before them, and not otherwise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ezlogs.privacy.national_ids import is_verhoeff

Scrub = Callable[[str], tuple[str, list[str]]]


def luhn(digits: str) -> str:
    """The digits and their check."""
    for check in "0123456789":
        doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits + check))]
        if sum(value - 9 * (value > 9) for value in doubled) % 10 == 0:
            return digits + check
    raise AssertionError


def modulo_11(digits: str, weights: range | list[int]) -> str:
    """The check of Brazilian numbers."""
    rest = sum((ord(digit) - 48) * weight for digit, weight in zip(digits, weights, strict=True)) % 11
    return str(0 if rest < 2 else 11 - rest)


def cpf(digits: str) -> str:
    """A CPF of nine digits."""
    digits += modulo_11(digits, range(10, 1, -1))
    digits += modulo_11(digits, range(11, 1, -1))
    return f"{digits[:3]}.{digits[3:6]}.{digits[6:9]}-{digits[9:]}"


def cnpj(signs: str) -> str:
    """A CNPJ of twelve digits or letters."""
    weights = [5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]
    signs += modulo_11(signs, weights)
    signs += modulo_11(signs, [6, *weights])
    return f"{signs[:2]}.{signs[2:5]}.{signs[5:8]}/{signs[8:12]}-{signs[12:]}"


def nir(number: str) -> str:
    """A French number of thirteen signs, grouped."""
    key = 97 - int(number.replace("2A", "19").replace("2B", "18")) % 97
    parts = (number[0], number[1:3], number[3:5], number[5:7], number[7:10], number[10:], f"{key:02}")
    return " ".join(parts)


def aadhaar(digits: str) -> str:
    """An Indian number of eleven digits."""
    full = next(digits + check for check in "0123456789" if is_verhoeff(digits + check))
    return f"{full[:4]} {full[4:8]} {full[8:]}"


def steuer_id(digits: str) -> str:
    """A German number of ten digits, by ISO 7064, modulo 11, 10."""
    product = 10
    for digit in digits:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return digits + str((11 - product) % 10)


def bsn(digits: str) -> str:
    """A Dutch number of eight digits that has a check."""
    rest = sum(int(digit) * weight for digit, weight in zip(digits, range(9, 1, -1), strict=True)) % 11
    return digits + str(rest)


def grouped(digits: str, between: str) -> str:
    """Three by three."""
    return between.join((digits[:3], digits[3:6], digits[6:]))


SIN, STEUER_ID, BSN, PERSONNUMMER = luhn("13069254"), steuer_id("8609574271"), bsn("11122233"), luhn("811218987")
AADHAAR, NIR = aadhaar("23412341234"), nir("1850578006084")

ALONE = {
    "ssn": ["123-45-6789", "123 45 6789"],
    "itin": ["912-70-1234", "900 50 0001"],
    "nino": ["AB 12 34 56 C"],
    "sin": [grouped(SIN, "-")],
    "cpf": [cpf("529982247"), cpf("111444777")],
    "cnpj": [cnpj("112223330001"), cnpj("12ABC34501DE")],
    "dni": ["12345678Z", "12345678-Z", "X1234567L", "Y-1234567-X", "Z1234567R"],
    "codice_fiscale": ["RSSMRA85T10A562S", "rssmra85t10a562s", "MRTMTT91D08F205J", "RSSMRA85T10A56NH"],
    "nir": [NIR, nir("2550699123456"), nir("1800120A12345".replace("20A", "2A0")), NIR.replace(" ", ".")],
    "aadhaar": [AADHAAR, AADHAAR.replace(" ", "-")],
    "indian_pan": ["AAAPL1234C"],
    "bsn": [f"{BSN[:4]}.{BSN[4:6]}.{BSN[6:]}"],
    "personnummer": [f"{PERSONNUMMER[:6]}-{PERSONNUMMER[6:]}", f"19{PERSONNUMMER[:6]}+{PERSONNUMMER[6:]}"],
}

BESIDE = {
    "nino": ["NINO: ab123456c", "national insurance number AB123456C", "ni_number=AB123456C"],
    "sin": [f"SIN {SIN}", f"employee_sin: {grouped(SIN, ' ')}", f"Social Insurance Number is {grouped(SIN, ' ')}"],
    "dni": ["dni: 12345678z", "su NIE es x1234567l"],
    "nir": [f"numéro de sécurité sociale : {NIR.replace(' ', '')}", f"INSEE {NIR.replace(' ', '')}"],
    "steuer_id": [
        f"Steuer-ID: {STEUER_ID}",
        f"Steueridentifikationsnummer {STEUER_ID[:2]} {grouped(STEUER_ID[2:], ' ')}",
    ],
    "aadhaar": [f"Aadhaar no. {AADHAAR.replace(' ', '')}"],
    "indian_pan": ["PAN: AAACL1234C", "pan=aaapl1234c"],
    "bsn": [f"BSN {BSN}", f"burgerservicenummer: {grouped(BSN, '.')}"],
    "personnummer": [
        f"personnummer {PERSONNUMMER}",
        f"pnr: 20{luhn('240101' + '123')[:6]}-{luhn('240101' + '123')[6:]}",
    ],
}


@pytest.mark.parametrize(("rule", "number"), [(rule, number) for rule, all_ in ALONE.items() for number in all_])
def test_a_number_that_proves_itself_is_found(scrub: Scrub, rule: str, number: str) -> None:
    """Alone, in a sentence, in quotes; not as a part of something longer."""
    assert scrub(number) == ("[redacted]", [rule])
    assert scrub(f"'{number}'") == ("'[redacted]'", [rule])
    assert scrub(f"it is {number}, thanks") == ("it is [redacted], thanks", [rule])
    assert rule not in scrub(f"X{number}")[1]
    assert rule not in scrub(f"{number}7")[1]


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in BESIDE.items() for text in texts])
def test_any_other_number_is_found_beside_its_name(scrub: Scrub, rule: str, text: str) -> None:
    """In any spelling; without the word it is a number like others."""
    clean, found = scrub(text)
    assert rule in found
    assert not any(sign.isdigit() for sign in clean)
    assert rule not in scrub("the box has " + text[next(i for i, sign in enumerate(text) if sign.isdigit()) :])[1]


def broken(number: str) -> str:
    """The number with its last digit or letter changed."""
    last = number[-1]
    return number[:-1] + (str((int(last) + 1) % 10) if last.isdigit() else "A" if last not in "Aa" else "B")


@pytest.mark.parametrize(
    ("rule", "number"),
    [
        (rule, number)
        for rule, all_ in ALONE.items()
        for number in all_
        if rule not in ("ssn", "itin", "indian_pan", "nino")
    ],
)
def test_a_wrong_checksum_is_none(scrub: Scrub, rule: str, number: str) -> None:
    """One sign is changed."""
    assert rule not in scrub(broken(number))[1]


@pytest.mark.parametrize(
    "text",
    [
        SIN,
        BSN,
        STEUER_ID,
        PERSONNUMMER,
        AADHAAR.replace(" ", ""),
        NIR.replace(" ", ""),
        grouped(SIN, " "),
        "revenue 130 692 544 EUR",
        "123.456.789",
        "111.111.111-11",
        "00.000.000/0000-00",
        "000000000",
        "BSN 000000000",
        "20240101Z",
        "AB123456C",
        "GB 12 34 56 A",
        "tin 12345678901",
        "Steuer-ID 11111111111",
        "ABCXL1234C",
        "AAACL1234C",
        "20240101-1230",
        "backup-240101-1230",
        "2024-01-01 12:30",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "550e8400-e29b-41d4-a716-446655440000",
        "ABCDEF12G34H567I",
        "911-10-1234",
        "the sin of 3 brothers",
        "1700000000123",
        "order 2341-2341-2340",
    ],
)
def test_ordinary_numbers_stay(scrub: Scrub, text: str) -> None:
    """Rows of digits, amounts, dates, times in the names of files, ids."""
    assert scrub(text) == (text, [])


def test_files_are_named_after_times(scrub: Scrub) -> None:
    """What could be a time of this century is one, also where a tenth of them pass for a Swedish number."""
    times = [f"240101-{hour:02}{minute:02}" for hour in range(24) for minute in range(60)]
    assert [time for time in times if scrub(time)[1]] == []


def test_digits_of_other_scripts_count(scrub: Scrub) -> None:
    """They are read as what they mean."""
    arabic = cpf("529982247").translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    assert scrub(arabic) == ("[redacted]", ["cpf"])
