"""The journal: what waits for delivery, on disk before it is sent, so that the end of a process loses none of it.

Bytes in, bytes out: it knows neither OpenTelemetry nor ezlogs' events.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ezlogs.journal.directory import Directory, UnusableDirectoryError, journal_directories, journal_directory
from ezlogs.journal.journal import Journal
from ezlogs.journal.record import Kind, Record
from ezlogs.journal.writer import Receipt
from ezlogs.priority import Priority

if TYPE_CHECKING:
    from ezlogs.journal.recovery import Abandoned, adopt
    from ezlogs.journal.story import Ending, Found

__all__ = [
    "Abandoned",
    "Directory",
    "Ending",
    "Found",
    "Journal",
    "Kind",
    "Priority",
    "Receipt",
    "Record",
    "UnusableDirectoryError",
    "adopt",
    "journal_directories",
    "journal_directory",
]


_LATER = {"Abandoned": "recovery", "adopt": "recovery", "Ending": "story", "Found": "story"}
"""What is only needed where a dead process has left something, and where it is."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"ezlogs.journal.{_LATER[name]}"), name)
    raise AttributeError(f"module 'ezlogs.journal' has no attribute {name!r}")
