"""Flows and tracked functions: a business process, or one call, as events with a beginning, an end and a duration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from time import perf_counter, time_ns
from typing import Any, TypeVar

from ezlogs.correlation import begun, placed
from ezlogs.emit import record
from ezlogs.ids import new_event_id
from ezlogs.scope import CorrelationManager, Scope

F = TypeVar("F", bound=Callable[..., Any])


@contextmanager
def flow(flow_type: str, entity_id: object, *, metadata: Mapping[str, object] | None = None) -> Iterator[Scope]:
    """Run a block as a named business process: its start, and its completion or failure, become events.

    Everything that happens inside, in other processes too, carries the flow. Flows nest.

    Args:
        flow_type: The process, such as ``checkout``.
        entity_id: What it is about, such as an order's number.
        metadata: Further facts, told with the start.

    Example:
        >>> with flow("checkout", 42) as scope:
        ...     scope.correlation.flow_id
        'checkout:42'
    """
    subject = (flow_type, entity_id)
    with CorrelationManager.start_flow_context(flow_type, entity_id) as outer:
        correlation = outer.correlation or begun()
        started = record("flow.lifecycle", f"{flow_type}.start", subject=subject, metadata=metadata)
        inner = correlation.replace(parent_event_id=started.event_id) if started else correlation
        begin = perf_counter()
        with Scope(placed(inner)) as scope:
            try:
                yield scope
            except BaseException as error:
                record(
                    "flow.lifecycle",
                    f"{flow_type}.fail",
                    subject=subject,
                    outcome="failure",
                    duration=perf_counter() - begin,
                    error=error,
                    correlation=inner,
                )
                raise
            record(
                "flow.lifecycle",
                f"{flow_type}.complete",
                subject=subject,
                duration=perf_counter() - begin,
                correlation=inner,
            )


def tracked(event_type: str, action: str, *, metadata: Mapping[str, object] | None = None) -> Callable[[F], F]:
    """Decorate a function, sync or async: each call becomes an event with outcome and duration.

    What happens during the call has its event as the parent. Arguments and results are not recorded.

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

    @contextmanager
    def call() -> Iterator[None]:
        correlation = begun()
        event_id = new_event_id(time_ns())
        begin = perf_counter()
        failure: BaseException | None = None
        with Scope(placed(correlation.replace(parent_event_id=event_id))):
            try:
                yield
            except BaseException as error:
                failure = error
                raise
            finally:
                record(
                    event_type,
                    action,
                    event_id=event_id,
                    correlation=correlation,
                    metadata=metadata,
                    outcome="failure" if failure else "success",
                    duration=perf_counter() - begin,
                    error=failure,
                )

    def decorate(function: F) -> F:
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                with call():
                    return await function(*args, **kwargs)

            return run_async  # type: ignore[return-value]  # wraps keeps the signature

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with call():
                return function(*args, **kwargs)

        return run  # type: ignore[return-value]  # wraps keeps the signature

    return decorate
