"""The nearest of some words to one that is none of them, loaded by whoever makes the first mistake."""

from __future__ import annotations

from collections.abc import Iterable

from ezlogs.forks import OWN_LOADING


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is spelled most like this one, if any is near.

    >>> nearest("enpoint", ["endpoint", "enabled"])
    'endpoint'
    """
    if not OWN_LOADING.acquire(blocking=False):  # another thread loads something, and a hint is not worth waiting for
        return None
    try:
        from difflib import get_close_matches
    except ImportError:  # this interrupts its loading: in a signal handler, in __del__
        return None
    finally:
        OWN_LOADING.release()
    return next(iter(get_close_matches(word, list(known), n=1)), None)
