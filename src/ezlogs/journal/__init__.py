"""The journal: what waits for delivery, on disk before it is sent, so that the end of a process loses none of it.

Bytes in, bytes out: it knows neither OpenTelemetry nor ezlogs' events.
"""

from ezlogs.journal.directory import Directory, UnusableDirectoryError, journal_directories, journal_directory
from ezlogs.journal.journal import Journal, Receipt
from ezlogs.journal.record import Kind, Record
from ezlogs.journal.recovery import Abandoned, adopt
from ezlogs.journal.story import Ending, Found
from ezlogs.priority import Priority

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
