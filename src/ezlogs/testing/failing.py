"""Failing: the text of an expectation that was not met: which step, why, what was there, and the nearest miss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ezlogs.event import UniversalEvent
from ezlogs.story import Node, Story
from ezlogs.story.history import HOPS
from ezlogs.testing.breaks import broken
from ezlogs.testing.matchers import Field, Matcher
from ezlogs.testing.matching import Matched
from ezlogs.testing.naming import Names, columns, parties, visible


class Group(NamedTuple):
    """Stories that belong together, and their events in the order of emission."""

    stories: tuple[Story, ...]
    events: list[UniversalEvent]


class Attempt(NamedTuple):
    """How matching came out for a group."""

    group: Group
    matched: Matched


def flow_failure(
    matchers: Sequence[Matcher], attempt: Attempt | None, names: Names, *, ordered: bool, waited: float
) -> str:
    """Return why a flow is not as expected.

    Args:
        matchers: What was expected.
        attempt: The best one; None where there was nothing to try.
        names: What everything is called.
        ordered: Whether the order counted.
        waited: For how many seconds.
    """
    if attempt is None:
        lines = [f"expect_event_flow: {_first(matchers)}; nothing was captured{_waited(waited)}", "expected:"]
        lines += [f"  ✗ {matcher!r}" for matcher in matchers]
        return "\n".join(map(visible, lines))
    group, matched = attempt
    where = " and ".join(names.name(story.correlation_id) for story in group.stories)
    lines = [f"expect_event_flow: {_verdict(matchers, attempt, names, ordered=ordered)}"]
    lines[0] += f" in {where}{_waited(waited)}"
    lines += ["expected" + (", in this order:" if ordered else ":"), *_steps(matchers, attempt, names)]
    lines += ["captured:", *_indented(names.trees())]
    if matched.failed is not None:
        lines += _nearest(matchers, matched.failed, attempt, names)
    return "\n".join(map(visible, lines))


def _first(matchers: Sequence[Matcher]) -> str:
    needed = [index for index, matcher in enumerate(matchers) if matcher.least]
    index = needed[0] if needed else 0
    return f"step {index + 1} of {len(matchers)} `{matchers[index].label}` not found"


def _waited(seconds: float) -> str:
    return f" (waited {seconds:g} s)" if seconds else ""


def _verdict(matchers: Sequence[Matcher], attempt: Attempt, names: Names, *, ordered: bool) -> str:
    group, matched = attempt
    if matched.failed is not None:
        index, matcher = matched.failed, matchers[matched.failed]
        step = f"step {index + 1} of {len(matchers)} `{matcher.label}`"
        number = len(matched.found[index])
        if matcher.least > 1:
            return f"{step} found {_times(number)}, expected {matcher.times.words if matcher.times else 'once'}"
        if ordered and any(matcher.fits(event) for event in group.events):
            return f"{step} not found after step {index}" if index else f"{step} not found before the others"
        return f"{step} not found"
    surplus = group.events[matched.surplus or 0]
    for index, matcher in enumerate(matchers):
        number = sum(matcher.fits(event) for event in group.events)
        if matcher.most is not None and matcher.fits(surplus) and number > matcher.most:
            words = matcher.times.words if matcher.times else ""
            return f"step {index + 1} of {len(matchers)} `{matcher.label}` found {_times(number)}, expected {words}"
    known = any(matcher.fits(surplus) for matcher in matchers)
    return f"{names.line(surplus)} is there, which {'is out of order' if known else 'nobody expects (strict)'}"


def _times(number: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(number, f"{number} times")


def _steps(matchers: Sequence[Matcher], attempt: Attempt, names: Names) -> list[str]:
    """Return the list of steps, each with what was found for it."""
    group, matched = attempt
    hops = _hops(group)
    rows = []
    for index, matcher in enumerate(matchers):
        found = [group.events[at] for at in matched.found[index]]
        enough = len(found) >= matcher.least and index != matched.failed
        often = f" ({len(found)} of {matcher.least})" if matcher.least > 1 or len(found) > 1 else ""
        if not found:
            rows.append([f"  {'✓' if enough else '✗'} {_expectation(matcher)}{often}"])
            continue
        event = found[0]
        hop = hops.get(event.event_id)
        rows.append(
            [
                f"  {'✓' if enough else '✗'} {matcher.label}{often}",
                f"in {hop.action}" if hop is not None and hop is not event else event.action,
                parties(event),
            ]
        )
    return columns(rows)


def _expectation(matcher: Matcher) -> str:
    return repr(matcher) if len(matcher.expected) > 1 or matcher.where or matcher.times else matcher.label


def _hops(group: Group) -> dict[str, UniversalEvent]:
    """Return for each event the request, job or command that it happened in."""
    found: dict[str, UniversalEvent] = {}
    for story in group.stories:
        waiting: list[tuple[Node, UniversalEvent | None]] = [(root, None) for root in story.roots]
        while waiting:
            node, hop = waiting.pop()
            here = node.event if node.event.event_type in HOPS else hop
            if here is not None:
                found[node.event.event_id] = here
            waiting += [(child, here) for child in node.children]
    return found


def _nearest(matchers: Sequence[Matcher], failed: int, attempt: Attempt, names: Names) -> list[str]:
    """Return the event that comes nearest to what was not found, field by field, and what became of its story."""
    group, matched = attempt
    matcher, known = matchers[failed], matched.known[failed]
    own = set(matched.found[failed])
    inside = {id(event) for event in group.events}
    taken = {at: index for index, found in enumerate(matched.found) for at in found}
    candidates = [
        event
        for at, event in enumerate(group.events)
        if at not in own or not all(field.fits for field in matcher.compare(event, known))
    ]
    candidates += [node.event for node in names.nodes.values() if id(node.event) not in inside]
    position = {id(event): at for at, event in enumerate(group.events)}
    scored = [(likeness(matcher.compare(event, known), matcher), event) for event in candidates]
    scored = [(score, event) for score, event in scored if score > 0]
    if not scored:
        return [f"nearest: nothing is like `{matcher.label}`"]
    _, event = max(scored, key=lambda pair: pair[0])
    fields = matcher.compare(event, known)
    lines = [f"nearest: `{event.event_type} {event.action}` in {names.story(event)} (root: {_root(event, names)})"]
    at = position.get(id(event))
    if not all(field.fits for field in fields):
        lines += field_lines(fields)
    elif at in taken:
        lines.append(f"  it fits, and is taken by step {taken[at] + 1} `{matchers[taken[at]].label}`")
    elif at is not None:
        lines.append("  it fits, and is in another place of the order")
    if at is None:
        lines += _indented(broken(event, group.stories[0], names))
    return lines


def likeness(fields: Sequence[Field], matcher: Matcher) -> float:
    """Return how near an event is: its type counts most, then its action; each other field as much as any."""
    weights = {"type": 4.0, "action": 2.0, "subject": 1.5}
    whole = sum(weights.get(field.name, 1.0) for field in fields)
    score = sum(weights.get(field.name, 1.0) for field in fields if field.fits)
    by_name = {field.name: field for field in fields}
    if not by_name["type"].fits and isinstance(matcher.expected["type"], str):
        kind, got = matcher.expected["type"].partition(".")[0], by_name["type"].got.partition(".")[0]
        score += 2.0 if kind == got else 0.0
    return score / whole


def field_lines(fields: Sequence[Field]) -> list[str]:
    """Return what was expected beside what was there, a line for each field."""
    rows = [
        [f"  ✓ {field.name}", field.got, ""]
        if field.fits
        else [f"  ✗ {field.name}", f"expected {field.expected}", f"got {field.got}"]
        for field in fields
    ]
    return columns(rows)


def _root(event: UniversalEvent, names: Names) -> str:
    root = names.root(event)
    return "itself" if root is event else f"{root.event_type} {root.action}"


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def event_failure(matcher: Matcher, events: Sequence[UniversalEvent], names: Names, unexpected: UniversalEvent) -> str:
    """Return why an event should not be there.

    Args:
        matcher: What was not expected.
        events: All that were captured.
        names: What everything is called.
        unexpected: The first that fits.
    """
    number = sum(matcher.fits(event) for event in events)
    lines = [
        f"expect_no_event: `{matcher.label}` found {_times(number)}",
        f"  {names.line(unexpected)} in {names.story(unexpected)} (root: {_root(unexpected, names)})",
        f"not expected: {matcher!r}",
        "captured:",
    ]
    return "\n".join(map(visible, [*lines, *_indented(names.trees())]))


def chain_failure(
    links: Sequence[Matcher],
    found: Sequence[UniversalEvent],
    story: Story | None,
    names: Names,
    *,
    strays: Sequence[UniversalEvent],
    direct: bool,
    waited: float,
) -> str:
    """Return why a chain of causes is not as expected.

    Args:
        links: What was expected, the cause first.
        found: As far as it goes, in the best story.
        story: That story; None where there is none.
        names: What everything is called.
        strays: Events that are like the missing link, but not caused by what is before it.
        direct: Whether each had to be caused by the one before it.
        waited: For how many seconds.
    """
    missing = len(found)
    where = "" if story is None else f" in {names.name(story.correlation_id)}"
    link = links[missing]
    if missing == 0:
        verdict = f"link 1 of {len(links)} `{link.label}` not found{where}"
    else:
        before = found[-1] if direct else found[0]
        verdict = (
            f"link {missing + 1} of {len(links)} `{link.label}` is not caused by `{before.event_type} {before.action}`"
            f"{where}"
        )
    lines = [f"expect_correlation_chain: {verdict}{_waited(waited)}", "expected, each after its cause:"]
    rows = [[f"  ✓ {one.label}", names.line(event)] for one, event in zip(links, found, strict=False)]
    rows += [[f"  {'✗' if index == missing else '…'} {links[index].label}"] for index in range(missing, len(links))]
    lines += [*columns(rows), "captured:", *_indented(names.trees())]
    if strays:
        lines += _stray(strays[0], found, story, names)
    else:
        lines.append(f"nearest: nothing is like `{link.label}`")
    return "\n".join(map(visible, lines))


def _stray(stray: UniversalEvent, found: Sequence[UniversalEvent], story: Story | None, names: Names) -> list[str]:
    lines = [f"nearest: `{stray.event_type} {stray.action}` in {names.story(stray)} (root: {_root(stray, names)})"]
    if story is None or not found:
        return [*lines, f"  in flow {stray.correlation.flow_id or 'none'}"]
    if stray.correlation.correlation_id != story.correlation_id:
        return [*lines, *_indented(broken(stray, story, names))]
    cause = stray.correlation.parent_event_id
    if cause is None:
        told = "none"
    else:
        told = names.line(names.nodes[cause].event) if cause in names.nodes else f"{cause}, which was not captured"
    lines.append("  in the same story, but not below what is before it:")
    lines.append(f"  cause    expected {names.line(found[-1])}, or what it caused")
    lines.append(f"           got {told}")
    return lines
