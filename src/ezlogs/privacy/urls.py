"""Secrets in the parameters of URLs: signatures, one-time codes and whatever has a telling name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

import msgspec

from ezlogs.expressions import expression
from ezlogs.privacy.keys import KeyMatcher
from ezlogs.privacy.rule import REDACTED, Clue, Span

_NAME_AND_VALUE: Final = r"""(?P<name>[^\s=&?#;"'<>]{1,128})=(?!=)(?P<value>[^\s&#"'<>]+)"""
_IN_TEXT: Final = expression(rf"[?&#]{_NAME_AND_VALUE}")
_IN_QUERY: Final = expression(rf"(?:\A|[?&#;]){_NAME_AND_VALUE}")


class UrlParameters(msgspec.Struct, frozen=True):
    """The values of denied parameters in queries and fragments.

    Args:
        keys: which names are denied.
        bare: the text is known to be a URL or a query without its question mark.
    """

    keys: KeyMatcher
    bare: bool = False
    name: ClassVar[str] = "url_parameter"
    clues: ClassVar[tuple[Clue, ...]] = ("=",)

    def find(self, text: str) -> Iterator[Span]:
        """See :meth:`ezlogs.privacy.rule.Rule.find`."""
        for match in (_IN_QUERY if self.bare else _IN_TEXT).finditer(text):
            if match["value"] != REDACTED and self.keys.denies_in_url(match["name"]):
                yield match.span("value")
