"""Copy as test: the code of a test that expects a story that was captured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ezlogs.event import Actor, Subject, UniversalEvent
from ezlogs.party import SYSTEM
from ezlogs.patterns import matches
from ezlogs.privacy import Scrubber
from ezlogs.story import Story
from ezlogs.testing.snapshot import stories_of
from ezlogs.testing.symbols import Symbols, is_simple, is_volatile, kind_of_id

if TYPE_CHECKING:
    from ezlogs.testing.captured import Captured

_OF_TRACKERS: Final = (
    *("auth.*", "cli.*", "data.*", "email.*", "flow.*", "graphql.*", "http.*", "job.*", "schedule.*", "system.*"),
)
"""Types whose metadata ezlogs makes; that of others is the application's, and is expected."""
_LONGEST: Final = 80


def copy_as_test(source: Captured | Story | Iterable[UniversalEvent]) -> str:
    """Return the code that expects what was captured: an ``expect_event_flow`` for each story.

    Who and what becomes symbols, so that the test passes with other ids. Facts are expected where they are the
    application's own, and simple; what privacy finds something in is left out. Events that differ in their subject only
    are counted.

    Args:
        source: What `capture` gave, a story, or events.

    Example:
        >>> import ezlogs
        >>> from ezlogs.testing import capture
        >>> with capture() as captured:
        ...     _ = ezlogs.event("order.action", "placed", actor=("user", 42), subject=("order", 907))
        >>> print(copy_as_test(captured))
        from ezlogs.testing import event, expect_event_flow
        <BLANKLINE>
        expect_event_flow(
            event("order.action", "placed", actor="user#1", subject="order#1", outcome="success"),
        )
    """
    parts = ["from ezlogs.testing import event, expect_event_flow\n"]
    for story in stories_of(source):
        symbols = Symbols()
        lines = [_matcher(group, symbols) for group in _grouped(story)]
        parts.append("\n".join(["expect_event_flow(", *(f"    {line}," for line in lines), ")\n"]))
    return "\n".join(parts).rstrip("\n")


def _grouped(story: Story) -> list[list[UniversalEvent]]:
    """Return the events in causal order; those with the same cause that differ in their subject only are together."""
    groups: defaultdict[object, list[UniversalEvent]] = defaultdict(list)
    for event in story.events:
        facts = repr(_facts(event))
        kind = event.subject.type if event.subject and event.subject.id is not None else event.event_id
        place = event.correlation
        error = event.error and event.error.type
        whose = (place.flow_id, place.parent_event_id, place.attempt)
        key = (event.event_type, event.action, event.actor, event.outcome, error, kind, facts, whose)
        groups[key].append(event)
    return list(groups.values())


def _matcher(group: list[UniversalEvent], symbols: Symbols) -> str:
    event = group[0]
    parts = [_text(event.event_type), _text(event.action)]
    if event.actor != SYSTEM and (actor := _party(event.actor, symbols)):
        parts.append(f"actor={actor}")
    if len(group) > 1 and event.subject is not None:
        if is_simple(event.subject.type):
            parts.append(f'subject="{event.subject.type}:*"')
    elif event.subject is not None and (subject := _party(event.subject, symbols)):
        parts.append(f"subject={subject}")
    parts.append(f"outcome={_text(event.outcome)}")
    if event.correlation.flow_id is not None:
        parts.append(f"flow={_text(symbols.of('flow', event.correlation.flow_id))}")
    if event.correlation.attempt is not None:
        parts.append(f"attempt={event.correlation.attempt}")
    if event.error is not None:
        parts.append(f"error={_text(event.error.type)}")
    if facts := _facts(event):
        parts.append(f"metadata={{{', '.join(f'{_text(key)}: {_literal(value)}' for key, value in facts.items())}}}")
    if len(group) > 1:
        parts.append(f"times={len(group)}")
    return f"event({', '.join(parts)})"


def _party(party: Actor | Subject, symbols: Symbols) -> str:
    if not is_simple(party.type):
        return "" if party.id is None else f"({_text(party.type)}, {_text(party.id)})"
    return _text(symbols.party(party))


def _facts(event: UniversalEvent) -> dict[str, object]:
    """Return the facts that a test may expect: the application's, simple, the same in each run, no secret."""
    if matches(_OF_TRACKERS, event.event_type):
        return {}
    found: dict[str, object] = {}
    scrubber, findings = Scrubber().within(event.event_type), list[str]()
    anew = Symbols()
    for key, value in event.metadata.items():
        simple = isinstance(value, (bool, int, str)) and len(repr(value)) <= _LONGEST
        if not simple or is_volatile(key) or kind_of_id(key) is not None:
            continue
        if scrubber.name(key, "", findings) != key or scrubber.value(key, value, key, findings) != value:
            continue
        if not isinstance(value, str) or anew.text(value) == value:
            found[key] = value
    return found


def _literal(value: object) -> str:
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    """Return a text as Python code, in double quotes where that is possible."""
    code = repr(text)
    return f'"{code[1:-1]}"' if code.startswith("'") and '"' not in code and "\\'" not in code else code
