"""What goes wrong inside ezlogs, shown in debug mode: what, why, and what to do about it; each once."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Final

from ezlogs.runtime import CAUSE, Runtime, current_runtime, log

REMEDIES: Final[tuple[tuple[str, str], ...]] = (
    (r"an event was repaired", "mend the call; with strict = true it raises there, with a traceback"),
    (
        r"no collector|endpoint|refused|answered",
        "start a collector, or `ezlogs dev`; `ezlogs doctor` tries the address",
    ),
    (r"hash_key", "set hash_key, to any secret of your own"),
    (r"journal|directory|disk", "`ezlogs doctor` says which directory, and why it cannot be used"),
    (r"unknown setting", "`ezlogs settings` lists them all, with their values and sources"),
    (r"regular expression", "mend the expression: `ezlogs settings` says where it was given"),
    (
        r"was lost|failed|could not",
        "the application goes on; the fault is in ezlogs or in a function given to it: report it with its cause",
    ),
)
"""What to do about a warning, by what is in it; the first that fits."""

USUAL: Final = "`ezlogs doctor` looks at everything that can be in the way"


class Problems(logging.Handler):
    """Shows the warnings of the logger ``ezlogs``, which logs each only once.

    Args:
        show: Takes the text that is to be shown; never blocks.
        runtime: Whose warnings they are, and whose privacy cleans their causes.
    """

    def __init__(self, show: Callable[[str], object], runtime: Runtime) -> None:
        super().__init__(logging.WARNING)
        self._show = show
        self._runtime = runtime

    def attach(self) -> None:
        """Show warnings from now on."""
        log.addHandler(self)

    def detach(self) -> None:
        """Show none any more."""
        log.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a warning. Never raises."""
        try:
            if current_runtime() not in (None, self._runtime):
                return
            text = record.getMessage().removeprefix("ezlogs: ")
            cause = getattr(record, CAUSE, None)
            lines = [f"! ezlogs: {text}"]
            if cause:
                lines.append(f"  why: {self._runtime.scrubber.text(str(cause), 'cause', [])}")
            if todo := remedy(text):
                lines.append(f"  what to do: {todo}")
            self._show("\n".join(lines) + "\n\n")
        except Exception:  # not even this may reach the application
            return


def remedy(text: str) -> str:
    """Return what to do about a warning; nothing where it says so itself, after a semicolon.

    >>> remedy("an event was repaired: action '': use a verb")
    'mend the call; with strict = true it raises there, with a traceback'
    """
    return next((todo for sign, todo in REMEDIES if re.search(sign, text)), "" if "; " in text else USUAL)
