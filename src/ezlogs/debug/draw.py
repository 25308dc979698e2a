"""A story as debug mode draws it: by `rich` where that is there and wanted, else in plain text."""

from __future__ import annotations

import io
from collections.abc import Mapping

from ezlogs.debug.account import redactions
from ezlogs.debug.terminal import Terminal
from ezlogs.story.outline import Outline, Part, outline, plain_marks, render_plain
from ezlogs.story.tail import Heard
from ezlogs.story.wording import counted


def drawn(heard: Heard, redacted: Mapping[str, tuple[str, ...]], account: str, terminal: Terminal) -> str:
    """Return a story as text, an empty line at its end.

    Args:
        heard: The story, and what is new of it.
        redacted: What privacy kept back, by event.
        account: The line below it.
        terminal: Where it will be shown.
    """
    found = outline(heard.story, asides=redactions(redacted, heard), news=heard.news)
    if heard.forgotten:
        gone = f"{counted(heard.forgotten, 'earlier event')} of it {'is' if heard.forgotten == 1 else 'are'} forgotten."
        found = found._replace(head=(*found.head, Part(gone, "dim")))
    ascii_only = terminal.ascii_only
    if terminal.rich:
        text = _in_colours(found, account, terminal)
        return plain_marks(text) if ascii_only else text
    return f"{render_plain(found, ascii_only=ascii_only)}{plain_marks(account) if ascii_only else account}\n\n"


def _in_colours(found: Outline, account: str, terminal: Terminal) -> str:
    from rich.console import Console
    from rich.text import Text

    from ezlogs.story.terminal import drawn_tree

    console = Console(force_terminal=True, width=terminal.width, highlight=False, file=io.StringIO())
    with console.capture() as captured:
        console.print(drawn_tree(found))
        console.print(Text(account, "dim", no_wrap=True, overflow="ellipsis"))
        console.print()
    return captured.get()
