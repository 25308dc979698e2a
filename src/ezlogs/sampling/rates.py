"""Rates: how large a share of stories is kept, by the type of the event and the route of the request it is part of.

Each event is judged by its story's id, so that services agree without a word, and those with different rates keep
stories that are subsets of one another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from ezlogs.sampling.head import randomness, trace_id_of
from ezlogs.sampling.lookup import Routes, most_specific
from ezlogs.sampling.threshold import threshold
from ezlogs.sampling.verdict import Verdict

Agreement = Literal["consistent", "ratio"]

_NO_RATES: Mapping[str, float] = MappingProxyType({})
_MOST_KNOWN = 4096
_RATIO_BITS = 64
_BY_OUTCOME = Verdict(True, 1.0, "outcome")
_ALONE = Verdict(True, 1.0, "outcome", partial=True)
"""The same, of a story that is left out."""


class _Rule(NamedTuple):
    """What is laid down for a type or a route."""

    kind: Literal["always", "never", "type", "route"]
    pattern: str
    rate: float


_Position = tuple[int, int]
"""Where a story stands among all - it is kept from the threshold of a rate on - and which threshold that is."""


class _Plan(NamedTuple):
    """What is settled for a type on a route before any story is known."""

    settled: Verdict | None
    """The verdict itself, where no story changes it."""
    thresholds: tuple[int, int]
    """Of consistent sampling, and of the older sampler."""
    yes: Verdict
    no: Verdict


class Rates:
    """Judges events by rates.

    The most specific pattern counts: ``order.action`` over ``order.*`` over ``*``; of equals ``always`` before
    ``never`` before a rate. What did not succeed is kept, unless its type is in ``never``. Where both the type and the
    route have a rate the lower one counts.

    Args:
        rate: The share of stories that are kept, 0 to 1, where nothing else is laid down.
        types: Rates by pattern of event types.
        routes: Rates by route: ``/health``, ``GET /health``, or everything below with ``/static/*``.
        always: Patterns of the types that are kept in every story.
        never: Patterns of the types that are kept in none, whatever their outcome.
        agreement: With which samplers of spans a story that is a trace is kept or left out together. ``consistent``
            is OpenTelemetry's consistent probability sampling, in the last 56 bits of the id. ``ratio`` is the
            older ``TraceIdRatioBased``, which OTEL_TRACES_SAMPLER calls ``traceidratio`` and which looks at other
            digits: at rate 0.1 the two keep one trace in a hundred together. Ids that are no trace ids are judged
            alike by both.

    Raises:
        ValueError: A rate is not from 0 to 1.

    Example:
        >>> rates = Rates(0.5, types={"data.*": 0.01}, routes={"GET /health": 0.0}, always=["auth.*"])
        >>> story = "0af7651916cd43dd84f8eb211c80319c"
        >>> rates.judge("order.action", "success", story)
        Verdict(kept=True, probability=0.5, reason='rate', added=False, partial=False)
        >>> rates.judge("data.change", "success", story).reason, rates.judge("data.change", "failure", story).reason
        ('type:data.*', 'outcome')
        >>> rates.judge("http.request", "success", story, route="GET /health")
        Verdict(kept=False, probability=0.0, reason='route:GET /health', added=False, partial=False)
    """

    def __init__(
        self,
        rate: float = 1.0,
        *,
        types: Mapping[str, float] = _NO_RATES,
        routes: Mapping[str, float] = _NO_RATES,
        always: Iterable[str] = (),
        never: Iterable[str] = (),
        agreement: Agreement = "consistent",
    ) -> None:
        for share in (rate, *types.values(), *routes.values()):
            if not 0 <= share <= 1:
                raise ValueError(f"a rate is from 0 to 1, not {share}")
        self._rate = rate
        self._position: Callable[[str], _Position] = _consistent if agreement == "consistent" else _ratio
        self._rules = {
            **{pattern: _Rule("type", pattern, share) for pattern, share in types.items()},
            **{pattern: _Rule("never", pattern, 0.0) for pattern in never},
            **{pattern: _Rule("always", pattern, 1.0) for pattern in always},
        }
        self._routes = Routes({route: _Rule("route", route, share) for route, share in routes.items()})
        self._plans: dict[tuple[str, str, float | None], _Plan] = {}
        self._plain: dict[str, _Plan] = {}
        """Those of no route and no earlier service, by type."""
        self._last: tuple[str | None, _Position] = (None, (0, 0))
        """The last story and its place: its events come one after the other, and share the text of its id."""

    def judge(
        self,
        event_type: str,
        outcome: str,
        story: str,
        *,
        route: str = "",
        inherited: float | None = None,
        kept: bool = False,
    ) -> Verdict:
        """Return whether an event is kept, and why. A pure function of its arguments and the rates.

        Args:
            event_type: Such as ``order.action``.
            outcome: ``success``, or another one.
            story: The id of the story, which is a trace id or any other text.
            route: Of the request that the event is part of in this service: method and template, or the template.
            inherited: The rate of the service in which the story began, where that is known; it stands for the rate of
                this service and its route, which other services know nothing of.
            kept: Whether an earlier hop has found that the story matters, and keeps all of it from there on.
        """
        if route or inherited is not None:
            plan = self._plans.get((event_type, route, inherited)) or self._plan(event_type, route, inherited)
        else:
            plan = self._plain.get(event_type) or self._plan(event_type, "", None)
        settled, thresholds, yes, no = plan
        if settled is not None:
            return settled
        last, (value, scale) = self._last
        if last is not story:
            position = value, scale = self._position(story)
            self._last = (story, position)
        if value >= thresholds[scale]:
            return yes if outcome == "success" else _BY_OUTCOME
        if outcome != "success":
            return _ALONE
        return no.adding("kept before") if kept else no

    def of_route(self, route: str) -> float:
        """Return the share of stories that is kept of those that begin with a request of some route.

        >>> Rates(0.5, routes={"GET /health": 0.0}).of_route("GET /health"), Rates(0.5).of_route("")
        (0.0, 0.5)
        """
        return self._rate_of(None, route, None)[0]

    def _plan(self, event_type: str, route: str, inherited: float | None) -> _Plan:
        rule = most_specific(self._rules, event_type)
        if rule is not None and rule.kind in ("always", "never"):
            settled = Verdict(rule.kind == "always", rule.rate, f"{rule.kind}:{rule.pattern}")
            plan = _Plan(settled, (0, 0), settled, settled)
        else:
            rate, reason = self._rate_of(rule, route, inherited)
            thresholds = (threshold(rate), (1 << _RATIO_BITS) - round(rate * (1 << _RATIO_BITS)))
            plan = _Plan(None, thresholds, Verdict(True, rate, reason), Verdict(False, rate, reason))
        if len(self._plans) >= _MOST_KNOWN:
            self._plans.clear()
            self._plain.clear()
        self._plans[event_type, route, inherited] = plan
        if not route and inherited is None:
            self._plain[event_type] = plan
        return plan

    def _rate_of(self, rule: _Rule | None, route: str, inherited: float | None) -> tuple[float, str]:
        on_route = self._routes.find(route) if route and inherited is None else None
        laid_down = [found for found in (rule, on_route) if found is not None]
        if laid_down:
            lowest = min(laid_down, key=lambda found: found.rate)
            return lowest.rate, f"{lowest.kind}:{lowest.pattern}"
        return (self._rate, "rate") if inherited is None else (inherited, "inherited")


def _consistent(story: str) -> _Position:
    return (randomness(story), 0)


def _ratio(story: str) -> _Position:
    """Return the place that ``TraceIdRatioBased`` gives a trace id, from its other end; other ids it does not know."""
    trace_id = trace_id_of(story)
    if trace_id is None:
        return _consistent(story)
    lowest = (1 << _RATIO_BITS) - 1
    return (lowest - (trace_id & lowest), 1)
