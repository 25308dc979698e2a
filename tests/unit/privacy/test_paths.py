"""Paths of URLs that differ in short numbers only, of which one is judged for all."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ezlogs.privacy import DEFAULT_RULES, Scrubber
from ezlogs.privacy.keys import KeyMatcher
from ezlogs.privacy.paths import Paths
from ezlogs.privacy.search import Search

_SEGMENTS = st.one_of(
    st.sampled_from(
        [
            *("orders", "order-items", "v1", "v12", "a", "pay", "user_profiles", "", "code", "pin", "token", "reset"),
            *("reset-password", "password", "otp", "phone", "ada@example.com", "card", "key", "sms-code", "b.png"),
        ]
    ),
    st.integers(0, 9_999_999).map(str),
    st.text("abcdef0123456789-_.%=?", max_size=12),
)
_PATHS = st.lists(_SEGMENTS, min_size=1, max_size=5).map(lambda segments: "/" + "/".join(segments))


@settings(max_examples=300, deadline=None)
@given(st.lists(_PATHS, min_size=2, max_size=6), st.randoms())
def test_what_is_known_of_paths_changes_nothing(paths: list[str], chance: object) -> None:
    """A scrubber that has seen much finds in each path what one finds that has seen nothing."""
    seasoned = Scrubber()
    digits = str.maketrans("0123456789", "".join(chance.sample("0123456789", 10)))  # type: ignore[attr-defined]  # a Random
    for path in [*paths, *(path.translate(digits) for path in paths)]:
        found: list[str] = []
        expected: list[str] = []
        assert seasoned.url(path, "url.path", found) == Scrubber().url(path, "url.path", expected)
        assert found == expected


@pytest.mark.parametrize("path", ["/customers/{}/orders", "/api/v1/order-items/{}", "/{}"])
def test_a_path_with_another_number_is_not_searched_again(path: str) -> None:
    """Each request has another, and to search it costs a twentieth of the whole request."""
    scrubber = Scrubber()
    scrubber.url(path.format(17), "url.path", [])
    with patch.object(Search, "runs", side_effect=AssertionError):
        assert scrubber.url(path.format(42), "url.path", []) == path.format(42)


@pytest.mark.parametrize(
    "path", ["/code/123456", "/pin/1", "/sms-code/1234", "/reset_password/1", "/1234/567", "/a.b/1", "/orders?id=1"]
)
def test_paths_whose_words_tell_what_comes_next_are_not_known(path: str) -> None:
    """Nor those with more digits, or with anything but words and numbers."""
    paths = Paths(KeyMatcher())
    paths.learn(path)
    assert not paths.knows(path)


def test_with_rules_of_others_each_path_is_searched() -> None:
    """They may look at any digit."""
    for scrubber in (Scrubber(rules=DEFAULT_RULES), Scrubber(further=lambda: DEFAULT_RULES[:1])):
        for number in range(3):
            scrubber.url(f"/orders/{number}", "url.path", [])
        with patch.object(Search, "runs", return_value=()) as searched:
            scrubber.url("/orders/9", "url.path", [])
        searched.assert_called_once()
