"""The outline of a story: the lines of its tree, each with its depth and its parts, for whatever draws them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import tzinfo
from typing import NamedTuple

from ezlogs.event import UniversalEvent
from ezlogs.story.cast import Cast
from ezlogs.story.descent import walk
from ezlogs.story.links import origins
from ezlogs.story.phrases import lateness, schedule_name
from ezlogs.story.telling import Story
from ezlogs.story.tree import Node
from ezlogs.story.wording import counted, duration, last_segment, moment, printable, words

GLYPHS = {
    "success": ("✓", "green"),
    "failure": ("✗", "red"),
    "dead": ("✗", "bold red"),
    "rolled_back": ("↩", "yellow"),
    "retried": ("↻", "yellow"),
    "unknown": ("?", "magenta"),
}
"""What stands for an outcome, and its style."""

ASCII = {"✓": "+", "✗": "x", "↩": "<", "↻": "~", "├── ": "|-- ", "└── ": "`-- ", "│   ": "|   ", "…": "..."}
"""What stands for the marks where the terminal has no such characters."""

_OUTCOMES = {"Completed": "green", "Completed with retries": "yellow", "Still running": "yellow"}
_WHOLE_ACTIONS = ("http.request", "http.client", "graphql.operation")


class Part(NamedTuple):
    """A piece of a line."""

    text: str
    style: str = ""
    """As `rich` names it: ``bold``, ``red``, ``dim`` ...; nothing for a usual one."""


class Line(NamedTuple):
    """The line of one event."""

    depth: int
    """How far below the beginning it is; 0 for the beginning itself."""
    parts: tuple[Part, ...]
    event_id: str


class Outline(NamedTuple):
    """A story in lines."""

    head: tuple[Part, ...]
    """What it was about, how it came out, and what else is to be known of it, a line each."""
    lines: tuple[Line, ...]


class _Above(NamedTuple):
    """What the lines below a line need not say again."""

    service: str = ""
    who: str = ""
    run: UniversalEvent | None = None


def outline(
    story: Story,
    others: Iterable[Story] = (),
    *,
    asides: Mapping[str, str] | None = None,
    news: Collection[str] | None = None,
    zone: tzinfo | None = None,
) -> Outline:
    """Return the outline of a story.

    A line stands below its cause and holds the outcome, the beginning, the service, the action and subject, the error,
    the duration and the actor; service and actor only where they change.

    Args:
        story: The story.
        others: Those that it may go on from; they are named by their titles.
        asides: What else is to be said of events, by their ids.
        news: The ids of the events to show, with what led to them; all when left out.
        zone: The time zone in which to say when it began, with its id; neither is said when left out.
    """
    head = [Part(story.title, "bold"), Part(story.closing, _OUTCOMES.get(story.outcome, "red"))]
    if zone is not None:
        head.append(Part(f"{moment(story.began, zone)}, story {printable(story.correlation_id)}", "dim"))
    if going_on := origins(story, others):
        head.append(Part(going_on, "dim"))
    nodes = list(walk(story))
    shown = _with_causes(nodes, news) if news is not None else None
    if shown is not None and len(shown) < len(nodes):
        again = counted(len(nodes) - len(shown), "earlier event")
        head.append(Part(f"It goes on, after {again}.", "dim"))
    cast, above = Cast(story.events), [_Above()]
    lines = []
    for node, depth, _ in nodes:
        event = node.event
        run = event if event.event_type == "job.execution" else above[depth].run
        here = _Above(node.service, cast.doer(event) or "", run)
        if shown is None or event.event_id in shown:
            parts = _parts(node, node.at - story.began, cast, above[depth], here)
            if asides and (aside := asides.get(event.event_id)):
                parts = (*parts, Part(printable(aside), "yellow"))
            lines.append(Line(depth, parts, event.event_id))
        above[depth + 1 :] = [here]
    return Outline(tuple(head), tuple(lines))


def render_plain(drawn: Outline, *, ascii_only: bool = False) -> str:
    """Return an outline as text, without colours, a line feed at the end of each line.

    Args:
        drawn: The outline.
        ascii_only: Whether the marks are to be ASCII characters.

    Example:
        >>> print(render_plain(Outline((Part("Ada placed order 42"),), (Line(0, (Part("✓"), Part("POST")), "e"),))))
        Ada placed order 42
        └── ✓  POST
        <BLANKLINE>
    """
    text = "".join(f"{part.text}\n" for part in drawn.head)
    for guides, line in zip(_guides(drawn.lines), drawn.lines, strict=True):
        text += f"{guides}{'  '.join(part.text for part in line.parts)}\n"
    return plain_marks(text) if ascii_only else text


def plain_marks(text: str) -> str:
    """Return a text with ASCII characters for the marks of outlines.

    >>> plain_marks("└── ✓  POST")
    '`-- +  POST'
    """
    for mark, plain in ASCII.items():
        text = text.replace(mark, plain)
    return text


def _guides(lines: tuple[Line, ...]) -> Iterator[str]:
    """Yield what leads to each line: the branches of the tree."""
    goes_on: list[list[bool]] = []
    open_below: dict[int, bool] = {}  # whether a line of a depth still comes, seen from the end
    for line in reversed(lines):
        goes_on.append([open_below.get(depth, False) for depth in range(line.depth + 1)])
        open_below = {depth: more for depth, more in open_below.items() if depth < line.depth}
        open_below[line.depth] = True
    for branches in reversed(goes_on):
        *outer, last = branches
        yield "".join("│   " if more else "    " for more in outer) + ("├── " if last else "└── ")


def _with_causes(nodes: list[tuple[Node, int, tuple[str, ...]]], news: Collection[str]) -> set[str]:
    """Return the ids of events that are new, and of those that they are below."""
    shown: set[str] = set()
    path: list[str] = []
    for node, depth, _ in nodes:
        path[depth:] = [node.event.event_id]
        if node.event.event_id in news:
            shown.update(path)
    return shown


def _parts(node: Node, offset: int, cast: Cast, above: _Above, here: _Above) -> tuple[Part, ...]:
    event = node.event
    parts = (
        Part(*GLYPHS.get(event.outcome, GLYPHS["unknown"])),
        Part(f"+{duration(offset / 1e9)}" if offset >= 1_000_000 else "+0 ms", "dim"),
        Part(here.service if here.service != above.service else "", "cyan"),
        Part(_what(event, cast, here.run), "bold" if not offset else ""),
        Part(_why(event), "red"),
        Part(duration(event.duration) if event.duration is not None else "", "dim"),
        Part(here.who if here.who != above.who and not _is_itself(event) else "", "italic"),
    )
    return tuple(Part(printable(text), style) for text, style in parts if text)


def _is_itself(event: UniversalEvent) -> bool:
    """Return whether an event names its actor already: a schedule's run."""
    return event.event_type == "schedule.run" and event.actor.type == "scheduler"


def _why(event: UniversalEvent) -> str:
    """Return what kind of error an event had: the exit code of a command, the type of any other."""
    if event.event_type == "cli.command" and event.metadata.get("exit_code"):
        return f"exit code {event.metadata['exit_code']}"
    return last_segment(event.error.type) if event.error else ""


def _what(event: UniversalEvent, cast: Cast, run: UniversalEvent | None) -> str:
    """Return what happened in a few words: ``POST /orders/ 201``, ``placed order 42``, ``run send_receipt #2``."""
    if event.event_type in _WHOLE_ACTIONS:
        status, attempt = event.metadata.get("status"), event.metadata.get("attempt")
        line = event.action if status is None else f"{event.action} {status}"
        return f"{line} #{attempt}" if isinstance(attempt, int) and attempt > 1 else line
    if event.event_type == "cli.command":
        options = event.metadata.get("options")
        return " ".join((event.action, *map(str, options if isinstance(options, tuple) else ())))
    if event.event_type == "schedule.run":
        return " ".join(("schedule", schedule_name(event), *lateness(event, cast)))
    if event.event_type == "job.enqueue":
        joined = cast.joined(event)
        return f"queue {cast.job(event)}" + (f" after {counted(joined, 'other job')}" if joined else "")
    if event.event_type == "job.execution":
        attempt = event.correlation.attempt
        return f"run {cast.job(event)}" + (f" #{attempt}" if attempt else "")
    if event.event_type == "flow.lifecycle" and event.action.endswith(".step"):
        return f"step {words(str(event.metadata.get('step', 'unnamed')))}"
    if event.event_type == "email.delivery":
        return f"mail {cast.mail(event, run) or last_segment(event.action)}"
    action, rows = last_segment(event.action).replace("_", " "), event.metadata.get("rows")
    if event.event_type == "flow.lifecycle" and event.outcome == "unknown":
        action = "interrupted"
    if event.subject is None or event.event_type == "data.transaction":
        return action if event.event_type == "data.transaction" else f"{event.event_type} {action}"
    if isinstance(rows, int) and action.startswith("bulk "):
        return f"{action} {cast.number_of(rows, event.subject.type)}"
    return f"{action} {cast.thing(event.subject, article=False)}"
