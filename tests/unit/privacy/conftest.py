"""What the privacy tests share: a scrubber, and a card, an address and a password that must never survive."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ezlogs.privacy import Scrubber

Scrub = Callable[[str], tuple[str, list[str]]]


@pytest.fixture
def scrubber() -> Scrubber:
    """A scrubber with the default rules."""
    return Scrubber()


@pytest.fixture
def scrub(scrubber: Scrubber) -> Scrub:
    """Scrubs a text; gives back what is left and the rules that found something."""

    def run(text: str) -> tuple[str, list[str]]:
        found: list[str] = []
        clean = scrubber.text(text, "", found)
        return clean, [entry.removeprefix(": ") for entry in found]

    return run
