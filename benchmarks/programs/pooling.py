"""Pooling: what is gained by using events, buffers and connections again instead of making new ones."""

from __future__ import annotations

from collections import deque
from time import process_time_ns
from typing import Any

import msgspec
import urllib3

from benchmarks.programs.stopwatch import mean_call
from benchmarks.programs.workload import STORY, otel_attributes, own_fields
from ezlogs.event import UniversalEvent
from ezlogs.otlp import encode_event

_BATCH = 512


def events() -> dict[str, float]:
    """An event made and let go, beside one that is taken from a pool, filled, and put back.

    Either way the queue holds as many as a batch, as between two turns of the worker. The pooled one is what a pool
    costs at the least: no lock, no check that nobody still holds the event, and no clearing of it.
    """
    fields = [own_fields(number) for number in range(1000)]
    who = ("user", "81723")
    queue: deque[UniversalEvent] = deque()

    def said(number: int) -> tuple[Any, ...]:
        subject, metadata = fields[number % 1000]
        return (
            *("order.action", "placed", who, subject, metadata.copy(), "success", 0.08),
            *(STORY, (), None, None, None, number, number),
        )

    def fresh(number: int) -> None:
        queue.append(UniversalEvent(*said(number)))
        if len(queue) > _BATCH:
            queue.popleft()

    pool: deque[UniversalEvent] = deque(UniversalEvent(*said(number)) for number in range(2 * _BATCH))
    names = UniversalEvent.__struct_fields__
    fill = msgspec.structs.force_setattr

    def pooled(number: int) -> None:
        event = pool.popleft()
        for name, value in zip(names, said(number), strict=False):  # any of them may differ from event to event
            fill(event, name, value)
        fill(event, "_facts", msgspec.UNSET)
        queue.append(event)
        if len(queue) > _BATCH:
            pool.append(queue.popleft())

    return mean_call({"fresh": fresh, "pooled": pooled}, turns=40, calls=2000)


def buffers() -> dict[str, float]:
    """A request body joined from its parts, beside one gathered in a buffer that is kept from batch to batch."""
    parts = [encode_event("order.action", number, otel_attributes(number)) for number in range(_BATCH)]
    buffer = bytearray()

    def joined(number: int) -> bytes:
        return b"".join(parts)

    def kept(number: int) -> bytes:
        buffer.clear()
        for part in parts:
            buffer.extend(part)
        return bytes(buffer)

    return mean_call({"joined": joined, "kept": kept}, turns=40, calls=50)


def connections(endpoint: str) -> dict[str, float]:
    """A batch sent over a connection that stays open, beside one sent over a new one; CPU time of this process."""
    body = b"".join(encode_event("order.action", number, otel_attributes(number)) for number in range(_BATCH))
    found = {}
    with urllib3.PoolManager() as pool:
        for name in ("kept", "new"):
            begin = process_time_ns()
            for _ in range(200):
                assert pool.request("POST", f"{endpoint}/v1/traces", body=body).status == 200
                if name == "new":
                    pool.clear()
            found[name] = (process_time_ns() - begin) / 200
    return found
