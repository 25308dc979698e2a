"""The stopwatch: contenders take turns in one process, so that whatever the machine does, it does to all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import quantiles
from time import perf_counter_ns

Call = Callable[[int], object]

_COLD = 10
"""The first one of so many calls of a turn finds the caches full of somebody else's, and is not counted."""


def each_call(
    contenders: Mapping[str, Call], *, turns: int, calls: int, before: Callable[[str], object] = str
) -> dict[str, float]:
    """Return the median and the 99th percentile of single calls, in nanoseconds without the clock's own.

    Args:
        contenders: By name what is called with a number that never repeats.
        turns: How often each contender has its turn.
        calls: Calls in a turn.
        before: Called with the name of the contender whose turn begins.

    Returns:
        By ``<name>.p50`` and ``<name>.p99``.
    """
    times = by_turns({"clock": _nothing, **contenders}, turns, calls, _one_by_one, before)
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
    contenders: Mapping[str, Call],
    turns: int,
    calls: int,
    measure: Callable[[Call, range], list[float]],
    before: Callable[[str], object] = str,
) -> dict[str, list[float]]:
    """Let the contenders take turns, the first of which is not counted."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(turns + 1):
        for name, call in contenders.items():
            before(name)
            taken = measure(call, range(turn * calls, (turn + 1) * calls))
            if turn:
                times[name] += taken
    return times


def _one_by_one(call: Call, numbers: range) -> list[float]:
    taken: list[float] = []
    for number in numbers:
        begin = perf_counter_ns()
        call(number)
        taken.append(perf_counter_ns() - begin)
    return taken[len(taken) // _COLD :]


def _together(call: Call, numbers: range) -> list[float]:
    begin = perf_counter_ns()
    for number in numbers:
        call(number)
    return [(perf_counter_ns() - begin) / len(numbers)]


def _nothing(number: int) -> None:
    """What the clock itself costs."""
