"""Foreign pipelines: whether a processor that is not ezlogs' exports what it sees."""

from __future__ import annotations

_DEPTH = 3
"""Processors inside processors that are looked into."""


def exports(part: object, exporters: tuple[type, ...], processor: type, depth: int = _DEPTH) -> bool:
    """Return whether a processor exports, itself or through what it holds.

    Args:
        part: A processor, or what one holds.
        exporters: The types that export.
        processor: The type of processors; others are not looked into.
        depth: How deep to look.
    """
    if isinstance(part, exporters):
        return True
    if depth == 0 or not isinstance(part, processor):
        return False
    held = [item for value in vars(part).values() for item in (value if isinstance(value, (list, tuple)) else (value,))]
    return any(exports(item, exporters, processor, depth - 1) for item in held)
