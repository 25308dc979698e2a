"""Flows that begin, end, and are gone on with in other stories: what is kept of them, and what is looked for."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from ezlogs import runtime as process
from ezlogs.correlation import Correlation, placed
from ezlogs.emit import guarded
from ezlogs.scope import Scope

if TYPE_CHECKING:
    from ezlogs.flows.register import Register


class ResumedFlow(Scope):
    """A flow gone on with in another story, linked to the story in which it began. Made by `ezlogs.resume_flow`.

    Args:
        correlation: The present story, in the flow.
        story: The other story, if it is known; else it is looked for where flows are kept.
    """

    __slots__ = ("_unlinked",)

    def __init__(self, correlation: Correlation, story: str | None) -> None:
        self._unlinked: Correlation | None = None
        """Whose other story is still to be looked for, which would keep an event loop waiting."""
        if story is None:
            if _would_keep_waiting(correlation):
                self._unlinked = correlation
            else:
                story = _found(correlation)
        super().__init__(placed(_linked(correlation, story)))

    def __enter__(self) -> ResumedFlow:
        if self._unlinked is not None:
            _not_asked(self._unlinked)
        return self

    async def __aenter__(self) -> ResumedFlow:
        correlation = self._unlinked
        if correlation is not None:
            try:
                story = await _found_async(correlation)
            except BaseException:  # cancelled: nobody will leave what was not entered
                self.close()
                raise
            if story is not None:
                self.close()
                super().__init__(placed(_linked(correlation, story)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def register_of_flows(correlation: Correlation) -> Register | None:
    """Return where it is kept in which story a flow began.

    None where nobody is to know, and for a flow that is about nothing: it cannot be told from others of its type.
    """
    runtime = process.current
    if runtime is None or runtime.carrier is None or correlation.flow_id == correlation.flow_type:
        return None
    return runtime.flows


@guarded
def flow_began(correlation: Correlation) -> None:
    """Have kept in which story a flow began."""
    register = register_of_flows(correlation)
    if register is not None:
        register.began(correlation.flow_id or "", correlation.correlation_id)


@guarded
def flow_ended(correlation: Correlation) -> None:
    """Have taken note that a flow has ended."""
    register = register_of_flows(correlation)
    if register is not None:
        register.ended(correlation.flow_id or "", correlation.correlation_id)


@guarded
def _would_keep_waiting(correlation: Correlation) -> bool:
    register = register_of_flows(correlation)
    return register is not None and not register.is_near and _loop_runs()


@guarded
def _found(correlation: Correlation) -> str | None:
    register = register_of_flows(correlation)
    return None if register is None else register.find(correlation.flow_id or "")


async def _found_async(correlation: Correlation) -> str | None:
    try:
        register = register_of_flows(correlation)
        return None if register is None else await register.find_async(correlation.flow_id or "")
    except Exception as problem:  # whatever it is, the application must not see it
        _report(problem)
        return None


@guarded
def _report(problem: Exception) -> None:
    raise problem


@guarded
def _not_asked(correlation: Correlation) -> None:
    register = register_of_flows(correlation)
    if register is not None:
        register.not_asked()


def _linked(correlation: Correlation, story: str | None) -> Correlation:
    if story in (None, correlation.correlation_id):
        return correlation
    return correlation.replace(linked_correlation_id=story)


def _loop_runs() -> bool:
    """Return whether this is the thread of an event loop of asyncio's that runs."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
