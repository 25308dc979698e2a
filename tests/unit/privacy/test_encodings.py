"""What is written in an encoding is read as its reader would read it, and its place in what is written is known."""

from __future__ import annotations

import html
import threading
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezlogs.forks import OWN_LOADING
from ezlogs.privacy import Scrubber
from ezlogs.privacy.encodings import base64_texts, reading_of


@given(st.text(max_size=24), st.text(min_size=1, max_size=8), st.text(max_size=24))
def test_the_place_of_what_was_percent_encoded_is_known(before: str, middle: str, after: str) -> None:
    """Whatever part of it is asked for."""
    written = [quote(part, safe="", errors="replace") for part in (before, middle, after)]
    reading = reading_of("".join(written))
    if reading is None:
        assert "%" not in "".join(written)
        return
    plain = [part.encode(errors="replace").decode() for part in (before, middle, after)]
    assert reading.text == "".join(plain)
    start, end = reading.where(len(plain[0]), len(plain[0]) + len(plain[1]))
    found = "".join(written)[start:end]
    assert written[1] in found  # characters of several bytes go as a whole


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a%20b", "a b"),
        ("caf%C3%A9", "café"),
        ("a\\u0040b", "a@b"),
        ("a\\\\x40b", "a@b"),
        ("a&amp;b &quot;c&#39; &#x40;", "a&b \"c' @"),
        ("q=red+shoes", "q=red shoes"),
    ],
)
def test_escapes_are_undone_once(written: str, read: str) -> None:
    """Those of URLs, of JSON and of HTML; a plus sign is a space in a form."""
    reading = reading_of(written)
    assert reading is not None
    assert reading.text == read


@pytest.mark.parametrize("text", ["1+1=2", "C:\\temp", "R&D & more", "50% of it", "a plain text", "100 %"])
def test_a_text_without_escapes_has_no_other_reading(text: str) -> None:
    """Percent signs, backslashes and ampersands alone are none."""
    assert reading_of(text) is None


def twice(text: str) -> str:
    """Percent-encoded by two that did not know of each other."""
    return quote(quote(text))


def html_in_url(text: str) -> str:
    """A page in a parameter."""
    return quote(html.escape(text))


@pytest.mark.parametrize("encode", [quote, quote_plus, html.escape, twice, html_in_url])
def test_a_secret_is_found_in_encodings_of_encodings(encode: Callable[[str], str]) -> None:
    """And only the secret goes."""
    secret = encode('password="hunter2 x"')
    written = f"order=42 {secret} done"
    clean = Scrubber().text(written, "", [])
    assert "hunter2" not in clean
    assert clean.startswith("order=42 ")
    assert clean.endswith(" done")


def test_base64_of_either_alphabet_is_read() -> None:
    """With its padding and without; what decodes to no text is left alone."""
    assert list(base64_texts("x cGluPTEyMzQ1 y")) == [((2, 14), "pin=12345")]
    assert list(base64_texts("UElOPTgxODY5OQ==")) == [((0, 16), "PIN=818699")]
    assert list(base64_texts("internationalisation")) == []


def test_an_entity_is_read_while_another_thread_loads_something() -> None:
    """Nobody waits for that thread but for the table itself: it may be waiting for whom a signal handler interrupts."""
    loading, done = threading.Event(), threading.Event()

    def load() -> None:
        with OWN_LOADING:
            loading.set()
            done.wait(20)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        assert loading.wait(20)
        assert Scrubber().text("ada&commat;example.com", "m", []) == "[redacted]"
    finally:
        done.set()
        thread.join()
