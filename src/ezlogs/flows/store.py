"""What a store of flows is: it keeps, for a while, in which story each flow began."""

from __future__ import annotations

from typing import Protocol


class StoreUnavailableError(Exception):
    """A store cannot be had here. The message says why, and is logged: it holds nothing secret."""


class FlowStore(Protocol):
    """Keeps in which story each flow began, for as many processes as share it.

    A flow is open from `remember` until `end`. The first beginning of an open flow counts, whoever else begins it; one
    that has ended is still found, until it is begun anew or its time is over.

    All methods are called by one thread of ezlogs' own, one after the other. They may take a while and may raise: what
    could not be kept is tried again later, and what is not found in time is not linked. After a fork the child makes a
    store of its own. Flows are named by 32 hex digits that say nothing, stories by their correlation id.

    To use one of your own, name what makes it: ``flow_store="shop.flows:make_store"``.

    Example:
        >>> from ezlogs.flows.memory import MemoryStore
        >>> store: FlowStore = MemoryStore()
        >>> store.remember("order 42", "story-1", 3600)
        >>> store.remember("order 42", "story-2", 3600)  # it is open
        >>> store.find("order 42")
        'story-1'
        >>> store.end("order 42", "story-1")
        >>> store.find("order 42")
        'story-1'
        >>> store.remember("order 42", "story-2", 3600)
        >>> store.find("order 42")
        'story-2'
    """

    def remember(self, flow: str, story: str, seconds: float) -> None:
        """Keep where a flow began, unless it is open already; to be atomic, where several processes begin it at once.

        Args:
            flow: The flow.
            story: The story that it began in.
            seconds: For how long; then it is as if it had never been.
        """

    def find(self, flow: str) -> str | None:
        """Return the story that a flow began in, or None."""

    def end(self, flow: str, story: str) -> None:
        """Take note that a flow has ended, if it is this story that it began in."""

    def forget(self, flow: str) -> None:
        """Keep nothing of a flow any longer."""
