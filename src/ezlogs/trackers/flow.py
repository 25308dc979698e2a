"""Flows and tracked functions: a business process, or one call, as events with a beginning, an end and a duration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, TypeVar

from ezlogs.correlation import Correlation, begun, current, placed, valid_id
from ezlogs.emit import guarded, record
from ezlogs.event import Subject
from ezlogs.flows.resuming import ResumedFlow, flow_began, flow_ended, register_of_flows
from ezlogs.identity import id_text
from ezlogs.sampling.root import ended as ended_root
from ezlogs.scope import Handed, handed, in_flow
from ezlogs.trackers.work import Work, outcome_of, with_facts

F = TypeVar("F", bound=Callable[..., Any])

MAX_STEPS = 100
"""How many steps of a flow are told; of further ones their number."""

_LIFECYCLE = "flow.lifecycle"


class Flow(Work):
    """A business process under way. Made by `flow`."""

    def __init__(self, flow_type: str, entity_id: object, metadata: Mapping[str, object] | None) -> None:
        super().__init__(_LIFECYCLE, f"{flow_type}.complete", metadata=metadata)
        self._type = flow_type
        self._entity_id = entity_id
        self._inner: Correlation | None = None
        self._step: str | None = None
        """The step that was reached last."""
        self._steps: list[tuple[str, float]] = []
        self._left_out = 0

    @guarded
    def step(self, name: str, metadata: Mapping[str, object] | None = None) -> None:
        """Say that the process has reached a step, which lasts until the next one or the flow's end.

        Args:
            name: A fixed word, such as ``payment_authorized``.
            metadata: Further facts, told with this step.
        """
        self._under_way()._reach(name, metadata)

    def _reach(self, name: str, metadata: Mapping[str, object] | None) -> None:
        if self._inner is None:  # not begun, or ended
            return
        self._step = name
        if len(self._steps) > MAX_STEPS:
            self._left_out += 1
            return
        self._steps.append((name, perf_counter()))  # the first one that is not told is kept, as the end of the last
        if len(self._steps) <= MAX_STEPS:
            here = current()
            in_story = here is not None and here.correlation_id == self._inner.correlation_id
            record(
                _LIFECYCLE,
                f"{self._type}.step",
                subject=self._subject,
                metadata=with_facts(metadata, step=name),
                correlation=self._inner,
                ctx=None if in_story else self.context,  # told by a thread that knows nothing of the flow
            )

    @guarded
    def _enter(self) -> None:
        self._step, self._steps, self._left_out = None, [], 0
        self._subject = Subject(self._type, id_text(self._entity_id))
        ctx = placed(in_flow(begun(), self._type, self._entity_id))
        self._outer = current(ctx) or begun(ctx)
        self.context = self._inside(self._outer, ctx)
        self._inner = current(self.context)
        flow_began(self._inner or self._outer)
        record(
            _LIFECYCLE,
            f"{self._type}.start",
            event_id=self.event_id,
            subject=self._subject,
            metadata=self._metadata,
            correlation=self._outer,
            ctx=self.context,
        )

    @guarded
    def _leave(self, error: BaseException | None, duration: float) -> None:
        inner, self._inner = self._inner, None
        if inner is not None:
            flow_ended(inner)
        outcome = outcome_of(error)
        ended = outcome == "success"
        record(
            _LIFECYCLE,
            f"{self._type}.{'complete' if ended else 'fail'}",
            subject=self._subject,
            metadata=self._told_steps(self._began + duration, ended=ended),
            outcome=outcome,
            duration=duration,
            error=None if ended else error,
            correlation=inner,
            ctx=self._present(),
        )
        ended_root(self.context, self.event_id, outcome, duration)

    def _note(self, began_at: int) -> None:
        """Do nothing: the event that all in the flow is caused by is told when it begins."""

    def _told_steps(self, end: float, *, ended: bool) -> Mapping[str, object] | None:
        if not self._steps:
            return None
        names, reached = zip(*self._steps, strict=True)
        durations = [after - before for before, after in zip(reached, (*reached[1:], end), strict=True)]
        left_out = len(names[MAX_STEPS:]) + self._left_out
        return with_facts(
            None,
            steps=names[:MAX_STEPS],
            step_durations=durations[:MAX_STEPS],
            steps_left_out=left_out or None,
            step=None if ended else self._step,
        )


def flow(flow_type: str, entity_id: object = None, *, metadata: Mapping[str, object] | None = None) -> Flow:
    """Run a ``with`` or ``async with`` block, or each call of a function, as a named business process.

    Its start, its steps, and its completion or failure become events. Everything that happens inside, in other
    processes too, carries the flow. Flows nest. A block that was cancelled, closed or interrupted from outside has
    the outcome ``unknown``.

    Args:
        flow_type: The process, such as ``checkout``.
        entity_id: What it is about: an order's number, its model's instance ..., or None.
        metadata: Further facts, told with the start.

    Returns:
        The flow, whose ``correlation`` holds its id, and whose `Flow.step` tells how far it has come.

    Example:
        >>> with flow("checkout", 42) as checkout:
        ...     checkout.step("payment_authorized")
        ...     checkout.correlation.flow_id
        'checkout:42'
    """
    return Flow(flow_type, entity_id, metadata)


def resume_flow(flow_type: str, entity_id: object = None, *, linked: Handed | str = None) -> ResumedFlow:
    """Go on with a flow in another story, such as in a webhook days later; until the returned scope is closed.

    The present story stays what it is, and is linked to the one in which the flow began. Which that is, the store says
    that the setting ``flow_store`` names; a store that does not answer within ``flow_wait`` seconds is not waited for,
    and the link is left out. In coroutines this is to be entered with ``async with``, which waits without keeping the
    event loop waiting. Nothing is emitted.

    Args:
        flow_type: The process, such as ``checkout``.
        entity_id: What it is about.
        linked: The other story, if the application knows it itself: its correlation id, as it was kept with the order,
            or a `Correlation`. Then nobody else is asked.

    Example:
        >>> with resume_flow("checkout", 42, linked="0af7651916cd43dd8448eb211c80319c") as scope:
        ...     scope.correlation.flow_id, scope.correlation.linked_correlation_id
        ('checkout:42', '0af7651916cd43dd8448eb211c80319c')
    """
    correlation = in_flow(begun(), flow_type, entity_id)
    other = handed(linked)
    return ResumedFlow(correlation, valid_id(linked) if other is None else other.correlation_id)


@guarded
def forget_flow(flow_type: str, entity_id: object) -> None:
    """Have nobody know any longer in which story a flow began, as when what it is about is erased.

    Args:
        flow_type: The process, such as ``checkout``.
        entity_id: What it is about.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture():
        ...     with flow("checkout", 42):
        ...         pass
        ...     forget_flow("checkout", 42)
        ...     with resume_flow("checkout", 42) as scope:
        ...         scope.correlation.linked_correlation_id is None
        True
    """
    correlation = in_flow(begun(), flow_type, entity_id)
    register = register_of_flows(correlation)
    if register is not None and correlation.flow_id is not None:
        register.forget(correlation.flow_id)


def tracked(event_type: str, action: str, *, metadata: Mapping[str, object] | None = None) -> Callable[[F], F]:
    """Decorate a function: each call becomes an event with outcome and duration.

    What happens during the call has its event as the parent. Arguments and results are not recorded. The event of a
    generator, sync or async, tells of its whole life, from its first step on; one that is closed before it is
    exhausted has the outcome ``unknown``.

    Args:
        event_type: Such as ``invoice.action``.
        action: Such as ``rendered``.
        metadata: Further facts, the same for every call.

    Example:
        >>> @tracked("invoice.action", "rendered")
        ... def render(number):
        ...     return f"Invoice {number}"
        >>> render(7)
        'Invoice 7'
    """
    return Work(event_type, action, metadata=metadata)
