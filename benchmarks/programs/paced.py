"""At 2,000 events a second, as a busy service has them: what its threads wait for telemetry."""

from __future__ import annotations

import urllib.request
from array import array
from statistics import quantiles
from time import perf_counter_ns, sleep

from benchmarks.programs.sides import Ezlogs, Otel, Tell

_RATE = 2_000
_PERIOD = 1_000_000_000 // _RATE
_SECONDS = 3
_TURNS, _CALLS = 5, 1_000
_WARM = 1_000


def none() -> dict[str, float]:
    """How late a thread is with 99.9 % of what it does at certain times, and tells nobody about."""
    return {"none": _late(int)}


def otel(endpoint: str) -> dict[str, float]:
    """The same where it tells OpenTelemetry of each, and the collector is well."""
    side = Otel(endpoint)
    for each in range(_WARM):
        side.tell(each)
    side.flush()
    return {"otel": _late(side.tell)}


def ezlogs(endpoint: str) -> dict[str, float]:
    """The same where it tells ezlogs, of which nothing is set but the endpoint."""
    side = Ezlogs(endpoint)
    with side.telling() as tell:
        for each in range(_WARM):
            tell(each)
        side.flush()
        return {"ezlogs": _late(tell)}


def _late(tell: Tell) -> float:
    late, _ = _told(tell, _RATE * _SECONDS)
    return quantiles(late, n=1000)[998]


def _told(tell: Tell, number: int) -> tuple[array[float], array[float]]:
    """Tell events, each at its time; return how long after it each was told, and how long each call took."""
    late, taken = array("d", bytes(8 * number)), array("d", bytes(8 * number))
    due = perf_counter_ns()
    for each in range(number):
        due += _PERIOD
        wait = due - perf_counter_ns()
        if wait > 0:
            sleep(wait / 1e9)
        begin = perf_counter_ns()
        tell(each)
        end = perf_counter_ns()
        late[each], taken[each] = end - due, end - begin
    return late, taken


def hanging_memory(endpoint: str) -> dict[str, float]:
    """What ``event()`` takes while the collector answers, and while it takes requests and does not."""
    return _hanging(endpoint, "memory")


def hanging_process(endpoint: str) -> dict[str, float]:
    """The same, each event on disk before its call returns."""
    return _hanging(endpoint, "process")


def _hanging(endpoint: str, durability: str) -> dict[str, float]:
    side = Ezlogs(endpoint, durability=durability)
    taken: dict[str, array[float]] = {"answer": array("d"), "hang": array("d")}
    with side.telling() as tell:
        try:
            for turn in range(_TURNS + 1):
                for name, times in taken.items():
                    _told(tell, 1)
                    side.flush(60)
                    _have(endpoint, name)
                    found = _told(tell, _CALLS)[1]
                    _have(endpoint, "answer")
                    side.flush(60)
                    if turn:
                        times.extend(found)
        finally:
            _have(endpoint, "answer")
    assert side.delivered == side.health()["emitted"], side.health()
    cuts = {name: quantiles(times, n=100) for name, times in taken.items()}
    return {f"{name}.p{cut}": found[cut - 1] for name, found in cuts.items() for cut in (50, 99)}


def _have(endpoint: str, what: str) -> None:
    """Have the collector ``answer`` or ``hang``."""
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{what}", method="PUT"), timeout=10).close()
