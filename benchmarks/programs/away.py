"""A collector that is away: what events that wait for it cost in memory, and what those cost that find no room."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable
from time import monotonic, sleep

from benchmarks.programs.resident import own, resident
from benchmarks.programs.sides import Ezlogs, Otel
from benchmarks.programs.stopwatch import each_call
from benchmarks.programs.workload import STORY

_EVENTS = 100_000
_WARM = 512
_LONGEST = 60.0


def otel() -> dict[str, float]:
    """Bytes by which memory grows with 100,000 events that wait, one a span; the queue is large enough."""
    with _refusing() as there:
        side = Otel(_address(there), max_queue_size=_EVENTS + _WARM + 1)
        return _grown(side, lambda: True)


def memory() -> dict[str, float]:
    """The same with ezlogs, nothing on disk."""
    return _ezlogs(durability="memory", max_queue_bytes=1 << 30)


def process() -> dict[str, float]:
    """The same with ezlogs as it comes, each event on disk before its call returns."""
    return _ezlogs()


def _ezlogs(**options: object) -> dict[str, float]:
    with _refusing() as there:
        side = Ezlogs(_address(there), **options)
        last = [-1]

        def settled() -> bool:
            health = side.health()
            last.append(health["pending_bytes"])  # type: ignore[arg-type]  # a number
            return health["pending"] == _EVENTS + _WARM and last[-1] == last[-2]

        found = _grown(side, settled)
        assert not side.health().get("lost"), side.health()
        return found


def _grown(side: Otel | Ezlogs, settled: Callable[[], bool]) -> dict[str, float]:
    """Tell events; return by how much memory has grown when no more is done about them."""
    with side.telling() as tell:
        for each in range(_WARM):
            tell(each)
        sleep(1)
        gc.collect()
        had, had_own = resident(), own()
        for each in range(_EVENTS):
            tell(each)
    deadline = monotonic() + _LONGEST
    sleep(1)
    while not settled():
        assert monotonic() < deadline, "it does not come to rest"
        sleep(1)
    gc.collect()
    return {"grown": resident() - had, "own": own() - had_own, "within": 50_000_000}


def dropped(endpoint: str) -> dict[str, float]:
    """``event()`` into a queue that is full, beside one into a queue that has room; the median call."""
    from ezlogs.delivery.pipeline import pipeline
    from ezlogs.runtime import Ledger, Runtime, install, scrubber_of
    from ezlogs.scope import CorrelationManager
    from ezlogs.settings import load

    asleep = {"instrument": "none", "durability": "memory", "flush_interval": 3600, "max_batch_size": 65_536}

    def runtime(**options: object) -> Runtime:
        loaded = load({}, {**asleep, **options})
        ledger = Ledger()
        carrier = pipeline(loaded, ledger, scrubber_of(loaded.settings))
        return Runtime(loaded.settings, carrier, ledger=ledger)

    with _refusing() as there:
        runtimes = {
            "kept": runtime(endpoint=endpoint, max_queue_size=10_000_000),
            "dropped": runtime(endpoint=_address(there), max_queue_size=1),
        }
        tell = Ezlogs(endpoint, enabled=False).tell

        def before(name: str) -> None:
            install(runtimes.get(name))
            if name == "kept":
                runtimes[name].carrier.flush(60)  # type: ignore[union-attr]  # it has one
            elif name == "dropped":
                for each in range(5_000):  # what room the worker has made is taken
                    tell(each)

        turns, calls = 20, 500
        with CorrelationManager.with_context(STORY):
            found = each_call(dict.fromkeys(runtimes, (tell, int)), turns=turns, calls=calls, before=before)
        lost = runtimes["dropped"].ledger.counts()["lost.queue_full"]
        assert lost >= (turns + 1) * calls, lost
        assert not [what for what in runtimes["kept"].ledger.counts() if what.startswith("lost")]
        install(None)
    return {name: found[f"{name}.p50"] for name in runtimes}


def _refusing() -> socket.socket:
    """A port at which nobody listens, and that nobody else gets."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken


def _address(of: socket.socket) -> str:
    return f"http://127.0.0.1:{of.getsockname()[1]}"
