"""The register of a process: flows are written into a store and looked up there, and the application does not wait.

A store that is not the process's own memory is used by one thread alone, which is started when the first flow begins or
is looked for, and once more in a forked child. What cannot be written is tried again, at longer and longer intervals; a
lookup has a deadline.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError  # Python's own since 3.11
from typing import TYPE_CHECKING

from ezlogs.flows.line import Line
from ezlogs.flows.memory import MemoryStore
from ezlogs.propagation.clean import clean_id

if TYPE_CHECKING:
    from ezlogs.flows.store import FlowStore
    from ezlogs.runtime import Runtime

LONGEST_END = 1.0
"""Seconds that the end of a process waits at most for what is still to be written."""


class Register:
    """Where the flows of a process began. Nothing here raises, and only `find` waits, for ``flow_wait`` at most.

    Args:
        runtime: Whose settings count, and whose ledger counts.
        make: Makes the store, in the thread that uses it; None where flows are kept in memory.
    """

    def __init__(self, runtime: Runtime, make: Callable[[], FlowStore] | None) -> None:
        settings = runtime.settings
        self._age, self._wait, self._hash_key = settings.flow_days * 86_400.0, settings.flow_wait, settings.hash_key
        self._note, self._say = runtime.ledger.note, runtime.warn_once
        self._make = make
        self._memory = MemoryStore() if make is None else None
        self._lines: dict[int, Line] = {}
        """Of this process, and perhaps of those that it was forked from, whose threads are not here."""

    def began(self, flow_id: str, story: str) -> None:
        """Keep where a flow began, if it is not open already."""
        if self._memory is not None:
            self._memory.remember(flow_id, story, self._age)
        else:
            self._ours().put("remember", flow_id, story, self._age)

    def ended(self, flow_id: str, story: str) -> None:
        """Take note that a flow has ended, if it is this story that it began in."""
        if self._memory is not None:
            self._memory.end(flow_id, story)
        else:
            self._ours().put("end", flow_id, story)

    def forget(self, flow_id: str) -> None:
        """Keep nothing of a flow any longer."""
        if self._memory is not None:
            self._memory.forget(flow_id)
        else:
            self._ours().put("forget", flow_id)

    @property
    def is_near(self) -> bool:
        """Whether `find` never waits."""
        return self._memory is not None

    def find(self, flow_id: str) -> str | None:
        """Return the story that a flow began in; None where it is not known, or not in time."""
        if self._memory is not None:
            return self._memory.find(flow_id)
        asked = self._ours().ask(flow_id, self._wait)
        try:
            found: str | None = asked.result(self._wait)
        except FutureTimeoutError:
            asked.cancel()
            self._late()
            return None
        return found

    async def find_async(self, flow_id: str) -> str | None:
        """Return the same without keeping the event loop waiting."""
        import asyncio

        if self._memory is not None:
            return self._memory.find(flow_id)
        asked = asyncio.wrap_future(self._ours().ask(flow_id, self._wait))
        try:
            found: str | None = await asyncio.wait_for(asked, self._wait)
        except asyncio.TimeoutError:
            self._late()
            return None
        return found

    def not_asked(self) -> None:
        """Take note that a flow was not looked for, as that would have kept an event loop waiting."""
        self._note("flow_store.not_asked")
        self._say("a flow is not looked for by `with` in a coroutine: use `async with ezlogs.resume_flow(...)`")

    def flush(self, timeout: float) -> bool:
        """Wait until what was put so far was tried to be written; return whether all of it was."""
        line = self._lines.get(os.getpid())
        return line is None or line.flush(timeout)

    def close(self, timeout: float) -> None:
        """Write what can be written within so many seconds, and end the thread."""
        line = self._lines.pop(os.getpid(), None)
        if line is not None:
            line.close(min(timeout, LONGEST_END))

    def _late(self) -> None:
        self._note("flow_store.late")
        self._say(f"the flow store did not answer within {self._wait:g} seconds: a flow goes on without a link")

    def _ours(self) -> Line:
        """Return the thread's queue, of this process: a forked child has none of those threads."""
        pid = os.getpid()
        line = self._lines.get(pid)
        if line is None:
            assert self._make is not None
            line = self._lines.setdefault(pid, Line(self._make, self._named, self._note, self._say))
        return line

    def _named(self, flow_id: str) -> str | None:
        return stored_name(flow_id, self._hash_key, self._say)


def stored_name(flow_id: str, hash_key: str | None, say: Callable[[str], object]) -> str | None:
    """Return what a flow is called where other processes see it: 32 hex digits, keyed if there is a key.

    None, and a word about it, for an id in which privacy finds something while there is no key: a hash without one can
    be guessed.

    Example:
        >>> stored_name("checkout:42", None, print) == stored_name("checkout:42", None, print)
        True
        >>> stored_name("signup:ada@example.com", None, print)
        a flow is not in the flow store, as its id is personal: set hash_key
    """
    if hash_key is not None:
        return hmac.new(hash_key.encode(), flow_id.encode(errors="replace"), hashlib.sha256).hexdigest()[:32]
    if clean_id(flow_id) is not flow_id:
        say("a flow is not in the flow store, as its id is personal: set hash_key")
        return None
    return hashlib.sha256(flow_id.encode(errors="replace")).hexdigest()[:32]


def register_of(runtime: Runtime) -> Register | None:
    """Return a new register as the settings of a runtime say, or None where they say that there is none."""
    setting = runtime.settings.flow_store
    if setting == "none":
        return None
    from ezlogs.flows.opening import maker

    return Register(runtime, maker(setting))
