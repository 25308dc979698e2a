"""A collector that is away for a while, at two thousand events a second: none is lost, and soon all have arrived."""

from __future__ import annotations

import os
import time

import pytest
from tests.integration.orders import UseProvider, eventually
from tests.unit.otlp.collectors import break_off

import ezlogs
from ezlogs.launch.health import balance

from .faulty import Faulty, emit, flushed, start

RATE = 2000
LONG = "LONG_OUTAGE"


@pytest.mark.timeout(150)
@pytest.mark.parametrize(("carrier", "durability"), [("span", "process"), ("log", "memory")])
@pytest.mark.parametrize(
    "seconds",
    [
        6,
        pytest.param(
            60, marks=pytest.mark.skipif(not os.environ.get(LONG), reason=f"takes minutes: run it with {LONG}=1")
        ),
    ],
)
def test_an_outage_costs_nothing(
    collector: Faulty, use_provider: UseProvider, carrier: str, durability: str, seconds: int
) -> None:
    """With the queue as it is by default; OpenTelemetry's would be full after a second."""
    use_provider()
    start(collector, carrier=carrier, durability=durability)
    ids = emit(100)
    flushed()
    collector.fail(trouble=break_off)
    begin = time.monotonic()
    for turn in range(seconds * 20):
        ids += emit(RATE // 20)
        time.sleep(max(0.0, begin + (turn + 1) / 20 - time.monotonic()))
    told = ezlogs.health()
    assert (told["lost"], balance(told)) == ({}, 0)
    collector.heal()
    eventually(lambda: ezlogs.health()["delivered"] == len(ids), 15)
    told = flushed()
    assert (told["lost"], told["delivered"], balance(told)) == ({}, len(ids), 0), told
    assert collector.arrived().keys() == set(ids)
