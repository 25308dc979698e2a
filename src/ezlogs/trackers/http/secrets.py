"""Secrets in paths: the link that resets a password holds a token, which the subject and ``url.path`` would tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ezlogs.identity import id_text
from ezlogs.privacy import DROPPED, Scrubber


def hidden(parameters: Mapping[str, object], scrubber: Scrubber) -> dict[str, tuple[str, str | None]]:
    """Return those parameters of a path whose names tell of a secret: the value, and what stands in its place.

    Args:
        parameters: The values of a template's parameters, by name.
        scrubber: Knows which names are denied, and what is put there; None stands for nothing.

    Example:
        >>> hidden({"id": 42, "token": "5Yd83kPq0ZrW"}, Scrubber())
        {'token': ('5Yd83kPq0ZrW', '[redacted]')}
    """
    found = {}
    for name, value in parameters.items():
        if (scrubber.keys.denies(name) or scrubber.keys.hints(name)) and (text := id_text(value)):
            shown: Any = scrubber.value(name, text, f"url.path.{name}", [])
            if shown != text:
                found[name] = text, None if shown is DROPPED else str(shown)
    return found


def without(path: str, secrets: Mapping[str, tuple[str, str | None]]) -> str:
    """Return a path in which something else stands for each secret.

    Example:
        >>> without("/reset/5Yd83kPq0ZrW", {"token": ("5Yd83kPq0ZrW", "[redacted]")})
        '/reset/[redacted]'
    """
    for text, shown in secrets.values():
        path = path.replace(text, shown or "")
    return path
