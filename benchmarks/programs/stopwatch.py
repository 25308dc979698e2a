"""The stopwatch: contenders take turns in one process, so that whatever the machine does, it does to all of them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from statistics import quantiles
from time import perf_counter_ns
from typing import Any, TypeVar

Call = Callable[[Any], object]
Given = Callable[[int], Any]
T = TypeVar("T")

_COLD = 10
"""The first one of so many calls of a turn finds the caches full of somebody else's, and is not counted."""


def each_call(
    contenders: Mapping[str, tuple[Call, Given]], *, turns: int, calls: int, before: Callable[[str], object] = str
) -> dict[str, float]:
    """Return the median and the 99th percentile of single calls, in nanoseconds without the clock's own.

    Args:
        contenders: By name what is called, and what makes the argument of the call out of a number that never
            repeats: just before it, as in the application whose call it is, and outside the time.
        turns: How often each contender has its turn.
        calls: Calls in a turn.
        before: Called with the name of the contender whose turn begins.

    Returns:
        By ``<name>.p50`` and ``<name>.p99``.
    """
    times = by_turns({"clock": (_nothing, int), **contenders}, turns, calls, _one_by_one, before)
    found: dict[str, float] = {}
    for name, taken in times.items():
        cuts = quantiles(taken, n=100)
        found[f"{name}.p50"], found[f"{name}.p99"] = cuts[49], cuts[98]
    clock = found.pop("clock.p50")
    del found["clock.p99"]
    return {name: nanoseconds - clock for name, nanoseconds in found.items()}


def mean_call(contenders: Mapping[str, Call], *, turns: int, calls: int) -> dict[str, float]:
    """Return nanoseconds a call by name: the median of the turns, whose calls are timed together."""
    times = by_turns(contenders, turns, calls, _together)
    return {name: sorted(taken)[len(taken) // 2] for name, taken in times.items()}


def by_turns(
    contenders: Mapping[str, T],
    turns: int,
    calls: int,
    measure: Callable[[T, range], Sequence[float]],
    before: Callable[[str], object] = str,
) -> dict[str, array[float]]:
    """Let the contenders take turns, the first of which is not counted."""
    times = {name: array("d") for name in contenders}
    for turn in range(turns + 1):
        for name, call in contenders.items():
            before(name)
            taken = measure(call, range(turn * calls, (turn + 1) * calls))
            if turn:
                times[name].extend(taken)
    return times


def _one_by_one(contender: tuple[Call, Given], numbers: range) -> Sequence[float]:
    call, given = contender
    taken = array("d", bytes(8 * len(numbers)))  # there from the start: to write a time down must take no memory
    for position, number in enumerate(numbers):
        argument = given(number)
        begin = perf_counter_ns()
        call(argument)
        taken[position] = perf_counter_ns() - begin
    return taken[len(taken) // _COLD :]


def _together(call: Call, numbers: range) -> list[float]:
    begin = perf_counter_ns()
    for number in numbers:
        call(number)
    return [(perf_counter_ns() - begin) / len(numbers)]


def _nothing(argument: Any) -> None:
    """What the clock itself costs."""
