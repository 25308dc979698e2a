"""How sampling travels with a story: the rate of the service in which it began, and that it is kept from here on."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ezlogs.sampling.threshold import as_text, from_text, rate_of, threshold

_KEPT = ":kept"
_NOTHING = "none"


class Known(NamedTuple):
    """What the services before this one say of a story."""

    rate: float | None = None
    """The share of such stories that the first of them keeps, where it said so."""

    kept: bool = False
    """Whether one of them found that the story matters."""


def written(known: Known) -> str | None:
    """Return the text that travels, as baggage and in ezlogs' header; None where there is nothing to say.

    The rate is written as the threshold ``th`` of OpenTelemetry's consistent sampling, which every service finds
    again exactly; ``none`` stands for the one that keeps nothing.

    Example:
        >>> written(Known(0.25)), written(Known(0.0)), written(Known(0.25, kept=True)), written(Known(kept=True))
        ('c', 'none', 'c:kept', ':kept')
        >>> written(Known())
    """
    text = ""
    if known.rate is not None:
        rejected = threshold(known.rate)
        text = _NOTHING if rate_of(rejected) == 0 else as_text(rejected)
    return (text + _KEPT if known.kept else text) or None


@lru_cache(maxsize=1024)
def read(text: str) -> Known:
    """Return what a text from another service says; of what is damaged nothing.

    Example:
        >>> read("c:kept"), read("none"), read("<script>")
        (Known(rate=0.25, kept=True), Known(rate=0.0, kept=False), Known(rate=None, kept=False))
    """
    told, colon, kept = text.partition(":")
    if colon and kept != _KEPT[1:]:
        return Known()
    if told == _NOTHING:
        return Known(0.0, bool(colon))
    rejected = from_text(told)
    if rejected is None and told:
        return Known()
    return Known(None if rejected is None else rate_of(rejected), bool(colon))
