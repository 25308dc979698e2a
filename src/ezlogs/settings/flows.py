"""The kind of value that names a store of flows."""

from __future__ import annotations

import re

from ezlogs.expressions import expression
from ezlogs.settings.kinds import Text
from ezlogs.settings.otlp import masked_address

_NAMED = expression(r"(none|memory|django(:\w+)?|sqlite:///.+|(redis|rediss|unix)://.+|[\w.]+:\w+)", re.S)


class StoreName(Text, frozen=True):
    """A store of flows: ``sqlite:///`` is followed by a path, which begins with a slash of its own if it is absolute.

    >>> StoreName().parse("redis://cache:6379/3")
    'redis://cache:6379/3'
    >>> StoreName().shown("redis://:hunter2@cache:6379/3")
    'redis://****@cache:6379/3'
    """

    what: str = "a store of flows"

    @property
    def allowed(self) -> str:
        return "none, memory, sqlite:///path, redis://host, django, django:cache or package.module:function"

    def parse(self, given: object) -> object:
        text = super().parse(given)
        if isinstance(text, str) and _NAMED.fullmatch(text):
            return text
        raise self.refusal()

    def shown(self, value: object) -> object:
        return masked_address(value) if isinstance(value, str) else value

    def quoted(self, given: object) -> str:
        return super().quoted(masked_address(given) if isinstance(given, str) else given)
