"""One sample of the corpus: attributes to scrub, and what must be gone from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sample:
    """Attributes as they would be exported, with a secret in them or without.

    Args:
        kind: what is in it: ``"card"``, ``"uuid"``.
        placement: where it is: ``"json"``, ``"url_query"``.
        value: the attributes to scrub.
        secret: what must be gone, as it is written there; empty for a benign sample.
    """

    kind: str
    placement: str
    value: Mapping[str, Any]
    secret: str = ""

    def leak_in(self, scrubbed: Any) -> str:
        """Return a part of the secret that is still there: all of it, or half of it and at least six characters.

        Of an IP address the network may stay, of an e-mail address the domain.
        """
        text = "\n".join(texts_in(scrubbed))
        if self.secret in text:
            return self.secret
        if self.kind in {"ip", "email"}:
            return ""
        width = max(6, (len(self.secret) + 1) // 2)
        pieces = (self.secret[start : start + width] for start in range(len(self.secret) - width + 1))
        return next((piece for piece in pieces if piece in text), "")


def texts_in(value: Any) -> Iterator[str]:
    """Every name and value in it, as text."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from texts_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_in(item)
    else:
        yield value.decode("latin-1") if isinstance(value, bytes) else str(value)
