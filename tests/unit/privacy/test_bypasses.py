"""The ways around a scrubber that are known from others: each line gets past one of them, and none past this one."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode

from ezlogs.privacy import Policy, Scrubber, scrub_span
from ezlogs.privacy.policy import Finding

SECRET = "hunter2x"

BYPASSES: dict[str, Any] = {
    **{
        f"key {key}": {key: SECRET}
        for key in "password user_password pwd pw pass pin otp token access_token refresh_token bearer".split()  # noqa: SIM905 - reads as the list it is
    },
    "value under a neutral key": {"note": f"password={SECRET}"},
    "nested dict": {"a": {"password": SECRET}},
    "other cases and separators": {"Pass-Word": SECRET, "userPassWord": SECRET, "user.password": SECRET},
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
    "DSN in a sentence": {"a": f"cannot connect to postgres://bob:{SECRET}@db/shop now"},
    "query string": {"url": f"https://x.test/?password={SECRET}&page=2"},
    "authorization header": {"authorization": f"Basic {SECRET}"},
    "API key header": {"x-api-key": SECRET},
    "SQL literal": {"q": f"UPDATE users SET password = '{SECRET}' WHERE id = 1"},
    "exception message": f"ValueError: password={SECRET}",
    "bytes": {"a": f"password={SECRET}".encode()},
    "bytes key": {b"password": SECRET},
    "key that is no text": {("password",): {"password": SECRET}, 7: {"password": SECRET}},
    "header filter that compares whole names": {"x_api_key": SECRET, "X-Api-Key": SECRET},
    "cookie header": {"set-cookie": f"sid={SECRET}; Path=/"},
    "inside a name that others pass over": {
        name: {"password": SECRET}
        for name in ("db.statement", "url.full", "exception.message", "event.name", "code.function", "rpc.method")
    },
    "a request not to look": {"do_not_scrub": True, "note": f"password={SECRET}"},
}

#: Attributes that others let through because of their names.
SAFE_ELSEWHERE = {
    "url.full": f"https://x.test/?page=2&password={SECRET}",
    "url.query": f"page=2&password={SECRET}",
    "http.url": f"https://bob:{SECRET}@x.test/",
    "http.target": f"/a?access_token={SECRET}",
    "db.statement": f"UPDATE users SET password = '{SECRET}' WHERE id = 1",
    "db.query.text": f"SELECT 1 FROM users WHERE api_key = '{SECRET}'",
    "exception.message": f"password={SECRET}",
    "exception.stacktrace": f"Traceback (most recent call last):\nValueError: password={SECRET}\n",
    "logfire.msg": f"signed in with password={SECRET}",
    "gen_ai.input.messages": f'[{{"role": "user", "content": "password={SECRET}"}}]',
}


@pytest.mark.parametrize("value", BYPASSES.values(), ids=BYPASSES.keys())
def test_a_known_bypass_does_not_work_here(value: Any) -> None:
    """The secret is gone, its base64 too, and something was recorded."""
    found: list[str] = []
    clean = Scrubber().value("m", value, "m", found)
    assert SECRET not in repr(clean)
    assert b64encode(f"password={SECRET}".encode()).decode()[:20] not in repr(clean)
    assert found


@pytest.mark.parametrize(("name", "value"), SAFE_ELSEWHERE.items())
def test_no_attribute_is_passed_over_for_its_name(name: str, value: str) -> None:
    """Neither addresses nor statements, nor what an exception says."""
    found: list[str] = []
    assert SECRET not in repr(Scrubber().attributes({name: value}, found))
    assert found


@pytest.mark.parametrize("scope", ["shop", "logfire.openai", "logfire.anthropic"])
def test_every_part_of_a_span_is_looked_at(scope: str) -> None:
    """Names, the status and the attributes of links are as much a part of it as its own attributes, in every scope."""
    told = {"note": f"password={SECRET}"}
    span = ReadableSpan(
        name=f"login password={SECRET}",
        context=SpanContext(1, 2, is_remote=False),
        resource=Resource({}),
        attributes=told,
        events=[Event(f"event password={SECRET}", {"exception.message": f"password={SECRET}"}, 1)],
        links=[Link(SpanContext(3, 4, is_remote=False), told)],
        status=Status(StatusCode.ERROR, f"ValueError: password={SECRET}"),
        instrumentation_scope=InstrumentationScope(scope),
    )
    clean = scrub_span(span, Scrubber())
    left = [clean.name, clean.status.description, dict(clean.attributes or {})]
    left += [(event.name, dict(event.attributes or {})) for event in clean.events]
    left += [dict(link.attributes or {}) for link in clean.links]
    assert SECRET not in repr(left)


def test_a_cycle_is_no_way_around() -> None:
    """What holds itself is looked at once, and does not raise."""
    value: dict[str, Any] = {"password": SECRET}
    value["self"] = value
    assert SECRET not in repr(Scrubber().value("m", value, "m", []))


def test_a_function_of_the_user_that_raises_lets_nothing_through() -> None:
    """Nor does one that gives back what it was given."""

    def broken(finding: Finding) -> str:
        raise KeyError(finding.rule)

    for function in (broken, lambda finding: finding.text):
        scrubber = Scrubber(policy=Policy({"*": function}))
        assert SECRET not in repr(scrubber.value("m", {"user_password": SECRET}, "m", []))


def test_what_the_user_gave_is_not_changed() -> None:
    """Neither the list of names nor the value itself."""
    deny, value = ["salary"], {"a": [{"password": SECRET, "salary": 9}]}
    assert Scrubber(deny=deny).value("m", value, "m", []) == {"a": [{"password": "[redacted]", "salary": "[redacted]"}]}
    assert (deny, value) == (["salary"], {"a": [{"password": SECRET, "salary": 9}]})


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
