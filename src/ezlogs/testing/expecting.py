"""Expectations: what has to be among the captured events, and what must not be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from ezlogs.event import UniversalEvent
from ezlogs.nearest import nearest
from ezlogs.story import Story, together
from ezlogs.testing.failing import Attempt, Group, chain_failure, event_failure, flow_failure
from ezlogs.testing.matchers import Matcher, any_of, event
from ezlogs.testing.matching import match
from ezlogs.testing.naming import Names

if TYPE_CHECKING:
    from ezlogs.testing.captured import Captured

__unittest = True  # unittest shows none of this file in a failure
_Seen = TypeVar("_Seen")

_POLL: Final = 0.005
"""Seconds between two looks."""

LINKS: Final = {
    "http": ("http.request", "http.client"),
    "graphql": ("graphql.operation",),
    "db": ("data.change", "data.raw", "data.transaction"),
    "job": ("job.execution",),
    "enqueue": ("job.enqueue",),
    "email": ("email.delivery",),
    "command": ("cli.command",),
    "schedule": ("schedule.run",),
    "flow": ("flow.lifecycle",),
    "auth": ("auth.session",),
}
"""Short names for links of a chain, and the types of events that they stand for."""


class Expecting:
    """What can be expected of a capture. `Captured` is one; the functions of the same names ask the present one."""

    def expect_event_flow(
        self,
        *matchers: Matcher | str,
        ordered: bool = False,
        strict: bool = False,
        wait: float = 0,
        flow: str | None = None,
    ) -> list[UniversalEvent]:
        """Expect events in one story, whoever emitted them.

        Each expected event is another captured one. Where several could be one, every way is tried that could fit.
        Stories that are linked, such as those that `resume_flow` joins, count as one.

        Args:
            *matchers: What is expected, as `event` says it; a text is an event type.
            ordered: Whether they come in this order; else in any.
            strict: Whether there are no other events in the story.
            wait: Seconds to wait at most, for other threads and processes.
            flow: The correlation id or the flow id in which they are expected; any when left out.

        Returns:
            The first event of each expected one that was found, in the order of the matchers.

        Raises:
            AssertionError: Something is missing or too much. The text says which step failed and why, what was captured
                instead, what comes nearest and where it differs, and where the correlation was lost.
            ValueError: What is expected cannot be: the text says what is wrong and what is allowed.

        Example:
            >>> import ezlogs
            >>> from ezlogs.testing import capture, event, same
            >>> with capture() as captured, ezlogs.flow("checkout", 42):
            ...     _ = ezlogs.event("order.action", "placed", actor=("user", 7), subject=("order", 42))
            ...     _ = ezlogs.event("payment.action", "charged", actor=("user", 7))
            >>> found = captured.expect_event_flow(
            ...     event("order.placed", actor="user:*", subject="order:42"),
            ...     event("payment.charged", actor=same("order.placed")),
            ... )
            >>> [one.action for one in found]
            ['placed', 'charged']
        """
        __tracebackhide__ = True
        wanted = _matchers(matchers)
        attempt = _until(wait, lambda: _best(self._captured, wanted, ordered, strict, flow), _fits)
        if _fits(attempt):
            return _found(attempt)
        raise AssertionError(flow_failure(wanted, attempt, Names(self._captured), ordered=ordered, waited=wait))

    async def eventually(
        self,
        *matchers: Matcher | str,
        wait: float = 5.0,
        ordered: bool = False,
        strict: bool = False,
        flow: str | None = None,
    ) -> list[UniversalEvent]:
        """Expect events in one story, and let the event loop run meanwhile.

        Args:
            *matchers: As for `expect_event_flow`, and so are the others.
            wait: Seconds to wait at most.
            ordered: Whether they come in this order.
            strict: Whether there are no other events in the story.
            flow: The correlation id or the flow id in which they are expected.

        Returns:
            As `expect_event_flow`.

        Raises:
            AssertionError: As `expect_event_flow`.

        Example:
            >>> import asyncio, ezlogs
            >>> from ezlogs.testing import capture, event
            >>> async def later():
            ...     await asyncio.sleep(0.01)
            ...     ezlogs.event("order.action", "placed")
            >>> async def test():
            ...     async with capture() as captured:
            ...         task = asyncio.create_task(later())
            ...         return await captured.eventually(event("order.placed"))
            >>> [found] = asyncio.run(test())
            >>> found.action
            'placed'
        """
        __tracebackhide__ = True
        wanted = _matchers(matchers)
        deadline = time.monotonic() + wait
        while True:
            attempt = _best(self._captured, wanted, ordered, strict, flow)
            if _fits(attempt):
                return _found(attempt)
            if time.monotonic() >= deadline:
                break
            await asyncio.sleep(_POLL)
        raise AssertionError(flow_failure(wanted, attempt, Names(self._captured), ordered=ordered, waited=wait))

    def expect_no_event(self, *matchers: Matcher | str, wait: float = 0) -> None:
        """Expect that no event of any story is like one of these.

        Args:
            *matchers: What must not be, as `event` says it; a text is an event type. Any event when left out.
            wait: Seconds to look on, for other threads and processes.

        Raises:
            AssertionError: There is one; the text says which, and where it came from.

        Example:
            >>> from ezlogs.testing import capture, event
            >>> with capture() as captured:
            ...     captured.expect_no_event(event("*", outcome="failure"))
        """
        __tracebackhide__ = True
        wanted = _matchers(matchers or ("*",))

        def unexpected() -> tuple[Matcher, UniversalEvent] | None:
            events = self._captured.events
            return next(((one, found) for one in wanted for found in events if one.fits(found)), None)

        found = _until(wait, unexpected, lambda found: found is not None)
        if found is not None:
            raise AssertionError(event_failure(found[0], self._captured.events, Names(self._captured), found[1]))

    def expect_correlation_chain(
        self, *links: Matcher | str, wait: float = 0, flow: str | None = None, direct: bool = False
    ) -> list[UniversalEvent]:
        """Expect that one thing led to another: events of one story, all of them caused by the first.

        Args:
            *links: What is expected, the beginning first: as `event` says it, an event type, or in short ``http``,
                ``db``, ``enqueue``, ``job``, ``email``, ``graphql``, ``command``, ``schedule``, ``flow``, ``auth``.
            wait: Seconds to wait at most, for other threads and processes.
            flow: The correlation id or the flow id in which they are expected; any when left out.
            direct: Whether each is caused by the one before it, directly or over others, and not only by the first.

        Returns:
            The events, in the order of the links.

        Raises:
            AssertionError: The chain is broken; the text says where, and what most likely broke it.
            ValueError: There are no links, or one is no type of events and no short name.

        Example:
            >>> import ezlogs
            >>> from ezlogs.testing import capture
            >>> @ezlogs.tracked("invoice.action", "rendered")
            ... def render():
            ...     ezlogs.event("email.delivery", "sent")
            >>> with capture() as captured, ezlogs.flow("billing", 42):
            ...     render()
            >>> chain = captured.expect_correlation_chain("flow", "invoice.action", "email", direct=True)
            >>> [link.action for link in chain]
            ['billing.start', 'rendered', 'sent']
        """
        __tracebackhide__ = True
        if not links:
            raise ValueError("expect_correlation_chain: name at least one link, such as 'http'")
        wanted = [_link(link) for link in links]
        chain = _until(
            wait, lambda: _longest(self._captured, wanted, flow, direct), lambda best: len(best[1]) == len(wanted)
        )
        story, found = chain
        if len(found) == len(wanted):
            return found
        missing = wanted[len(found)]
        strays = [one for one in self._captured.events if missing.fits(one) and one not in found]
        raise AssertionError(
            chain_failure(wanted, found, story, Names(self._captured), strays=strays, direct=direct, waited=wait)
        )

    def flow_of(self, matcher: Matcher | str) -> str:
        """Return the correlation id of the story with an event, to expect others in the same one.

        Args:
            matcher: The event, as `event` says it; a text is an event type.

        Raises:
            AssertionError: No story has one, or several have.

        Example:
            >>> import ezlogs
            >>> from ezlogs.testing import capture
            >>> with capture() as captured:
            ...     placed = ezlogs.event("order.action", "placed")
            >>> captured.flow_of("order.placed") == placed.correlation.correlation_id
            True
        """
        __tracebackhide__ = True
        [wanted] = _matchers((matcher,))
        stories = dict.fromkeys(
            found.correlation.correlation_id for found in self._captured.events if wanted.fits(found)
        )
        if len(stories) == 1:
            return next(iter(stories))
        names = Names(self._captured)
        told = f"is in {len(stories)} stories" if stories else "is in no story"
        lines = "\n  ".join(names.trees())
        raise AssertionError(f"flow_of: `{wanted.label}` {told}; expected in one\ncaptured:\n  {lines}")

    @property
    def _captured(self) -> Captured:
        return self  # type: ignore[return-value]  # `Captured` is the only one


def _matchers(wanted: Sequence[Matcher | str]) -> list[Matcher]:
    found = []
    for one in wanted:
        if not isinstance(one, (Matcher, str)):
            raise TypeError(f"{one!r}: an expected event is what event(...) returns, or an event type")
        found.append(event(one) if isinstance(one, str) else one)
    return found


def _link(link: Matcher | str) -> Matcher:
    if isinstance(link, Matcher):
        return link
    if link in LINKS:
        return event(any_of(*LINKS[link]), name=link)
    if "." not in link and "*" not in link:
        near = nearest(link, LINKS)
        hint = f"; did you mean {near!r}?" if near else f"; use an event type, or {', '.join(LINKS)}"
        raise ValueError(f"link {link!r}{hint}")
    return event(link)


def _until(wait: float, look: Callable[[], _Seen], enough: Callable[[_Seen], bool]) -> _Seen:
    """Look until it is enough or time is up."""
    deadline = time.monotonic() + wait
    while True:
        seen = look()
        if enough(seen) or time.monotonic() >= deadline:
            return seen
        time.sleep(min(_POLL, wait))


def _fits(attempt: Attempt | None) -> bool:
    return attempt is not None and attempt.matched.fits


def _found(attempt: Attempt | None) -> list[UniversalEvent]:
    assert attempt is not None
    return [attempt.group.events[found[0]] for found in attempt.matched.found if found]


def _best(
    captured: Captured, wanted: Sequence[Matcher], ordered: bool, strict: bool, flow: str | None
) -> Attempt | None:
    """Return how the events of a story fit: of the first that does, or of the one that does best."""
    best: Attempt | None = None
    for group in _groups(captured, flow):
        attempt = Attempt(group, match(wanted, group.events, ordered=ordered, strict=strict))
        if attempt.matched.fits:
            return attempt
        if best is None or attempt.matched.worth > best.matched.worth:
            best = attempt
    if best is None and not any(one.least for one in wanted):  # nothing is expected, and nothing is there
        best = Attempt(Group((), []), match(wanted, []))
    return best


def _groups(captured: Captured, flow: str | None) -> list[Group]:
    events = captured.events
    found = []
    for stories in together(captured.stories):
        ids = {story.correlation_id for story in stories}
        own = [one for one in events if one.correlation.correlation_id in ids]
        if flow is not None and flow not in ids:
            own = [one for one in own if one.correlation.flow_id == flow]
        if own:
            found.append(Group(stories, own))
    return found


def _longest(
    captured: Captured, links: Sequence[Matcher], flow: str | None, direct: bool
) -> tuple[Story | None, list[UniversalEvent]]:
    """Return the longest beginning of a chain that is there, and its story."""
    best: tuple[Story | None, list[UniversalEvent]] = (None, [])
    names = Names(captured)
    for group in _groups(captured, flow):
        causes = {one.event_id: set(names.ancestors(one)) for one in group.events}
        chain = _chain(links, group.events, causes, direct)
        if best[0] is None or len(chain) > len(best[1]):
            best = (group.stories[0], chain)
        if len(chain) == len(links):
            break
    return best


def _chain(
    links: Sequence[Matcher], events: Sequence[UniversalEvent], causes: dict[str, set[str]], direct: bool
) -> list[UniversalEvent]:
    """Return the longest beginning of a chain among some events.

    With ``direct`` only the last link decides what may follow, so that each event is looked at once for each link;
    without, only the first does.
    """
    fits = [[one for one in events if link.fits(one)] for link in links]
    best: list[UniversalEvent] = []
    if not direct:
        for first in fits[0]:
            chain = [first]
            for candidates in fits[1:]:
                below = [one for one in candidates if first.event_id in causes[one.event_id] and one not in chain]
                if not below:
                    break
                chain.append(below[0])
            if len(chain) > len(best):
                best = chain
        return best
    reached: list[dict[str, UniversalEvent | None]] = [{one.event_id: None for one in fits[0]}]
    by_id = {one.event_id: one for one in events}
    for candidates in fits[1:]:
        step: dict[str, UniversalEvent | None] = {}
        for one in candidates:
            before = next((by_id[cause] for cause in reached[-1] if cause in causes[one.event_id]), None)
            if before is not None:
                step[one.event_id] = before
        if not step:
            break
        reached.append(step)
    at = next(iter(reached[-1]), None)
    for step in reversed(reached):
        if at is None:
            break
        best.append(by_id[at])
        before = step[at]
        at = before.event_id if before is not None else None
    return best[::-1]
