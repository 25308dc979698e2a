"""Matching: which captured event is which expected one, found exactly where several could be, and within bounds.

Pure. Without symbols it is a matching in a bipartite graph, or a path through the events where order counts: neither
needs more than polynomial time. Symbols and `same` are settled before, value by value, and that is what is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ezlogs.event import UniversalEvent
from ezlogs.testing.fitting import comparable
from ezlogs.testing.matchers import Matcher

MAX_TRIALS: Final = 2_000
"""How many combinations of values for symbols are tried."""


class TooManyWaysError(AssertionError):
    """More combinations than can be tried: the expectation leaves too much open."""


class Matched(NamedTuple):
    """What came of matching."""

    found: tuple[tuple[int, ...], ...]
    """For each matcher the positions of its events."""
    failed: int | None
    """The first matcher that lacks events, or None."""
    surplus: int | None
    """The position of an event that should not be there, or None."""
    known: tuple[Mapping[str, object], ...]
    """For each matcher what its fields had to be, since other events have it."""

    @property
    def fits(self) -> bool:
        """Whether everything is as expected."""
        return self.failed is None and self.surplus is None

    @property
    def worth(self) -> tuple[bool, int, int]:
        """How much of it fits, for choosing the best of several failures."""
        steps = len(self.found) if self.failed is None else self.failed
        return self.fits, sum(bool(one) for one in self.found), steps


def match(
    matchers: Sequence[Matcher], events: Sequence[UniversalEvent], *, ordered: bool = False, strict: bool = False
) -> Matched:
    """Match events with what is expected of them.

    Args:
        matchers: What is expected.
        events: The events of one story, in the order of their emission.
        ordered: Whether the events come in the order of the matchers.
        strict: Whether every event has to be expected.

    Raises:
        TooManyWaysError: More than `MAX_TRIALS` combinations of values for symbols were tried in vain.
        ValueError: A `same` names none of the matchers, or several.
    """
    fits = [[at for at, found in enumerate(events) if matcher.fits(found)] for matcher in matchers]
    variables = _resolved(matchers)
    best: Matched | None = None
    for trial, settled in enumerate(_settled(matchers, variables, fits, events)):
        if trial >= MAX_TRIALS:
            raise TooManyWaysError(
                f"gave up after {MAX_TRIALS:,} combinations of values for symbols: say more of the events with "
                f"{', '.join(sorted({name for of in variables for name, _ in of}))}"
            )
        known = tuple({field: settled[name] for name, field in of if name in settled} for of in variables)
        tried = Matched(
            *_matched(matchers, _narrowed(variables, fits, events, settled), events, ordered, strict), known
        )
        if tried.fits:
            return tried
        if best is None or tried.worth > best.worth:
            best = tried
    if best is None:  # a symbol has no value that all of its fields could have
        found, failed, surplus = _matched(matchers, fits, events, ordered, strict)
        alone = _without_value(variables, fits, events)
        first = alone if failed is None else min(failed, alone)
        best = Matched(found, first, surplus, _certain(variables, fits, events))
    return best


def _resolved(matchers: Sequence[Matcher]) -> list[list[tuple[str, str]]]:
    """Return for each matcher the names of its variables and the fields that hold them."""
    found: list[list[tuple[str, str]]] = [[] for _ in matchers]
    for index, matcher in enumerate(matchers):
        for variable in matcher.variables:
            if variable.of is None:
                found[index].append((variable.symbol, variable.field))
                continue
            of = referred(matchers, variable.of, index)
            name = f"{matchers[of].label}'s {variable.symbol}"
            found[index].append((name, variable.field))
            if (name, variable.symbol) not in found[of]:
                found[of].append((name, variable.symbol))
    return found


def referred(matchers: Sequence[Matcher], reference: str, asking: int | None = None) -> int:
    """Return the position of the matcher that a reference means.

    Raises:
        ValueError: There is none, or several; the text says which there are.
    """
    found = [index for index, one in enumerate(matchers) if index != asking and one.goes_by(reference)]
    if len(found) == 1:
        return found[0]
    labels = ", ".join(repr(one.label) for index, one in enumerate(matchers) if index != asking) or "none"
    if found:
        raise ValueError(f"same({reference!r}): {len(found)} of the expected events are that; give one a name=")
    raise ValueError(f"same({reference!r}): no other expected event is that; there are {labels}")


def _settled(
    matchers: Sequence[Matcher],
    variables: Sequence[Sequence[tuple[str, str]]],
    fits: Sequence[Sequence[int]],
    events: Sequence[UniversalEvent],
) -> Iterator[dict[str, object]]:
    """Yield each combination of values that variables may have."""
    domains: dict[str, list[object]] = {}
    for index, of in enumerate(variables):
        if not matchers[index].least:
            continue
        for name, field in of:
            values = list(dict.fromkeys(comparable(field, events[at]) for at in fits[index]))
            known = domains.get(name)
            domains[name] = values if known is None else [value for value in known if value in values]
    if not all(domains.values()):
        return
    names = sorted(domains, key=lambda name: len(domains[name]))
    chosen: dict[str, object] = {}
    needed = [index for index, matcher in enumerate(matchers) if matcher.least]

    def choose(position: int) -> Iterator[dict[str, object]]:
        if position == len(names):
            yield dict(chosen)
            return
        name = names[position]
        taken = {chosen[other] for other in names[:position] if _are_different(name, other)}
        for value in domains[name]:
            if value in taken:
                continue
            chosen[name] = value
            narrowed = _narrowed(variables, fits, events, chosen)
            if all(narrowed[index] for index in needed):
                yield from choose(position + 1)
            del chosen[name]

    yield from choose(0)


def _are_different(name: str, other: str) -> bool:
    """Return whether two symbols stand for different things: ``order#1`` and ``order#2`` do."""
    kind, numbered, _ = name.partition("#")
    return bool(numbered) and other.partition("#")[0] == kind and "#" in other


def _narrowed(
    variables: Sequence[Sequence[tuple[str, str]]],
    fits: Sequence[Sequence[int]],
    events: Sequence[UniversalEvent],
    settled: Mapping[str, object],
) -> list[list[int]]:
    """Return for each matcher the events that fit with what is settled."""
    return [
        [
            at
            for at in fits[index]
            if all(comparable(field, events[at]) == settled[name] for name, field in of if name in settled)
        ]
        for index, of in enumerate(variables)
    ]


def _without_value(
    variables: Sequence[Sequence[tuple[str, str]]], fits: Sequence[Sequence[int]], events: Sequence[UniversalEvent]
) -> int:
    """Return the first matcher whose events have no value in common with those before it."""
    values: dict[str, set[object]] = {}
    for index, of in enumerate(variables):
        for name, field in of:
            here = {comparable(field, events[at]) for at in fits[index]}
            if name in values and not values[name] & here:
                return index
            values[name] = values.get(name, here) & here
    return len(variables) - 1


def _certain(
    variables: Sequence[Sequence[tuple[str, str]]], fits: Sequence[Sequence[int]], events: Sequence[UniversalEvent]
) -> tuple[Mapping[str, object], ...]:
    """Return for each matcher what its fields had to be, where the others leave one value only."""
    found: list[dict[str, object]] = [{} for _ in variables]
    for index, of in enumerate(variables):
        for name, field in of:
            values = {
                comparable(others, events[at])
                for other, theirs in enumerate(variables)
                if other != index
                for named, others in theirs
                if named == name
                for at in fits[other]
            }
            if len(values) == 1:
                found[index][field] = values.pop()
    return tuple(found)


_Result = tuple[tuple[tuple[int, ...], ...], int | None, int | None]


def _matched(
    matchers: Sequence[Matcher],
    allowed: Sequence[Sequence[int]],
    events: Sequence[UniversalEvent],
    ordered: bool,
    strict: bool,
) -> _Result:
    if ordered:
        return _in_order(matchers, allowed, len(events), strict)
    return _Covering(matchers, allowed, len(events), strict).result()


class _Covering:
    """A matching in which every matcher has what it needs, and no event is left over that has to be somebody's.

    First each matcher gets what it needs, by augmenting paths, which take nothing away that is there already. Then each
    event that is left over and has to be somebody's is given to a matcher with room, or takes the place of one that
    finds room elsewhere.
    """

    def __init__(
        self, matchers: Sequence[Matcher], allowed: Sequence[Sequence[int]], number: int, strict: bool
    ) -> None:
        self._matchers = matchers
        self._allowed = allowed
        self._of: dict[int, int] = {}
        """Which matcher an event is given to."""
        self._taken: list[set[int]] = [set() for _ in matchers]
        self._wanting: list[list[int]] = [[] for _ in range(number)]
        for index, positions in enumerate(allowed):
            for at in positions:
                self._wanting[at].append(index)
        self._due = [strict or any(matchers[index].most is not None for index in wanting) for wanting in self._wanting]
        """Whether an event has to be somebody's."""

    def result(self) -> _Result:
        failed = None
        for index, matcher in enumerate(self._matchers):
            while len(self._taken[index]) < matcher.least:
                if not self._get(index, {index}):
                    break
            if failed is None and len(self._taken[index]) < matcher.least:
                failed = index
        surplus = None
        for at, due in enumerate(self._due):
            if due and at not in self._of and not self._place(at, set()) and surplus is None:
                surplus = at
        return tuple(tuple(sorted(taken)) for taken in self._taken), failed, surplus

    def _give(self, at: int, index: int) -> None:
        if at in self._of:
            self._taken[self._of[at]].discard(at)
        self._of[at] = index
        self._taken[index].add(at)

    def _get(self, index: int, seen: set[int]) -> bool:
        """Find one more event for a matcher, over whatever others have."""
        for at in self._allowed[index]:
            if at not in self._of:
                self._give(at, index)
                return True
        for at in self._allowed[index]:
            owner = self._of[at]
            if owner in seen:
                continue
            seen.add(owner)
            if self._get(owner, seen):
                self._give(at, index)
                return True
        return False

    def _place(self, at: int, seen: set[int]) -> bool:
        """Find a matcher for an event, over whatever is there already."""
        for index in self._wanting[at]:
            most = self._matchers[index].most
            if most is None or len(self._taken[index]) < most:
                self._give(at, index)
                return True
        for index in self._wanting[at]:
            if index in seen:
                continue
            seen.add(index)
            if any(self._place(other, seen) for other in tuple(self._taken[index])):
                self._give(at, index)
                return True
        return False


def _in_order(matchers: Sequence[Matcher], allowed: Sequence[Sequence[int]], number: int, strict: bool) -> _Result:
    """Return the matching in which all events of a matcher come before those of the next one."""
    fits = [set(positions) for positions in allowed]
    bounded = [
        any(at in fits[index] and matchers[index].most is not None for index in range(len(fits)))
        for at in range(number)
    ]
    start = (0, 0)
    back: list[dict[tuple[int, int], tuple[tuple[int, int], int | None]]] = []
    states = {start}
    furthest = (start, 0)
    surplus = None
    for at in range(number):
        steps: dict[tuple[int, int], tuple[tuple[int, int], int | None]] = {}
        for state in sorted(states):
            for index, count in _reachable(matchers, state):
                most = matchers[index].most
                if at in fits[index] and (most is None or count < most):
                    more = count + 1 if most is not None else min(count + 1, max(matchers[index].least, 1))
                    steps.setdefault((index, more), (state, index))
            if not (strict or bounded[at]):
                steps.setdefault(state, (state, None))
        if not steps:
            surplus = at
            break
        back.append(steps)
        states = set(steps)
        furthest = max(furthest, (max(states), len(back)), key=lambda item: item[0])
    done = [] if surplus is not None else [state for state in states if _is_done(matchers, state)]
    end, length = (done[0], len(back)) if done else furthest
    failed = None if done else _first_lacking(matchers, end)
    if not done and failed is None and surplus is None:  # what went furthest ended at an event that is too much
        surplus = length
    found: list[list[int]] = [[] for _ in matchers]
    for at in range(length - 1, -1, -1):
        end, taker = back[at][end]
        if taker is not None:
            found[taker].append(at)
    return tuple(tuple(reversed(one)) for one in found), failed, surplus


def _reachable(matchers: Sequence[Matcher], state: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield where the next event may go: to the present matcher, and to those after it as soon as it has enough."""
    index, count = state
    while index < len(matchers):
        yield index, count
        if count < matchers[index].least:
            return
        index, count = index + 1, 0


def _is_done(matchers: Sequence[Matcher], state: tuple[int, int]) -> bool:
    return _first_lacking(matchers, state) is None


def _first_lacking(matchers: Sequence[Matcher], state: tuple[int, int]) -> int | None:
    """Return the first matcher that has not enough yet."""
    index, count = state
    lacking = (at for at in range(index, len(matchers)) if (count if at == index else 0) < matchers[at].least)
    return next(lacking, None)
