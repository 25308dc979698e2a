"""How the services fare: events a second, latencies, queues, breakers, losses, what is slow, and what goes wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import ceil
from time import time
from typing import Any

import msgspec

from ezlogs.dev.metrics import ReceivedPoint
from ezlogs.dev.store import Store

WINDOW = 300
"""Seconds that the curves go back."""
MOST = 50
"""So many lines a table has."""

MOST_TIMED = 20_000
"""So many events are looked at for what is slow, the newest."""

_SERIES = ("ezlogs.queue.bytes", "ezlogs.journal.bytes", "ezlogs.journal.waiting", "ezlogs.breaker.state")
_LATENCIES = ("ezlogs.emit.duration", "ezlogs.delivery.duration")

_TIMED = """
    SELECT type, action, duration, outcome, story FROM events
    WHERE duration IS NOT NULL AND type IN ('http.request', 'job.execution', 'graphql.operation',
        'schedule.run', 'cli.command', 'http.client')
    ORDER BY number DESC LIMIT ?
"""
_RETRIES = """
    SELECT subject_id, action, count(*), max(at), story FROM events
    WHERE type = 'job.execution' AND outcome = 'retried' GROUP BY subject_id ORDER BY max(at) DESC LIMIT ?
"""
_ERRORS = """
    SELECT subject_id, json_extract(document, '$.error.type'), json_extract(document, '$.metadata.place'),
        json_extract(document, '$.error.message'), count(*), min(at), max(at), story, event_id
    FROM (SELECT *, CAST(document AS TEXT) AS document FROM events WHERE type = 'system.error' ORDER BY number)
    GROUP BY subject_id
"""
_FAILURES = """
    SELECT '', json_extract(document, '$.error.type'), type || ' ' || action,
        json_extract(document, '$.error.message'), count(*), min(at), max(at), story, event_id
    FROM (SELECT *, CAST(document AS TEXT) AS document FROM events
        WHERE outcome IN ('failure', 'dead') AND type != 'system.error'
            AND story NOT IN (SELECT story FROM events WHERE type = 'system.error'))
    WHERE json_extract(document, '$.error.type') IS NOT NULL
    GROUP BY 2, 3
"""


def performance(store: Store) -> dict[str, Any]:
    """Return everything that the dashboard shows, as plain values."""
    now = time()
    return {
        "now": now,
        "window": WINDOW,
        "events": _rates(store, now),
        "latencies": _latencies(store),
        "series": _series(store, now),
        "losses": _losses(store),
        "slowest": _slowest(store),
        "retries": [
            dict(zip(("job", "action", "retries", "last", "story"), row, strict=True))
            for row in store.rows(_RETRIES, [MOST])
        ],
        "errors": error_groups(store)[:MOST],
    }


def error_groups(store: Store) -> list[dict[str, Any]]:
    """Return what goes wrong, by type and place, the latest first; times are milliseconds since 1970."""
    names = ("fingerprint", "type", "place", "message", "count", "first", "last", "story", "event_id")
    groups = [dict(zip(names, row, strict=True)) for row in (*store.rows(_ERRORS), *store.rows(_FAILURES))]
    for group in groups:
        group["first"], group["last"] = group["first"] / 1e6, group["last"] / 1e6
    return sorted(groups, key=lambda group: -group["last"])[: 4 * MOST]


def percentile(bounds: Sequence[float], buckets: Sequence[int], share: float) -> float | None:
    """Return a percentile of a histogram: the upper bound of the bucket that it is in, as nothing closer is known.

    Args:
        bounds: The upper bounds of all buckets but the last.
        buckets: How much is in each.
        share: Which percentile: 0.95 for the 95th.

    Returns:
        The bound; infinity in the last bucket, None for an empty histogram.

    Example:
        >>> percentile([0.1, 1.0], [90, 9, 1], 0.95)
        1.0
    """
    wanted, seen = share * sum(buckets), 0
    if not wanted:
        return None
    for bound, number in zip([*bounds, float("inf")], buckets, strict=False):
        seen += number
        if seen >= wanted:
            return bound
    return float("inf")


def _rates(store: Store, now: float) -> list[list[float]]:
    """Return how many events arrived in each second of the window that any did."""
    start = now - WINDOW
    rows = store.rows(
        "SELECT CAST(arrived AS INTEGER), count(*) FROM events WHERE arrived >= ? GROUP BY 1 ORDER BY 1", [start]
    )
    return [list(row) for row in rows]


def _latencies(store: Store) -> list[dict[str, Any]]:
    found = list[dict[str, Any]]()
    for point, service, process in _newest(store, _LATENCIES):
        found.append(
            {
                "name": point.name,
                "service": service,
                "process": process,
                "count": point.count,
                "mean": point.value / point.count if point.count else None,
                "most": point.bounds[-1] if point.bounds else None,
                **{name: _finite(percentile(point.bounds, point.buckets, share)) for name, share in _SHARES.items()},
            }
        )
    return found


_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def _series(store: Store, now: float) -> dict[str, list[dict[str, Any]]]:
    """Return the curves: by name, one for each process and set of attributes."""
    curves: defaultdict[str, defaultdict[tuple[str, str], list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    rows = store.rows(
        "SELECT at, name, service, process, point FROM figures"
        f" WHERE name IN ({', '.join('?' * len(_SERIES))}) AND at >= ? ORDER BY number",
        [*_SERIES, now - WINDOW],
    )
    for at, name, service, unnamed, document in rows:
        point = msgspec.json.decode(document, type=ReceivedPoint)
        _, process = store.named(service, unnamed)
        of = str(point.attributes.get("ezlogs.breaker.state", ""))
        curves[name][process, of].append([at, point.value])
    return {
        name: [{"process": process, "of": of, "points": points} for (process, of), points in by_process.items()]
        for name, by_process in curves.items()
    }


def _losses(store: Store) -> list[dict[str, Any]]:
    """Return what became of events, by service: how many were delivered, and how many were lost for which reason."""
    found: defaultdict[tuple[str, str, str], float] = defaultdict(float)
    for point, service, _ in _newest(store, ("ezlogs.events",)):
        result = str(point.attributes.get("ezlogs.result", ""))
        found[service, result, str(point.attributes.get("error.type", ""))] += point.value
    return [
        {"service": service, "result": result, "reason": reason, "events": int(number)}
        for (service, result, reason), number in sorted(found.items())
    ]


def _slowest(store: Store) -> list[dict[str, Any]]:
    """Return what takes longest on average, by type and name, each with the story in which it took longest."""
    found: defaultdict[tuple[str, str], list[tuple[float, bool, str]]] = defaultdict(list)
    for kind, action, duration, outcome, story in store.rows(_TIMED, [MOST_TIMED]):
        name = action.rpartition(".")[0] if kind == "job.execution" else action  # which says how it ended
        found[kind, name or action].append((duration, outcome in ("failure", "dead"), story))
    slowest = list[dict[str, Any]]()
    for (kind, name), runs in found.items():
        runs.sort()
        slowest.append(
            {
                "type": kind,
                "action": name,
                "count": len(runs),
                "mean": sum(duration for duration, _, _ in runs) / len(runs),
                "p95": runs[ceil(0.95 * len(runs)) - 1][0],
                "longest": runs[-1][0],
                "failures": sum(has_failed for _, has_failed, _ in runs),
                "story": runs[-1][2],
            }
        )
    return sorted(slowest, key=lambda one: -one["mean"])[:MOST]


def _newest(store: Store, names: Iterable[str]) -> list[tuple[ReceivedPoint, str, str]]:
    """Return the newest point of each process and set of attributes: they count from the beginning of the process."""
    names = list(names)
    rows = store.rows(
        f"SELECT service, process, point FROM newest_figures WHERE name IN ({', '.join('?' * len(names))})"
        " ORDER BY service, process, name, attributes",
        names,
    )
    return [
        (msgspec.json.decode(document, type=ReceivedPoint), *store.named(service, process))
        for service, process, document in rows
    ]


def _finite(number: float | None) -> float | None:
    return number if number is None or number < float("inf") else None
