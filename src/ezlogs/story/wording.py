"""Wording: numbers, durations and names as an English sentence wants them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, tzinfo

_IRREGULAR = {"person": "people", "child": "children", "man": "men", "woman": "women"}
_UNMARKED_PAST = re.compile(
    "bought|brought|built|cut|found|held|kept|led|left|lent|lost|made|met|paid|put|quit|read|sent|set|shut|sold|"
    "spent|split|taught|told|won"
)
"""Verbs whose past and past participle are one word that does not end in -ed."""
_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def duration(seconds: float) -> str:
    """Return a duration as people say it.

    Example:
        >>> [duration(seconds) for seconds in (0.0004, 0.084, 1.24, 31, 125, 3720)]
        ['under 1 ms', '84 ms', '1.2 s', '31 s', '2 min 5 s', '1 h 2 min']
    """
    return " ".join(f"{number:,g} {unit}" for number, unit in time_parts(seconds)) or "under 1 ms"


def time_parts(seconds: float) -> tuple[tuple[float, str], ...]:
    """Return a duration as numbers of units, the larger first, as far as anybody cares; none under a millisecond.

    >>> time_parts(1.24), time_parts(125)
    (((1.2, 's'),), ((2, 'min'), (5, 's')))
    """
    if seconds < 0.001:
        return ()
    if round(seconds * 1000) < 1000:
        return ((round(seconds * 1000), "ms"),)
    if round(seconds, 1) < 10:
        return ((round(seconds, 1), "s"),)
    whole = round(seconds)
    if whole < 60:
        return ((whole, "s"),)
    minutes = whole // 60
    found = ((minutes, "min"), (whole % 60, "s")) if minutes < 60 else ((minutes // 60, "h"), (minutes % 60, "min"))
    return found if found[1][0] else found[:1]


def counted(number: int, singular: str, several: str | None = None) -> str:
    """Return a number with its noun, with thousands separators.

    Example:
        >>> counted(1, "row"), counted(1204, "entry"), counted(0, "row")
        ('1 row', '1,204 entries', 'no rows')
    """
    noun = singular if number == 1 else several or plural(singular)
    return f"{number:,} {noun}" if number else f"no {noun}"


def moment(nanoseconds: int, zone: tzinfo) -> str:
    """Return a time of a zone, to the second, with how far that is from UTC.

    Args:
        nanoseconds: Since 1970.
        zone: Whoever reads it is in this one.

    Example:
        >>> from datetime import timedelta, timezone
        >>> moment(1_760_000_000_000_000_000, timezone(timedelta(hours=2)))
        '2025-10-09 10:53:20 +02:00'
    """
    at = datetime.fromtimestamp(nanoseconds // 1_000_000_000, zone)
    offset = f"{at:%z}"
    return f"{at:%Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:5]}"


def ordinal(number: int) -> str:
    """Return which one in order.

    Example:
        >>> [ordinal(number) for number in (1, 2, 3, 4, 11, 12, 22, 113)]
        ['1st', '2nd', '3rd', '4th', '11th', '12th', '22nd', '113th']
    """
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def plural(noun: str) -> str:
    """Return the plural of an English noun, of its last word.

    Example:
        >>> [plural(noun) for noun in ("order item", "category", "address", "person")]
        ['order items', 'categories', 'addresses', 'people']
    """
    head, _, last = noun.rpartition(" ")
    if last in _IRREGULAR:
        return f"{head} {_IRREGULAR[last]}".strip()
    if re.search("[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + ("es" if re.search("(s|x|z|ch|sh)$", noun) else "s")


def words(name: str) -> str:
    """Return an identifier as words: its last dotted segment, split at underscores and humps.

    Example:
        >>> words("shop.OrderItem"), words("order_item")
        ('order item', 'order item')
    """
    return _CAMEL_HUMP.sub(" ", last_segment(name)).replace("_", " ").strip().lower() or name


def last_segment(name: str) -> str:
    """Return what follows the last dot: ``smtplib.SMTPException`` gives ``SMTPException``."""
    return name.rpartition(".")[2] or name


def past(action: str) -> str | None:
    """Return an action as a past participle in words, or None if it is not one.

    Example:
        >>> past("order.placed"), past("checked_out"), past("sync")
        ('placed', 'checked out', None)
    """
    verb = words(action)
    first = verb.partition(" ")[0]
    return verb if first.endswith("ed") or _UNMARKED_PAST.fullmatch(first) else None


def with_article(noun: str) -> str:
    """Return a noun with ``a`` or ``an``."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def capitalised(text: str) -> str:
    """Return a text with its first letter as a capital, and nothing else changed."""
    return text[:1].upper() + text[1:]


def listed(items: Sequence[str]) -> str:
    """Return items as a list in a sentence: ``a``, ``a and b``, ``a, b and c``."""
    return f"{', '.join(items[:-1])} and {items[-1]}" if len(items) > 1 else "".join(items)


def printable(text: str) -> str:
    """Return a text safe to show: line breaks, and control characters that could steer a terminal, are spaces."""
    return "".join(character if character.isprintable() else " " for character in text)


def shortened(text: str, limit: int = 60) -> str:
    """Return a text of at most so many characters, marked with ``…`` where it was cut."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
