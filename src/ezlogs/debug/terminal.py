"""The terminal that debug mode writes to: standard error, whatever has become of it."""

from __future__ import annotations

import io
import os
import sys
from importlib.util import find_spec
from typing import Any, Final

WIDEST_PIPE: Final = 200
"""Columns where nobody knows how wide the terminal is."""


class Terminal:
    """Standard error as it is at the moment of writing; each piece is written at once, so that no other gets between.

    Args:
        stream: Another stream, for tests.
    """

    def __init__(self, stream: Any = None) -> None:
        self._stream = stream
        self._written_to: tuple[Any, tuple[int, int]] | None = None
        self.open = True
        """Whether there is still somebody to write to."""

    def close(self) -> None:
        """Write nothing more."""
        self.open = False

    @property
    def rich(self) -> bool:
        """Whether to draw with colours: the package `rich` is there, a terminal, and no NO_COLOR."""
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            return False
        try:
            wanted = bool(os.environ.get("FORCE_COLOR")) or self._target().isatty()
        except Exception:  # a stream of anybody's make
            return False
        return bool(wanted) and find_spec("rich") is not None

    @property
    def ascii_only(self) -> bool:
        """Whether the terminal has no characters beyond ASCII that one could rely on."""
        encoding = str(getattr(self._target(), "encoding", None) or "utf-8")
        return not encoding.lower().replace("-", "").startswith("utf")

    @property
    def width(self) -> int:
        """How many columns it has."""
        try:
            return os.get_terminal_size(self._target().fileno()).columns or WIDEST_PIPE
        except Exception:  # a pipe, a file, a stream without a file
            return WIDEST_PIPE

    def write(self, text: str) -> None:
        """Write a text; where that is no longer possible, this and all that comes later is left out."""
        stream = self._target()
        if not self.open or stream is None:
            return
        try:
            encoding = getattr(stream, "encoding", None) or "utf-8"
            content = text.encode(encoding, "replace")
            number = None if sys.platform == "win32" else _number_of(stream)
            if number is None:
                stream.write(content.decode(encoding))
                stream.flush()
            elif self._is_still_the_file_of(stream, number):
                while content:  # without the stream's lock, for which the interpreter would wait at its end
                    content = content[os.write(number, content) :]
        except BlockingIOError:  # nobody reads it at the moment
            return
        except Exception:  # closed, a broken pipe, or a stream of anybody's make
            self.open = stream is not sys.__stderr__ and stream is not self._stream

    def _is_still_the_file_of(self, stream: Any, number: int) -> bool:
        """Return whether a file's number has not been given to another one, after somebody closed it."""
        found = os.fstat(number)
        identity = found.st_dev, found.st_ino
        if self._written_to is None or self._written_to[0] is not stream:
            self._written_to = stream, identity
        return self._written_to[1] == identity

    def _target(self) -> Any:
        return self._stream if self._stream is not None else sys.stderr


def _number_of(stream: Any) -> int | None:
    """Return the file of a stream that writes to one and has nothing buffered for it; None of any other.

    A notebook's has one too, which is not what people look at.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return None
    try:
        number: int = stream.fileno()
        stream.flush()
    except Exception:  # as above
        if getattr(stream, "closed", False):
            raise
        return None
    return number
