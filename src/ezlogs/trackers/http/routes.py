"""Routes: what a template says a request is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise

UNMATCHED = "(unmatched)"
"""What the requests are called for which there is no route: whoever asks for what is not there makes up no names."""

_VERSION = re.compile(r"v[0-9]{1,4}(\.[0-9]{1,4}){0,2}", re.IGNORECASE)


def resource(route: str, parameters: Mapping[str, object]) -> tuple[str, str | None] | None:
    """Return what a route is about: the type and id of its last parameter, else its last word and no id.

    Example:
        >>> resource("/orders/{id}/pay", {"id": 42})
        ('order', '42')
        >>> resource("/order-items/", {})
        ('order_item', None)
    """
    found = _resource(route)
    if found is None:
        return None
    kind, parameter = found
    value = None if parameter is None else parameters.get(parameter)
    return kind, None if value is None else str(value)


@lru_cache(maxsize=4096)
def _resource(route: str) -> tuple[str, str | None] | None:
    words = [word for word in route.split("/") if word]
    for word, parameter in reversed(list(pairwise(words))):
        if _is_parameter(parameter) and not _is_parameter(word):
            return singular(word), parameter[1:-1]
    literals = [word for word in words if not _is_parameter(word)]
    return (singular(literals[-1]), None) if literals else None


@lru_cache(maxsize=1024)
def singular(word: str) -> str:
    """Return a resource's name in the singular and in snake case, as models are called.

    Example:
        >>> [singular(word) for word in ("orders", "Categories", "boxes", "order-items", "status")]
        ['order', 'category', 'box', 'order_item', 'status']
    """
    word = word.lower().replace("-", "_")
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1] or word
    return word


@lru_cache(maxsize=4096)
def version_in(route: str) -> str | None:
    """Return the version of an API that a route names, among its first three words.

    Example:
        >>> version_in("/api/v2/orders/{id}"), version_in("/videos")
        ('v2', None)
    """
    return next((word for word in route.strip("/").split("/")[:3] if _VERSION.fullmatch(word)), None)


def _is_parameter(word: str) -> bool:
    return word.startswith("{") and word.endswith("}")
