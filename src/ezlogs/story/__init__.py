"""Stories: what was received becomes causal trees, and the trees become sentences. Pure functions, no I/O."""

from ezlogs.story.descent import chain, depth
from ezlogs.story.links import linked, origins, together
from ezlogs.story.received import told
from ezlogs.story.render import paragraph, render_json, render_markdown, render_text
from ezlogs.story.telling import Sentence, Story, stories
from ezlogs.story.tree import Node, Told

__all__ = [
    "Node",
    "Sentence",
    "Story",
    "Told",
    "chain",
    "depth",
    "linked",
    "origins",
    "paragraph",
    "render_json",
    "render_markdown",
    "render_text",
    "stories",
    "together",
    "told",
]
