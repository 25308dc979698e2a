"""Secrets in the parameters of URLs."""

from __future__ import annotations

import pytest

from ezlogs.privacy import Scrubber


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://x.test/cb?code=abc&page=2", "https://x.test/cb?code=[redacted]&page=2"),
        ("https://x.test/#access_token=abc", "https://x.test/#access_token=[redacted]"),
        ("code=abc&page=2", "code=[redacted]&page=2"),
        ("/cb?X-Amz-Signature=abc", "/cb?X-Amz-Signature=[redacted]"),
        ("user%5Bpassword%5D=a&b=c", "user%5Bpassword%5D=[redacted]&b=c"),
        ("/users/ada%40example.com/orders?to=bob@example.com", "/users/[redacted]/orders?to=[redacted]"),
        ("https://bob:pw@x.test/", "https://[redacted]@x.test/"),
    ],
)
def test_denied_parameters_of_a_url_go(scrubber: Scrubber, url: str, clean: str) -> None:
    """Codes, signatures and whatever has a telling name or form, in queries and fragments."""
    found: list[str] = []
    assert scrubber.url(url, "url.full", found) == clean
    assert found
    assert all(entry.startswith("url.full: ") for entry in found)


@pytest.mark.parametrize(
    "url", ["https://x.test/a?page=2&state=open#top", "page=2", "/", "", "?code=", "?code=[redacted]"]
)
def test_an_ordinary_url_is_left_alone(scrubber: Scrubber, url: str) -> None:
    """The same object comes back."""
    found: list[str] = []
    assert scrubber.url(url, "url.full", found) is url
    assert found == []


def test_a_word_that_is_a_secret_only_in_urls_is_kept_elsewhere(scrubber: Scrubber) -> None:
    """``code=5`` at the start of a message is no parameter."""
    assert scrubber.text("code=5 returned", "message", []) == "code=5 returned"
