"""Sampling, as the doctor tells it: what is kept, by which setting, and whether traces agree."""

from __future__ import annotations

import pytest

from ezlogs.doctor import examine
from ezlogs.doctor.sampling import sampling
from ezlogs.settings import load


def told(environ: dict[str, str]) -> list[str]:
    """Return the findings as texts, warnings marked."""
    return [f"{'! ' * (found.verdict == 'warning')}{found}" for found in sampling(load(environ), environ)]


def test_who_leaves_nothing_out_is_told_nothing() -> None:
    """Nor who is switched off."""
    assert told({}) == []
    assert told({"OTEL_TRACES_SAMPLER": "parentbased_always_on"}) == []
    assert told({"OTEL_TRACES_SAMPLER": "of somebody's own"}) == []
    assert told({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1"}) == []
    assert told({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "wrong"}) == []
    assert told({"EZLOGS_SAMPLE_RATE": "0.1", "EZLOGS_ENABLED": "no"}) == []
    assert "sampling" not in examine({}, connect=False).findings


def test_the_table_is_told_in_the_order_in_which_it_counts() -> None:
    """With the setting behind each line."""
    environ = {
        "EZLOGS_NEVER_EVENTS": "debug.*",
        "EZLOGS_SAMPLE_ROUTES": "GET /health=0,/static/*=0.5",
        "EZLOGS_KEEP_SLOW": "2",
        "EZLOGS_KEEP_SLOW_ROUTES": "GET /reports=30",
        "EZLOGS_RATE_LIMITS": "data.*=100:500",
        "EZLOGS_SAMPLING_EVENTS": "follow_trace",
    }
    assert [line.partition(" (")[0] for line in told(environ)] == [
        "debug.*: left out, whatever their outcome",
        "not a success: kept in every story",
        "in no sampled span: left out",
        "GET /health: in no story",
        "/static/*: in 0.5 of the stories",
        "all others: in all stories",
        "left out: kept after all if something fails in, or from 2 s on of, or from 30 s on of GET /reports as its "
        "request, job or command",
        "data.*: 100:500 a second, more are lost",
    ]
    assert told({"EZLOGS_SAMPLE_RATE": "0.1", "EZLOGS_KEEP_ERRORS": "no"})[-1] == "left out: for good"
    assert "sampling" in examine(environ, connect=False).findings


@pytest.mark.parametrize(
    ("sampler", "argument", "rate", "warned"),
    [
        ("traceidratio", "0.1", None, "0.1 of the traces are sampled (OTEL_TRACES_SAMPLER=traceidratio), and events"),
        ("parentbased_ezlogs", "0.1", "0.5", "0.1 of the traces are sampled"),
        ("always_off", None, None, "no traces are sampled"),
        ("traceidratio", "0.1", "0.1", ""),
        ("ezlogs", None, "0.1", ""),
    ],
)
def test_the_volume_is_warned_of(sampler: str, argument: str | None, rate: str | None, warned: str) -> None:
    """Where traces are sampled and events are not."""
    environ = {"OTEL_TRACES_SAMPLER": sampler}
    if argument:
        environ["OTEL_TRACES_SAMPLER_ARG"] = argument
    if rate:
        environ["EZLOGS_SAMPLE_RATE"] = rate
    warnings = [line for line in told(environ) if line.startswith("! ")]
    assert len(warnings) == bool(warned)
    assert warned in "".join(warnings)
    assert told({**environ, "EZLOGS_SAMPLING_EVENTS": "follow_trace"})[-1][:2] != "! "


def test_traces_that_do_not_agree_are_named() -> None:
    """The variable alone settles it, unless somebody says otherwise."""
    environ = {
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
        "EZLOGS_SAMPLE_RATE": "0.1",
    }
    assert told(environ)[-1].startswith("traces: sampled by the same bits")
    assert told({**environ, "EZLOGS_SAMPLING_AGREEMENT": "consistent"})[-1].endswith(
        "set EZLOGS_SAMPLING_AGREEMENT=ratio"
    )
