"""A story as a tree in the terminal. The only module here that needs `rich` (extra ``dev``)."""

from __future__ import annotations

from rich.text import Text
from rich.tree import Tree

from ezlogs.event import UniversalEvent
from ezlogs.story.cast import Cast
from ezlogs.story.render import walk
from ezlogs.story.telling import Story
from ezlogs.story.tree import Node
from ezlogs.story.wording import capitalised, duration, last_segment, printable

_GLYPHS = {
    "success": ("✓", "green"),
    "failure": ("✗", "red"),
    "dead": ("✗", "bold red"),
    "rolled_back": ("↩", "yellow"),
    "retried": ("↻", "yellow"),
    "unknown": ("?", "magenta"),
}
_OUTCOME_STYLES = {"Completed": "green", "Completed with retries": "yellow", "Still running": "yellow"}


def render_tree(story: Story) -> Tree:
    """Return a story as a `rich.tree.Tree`: a line for each event, below its cause.

    A line holds how it ended, when it began, the service, the action, the subject, the duration and who acted.
    """
    title = Text.assemble(
        (story.title, "bold"),
        "  ",
        (story.closing, _OUTCOME_STYLES.get(story.outcome, "red")),
        no_wrap=True,
        overflow="ellipsis",
    )
    top = Tree(title, guide_style="dim")
    cast = Cast(story.events)
    branches = [top]
    for node, depth in walk(story):
        branches[depth + 1 :] = [branches[depth].add(_line(node, story, cast))]
    for note in story.notes:
        top.add(Text(note, style="yellow"))
    return top


def _line(node: Node, story: Story, cast: Cast) -> Text:
    event = node.event
    glyph, style = _GLYPHS[event.outcome]
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(glyph, style).append(f" {_offset(node.at - story.began):>7} ", "dim")
    parts = (
        (node.service if len(story.services) > 1 else "", "cyan"),
        (_what(event), "bold"),
        (_thing(event, cast), ""),
        (last_segment(event.error.type) if event.error else "", "red"),
        (duration(event.duration) if event.duration is not None else "", "dim"),
        (cast.person(event.actor) or "", "italic dim"),
    )
    for text, look in parts:
        if text:
            line.append(" ").append(printable(text), look)
    return line


def _what(event: UniversalEvent) -> str:
    status = event.metadata.get("status")
    attempt = (
        f" #{event.correlation.attempt}"
        if event.event_type == "job.execution" and event.correlation.attempt
        else ""
    )
    kind = (
        ""
        if event.event_type in ("http.request", "data.change")
        else f"{event.event_type.partition('.')[0]} "
    )
    return f"{kind}{event.action}{attempt}" + (f" {status}" if status is not None else "")


def _thing(event: UniversalEvent, cast: Cast) -> str:
    if event.subject is None or event.event_type in ("http.request", "job.enqueue", "job.execution"):
        return ""
    return cast.thing(event.subject)


def _offset(nanoseconds: int) -> str:
    return f"+{duration(nanoseconds / 1e9)}" if nanoseconds >= 1_000_000 else "+0 ms"
