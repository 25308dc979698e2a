"""Throughput: events told as fast as a process can, delivered with nothing lost; and bursts, at default settings."""

from __future__ import annotations

import threading
from time import perf_counter_ns

from benchmarks.programs.resident import forget_peak, peak, resident
from benchmarks.programs.sides import Ezlogs, Otel

_MANY, _FEWER = 60_000, 15_000
"""Events that are told: about as long as the other side takes for fewer."""

_BURST = 100_000
_ROOM = {"max_queue_size": 10_000_000, "max_queue_bytes": 1 << 30}
_WARM = 512
_CHUNK = 5_000


def otel(endpoint: str) -> dict[str, float]:
    """Wall time of a delivered event, the queue large enough for all."""
    return {"otel": _sustained(Otel(endpoint, max_queue_size=_FEWER + _WARM + 1), _FEWER)}


def memory(endpoint: str) -> dict[str, float]:
    """The same with ezlogs, privacy on."""
    return {"memory": _sustained(Ezlogs(endpoint, durability="memory", **_ROOM), _MANY)}


def process(endpoint: str) -> dict[str, float]:
    """The same, each event on disk before its call returns."""
    return {"process": _sustained(Ezlogs(endpoint, durability="process", **_ROOM), _MANY)}


def _sustained(side: Otel | Ezlogs, number: int) -> float:
    with side.telling() as tell:
        _warm(side)
        begin = perf_counter_ns()
        for each in range(number):
            tell(each)
        side.flush()
        taken = perf_counter_ns() - begin
    _wait(side)
    assert side.delivered == number + _WARM, side.delivered
    return taken / number


def _warm(side: Otel | Ezlogs) -> None:
    """Import what is imported at the first event, open the connection."""
    with side.telling() as tell:
        for each in range(_WARM):
            tell(each)
    side.flush()


def _wait(side: Otel | Ezlogs) -> None:
    """Give a side that is late the time that it needs."""
    if isinstance(side, Ezlogs):
        assert side.flush(120), side.health()


def burst_otel(endpoint: str) -> dict[str, float]:
    """How many of 100,000 events do not arrive that are told flat out by 1, 4 and 16 threads; default settings."""
    return {f"lost.{threads}": _burst(Otel(endpoint), threads)[0] for threads in (1, 4, 16)}


def burst_1(endpoint: str) -> dict[str, float]:
    """The same with ezlogs of which nothing is set but the endpoint, and by how much memory grows meanwhile."""
    return _burst_of_ezlogs(endpoint, 1)


def burst_4(endpoint: str) -> dict[str, float]:
    """The same by four threads."""
    return _burst_of_ezlogs(endpoint, 4)


def burst_16(endpoint: str) -> dict[str, float]:
    """The same by sixteen threads."""
    return _burst_of_ezlogs(endpoint, 16)


def _burst_of_ezlogs(endpoint: str, threads: int) -> dict[str, float]:
    lost, grown = _burst(Ezlogs(endpoint), threads)
    return {"lost": lost, "grown": grown, "within": 32 << 20}


def _burst(side: Otel | Ezlogs, threads: int) -> tuple[int, int]:
    """Return how many events are lost, and the bytes by which memory grew at most."""
    _warm(side)
    before, had = side.delivered, forget_peak()

    def tell_some() -> None:
        with side.telling() as tell:
            for each in range(_BURST // threads):
                tell(each)

    tellers = [threading.Thread(target=tell_some) for _ in range(threads)]
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join()
    side.flush()
    _wait(side)
    return _BURST - (side.delivered - before), max(0, peak() - had)


def lasting(endpoint: str, events: str = "500000", settled: str = "300000") -> dict[str, float]:
    """Memory after many delivered events, and after so many of them that the journal has all files that it needs."""
    side = Ezlogs(endpoint)
    found: dict[str, float] = {}
    with side.telling() as tell:
        for told in range(0, int(events), _CHUNK):
            if told == int(settled):
                found["settled"] = resident()
            for each in range(told, told + _CHUNK):
                tell(each)
            assert side.flush(60), side.health()
    found["end"] = resident()
    assert side.delivered == int(events), side.health()
    return found
