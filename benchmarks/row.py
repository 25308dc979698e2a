"""A row: what is compared with what, and what the ratio must hold."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Side(NamedTuple):
    """One side of a comparison: a program, and the name under which it prints its figure."""

    program: str
    series: str


class Row(NamedTuple):
    """A comparison; its ratio is that of the medians, ``ours / theirs``; less is better."""

    name: str
    what: str
    ours: Side
    theirs: Side
    must: float | None = None
    """What the ratio must not exceed; None for a row that only tells."""
    aim: float | None = None
    unit: Literal["ns", "bytes", "events"] = "ns"
    worst: bool = False
    """Whether the worst round on our side counts, and not the median: for what must not happen once."""
