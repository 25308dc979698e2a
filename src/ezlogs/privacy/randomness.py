"""Whether a text looks drawn at random, as keys and tokens are, and not thought of, as names and paths are."""

from __future__ import annotations

from typing import Final

from ezlogs.expressions import expression

_PIECE = expression(r"[A-Za-z0-9]+")
_UUID = expression(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_LONG: Final = 16
_LONG_ALONE: Final = 20


def is_random(token: str) -> bool:
    """Letters and several digits in one long piece or in a UUID; not the path of a file, nor words and a date.

    >>> is_random("9f8e7d6c5b4a39281"), is_random("refreshed-successfully-2024-01-01")
    (True, False)
    """
    longest = max(_PIECE.findall(token), key=len, default="")
    mixed = sum(map(str.isdigit, longest)) >= 3 and not longest.isdecimal()
    return (mixed and len(longest) >= _LONG) or _UUID.fullmatch(token) is not None


def is_key_material(value: str) -> bool:
    """Capitals, small letters and digits in one long piece: what only a generator of keys writes, and no id or hash.

    >>> is_key_material("AbCd1234EfGh5678IjKl9012"), is_key_material("d41d8cd98f00b204e9800998ecf8427e")
    (True, False)
    """
    longest = max(_PIECE.findall(value), key=len, default="")
    return (
        len(longest) >= _LONG_ALONE
        and sum(map(str.isdigit, longest)) >= 3
        and any(map(str.isupper, longest))
        and any(map(str.islower, longest))
    )
