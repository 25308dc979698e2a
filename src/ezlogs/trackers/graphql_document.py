"""GraphQL documents: what an operation's syntax tree is like, measured in time that grows with the tree alone.

Nodes are taken as graphql-core makes them: ``kind``, ``name``, ``alias``, ``selection_set``. Fragments are measured
once each, however often they are spread, so nesting that doubles with every fragment costs nothing; those that spread
themselves, which validation refuses, count once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

MAX_FIELDS = 20
"""Top-level fields that are told."""
MAX_NAME = 64
"""Characters of a name that a client may have invented."""
MAX_COUNT = 10**9
"""Where counting ends; a document of a hundred fragments can select more fields than there are atoms."""

_REMEMBERED = 256
_REMEMBERED_TEXT = 4096
_shapes: dict[tuple[str, str | None], Shape] = {}


class Shape(NamedTuple):
    """What an operation's document is like."""

    fields: tuple[str, ...]
    """The real names of its top-level fields, each once, at most `MAX_FIELDS`."""
    depth: int
    """How many fields the longest path through it goes through."""
    selected: int
    """How many fields it selects, those of fragments wherever they are spread; at most `MAX_COUNT`."""
    aliases: int
    """How many of these go by another name."""
    hash: str | None = None
    """The SHA-256 of its document, in hexadecimal."""


class _Part(NamedTuple):
    """A selection set without what its fragments add."""

    top: list[tuple[str, bool]]
    """Names at its top, and whether each is a fragment's."""
    depth: int
    selected: int
    aliases: int
    spreads: dict[tuple[str, int], int]
    """How often each fragment is spread at which depth."""


def digest(source: str) -> str:
    """Return the SHA-256 of a document as it was sent, in hexadecimal, as clients of persisted queries compute it."""
    return sha256(source.encode("utf-8", "surrogatepass")).hexdigest()


def valid_name(name: object) -> str | None:
    """Return a name if it is one of GraphQL's, cut to `MAX_NAME` characters, else None.

    Example:
        >>> valid_name("createOrder"), valid_name("Robert'); --"), valid_name(None)
        ('createOrder', None, None)
    """
    return name[:MAX_NAME] if type(name) is str and name.isascii() and name.isidentifier() else None


def shape_of(node: Any, fragments: Mapping[str, Any], printed: Callable[[], str]) -> Shape:
    """Return what an operation's document is like; remembered by its text.

    Args:
        node: The operation's definition.
        fragments: The definitions of its document's fragments, by name.
        printed: Returns the document as text, where it was parsed without keeping its source.
    """
    source = printed() if node.loc is None else node.loc.source.body
    key = (source, node.name and node.name.value)
    shape = _shapes.get(key)
    if shape is None:
        shape = measured(node, fragments)._replace(hash=digest(source))
        if len(source) <= _REMEMBERED_TEXT:
            if len(_shapes) >= _REMEMBERED:
                _shapes.clear()
            _shapes[key] = shape
    return shape


def measured(node: Any, fragments: Mapping[str, Any]) -> Shape:
    """Return what an operation's syntax tree is like; see `shape_of`."""
    parts: dict[str | None, _Part] = {None: _part(node)}
    totals: dict[str | None, tuple[int, int, int]] = {}
    under_way: set[str | None] = set()
    stack: list[tuple[str | None, bool]] = [(None, False)]
    while stack:
        name, summed = stack.pop()
        if summed:
            under_way.discard(name)
            totals[name] = _total(parts[name], totals)
        elif name not in totals and name not in under_way:
            if name is not None:
                parts[name] = _part(fragments[name])
            under_way.add(name)
            stack.append((name, True))
            stack += [(inner, False) for inner, _ in parts[name].spreads if inner in fragments]
    depth, selected, aliases = totals[None]
    return Shape(_top(parts), depth, selected, aliases)


def _total(part: _Part, totals: Mapping[str | None, tuple[int, int, int]]) -> tuple[int, int, int]:
    depth, selected, aliases = part.depth, part.selected, part.aliases
    for (name, at), times in part.spreads.items():
        inner = totals.get(name)
        if inner is not None:  # else it is missing, or spreads itself
            depth = max(depth, at + inner[0])
            selected = min(selected + times * inner[1], MAX_COUNT)
            aliases = min(aliases + times * inner[2], MAX_COUNT)
    return depth, selected, aliases


def _part(definition: Any) -> _Part:
    """Measure a definition without recursion: documents nest as deep as a client likes."""
    top: list[tuple[str, bool]] = []
    spreads: dict[tuple[str, int], int] = {}
    deepest = selected = aliases = 0
    stack = [(definition.selection_set, 0)]
    while stack:
        selections, depth = stack.pop()
        inline = []
        for selection in selections.selections:
            kind = selection.kind
            if kind == "field":
                selected += 1
                aliases += selection.alias is not None
                deepest = max(deepest, depth + 1)
                if not depth:
                    top.append((selection.name.value, False))
                if selection.selection_set is not None:
                    stack.append((selection.selection_set, depth + 1))
            elif kind == "fragment_spread":
                spread = (selection.name.value, depth)
                spreads[spread] = spreads.get(spread, 0) + 1
                if not depth:
                    top.append((selection.name.value, True))
            else:
                inline.append((selection.selection_set, depth))
        stack += reversed(inline)
    return _Part(top, deepest, selected, aliases, spreads)


def _top(parts: Mapping[str | None, _Part]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    seen: set[str] = set()
    stack = [(name, is_spread) for name, is_spread in reversed(parts[None].top)]
    while stack and len(found) < MAX_FIELDS:
        name, is_spread = stack.pop()
        if not is_spread:
            found[name[:MAX_NAME]] = None
        elif name in parts and name not in seen:
            seen.add(name)
            stack += reversed(parts[name].top)
    return tuple(found)
