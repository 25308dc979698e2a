"""The nearest of some words to one that is none of them, loaded by whoever makes the first mistake."""

from __future__ import annotations

from collections.abc import Iterable

from ezlogs.forks import OWN_LOADING


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is spelled most like this one, if any is near.

    >>> nearest("enpoint", ["endpoint", "enabled"])
    'endpoint'
    """
    with OWN_LOADING:
        try:
            from difflib import get_close_matches
        except ImportError:  # this interrupts its loading: in a signal handler, in __del__
            return None

    return next(iter(get_close_matches(word, list(known), n=1)), None)
