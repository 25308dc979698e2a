"""A story as a tree in the terminal. The only module here that needs `rich` (extra ``dev``)."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group
from rich.text import Text
from rich.tree import Tree

from ezlogs.story.outline import GLYPHS, Outline, outline
from ezlogs.story.telling import Story

__all__ = ["GLYPHS", "drawn_tree", "render_tree"]


def render_tree(story: Story, others: Iterable[Story] = ()) -> Tree:
    """Return a story as a `rich.tree.Tree`: what it was about, how it came out, and a line for each event.

    It says which other stories it goes on from: by their titles, where they are among ``others``.
    """
    return drawn_tree(outline(story, others))


def drawn_tree(found: Outline) -> Tree:
    """Return an outline as a `rich.tree.Tree`; lines of events that do not fit end with an ellipsis."""
    title, *more = found.head
    top = Text(title.text, title.style, no_wrap=True, overflow="ellipsis")
    branches = [Tree(Group(top, *(Text(part.text, part.style) for part in more)), guide_style="dim")]
    for line in found.lines:
        text = Text(no_wrap=True, overflow="ellipsis")
        for number, part in enumerate(line.parts):
            text.append("  " if number else "").append(part.text, part.style)
        branches[line.depth + 1 :] = [branches[line.depth].add(text)]
    return branches[0]
