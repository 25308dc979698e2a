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


class _Rule(NamedTuple):
    """What is laid down for a type or a route."""

    kind: Literal["always", "never", "type", "route"]
    pattern: str
    rate: float


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
        Verdict(kept=True, probability=0.5, reason='rate', added=False)
        >>> rates.judge("data.change", "success", story).reason, rates.judge("data.change", "failure", story).reason
        ('type:data.*', 'outcome')
        >>> rates.judge("http.request", "success", story, route="GET /health")
        Verdict(kept=False, probability=0.0, reason='route:GET /health', added=False)
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
        self._lets_through: Callable[[str, float], bool] = _consistent if agreement == "consistent" else _ratio
        self._rules = {
            **{pattern: _Rule("type", pattern, share) for pattern, share in types.items()},
            **{pattern: _Rule("never", pattern, 0.0) for pattern in never},
            **{pattern: _Rule("always", pattern, 1.0) for pattern in always},
        }
        self._routes = Routes({route: _Rule("route", route, share) for route, share in routes.items()})
        self._known: dict[str, _Rule | None] = {}

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
        rule = self._rule_of(event_type)
        if rule is not None and rule.kind in ("always", "never"):
            return Verdict(rule.kind == "always", rule.rate, f"{rule.kind}:{rule.pattern}")
        if outcome != "success":
            return Verdict(True, 1.0, "outcome")
        rate, reason = self._rate_of(rule, route, inherited)
        if self._lets_through(story, rate):
            return Verdict(True, rate, reason)
        verdict = Verdict(False, rate, reason)
        return verdict.adding("kept before") if kept else verdict

    def _rate_of(self, rule: _Rule | None, route: str, inherited: float | None) -> tuple[float, str]:
        on_route = self._routes.find(route) if route and inherited is None else None
        laid_down = [found for found in (rule, on_route) if found is not None]
        if laid_down:
            lowest = min(laid_down, key=lambda found: found.rate)
            return lowest.rate, f"{lowest.kind}:{lowest.pattern}"
        return (self._rate, "rate") if inherited is None else (inherited, "inherited")

    def _rule_of(self, event_type: str) -> _Rule | None:
        try:
            return self._known[event_type]
        except KeyError:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            rule = self._known[event_type] = most_specific(self._rules, event_type)
            return rule


def _consistent(story: str, rate: float) -> bool:
    return randomness(story) >= threshold(rate)


def _ratio(story: str, rate: float) -> bool:
    """Return what ``TraceIdRatioBased`` says of a trace id; of any other id it says nothing."""
    trace_id = trace_id_of(story)
    if trace_id is None:
        return _consistent(story, rate)
    return trace_id & ((1 << 64) - 1) < round(rate * (1 << 64))
