"""The ways around a scrubber that are known from others: each line gets past one of them, and none past this one."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from ezlogs.privacy import Scrubber

SECRET = "hunter2x"

BYPASSES: dict[str, Any] = {
    **{
        f"key {key}": {key: SECRET}
        for key in "password user_password pwd pw pass pin otp token access_token refresh_token bearer".split()  # noqa: SIM905 - reads as the list it is
    },
    "value under a neutral key": {"note": f"password={SECRET}"},
    "nested dict": {"a": {"password": SECRET}},
    "nested list": {"a": [{"password": SECRET}]},
    "nested tuple": {"a": ({"password": SECRET},)},
    "JSON string": {"a": f'{{"password": "{SECRET}"}}'},
    "JSON in JSON": {"a": f'{{"b": "{{\\"password\\": \\"{SECRET}\\"}}"}}'},
    "raw JSON body": f'{{"password": "{SECRET}"}}',
    "base64": {"a": b64encode(f"password={SECRET}".encode()).decode()},
    "set": {"a": {f"password={SECRET}"}},
    "homoglyph key": {"p\u0430ssword": SECRET},
    "zero-width key": {"pass\u200bword": SECRET},
    "split key": {"pass_word": SECRET},
    "DSN": {"a": f"postgres://bob:{SECRET}@db"},
    "query string": {"url": f"https://x.test/?password={SECRET}&page=2"},
    "authorization header": {"authorization": f"Basic {SECRET}"},
    "API key header": {"x-api-key": SECRET},
    "SQL literal": {"q": f"UPDATE users SET password = '{SECRET}' WHERE id = 1"},
    "exception message": f"ValueError: password={SECRET}",
    "bytes": {"a": f"password={SECRET}".encode()},
    "bytes key": {b"password": SECRET},
    "key that is no text": {("password",): {"password": SECRET}},
}


@pytest.mark.parametrize("value", BYPASSES.values(), ids=BYPASSES.keys())
def test_a_known_bypass_does_not_work_here(value: Any) -> None:
    """The secret is gone, its base64 too, and something was recorded."""
    found: list[str] = []
    clean = Scrubber().value("m", value, "m", found)
    assert SECRET not in repr(clean)
    assert b64encode(f"password={SECRET}".encode()).decode()[:20] not in repr(clean)
    assert found


@pytest.mark.parametrize(
    "value",
    [
        "ada@example.com",
        "+44 20 7946 0958",
        "GB82 WEST 1234 5698 7654 32",
        "4111 1111 1111 1111",
        "123-45-6789",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "AKIAIOSFODNN7EXAMPLE",
        "sk_live_0123456789abcdef",
    ],
)
def test_a_value_that_is_sensitive_by_its_form_needs_no_telling_key(value: str) -> None:
    """Addresses, numbers and keys are found under any name."""
    assert Scrubber().value("note", value, "m", []) == "[redacted]"


@pytest.mark.parametrize(
    "key", ["authority", "authored_by", "session_count", "secretary", "cookie_banner_shown", "author", "authors"]
)
def test_the_false_positives_of_others_are_spared(key: str) -> None:
    """Substrings of secrets' names are in many words."""
    value = {key: "plain"}
    assert Scrubber().value("m", value, "m", []) is value
