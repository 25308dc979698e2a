"""A file of settings: TOML, with settings by name or in a table for each group, and each value by its line."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from typing import Final

import msgspec

from ezlogs.expressions import expression
from ezlogs.settings.kinds import Kind
from ezlogs.settings.layers import Layer, Path, layer
from ezlogs.settings.problem import Problem
from ezlogs.settings.table import GROUPS

_SEGMENT = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_HEADER = expression(rf"\s*\[\s*({_SEGMENT}(?:\s*\.\s*{_SEGMENT})*)\s*\]")
_KEY = expression(rf"\s*({_SEGMENT}(?:\s*\.\s*{_SEGMENT})*)\s*=")
_POSITION = expression(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


class ConfigFile(msgspec.Struct, frozen=True, dict=True):
    """A file of settings that was read.

    >>> file = ConfigFile("ezlogs.toml", "[delivery]\\ntimeout = 5")
    >>> file.layer().given["timeout"].source
    'ezlogs.toml:2'
    """

    name: str
    """What it is called in messages: its path as the reader would type it."""

    text: str

    folder: str = ""
    """Where relative paths in it begin."""

    table: tuple[str, ...] = ()
    """The table that holds the settings: ``("tool", "ezlogs")`` in ``pyproject.toml``."""

    def layer(self) -> Layer:
        """Return what the file gives. A file that is no TOML gives nothing but one problem."""
        try:
            values = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli").loads(self.text)
        except (ValueError, RecursionError) as error:
            return Layer({}, (self._broken(str(error)),))
        for name in self.table:
            values = values.get(name, {}) if isinstance(values, Mapping) else {}
        if not isinstance(values, Mapping):
            return Layer({}, (Problem(self.source(()), f"[{'.'.join(self.table)}]", "not a table"),))
        return layer(values, self)

    def source(self, path: Path) -> str:
        """Say where a value stands: the file, and the line where that can be told."""
        whole = (*self.table, *path)
        # A value in an inline table has no line of its own, but its table has.
        line = self._lines.get(whole) or self._lines.get(whole[:-1])
        return f"{self.name}:{line}" if line else self.name

    def label(self, path: Path) -> str:
        """Say what a setting or a group is called in the file: ``[delivery] timeout``, ``[delivery]``."""
        within, name = (path, "") if path[-1] in GROUPS else (path[:-1], path[-1])
        header = ".".join((*self.table, *within))
        return " ".join(filter(None, [header and f"[{header}]", name]))

    def read(self, kind: Kind, value: object) -> object:
        """Return a value as its kind is to read it: paths begin at the folder of the file."""
        return kind.beginning_at(self.folder, value)

    def _broken(self, message: str) -> Problem:
        position = _POSITION.search(message)
        line = position and (position[1] or 1 + self.text.rstrip().count("\n"))
        name = f"{self.name}:{line}" if line else self.name
        what = _POSITION.sub("", message)
        return Problem(name, "", f"not TOML, and left out as a whole: {what[:1].lower()}{what[1:]}")

    @cached_property
    def _lines(self) -> Mapping[Path, int]:
        """The line of each table and key. TOML readers do not tell, so this looks at the beginnings of lines."""
        lines: dict[Path, int] = {}
        table: Path = ()
        for number, line in enumerate(self.text.split("\n"), 1):
            if header := _HEADER.match(line):
                path = table = _segments(header[1])
            elif key := _KEY.match(line):
                path = (*table, *_segments(key[1]))
            else:
                continue
            # What looks like the same key twice is text within a value: better no line than a wrong one.
            lines[path] = 0 if path in lines else number
        return lines


class Files(msgspec.Struct, frozen=True):
    """The files of settings that were found, the weaker first."""

    found: tuple[ConfigFile, ...] = ()

    problems: tuple[Problem, ...] = ()
    """Files that could not be read."""


NO_FILES: Final = Files()


def _segments(key: str) -> Path:
    return tuple(part.strip("\"'") for part in re.findall(_SEGMENT, key))
