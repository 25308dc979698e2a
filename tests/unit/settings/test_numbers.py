"""The settings of sampling: numbers by type of event and by route, rate limits, and what OTEL_TRACES_SAMPLER says."""

from __future__ import annotations

from typing import Any

import pytest

from ezlogs.settings import load, spelled
from ezlogs.settings.configfile import ConfigFile, Files
from ezlogs.settings.kinds import Ratio, Seconds, UnacceptableError
from ezlogs.settings.numbers import Limit, Numbers, PerSecond, Table


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("data.*=0.1,  order.action = 1,", {"data.*": 0.1, "order.action": 1.0}),
        ({"*": "0.5"}, {"*": 0.5}),
        ("", {}),
    ],
)
def test_pairs_and_mappings_mean_the_same(given: object, expected: dict[str, float]) -> None:
    """In a variable, in code and in files."""
    assert Table("type", Ratio()).parse(given) == Numbers(expected)


@pytest.mark.parametrize(
    "route", ["/health", "GET /health", "GET  /orders/{id}", "/static/*", "*", "_OTHER /", "GET *"]
)
def test_routes_may_have_a_method(route: str) -> None:
    """And an asterisk at their end."""
    found: Any = Table("route", Ratio()).parse({route: 0})
    assert list(found) == [" ".join(route.split())]


@pytest.mark.parametrize(
    ("table", "given", "problem"),
    [
        (Table("type", Ratio()), "data.*", "'data.*' is no pair; use pairs such as 'data.*=0.1'"),
        (Table("type", Ratio()), "Order Placed=1", "'Order Placed' is no event type"),
        (Table("type", Ratio()), {3: 1}, "3 is no event type"),
        (Table("type", Ratio()), "data.*=2", "'data.*': '2': out of range; use 0 to 1"),
        (Table("type", Ratio()), 5, "use pairs such as 'data.*=0.1' separated by commas, each with 0 to 1"),
        (Table("route", Ratio()), "health=0", "'health' is no route; use pairs such as 'GET /health=0.1'"),
        (Table("route", Ratio()), "/a*b=0", "'/a*b' is no route"),
        (Table("route", Seconds(0, 60)), "/a=x", "'/a': 'x': not a number; use 0 to 60 seconds"),
        (Table("type", PerSecond()), "data.*=0", "'data.*': '0': use events a second, such as '100'"),
        (Table("type", PerSecond()), "data.*=5:x", "use events a second"),
        (Table("type", PerSecond()), {"data.*": True}, "not a number"),
        (Table("type", PerSecond()), {"data.*": float("inf")}, "use events a second"),
    ],
)
def test_what_is_wrong_is_said(table: Table, given: object, problem: str) -> None:
    """With what was given, and what is allowed."""
    with pytest.raises(UnacceptableError) as raised:
        table.parse(given)
    assert problem in str(raised.value)


@pytest.mark.parametrize("given", ["100", 100, 0.5, "0.5:20", Limit(3, 9)])
def test_a_limit_is_spelled_as_it_is_read(given: object) -> None:
    """With its burst where that is not what comes in a second."""
    kind = Table("type", PerSecond())
    value: Any = kind.parse({"data.*": given})
    assert kind.parse(spelled(kind.shown(value))) == value


def test_a_file_has_a_table() -> None:
    """As TOML writes it."""
    text = '[sampling]\nsample_routes = { "GET /health" = 0 }\n[sampling.sample_types]\n"data.*" = 0.5\n'
    loaded = load({}, files=Files((ConfigFile("ezlogs.toml", text),)))
    assert not loaded.problems
    assert loaded.settings.sample_types == {"data.*": 0.5}
    assert loaded.settings.sample_routes == {"GET /health": 0.0}


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [("traceidratio", "ratio"), ("parentbased_traceidratio", "ratio"), ("ezlogs", "consistent"), ("", "consistent")],
)
def test_stories_agree_with_the_sampler_of_spans(sampler: str, expected: str) -> None:
    """Whose name OpenTelemetry's variable has."""
    loaded = load({"OTEL_TRACES_SAMPLER": sampler})
    assert not loaded.problems
    assert loaded.settings.sampling_agreement == expected
