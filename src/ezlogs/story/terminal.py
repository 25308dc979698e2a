"""A story as a tree in the terminal. The only module here that needs `rich` (extra ``dev``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rich.text import Text
from rich.tree import Tree

from ezlogs.event import UniversalEvent
from ezlogs.story.cast import Cast
from ezlogs.story.descent import walk
from ezlogs.story.links import origins
from ezlogs.story.phrases import lateness, schedule_name
from ezlogs.story.telling import Story
from ezlogs.story.tree import Node
from ezlogs.story.wording import duration, last_segment, printable, words

GLYPHS = {
    "success": ("✓", "green"),
    "failure": ("✗", "red"),
    "dead": ("✗", "bold red"),
    "rolled_back": ("↩", "yellow"),
    "retried": ("↻", "yellow"),
    "unknown": ("?", "magenta"),
}
_OUTCOMES = {"Completed": "green", "Completed with retries": "yellow", "Still running": "yellow"}
_WHOLE_ACTIONS = ("http.request", "http.client", "graphql.operation")


class _Branch(NamedTuple):
    """What the lines below a line need not say again."""

    tree: Tree
    service: str = ""
    who: str = ""
    run: UniversalEvent | None = None


def render_tree(story: Story, others: Iterable[Story] = ()) -> Tree:
    """Return a story as a `rich.tree.Tree`: what it was about, how it came out, and a line for each event.

    It says which other stories it goes on from: by their titles, where they are among ``others``.

    A line stands below its cause and holds the outcome, the beginning, the service, the action and subject, the
    error, the duration and the actor; service and actor only where they change.
    """
    top = Text(story.title, "bold", no_wrap=True, overflow="ellipsis")
    top.append("\n").append(story.closing, f"not bold {_OUTCOMES.get(story.outcome, 'red')}")
    if going_on := origins(story, others):
        top.append("\n").append(going_on, "not bold dim")
    cast = Cast(story.events)
    branches = [_Branch(Tree(top, guide_style="dim"))]
    for node, depth, _ in walk(story):
        above, event = branches[depth], node.event
        run = event if event.event_type == "job.execution" else above.run
        here = _Branch(above.tree, node.service, cast.person(event.actor) or "", run)
        line = _line(node, node.at - story.began, cast, above, here)
        branches[depth + 1 :] = [here._replace(tree=above.tree.add(line))]
    return branches[0].tree


def _line(node: Node, offset: int, cast: Cast, above: _Branch, here: _Branch) -> Text:
    event = node.event
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(*GLYPHS.get(event.outcome, GLYPHS["unknown"]))
    parts = (
        (f"+{duration(offset / 1e9)}" if offset >= 1_000_000 else "+0 ms", "dim"),
        (here.service if here.service != above.service else "", "cyan"),
        (_what(event, cast, here.run), "bold" if not offset else ""),
        (_why(event), "red"),
        (duration(event.duration) if event.duration is not None else "", "dim"),
        (here.who if here.who != above.who and not _is_itself(event) else "", "italic"),
    )
    for text, style in parts:
        if text:
            line.append("  ").append(printable(text), style)
    return line


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
        return " ".join(("schedule", schedule_name(event), *lateness(event)))
    if event.event_type == "job.enqueue":
        return f"queue {cast.job(event)}"
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
