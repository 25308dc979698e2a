"""The store of `ezlogs dev`: what was received, in SQLite, as much as fits, by story and by subject."""

from ezlogs.dev.store.schema import MOST_EVENTS
from ezlogs.dev.store.store import MOST_TOLD, Store
from ezlogs.dev.store.summaries import Filter, Summary, Teller

__all__ = ["MOST_EVENTS", "MOST_TOLD", "Filter", "Store", "Summary", "Teller"]
