"""Addresses and headers: read as OTLP says, refused with advice, and never shown with their secrets."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezlogs.settings.kinds import UnacceptableError
from ezlogs.settings.otlp import Endpoint, HeaderList, Headers

EITHER = Endpoint("unless there", "/v1/traces")
ALWAYS = Endpoint("always", "/v1/traces")
NEVER = Endpoint("never", "/v1/traces")
LOGS = Endpoint("unless there", "/v1/logs")


@pytest.mark.parametrize(
    ("kind", "address", "expected"),
    [
        (ALWAYS, "http://c:4318", "http://c:4318/v1/traces"),
        (ALWAYS, "http://c:4318/", "http://c:4318/v1/traces"),
        (ALWAYS, "https://c/otlp/", "https://c/otlp/v1/traces"),
        (ALWAYS, "http://c/v1/traces", "http://c/v1/traces/v1/traces"),
        (NEVER, "http://c:4318", "http://c:4318"),
        (NEVER, "https://c/custom/", "https://c/custom/"),
        (EITHER, " https://c ", "https://c/v1/traces"),
        (EITHER, "https://c/v1/traces", "https://c/v1/traces"),
        (EITHER, "https://c/v1/traces/", "https://c/v1/traces"),
        (EITHER, "https://c/otlp?tenant=1", "https://c/otlp/v1/traces?tenant=1"),
        (EITHER, "http://[::1]:4318", "http://[::1]:4318/v1/traces"),
        (LOGS, "https://c", "https://c/v1/logs"),
        (LOGS, "https://c/v1/logs", "https://c/v1/logs"),
        (Endpoint("always", "/v1/logs"), "https://c", "https://c/v1/logs"),
    ],
)
def test_the_path_of_the_signal_is_appended_as_otlp_says(kind: Endpoint, address: str, expected: str) -> None:
    """A base address gets the path of its signal, a signal's own is used as is, and ezlogs' own takes either."""
    assert kind.parse(address) == expected


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        ("localhost:4318", "missing scheme; use 'http://localhost:4318'"),
        ("//collector", "missing scheme; use 'http://collector'"),
        ("me:hunter2@collector", "missing scheme; use 'http://****@collector'"),
        ("grpc://collector:4317", "scheme 'grpc' is not supported; use 'http' or 'https'"),
        ("http://", "missing host; use 'http://localhost:4318'"),
        ("http://:4318", "missing host; use 'http://localhost:4318'"),
        ("http://collector:0", "the port must be a number from 1 to 65535"),
        ("http://collector:65536", "the port must be a number from 1 to 65535"),
        ("http://collector:otlp", "the port must be a number from 1 to 65535"),
        ("http://[::1", "not an address; use 'http://localhost:4318'"),
        ("http://my collector:4318", "an address holds no spaces"),
        ("http://collector/a\x00b", "an address holds no spaces"),
        (
            "http://me:hunter2@collector",
            "a user name and password are not sent from here; use the setting 'headers'",
        ),
        (4318, "use an http:// or https:// address"),
        ("", "use an http:// or https:// address"),
    ],
)
def test_a_wrong_address_is_refused_with_the_part_that_is_wrong(address: object, advice: str) -> None:
    """Each mistake in an address is answered with what to write instead."""
    with pytest.raises(UnacceptableError) as caught:
        EITHER.parse(address)
    assert str(caught.value) == advice


@pytest.mark.parametrize(
    "address",
    [
        "http://me:hunter2@collector",
        "me:hunter2@collector",
        "//me:hunter2@collector",
        "http://me:p/hunter2@collector",
        "http://collector/v1/traces?key=hunter2",
        "http://collector/v1/traces#hunter2",
    ],
)
def test_secrets_in_an_address_are_masked_wherever_it_is_shown(address: str) -> None:
    """Credentials, queries and fragments never appear, even of addresses that cannot be taken apart."""
    assert "hunter2" not in EITHER.quoted(address) + str(EITHER.shown(address))
    assert "collector" in EITHER.quoted(address)


def test_headers_are_pairs_decoded_from_percent_encoding() -> None:
    """The text of the OTLP variables becomes headers, names in lower case, blanks around them gone."""
    headers = HeaderList().parse("Authorization=Basic%20YTpi==, x-tenant = shop ,,")
    assert headers == {"authorization": "Basic YTpi==", "x-tenant": "shop"}


def test_headers_may_be_a_mapping() -> None:
    """Code gives headers as a mapping, whose values are taken literally."""
    assert HeaderList().parse({"X-Key": "100%25"}) == {"x-key": "100%25"}


@pytest.mark.parametrize(
    "given",
    [
        "hunter2",
        "=hunter2",
        "x key=hunter2",
        "x-key=hunter2%0d%0aevil: 1",
        "x-key=hunter2\u20ac",
        {"x-key": b"hunter2"},
        {1: "hunter2"},
        ["hunter2"],
    ],
)
def test_wrong_headers_are_refused_without_their_values(given: object) -> None:
    """What cannot be sent as a header is refused, and neither the reason nor the quotation has the secret."""
    with pytest.raises(UnacceptableError) as caught:
        HeaderList().parse(given)
    assert "hunter2" not in str(caught.value) + HeaderList().quoted(given)


def test_headers_show_their_names_only() -> None:
    """Neither the text of headers nor what is shown of them holds a value."""
    headers = Headers({"Authorization": "hunter2"})
    assert repr(headers) == "Headers({'authorization': '****'})"
    assert HeaderList().shown(headers) == {"authorization": "****"}


def test_headers_are_found_in_any_case_and_compare_by_content() -> None:
    """Header names have no case, and equal headers are interchangeable."""
    headers = Headers({"X-Key": "1"})
    assert headers["x-KEY"] == "1"
    assert len(headers) == 1
    assert {headers, Headers({"x-key": "1"})} == {headers}


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    """No text makes the parser of addresses fail, and what it accepts it accepts again unchanged."""
    try:
        address = EITHER.parse(f"http://{text}")
    except UnacceptableError:
        return
    assert EITHER.parse(address) == address


@given(st.text())
def test_any_text_is_headers_or_refused(text: str) -> None:
    """No text makes the parser of headers fail."""
    with suppress(UnacceptableError):
        assert isinstance(HeaderList().parse(text), Headers)
