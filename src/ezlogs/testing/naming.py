"""Naming: captured events as lines, and the trees that they make, for messages and snapshots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from ezlogs.event import Actor, Subject, UniversalEvent, type_and_id
from ezlogs.party import SYSTEM
from ezlogs.story import Node, Story
from ezlogs.story.descent import walk

if TYPE_CHECKING:
    from ezlogs.testing.captured import Captured

GLYPHS: Final = {"success": "✓", "failure": "✗", "dead": "✗", "rolled_back": "↩", "retried": "↻", "unknown": "?"}
"""How an event ended, as `ezlogs story` shows it."""

MAX_LINES: Final = 60
"""Lines of trees in a message; how many there are beyond is said."""


class Names:
    """Names for the stories and processes of a capture, and where each event is.

    Args:
        captured: The capture.
    """

    def __init__(self, captured: Captured) -> None:
        self.stories: list[Story] = captured.stories
        self._numbers = {story.correlation_id: number for number, story in enumerate(self.stories, 1)}
        self.processes = {entry.event.event_id: entry.process for entry in captured.entries if entry.process}
        self.nodes: dict[str, Node] = {}
        self.parents: dict[str, str] = {}
        for story in self.stories:
            for node, _, chain in walk(story):
                self.nodes[node.event.event_id] = node
                if chain:
                    self.parents[node.event.event_id] = chain[-1]

    def story(self, event: UniversalEvent) -> str:
        """Return what an event's story is called."""
        return self.name(event.correlation.correlation_id)

    def name(self, correlation_id: str) -> str:
        """Return what a story is called: ``story#1`` is the one that began first."""
        number = self._numbers.get(correlation_id)
        return f"story {correlation_id!r}" if number is None else f"story#{number}"

    def root(self, event: UniversalEvent) -> UniversalEvent:
        """Return the event that an event comes from, over however many causes."""
        at = event.event_id
        while at in self.parents:
            at = self.parents[at]
        return self.nodes[at].event

    def ancestors(self, event: UniversalEvent) -> list[str]:
        """Return the ids of an event's causes, the nearest first."""
        found = []
        at = event.event_id
        while at in self.parents:
            at = self.parents[at]
            found.append(at)
        return found

    def process(self, event: UniversalEvent) -> str:
        """Return which process told of an event; nothing for the one that captures."""
        process = self.processes.get(event.event_id)
        return f"pid {process.pid}, {process.name}" if process else ""

    def line(self, event: UniversalEvent) -> str:
        """Return an event in one line, with how it ended first."""
        parts = [GLYPHS.get(event.outcome, "?"), event.event_type, event.action, parties(event)]
        if event.outcome not in ("success", "unknown"):
            parts.append(event.outcome)
        if event.error is not None:
            parts.append(event.error.type.rpartition(".")[2])
        if where := self.process(event):
            parts.append(f"({where})")
        return visible(" ".join(filter(None, parts)))

    def tree(self, story: Story, indent: str = "  ") -> list[str]:
        """Return a story as lines, each event below its cause."""
        orphans = {event.event_id for event in story.orphans}
        lines = []
        for node, depth, _ in walk(story):
            line = f"{indent * (depth + 1)}{self.line(node.event)}"
            if node.event.event_id in orphans:
                line += f"   <- its cause {node.event.correlation.parent_event_id} was not captured"
            lines.append(line)
        number = len(lines)
        flows = sorted({node.event.correlation.flow_id for node in self.nodes.values() if _is_of(node, story)} - {None})  # type: ignore[type-var]  # None is out
        about = f", flow {', '.join(map(str, flows))}" if flows else ""
        return [f"{self.name(story.correlation_id)}: {number} {'event' if number == 1 else 'events'}{about}", *lines]

    def trees(self, stories: Iterable[Story] | None = None) -> list[str]:
        """Return all stories as lines, the first `MAX_LINES` of them."""
        lines = [line for story in (self.stories if stories is None else stories) for line in self.tree(story)]
        if len(lines) > MAX_LINES:
            lines[MAX_LINES:] = [f"... and {len(lines) - MAX_LINES} further lines"]
        return lines or ["(nothing)"]


def parties(event: UniversalEvent, name: Callable[[Actor | Subject], str] = type_and_id) -> str:
    """Return who did it to what: ``user:42 -> order:9``; the system is not worth a word.

    Args:
        event: The event.
        name: What a party is called.
    """
    who = "" if event.actor in (SYSTEM, Actor("unknown")) else name(event.actor)
    what = "" if event.subject is None else f"-> {name(event.subject)}"
    return " ".join(filter(None, (who, what)))


def visible(line: str) -> str:
    """Return a line with an escape for what cannot be seen, so that it is one line, and says what is different.

    Example:
        >>> print(visible("over\\nthere"))
        over\\nthere
    """
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines whose columns are in line; the last cell of a row may be as long as it likes."""
    widths: Counter[int] = Counter()
    for row in rows:
        for index, cell in enumerate(row[:-1]):
            widths[index] = max(widths[index], len(cell))
    return ["  ".join(cell.ljust(widths[index]) for index, cell in enumerate(row)).rstrip() for row in rows]


def _is_of(node: Node, story: Story) -> bool:
    return node.event.correlation.correlation_id == story.correlation_id
