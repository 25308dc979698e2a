"""Exchange: events to and from files, in the formats that other programs have."""

from ezlogs.exchange.reading import Unreadable, read
from ezlogs.exchange.writing import FORMATS, write

__all__ = ["FORMATS", "Unreadable", "read", "write"]
