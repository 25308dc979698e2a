"""The whole way: events from the application's call to a collector's answer, in CPU time of the whole process.

The first event has been delivered before: what it needs besides is told by ``start_delivered``.
"""

from __future__ import annotations

from tempfile import TemporaryDirectory
from time import process_time_ns

from benchmarks.programs.sides import Ezlogs, Otel

_EVENTS = 20_000


def otel(endpoint: str) -> dict[str, float]:
    """A span with one event each through BatchSpanProcessor and OTLP/HTTP, which has room for all."""
    return {"otel": _spent(Otel(endpoint, max_queue_size=_EVENTS + 1))}


def ezlogs(endpoint: str) -> dict[str, float]:
    """The same events with no current span, privacy on."""
    return {"ezlogs": _spent(Ezlogs(endpoint, durability="memory"))}


def journaled(endpoint: str) -> dict[str, float]:
    """The same, each event on disk before its call returns."""
    import ezlogs

    with TemporaryDirectory() as state:
        spent = _spent(Ezlogs(endpoint, durability="process", state_dir=state))
        ezlogs.shutdown()  # before its files go
    return {"journaled": spent}


def _spent(side: Otel | Ezlogs) -> float:
    """Return nanoseconds an event; that all of them arrived is checked."""
    with side.telling() as tell:
        tell(0)
        assert side.flush()
        before, begin = side.delivered, process_time_ns()
        for number in range(_EVENTS):
            tell(number)
        assert side.flush()
        spent = process_time_ns() - begin
    assert side.delivered - before == _EVENTS, (side.delivered, before)
    return spent / _EVENTS
