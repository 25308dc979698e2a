"""Rates: equal in every service, nested by their size, each verdict with a reason, and counts can be restored."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezlogs.facts import Sampled
from ezlogs.sampling.rates import Rates
from ezlogs.sampling.verdict import Verdict

STORIES = st.integers(1, 2**128 - 1).map("{:032x}".format) | st.text(min_size=1, max_size=64)
SHARES = st.floats(0, 1)
AGREEMENTS = st.sampled_from(["consistent", "ratio"])
PATTERNS = st.sampled_from(["*", "data.*", "data.change", "order.*", "order.action"])
TYPES = st.sampled_from(["data.change", "data.other", "order.action", "auth.login"])
OUTCOMES = st.sampled_from(["success", "success", "failure", "unknown"])
TABLES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "rate": SHARES,
        "types": st.dictionaries(PATTERNS, SHARES),
        "routes": st.dictionaries(st.sampled_from(["/a", "GET /a", "/*"]), SHARES),
        "always": st.lists(PATTERNS, max_size=2),
        "never": st.lists(PATTERNS, max_size=2),
        "agreement": AGREEMENTS,
    }
)
"""Arguments of `Rates`."""


def kept(rates: Rates, story: str, event_type: str = "order.action", outcome: str = "success", **more: Any) -> bool:
    """Return whether an event is kept."""
    return rates.judge(event_type, outcome, story, **more).kept


@given(STORIES.filter(lambda story: len(story) != 32), SHARES)
def test_other_ids_are_judged_alike_by_both(story: str, rate: float) -> None:
    """No sampler of spans knows them."""
    assert kept(Rates(rate), story) is kept(Rates(rate, agreement="ratio"), story)


@given(
    table=TABLES,
    story=STORIES,
    event_type=TYPES,
    outcome=OUTCOMES,
    route=st.sampled_from(["", "GET /a", "/b"]),
    inherited=st.none() | SHARES,
    before=st.booleans(),
)
def test_a_verdict_depends_on_nothing_else(
    *,
    table: dict[str, Any],
    story: str,
    event_type: str,
    outcome: str,
    route: str,
    inherited: float | None,
    before: bool,
) -> None:
    """Another process with the same rates, that has judged other events before, finds the same; and it adds up."""
    one, other = Rates(**table), Rates(**table)
    for warming in ("data.change", "auth.login"):
        other.judge(warming, "success", "another story", route="GET /a")
    judged = [
        rates.judge(event_type, outcome, story, route=route, inherited=inherited, kept=before) for rates in (one, other)
    ]
    assert judged[0] == judged[1]
    verdict = judged[0]
    assert verdict.reason
    assert 0 <= verdict.probability <= 1
    assert verdict.kept or not verdict.added
    if verdict.kept and not verdict.added:
        assert verdict.probability > 0
        assert verdict.adjusted_count == 1 / verdict.probability
    else:
        assert verdict.adjusted_count == 0


@given(
    TABLES,
    st.lists(
        st.tuples(
            TYPES, OUTCOMES, STORIES, st.sampled_from(["", "GET /a", "/b"]), st.none() | st.sampled_from([0.1, 0.5])
        ),
        max_size=12,
    ),
)
def test_what_is_remembered_changes_no_verdict(table: dict[str, Any], events: list[Any]) -> None:
    """Events in any order, twice: each is judged as by rates that have judged nothing before."""
    rates = Rates(**table)
    for event_type, outcome, story, route, inherited in events * 2:
        arguments = {"route": route, "inherited": inherited}
        verdict = rates.judge(event_type, outcome, story, **arguments)
        assert verdict == Rates(**table).judge(event_type, outcome, story, **arguments)


@given(STORIES, SHARES, SHARES, AGREEMENTS)
def test_a_higher_rate_keeps_what_a_lower_one_keeps(story: str, one: float, other: float, agreement: Any) -> None:
    """So types and services with different rates keep stories that are subsets of one another."""
    low, high = sorted((one, other))
    assert kept(Rates(high, agreement=agreement), story) >= kept(Rates(low, agreement=agreement), story)


@pytest.mark.parametrize("agreement", ["consistent", "ratio"])
@pytest.mark.parametrize("parts", [1, 2, 10, 64, 1000])
def test_counts_are_restored(agreement: Any, parts: int) -> None:
    """Of stories spread evenly over all ids, what is kept at one in so many stands for all of them, exactly."""
    rates = Rates(1 / parts, types={"data.*": 0.5}, agreement=agreement)
    step = 2**56 // 8000
    shift = 8 if agreement == "ratio" else 0  # each looks at its own digits first
    stories = [f"{number * step << shift:032x}" for number in range(8000)]
    for event_type, most in (("order.action", parts), ("data.change", 2)):
        counted = sum(rates.judge(event_type, "success", story).adjusted_count for story in stories)
        assert counted == pytest.approx(8000, abs=most)


def test_counts_are_restored_where_stories_are_added() -> None:
    """What the tail and later hops add stands for nothing: those that the id lets through stand for it."""
    rates = Rates(0.1)
    step = 2**56 // 8000
    verdicts = [
        rates.judge("order.action", "success", f"{number * step:032x}", kept=number % 3 == 0) for number in range(8000)
    ]
    assert sum(verdict.kept for verdict in verdicts) > 3000
    assert sum(verdict.adjusted_count for verdict in verdicts) == pytest.approx(8000, abs=10)


@pytest.mark.parametrize(
    ("event_type", "reason", "rate"),
    [
        ("data.change", "type:data.change", 0.2),
        ("data.other", "always:data.*", 1.0),
        ("order.action", "never:order.action", 0.0),
        ("order.other", "type:order.*", 0.3),
        ("auth.login", "always:auth.login", 1.0),
        ("mail.sent", "never:*", 0.0),
    ],
)
def test_the_most_specific_pattern_counts(event_type: str, reason: str, rate: float) -> None:
    """And of equals ``always`` before ``never`` before a rate."""
    rates = Rates(
        types={"data.change": 0.2, "data.*": 0.5, "order.*": 0.3, "auth.login": 0.4, "*": 0.6},
        always=["data.*", "auth.login"],
        never=["order.action", "auth.login", "*"],
    )
    verdict = rates.judge(event_type, "success", "f" * 32)
    assert (verdict.reason, verdict.probability) == (reason, rate)


@pytest.mark.parametrize("outcome", ["failure", "rolled_back", "retried", "dead", "unknown"])
def test_what_did_not_succeed_is_kept(outcome: str) -> None:
    """At any rate, and with certainty, so that each stands for itself."""
    rates = Rates(0.0, types={"data.*": 0.0}, routes={"/health": 0.0}, never=["debug.*"])
    for event_type in ("order.action", "data.change"):
        verdict = rates.judge(event_type, outcome, "0" * 32, route="/health")
        assert verdict == Verdict(True, 1.0, "outcome", partial=True)
    assert rates.judge("debug.note", outcome, "0" * 32).reason == "never:debug.*"


@pytest.mark.parametrize(
    ("event_type", "route", "inherited", "reason", "rate"),
    [
        ("http.request", "GET /orders", None, "rate", 0.5),
        ("http.request", "GET /health", None, "route:GET /health", 0.0),
        ("http.request", "POST /health", None, "route:/health", 0.01),
        ("http.request", "GET /static/a/b.css", None, "route:/static/*", 0.02),
        ("data.change", "GET /orders", None, "type:data.*", 0.1),
        ("data.change", "GET /static/a", None, "route:/static/*", 0.02),
        ("data.change", "GET /busy", None, "type:data.*", 0.1),
        ("http.request", "GET /health", 0.25, "inherited", 0.25),
        ("data.change", "GET /health", 0.25, "type:data.*", 0.1),
    ],
)
def test_the_rate_of_a_route(event_type: str, route: str, inherited: float | None, reason: str, rate: float) -> None:
    """Of type and route the lower rate counts; where the story began elsewhere the route here says nothing."""
    rates = Rates(
        0.5,
        types={"data.*": 0.1},
        routes={"GET /health": 0.0, "/health": 0.01, "/static/*": 0.02, "/busy": 0.9},
    )
    verdict = rates.judge(event_type, "success", "0" * 32, route=route, inherited=inherited)
    assert (verdict.reason, verdict.probability) == (reason, rate)


def test_a_story_that_an_earlier_hop_keeps_is_kept() -> None:
    """Marked as added, but for what the id lets through anyway, and for types that are never kept."""
    rates = Rates(0.5, never=["debug.*"])
    low, high = "0" * 32, "f" * 32
    assert rates.judge("order.action", "success", low, kept=True) == Verdict(False, 0.5, "rate").adding("kept before")
    assert rates.judge("order.action", "success", high, kept=True) == Verdict(True, 0.5, "rate")
    assert not kept(rates, low, "debug.note", kept=True)


def test_what_was_added_says_so() -> None:
    """A reader that counts needs to know; what stands for itself alone says nothing."""
    assert Verdict(True, 0.1, "rate").sampled() == Sampled(0.1)
    assert Verdict(True, 1.0, "outcome").sampled() is None
    assert Verdict(True, 1.0, "outcome", partial=True).sampled() == Sampled(partial=True)
    assert Verdict(False, 0.1, "rate").adding("error").sampled() == Sampled(0.1, added=True, partial=True)
    assert Verdict(True, 1.0, "always:auth.*").sampled(reasoned=True) == Sampled(reason="always:auth.*")


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan"), 50])
@pytest.mark.parametrize("where", ["rate", "types", "routes"])
def test_a_rate_that_is_none_is_refused(where: str, wrong: float) -> None:
    """Fifty is no percentage here."""
    arguments: dict[str, Any] = {"rate": wrong} if where == "rate" else {where: {"*": wrong}}
    with pytest.raises(ValueError, match="a rate is from 0 to 1"):
        Rates(**arguments)


def test_what_is_remembered_is_bounded() -> None:
    """Types and routes come from applications, and some make them up."""
    rates = Rates(0.5, routes={"/static/*": 0.0})
    for number in range(10_000):
        rates.judge(f"made.up{number}", "success", "0" * 32, route=f"/static/{number}")
    assert len(rates._plans) <= 4096
    assert len(rates._routes._known) <= 4096
    assert not kept(rates, "f" * 32, route="/static/x")
