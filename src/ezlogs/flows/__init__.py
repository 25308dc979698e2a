"""Where flows began: stores in which another process, days later, finds the story that a flow began in."""

from ezlogs.flows.store import FlowStore, StoreUnavailableError

__all__ = ["FlowStore", "StoreUnavailableError"]
