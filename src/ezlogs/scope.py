"""Scopes: stretches of execution with a context of their own, and the manager that starts and ends them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

from opentelemetry import context, trace
from opentelemetry.context import Context

from ezlogs.correlation import Correlation, begun, current, from_mapping, placed, removed

_innermost: ContextVar[Scope | None] = ContextVar("ezlogs_innermost_scope", default=None)


class Scope:
    """A stretch of execution with a context of its own. Attached when made; `close` restores what was before.

    Closing twice, in another thread, task or context, or after the context was lost, does nothing and never raises.
    """

    __slots__ = ("_marker", "_token", "context", "correlation")

    def __init__(self, ctx: Context) -> None:
        self.context = ctx
        self.correlation = current(ctx)
        self._marker: Token[Scope | None] | None = _innermost.set(self)
        self._token = context.attach(ctx)

    def close(self) -> None:
        """Restore the context that was current before the scope."""
        marker, self._marker = self._marker, None
        if marker is None:
            return
        try:
            _innermost.reset(marker)
        except (ValueError, RuntimeError):  # closed in another context, which never held this scope
            return
        context.detach(self._token)

    def __enter__(self) -> Scope:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class CorrelationManager:
    """The correlation of the present moment: six methods that start, pass on, read and end it."""

    @staticmethod
    def start_request_context(request_id: str | None = None, session_id: str | None = None) -> Scope:
        """Enter a request: the story that arrived or is current, or a new one.

        Args:
            request_id: The request's own id, such as ``X-Request-ID``.
            session_id: An opaque id of the user's session.

        Example:
            >>> with CorrelationManager.start_request_context("req-1") as scope:
            ...     scope.correlation.request_id
            'req-1'
        """
        correlation = begun()
        return Scope(
            placed(correlation.replace(request_id=request_id, session_id=session_id or correlation.session_id))
        )

    @staticmethod
    def start_flow_context(flow_type: str, entity_id: object) -> Scope:
        """Enter a business process, inside the current story or a new one; flows nest.

        Args:
            flow_type: Its name, such as ``checkout``.
            entity_id: What it is about, such as an order's number.

        Example:
            >>> with CorrelationManager.start_flow_context("checkout", 42) as scope:
            ...     scope.correlation.flow_id
            'checkout:42'
        """
        correlation = begun()
        return Scope(
            placed(
                correlation.replace(
                    flow_type=flow_type,
                    flow_id=f"{flow_type}:{entity_id}",
                    parent_flow_id=correlation.flow_id,
                )
            )
        )

    @staticmethod
    def inherit_context(parent: Correlation | Mapping[str, Any] | None) -> Scope:
        """Continue a story that was handed over, such as by a job's header; unknown and unsafe ids are ignored.

        Args:
            parent: A `Correlation`, or a mapping of its fields.

        Example:
            >>> with CorrelationManager.inherit_context({"correlation_id": "story-1"}) as scope:
            ...     scope.correlation.correlation_id
            'story-1'
        """
        if isinstance(parent, Mapping):
            parent = from_mapping(parent)
        return Scope(placed(parent or begun()))

    @staticmethod
    def current_context() -> Correlation | None:
        """Return the correlation of this moment, or None outside any story."""
        return current()

    @staticmethod
    @contextmanager
    def with_context(correlation: Correlation) -> Iterator[Correlation]:
        """Run a ``with`` block in a correlation, and restore what was before.

        Example:
            >>> with CorrelationManager.with_context(Correlation(correlation_id="story-1")) as correlation:
            ...     correlation.correlation_id
            'story-1'
        """
        with Scope(placed(correlation)):
            yield correlation

    @staticmethod
    def clear_context() -> Scope:
        """Leave the current story; the returned scope brings it back when closed."""
        return Scope(trace.set_span_in_context(trace.INVALID_SPAN, removed()))
