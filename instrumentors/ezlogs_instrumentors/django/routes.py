"""Django's routes as templates that people and dashboards can read: ``orders/<int:pk>/`` is ``/orders/{pk}/``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import count

_CONVERTER = re.compile(r"<(?:[^<>:]+:)?(\w+)>")
_NAMED = re.compile(r"\?P<(\w+)>")


@lru_cache(maxsize=4096)
def template(route: str) -> str:
    """Return a route as a template; regular expressions lose their anchors, their groups become parameters.

    Unnamed groups are called ``0``, ``1`` ... as they come.

    Args:
        route: ``ResolverMatch.route``: what ``path()`` and ``re_path()`` were given, joined over ``include()``.

    Example:
        >>> template("orders/<int:pk>/"), template(r"^orders/(?P<pk>[0-9]+)/$"), template("")
        ('/orders/{pk}/', '/orders/{pk}/', '/')
    """
    if re.search(r"[\^$\\(]", route):
        route = _without_groups(route, count())
    return "/" + _CONVERTER.sub(r"{\1}", route).lstrip("/")


def _without_groups(pattern: str, unnamed: Iterator[int]) -> str:
    found: list[str] = []
    position = 0
    while position < len(pattern):
        letter = pattern[position]
        if letter == "\\":
            following = pattern[position + 1 : position + 2]
            found.append("" if following in ("A", "Z", "b", "B") else following)
            position += 2
        elif letter == "(":
            end = _group_end(pattern, position)
            inside = pattern[position + 1 : end]
            if named := _NAMED.match(inside):
                found.append(f"{{{named[1]}}}")
            elif inside.startswith("?:"):
                found.append(_without_groups(inside[2:], unnamed))
            elif not inside.startswith("?"):
                found.append(f"{{{next(unnamed)}}}")
                _without_groups(inside, unnamed)  # which Django counts too
            position = end + 1
        else:
            found.append("" if letter in "^$?*+" else letter)
            position += 1
    return "".join(found)


def _group_end(pattern: str, start: int) -> int:
    depth = 0
    escaped = in_class = False
    for position in range(start, len(pattern)):
        letter = pattern[position]
        if escaped:
            escaped = False
        elif letter == "\\":
            escaped = True
        elif in_class:
            in_class = letter != "]"
        elif letter == "[":
            in_class = True
        elif letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth == 0:
                return position
    return len(pattern)
