"""An interrupt that nobody handled ends Python by SIGINT; what runs at exit must not make it forget that.

Python notes at its top level that a ``KeyboardInterrupt`` came through, and takes the note back whenever text is
evaluated, which a late import does for each named tuple and data class: then the exit status is 1, and a shell script
goes on that should have stopped. See https://www.cons.org/cracauer/sigint.html and https://bugs.python.org/issue1054041.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def interrupt_kept() -> Iterator[None]:
    """Run what is to be done at exit; if an interrupt ended the program, that is how it still ends.

    Example:
        >>> with interrupt_kept():
        ...     pass
    """
    interrupted = getattr(sys, "last_type", None) is KeyboardInterrupt and not hasattr(
        sys, "ps1"
    )  # or in a shell, once
    try:
        yield
    finally:
        if interrupted:
            with suppress(KeyboardInterrupt):
                exec("raise KeyboardInterrupt")  # Python takes note of it once more
