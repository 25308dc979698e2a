"""The settings that hold a number, or a word, for each of several types of events, routes or models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from ezlogs.expressions import expression
from ezlogs.patterns import is_event_pattern
from ezlogs.settings.fixed import Fixed
from ezlogs.settings.kinds import Choice, Kind, NothingSaidError, Seconds, UnacceptableError

_ROUTE: Final = expression(r"([A-Z_]+ )?(/[^\s*]*\*?|\*)")
_MODEL: Final = expression(r"[\w.*?\[\]!$-]+")
_NAMES: Final = {"type": "event type", "route": "route", "model": "model or table"}
_MOST_BURST: Final = 1_000_000


class Limit(msgspec.Struct, frozen=True):
    """A token bucket: it holds so many, and so many come a second.

    Raises:
        ValueError: One of them is not above zero, or the burst is above a million.

    >>> Limit(per_second=10).burst
    10
    """

    per_second: float
    """Events a second, in the long run."""

    burst: int = 0
    """Events at once, after a time without any; those of one second if left out."""

    def __post_init__(self) -> None:
        if self.burst == 0:
            msgspec.structs.force_setattr(self, "burst", max(1, round(self.per_second)))
        if not self.per_second > 0 or not 1 <= self.burst <= _MOST_BURST:
            raise ValueError("a limit lets through more than nothing a second, and at most a million at once")


class Numbers(Fixed[Any]):
    """Numbers or words by type of event, route or model: immutable, and fit for JSON.

    >>> Numbers({"data.*": 0.1})
    Numbers({'data.*': 0.1})
    """

    __slots__ = ()


class PerSecond(Kind, frozen=True):
    """A rate limit: events a second, and after a colon how many may come at once.

    >>> PerSecond().parse("100"), PerSecond().parse("0.5:20")
    (Limit(per_second=100.0, burst=100), Limit(per_second=0.5, burst=20))
    """

    @property
    def allowed(self) -> str:
        return "events a second, such as '100', or with how many at once, '100:500'"

    def parse(self, given: object) -> object:
        if isinstance(given, Limit):
            return given
        if isinstance(given, bool) or not isinstance(given, (str, int, float)):
            raise self.refusal("not a number")
        rate, colon, burst = str(given).partition(":")
        try:
            return Limit(float(rate), int(burst) if colon else 0)
        except (ValueError, OverflowError):
            raise self.refusal() from None

    def shown(self, value: object) -> object:
        assert isinstance(value, Limit)
        plain = Limit(value.per_second)
        return f"{value.per_second:g}" if value == plain else f"{value.per_second:g}:{value.burst}"


class Table(Kind, frozen=True):
    """``where=number`` pairs separated by commas, a mapping in code and in files; ``of`` says what stands on the left.

    >>> from ezlogs.settings.kinds import Ratio
    >>> Table("type", Ratio()).parse("data.*=0.01, http.request=0.5")
    Numbers({'data.*': 0.01, 'http.request': 0.5})
    >>> Table("route", Ratio()).parse({"GET /health": 0})
    Numbers({'GET /health': 0.0})
    >>> from ezlogs.settings.kinds import Choice
    >>> Table("model", Choice(("safe", "full"))).parse("shop.*=full, audit_log=safe")
    Numbers({'shop.*': 'full', 'audit_log': 'safe'})
    """

    of: Literal["type", "route", "model"]
    number: Kind

    @property
    def allowed(self) -> str:
        example = "1.5" if isinstance(self.number, Seconds) else "0.1"
        where = {"type": "data.*", "route": "GET /health", "model": "shop.*"}[self.of]
        example = self.number.words[1] if isinstance(self.number, Choice) else example
        example = "100" if isinstance(self.number, PerSecond) else example
        return f"pairs such as '{where}={example}' separated by commas, each with {self.number.allowed}"

    def parse(self, given: object) -> object:
        pairs = self._pairs(given) if isinstance(given, str) else given
        if not isinstance(pairs, Mapping):
            raise self.refusal()
        return Numbers({self._where(where): self._number(where, number) for where, number in pairs.items()})

    def shown(self, value: object) -> object:
        assert isinstance(value, Mapping)
        return {where: self.number.shown(number) for where, number in value.items()}

    def _pairs(self, text: str) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for pair in filter(None, map(str.strip, text.split(","))):
            where, equals, number = pair.rpartition("=")
            if not equals:
                raise self.refusal(f"{self.quoted(pair)} is no pair")
            found[where] = number
        return found

    def _where(self, where: object) -> str:
        text = " ".join(where.split()) if isinstance(where, str) else ""
        fits = (
            is_event_pattern(text) if self.of == "type" else (_ROUTE if self.of == "route" else _MODEL).fullmatch(text)
        )
        if fits:
            return text
        raise self.refusal(f"{self.quoted(where)} is no {_NAMES[self.of]}")

    def _number(self, where: object, number: object) -> object:
        try:
            return self.number.parse(number)
        except UnacceptableError as problem:
            raise UnacceptableError(f"{self.quoted(where)}: {self.quoted(number)}: {problem}") from None


class OldSampler(Kind, frozen=True):
    """OTEL_TRACES_SAMPLER, of which only the names of the sampler that counts from the other end say something.

    >>> OldSampler().parse("parentbased_traceidratio")
    'ratio'
    """

    def parse(self, given: object) -> object:
        name = given.strip().lower() if isinstance(given, str) else ""
        if name in ("traceidratio", "parentbased_traceidratio"):
            return "ratio"
        raise NothingSaidError


NO_NUMBERS: Final[Mapping[str, float]] = Numbers()
NO_LIMITS: Final[Mapping[str, Limit]] = Numbers()
NO_WORDS: Final[Mapping[str, Any]] = Numbers()
