"""Snapshots: captured stories as a text that is the same in each run, to compare with one in the test or in a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import UNSET

from ezlogs.event import Change, UniversalEvent
from ezlogs.snapshot import thaw
from ezlogs.story import Node, Story, Told, stories
from ezlogs.testing.naming import GLYPHS, parties, visible
from ezlogs.testing.symbols import Symbols

if TYPE_CHECKING:
    from ezlogs.testing.captured import Captured


def story(source: Captured | Story | Iterable[UniversalEvent], *, metadata: bool = True, ordered: bool = True) -> str:
    """Return what was captured as a text that is the same in each run: a tree of causes for each story.

    Ids become symbols in the order in which they are met (``user#1``, ``order#2``, ``event#1``, ``id#1``); times,
    durations, process ids and the like become ``…``. It is for inline snapshots and golden files.

    Args:
        source: What `capture` gave, a story, or events.
        metadata: Whether metadata and changes are in it.
        ordered: Whether what has the same cause is in the order of time; else by what it says, as threads and processes
            may emit it in any order.

    Example:
        >>> import ezlogs
        >>> from ezlogs.testing import capture
        >>> with capture() as captured, ezlogs.flow("checkout", 907):
        ...     _ = ezlogs.event("order.action", "placed", actor=("user", 42), subject=("order", 907),
        ...                      metadata={"total": 99.9, "order_id": 907})
        >>> print(story(captured))
        story#1
          ✓ flow.lifecycle checkout.start -> checkout#1
            ✓ order.action placed user#1 -> order#1 {order_id: order#1, total: 99.9}
            ✓ flow.lifecycle checkout.complete -> checkout#1
    """
    symbols = Symbols()
    lines = []
    for number, one in enumerate(stories_of(source), 1):
        symbols.of("story", one.correlation_id)
        lines.append(f"story#{number}")
        lines += _lines(one.roots, 1, symbols, _Options(one, metadata, ordered))
    return "\n".join(lines)


class _Options:
    """What there is to know while lines are made."""

    def __init__(self, story: Story, metadata: bool, ordered: bool) -> None:
        self.metadata = metadata
        self.ordered = ordered
        self.orphans = {event.event_id for event in story.orphans}


def stories_of(source: Captured | Story | Iterable[UniversalEvent]) -> list[Story]:
    """Return the stories of a capture, of events, or the one story."""
    if isinstance(source, Story):
        return [source]
    if hasattr(source, "told"):
        return stories(source.told)
    return stories(Told(event) for event in source)


def _lines(nodes: tuple[Node, ...], depth: int, symbols: Symbols, options: _Options) -> Iterator[str]:
    if not options.ordered:
        nodes = tuple(sorted(nodes, key=_content))
    for node in nodes:
        yield "  " * depth + _line(node.event, symbols, options)
        yield from _lines(node.children, depth + 1, symbols, options)


def _content(node: Node) -> tuple[str, ...]:
    """Return what a node says, without what is different in each run."""
    event, anew = node.event, Symbols()
    who, what = event.actor, event.subject
    own = (event.event_type, event.action, event.outcome, f"{who.type}:{who.id}")
    return (*own, f"{what.type}:{what.id}" if what else "", repr(anew.value("", event.metadata)))


def _line(event: UniversalEvent, symbols: Symbols, options: _Options) -> str:
    parts = [
        GLYPHS.get(event.outcome, "?"),
        event.event_type,
        symbols.text(event.action),
        parties(event, symbols.party),
        "" if event.outcome == "success" else event.outcome,
        event.error.type if event.error else "",
    ]
    if event.correlation.attempt is not None and event.event_type == "job.execution":
        parts.append(f"attempt {event.correlation.attempt}")
    if options.metadata:
        facts = {key: symbols.value(key, value) for key, value in sorted(event.metadata.items())}
        parts.append(_mapping(facts) if facts else "")
        parts += [f"[{'; '.join(_change(change, symbols) for change in event.changes)}]" if event.changes else ""]
    if event.event_id in options.orphans:
        parts.append(f"<- {symbols.of('event', event.correlation.parent_event_id)}, not captured")
    return visible(" ".join(filter(None, parts)))


def _change(change: Change, symbols: Symbols) -> str:
    before, after = (
        None if side is UNSET else _shown(symbols.value(change.field, thaw(side)))
        for side in (change.before, change.after)
    )
    if after is None:
        return change.field
    return f"{change.field}: {after}" if before is None else f"{change.field}: {before} -> {after}"


def _mapping(facts: dict[str, object]) -> str:
    return "{" + ", ".join(f"{key}: {_shown(value)}" for key, value in facts.items()) + "}"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return _mapping(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return value if isinstance(value, str) else repr(value)
