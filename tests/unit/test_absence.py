"""Assertions that something did not leave."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from opentelemetry.sdk.trace import TracerProvider

import ezlogs
from ezlogs.testing import assert_no_pii, capture
from ezlogs.testing.absence import assert_absent

SECRET = 'hunter2 & "co"'


@pytest.mark.parametrize(
    "sent",
    [
        SECRET.encode(),
        json.dumps({"a": SECRET}).encode(),
        quote(SECRET, safe="").encode(),
        *(
            base64.b64encode(b"x" * before + SECRET.encode() + b"y" * after)
            for before in range(4)
            for after in range(4)
        ),
    ],
)
def test_a_text_is_seen_in_its_disguises(sent: bytes) -> None:
    """The message does not repeat it."""
    with pytest.raises(AssertionError, match="must be absent") as failure:
        assert_absent(SECRET, b"before " + sent + b" after")
    assert "hunter2" not in str(failure.value)


def test_a_number_is_seen_however_it_is_grouped() -> None:
    """With other separators, or without."""
    for sent in (b"4111 1111 1111 1111", b"4111-1111-1111-1111", b"4111111111111111"):
        with pytest.raises(AssertionError):
            assert_absent("4111.1111.1111.1111", sent)
    assert_absent("4111.1111.1111.1111", b"4111 1111 1111 1112")


def test_what_is_absent_is() -> None:
    """Nothing is raised; an empty text is a mistake of the test."""
    assert_absent(SECRET, b"hunter")
    with pytest.raises(ValueError, match="everywhere"):
        assert_absent("", b"")


def test_captured_events_are_looked_at_as_they_leave() -> None:
    """Attributes and bytes alike."""
    with capture() as captured:
        ezlogs.event("order.action", "placed", metadata={"password": "hunter2", "to": "ada@example.com", "n": "word-1"})
    assert_no_pii(captured)
    captured.assert_absent("hunter2")
    with pytest.raises(AssertionError):
        captured.assert_absent("word-1")


def test_spans_and_texts_are_looked_at() -> None:
    """Spans with all that they have."""
    span = TracerProvider(shutdown_on_exit=False).get_tracer("app").start_span("to ada@example.com")
    span.end()
    for sent in (span, [span], "to ada@example.com", b"to ada@example.com"):
        with pytest.raises(AssertionError, match="email") as failure:
            assert_no_pii(sent)
        assert "ada@" not in str(failure.value)
    assert_no_pii({"order": 42})
