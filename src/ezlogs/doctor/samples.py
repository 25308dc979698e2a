"""Samples of every kind of data that privacy promises to find: what the doctor's self-test scrubs.

They belong to nobody. They are put together here, so that no scanner takes a file for a leak, and are never shown.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

_WORD: Final = "aB3dE5gH7jK9mN2pQ4rS6tU8vW1xY0zA" * 4
_HEX: Final = "0123456789abcdef" * 4
_SECRET: Final = "-".join(("correct", "horse7", "battery"))


class Sample(NamedTuple):
    """An attribute with something in it that has to go."""

    kind: str
    """What it is, as it is told."""

    name: str
    """The attribute's name."""

    value: str
    secret: str
    """What must not be left of the value, as it is written there."""

    @property
    def attributes(self) -> Mapping[str, str]:
        """The sample as attributes of a span or of an event."""
        return {self.name: self.value}

    def __repr__(self) -> str:
        return f"<Sample of {self.kind}>"


def samples() -> tuple[Sample, ...]:
    """Return one sample of each kind: by its form in a sentence, by its name, beside a name in text, in disguise.

    >>> samples()[0], {sample.secret in sample.value for sample in samples()}
    (<Sample of payment card>, {True})
    """
    return (*_by_form(), *_by_name(), *_in_text())


def _by_form() -> Iterator[Sample]:
    for kind, secret in {**_FORMS, **_NATIONAL_IDS, **_KEYS}.items():
        yield Sample(kind, "app.note", f"they wrote {secret} into the form", secret)
    for kind, text in _CREDENTIALS.items():
        yield Sample(kind, "app.note", text, _SECRET)


def _by_name() -> Iterator[Sample]:
    for kind, (name, secret) in _NAMED.items():
        yield Sample(kind, f"app.{name}", secret, secret)


def _in_text() -> Iterator[Sample]:
    given = f"password={_SECRET}"
    inner = json.dumps({"password": _SECRET})
    hidden = b64encode(f"{given};".encode()).decode()
    percent = "".join(f"%{ord(sign):02X}" for sign in _SECRET)
    escapes = "".join(f"\\u{ord(sign):04x}" for sign in _SECRET)
    yield Sample("password in a message", "exception.message", f"login failed: {given}, attempt 2", _SECRET)
    yield Sample("password in JSON in JSON", "app.body", json.dumps({"id": 7, "body": inner}), _SECRET)
    yield Sample("password in XML", "app.body", f"<user><password>{_SECRET}</password></user>", _SECRET)
    yield Sample("password in SQL", "db.query.text", f"UPDATE users SET password = '{_SECRET}' WHERE id = 7", _SECRET)
    yield Sample("password on a command line", "process.command_line", f"run --password {_SECRET} -v", _SECRET)
    yield Sample("token in a URL", "url.full", f"https://a.example/?page=2&access_token={quote(_SECRET)}", _SECRET)
    yield Sample("password under percent signs", "app.raw", f"password={percent}", percent)
    yield Sample("password under escapes", "app.raw", f'{{\\"password\\": \\"{escapes}\\"}}', escapes)
    yield Sample("password in base64", "app.raw", f"got {hidden} back", hidden)


_FORMS: Final = {
    "payment card": "4111" + " 1111" * 3,
    "IBAN": " ".join(("GB82", "WEST", "1234", "5698", "7654", "32")),
    "e-mail address": "ada.lovelace" + "@example.com",
    "phone number": "+44 20 " + "7946 0958",
    "IP address": "203.0.113" + ".77",
    "JSON Web Token": ".".join(("ey" + "JhbGciOiJIUzI1NiJ9", "ey" + "JzdWIiOiIxIn0", "c2lnbmF0dXJlc2ln")),
    "private key": f"-----BEGIN {'PRIVATE'} KEY-----\n{_WORD[:64]}\n-----END {'PRIVATE'} KEY-----",
    "bearer token": "Bearer " + _WORD[:32],
    "basic authorization": "Basic " + b64encode(f"bob:{_SECRET}".encode()).decode(),
}
_NATIONAL_IDS: Final = {
    "US social security number": "-".join(("536", "22", "8713")),
    "US taxpayer number": "-".join(("912", "78", "3456")),
    "Brazilian CPF": ".".join(("529", "982", "247-25")),
    "Brazilian CNPJ": ".".join(("11", "222", "333/0001-81")),
    "Spanish DNI": "12345678" + "Z",
    "Italian codice fiscale": "RSSMRA" + "85T10A562S",
    "French NIR": " ".join(("2", "55", "08", "14", "168", "025", "38")),
    "Indian Aadhaar": " ".join(("2341", "2341", "2346")),
    "Indian PAN": "ABCPE" + "1234F",
    "Canadian SIN": "-".join(("130", "692", "544")),
    "British NINO": " ".join(("AB", "12", "34", "56", "C")),
    "Dutch BSN": ".".join(("1112", "22", "333")),
    "Swedish personnummer": "811218" + "-9876",
}
_KEYS: Final = {
    "AWS key": "AK" + "IA" + "Q3EGRIZ7M5NWXTB2",
    "Azure key": "AccountKey=" + _WORD[:86] + "==",
    "GitHub key": "gh" + "p_" + _WORD[:36],
    "GitLab key": "gl" + "pat-" + _WORD[:20],
    "Slack key": "xo" + "xb-" + "123456789012",
    "Stripe key": "sk" + "_live_" + _WORD[:24],
    "Google key": "AI" + "za" + _WORD[:35],
    "OpenAI key": "sk" + "-proj-" + _WORD[:48],
    "Anthropic key": "sk" + "-ant-api03-" + _WORD[:80],
    "SendGrid key": "S" + "G." + _WORD[:22] + "." + _WORD[:43],
    "Twilio key": "S" + "K" + _HEX[:32],
    "npm key": "np" + "m_" + _WORD[:36],
    "PyPI key": "py" + "pi-AgEIcHlwaS5vcmc" + _WORD[:60],
    "Shopify key": "shp" + "at_" + _HEX[:32],
    "Vault key": "hv" + "s." + _WORD[:30],
    "Grafana key": "gl" + "sa_" + _WORD[:32] + "_" + _HEX[:8],
}
_CREDENTIALS: Final = {
    "credentials in a URL": f"cloning https://bob:{_SECRET}@git.example/shop.git failed",
    "DSN": f"cannot connect to postgres://bob:{_SECRET}@db.example:5432/shop",
    "DSN without a scheme": f"cannot connect to bob:{_SECRET}@tcp(db.example:3306)/shop",
}
_NAMED: Final = {
    "password by name": ("userPassword", _SECRET),
    "token by name": ("refresh-token", _WORD[:32]),
    "API key by name": ("x_api_key", _WORD[:32]),
    "cookie by name": ("session.cookie", _HEX[:32]),
    "one-time code by name": ("otp", "482" + "913"),
    "security code by name": ("card_cvv", "7" + "31"),
    "account number by name": ("bank_account", "0532" + "0130"),
    "phone number by name": ("customer_phone", "030/" + "1234567"),
    "date of birth by name": ("date_of_birth", "1985" + "-12-10"),
}
