"""Scopes: stretches of execution with a context of their own, and the manager that starts and ends them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

from opentelemetry import context, trace
from opentelemetry.context import Context

from ezlogs.correlation import Correlation, begun, current, from_mapping, new_story, placed, removed, valid_id
from ezlogs.identity import id_text
from ezlogs.origin import started_in
from ezlogs.otel_compat import current_context
from ezlogs.sampling.root import ended, rooted, unrooted
from ezlogs.snapshot import text

Handed = Correlation | Mapping[str, Any] | None
"""What can be handed from one scope to another."""

MAX_ID = 128
"""Characters of an id of the application's own that a scope keeps: some of them travel, in every request's headers."""

_KEY = context.create_key("ezlogs-scope")
_home: ContextVar[None] = ContextVar("ezlogs_scope_home", default=None)
"""Set by each scope, for its token alone: Python lets a token be used only in the context that it came from."""


class _Mark:
    """What tells a context's scopes apart, from the innermost outwards.

    It is not the scope itself: tasks keep copies of a context for as long as they live, and must not keep what was
    around a scope that has ended.
    """

    __slots__ = ("outer",)

    def __init__(self, outer: object) -> None:
        self.outer = outer


class Scope:
    """A stretch of execution with a context of its own. Attached when made; `close` restores what was before.

    A scope belongs to the thread, task or greenlet that made it. Closing it there ends it and all that was opened
    inside it and is still open. Closing it twice, after what it was in has ended, or elsewhere never raises and never
    takes anybody out of another scope; a copy of its context, such as a task has, is left where nothing was opened in
    it since.

    Args:
        ctx: The context to attach.
    """

    __slots__ = ("_back", "_mark", "context")

    def __init__(self, ctx: Context) -> None:
        self.context = ctx
        before = current_context()
        self._mark = _Mark(before.get(_KEY))
        self._back: tuple[Token[None], Token[Context], Context] | None = (
            _home.set(None),
            context.attach(Context({**ctx, _KEY: self._mark})),
            before,
        )

    @property
    def correlation(self) -> Correlation | None:
        """The story, flow and cause that it is in."""
        return current(self.context)

    def close(self) -> None:
        """Restore the context that was current before the scope."""
        innermost: Any = current_context().get(_KEY)
        mark = innermost
        while mark is not None and mark is not self._mark:
            mark = mark.outer
        if mark is None or self._back is None:  # it was left already, or never entered here
            return
        home, token, before = self._back
        try:
            _home.reset(home)
        except (ValueError, RuntimeError):  # another thread, task or greenlet made it
            if innermost is mark:
                context.attach(before)
            return
        self._back = mark.outer = None
        try:
            context.detach(token)
        except Exception:  # of somebody's who put himself in the way: OpenTelemetry's own never raises
            context.attach(before)

    def __enter__(self) -> Scope:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class RootScope(Scope):
    """A scope that may be a local root: a request, a job or a command of which nobody else tells the end."""

    __slots__ = ("_owner",)

    def __init__(self, ctx: Context) -> None:
        self._owner = object()
        super().__init__(rooted(ctx, self._owner))

    def close(self) -> None:
        """Restore the context that was current before the scope, which has ended as it should."""
        super().close()
        ended(self.context, self._owner, "success")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().close()
        ended(self.context, self._owner, "failure" if isinstance(error, Exception) else "success")


class CorrelationManager:
    """The correlation of the present moment: methods that start, pass on, read and end it. None of them emits.

    Each ``start_*`` method attaches at once and returns a `Scope`, for ``with`` or to be closed by hand.
    """

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
        correlation = current() or new_story()
        return RootScope(
            placed(
                correlation.replace(
                    request_id=_bounded(request_id), session_id=_bounded(session_id) or correlation.session_id
                )
            )
        )

    @staticmethod
    def start_flow_context(flow_type: str, entity_id: object) -> Scope:
        """Enter a business process, inside the current story or a new one; flows nest.

        Args:
            flow_type: Its name, such as ``checkout``.
            entity_id: What it is about: an order's number, its model's instance ..., or None.

        Example:
            >>> with CorrelationManager.start_flow_context("checkout", 42) as scope:
            ...     scope.correlation.flow_id
            'checkout:42'
        """
        from ezlogs.flows.resuming import flow_began  # it imports this module

        correlation = in_flow(begun(), flow_type, entity_id)
        flow_began(correlation)
        return Scope(placed(correlation))

    @staticmethod
    def start_job_context(job_id: object, parent: Handed = None, *, attempt: int | None = None) -> Scope:
        """Enter a run of a job: the story that it was handed, else a new one; never that of its worker.

        Args:
            job_id: The job's id.
            parent: What it was handed, as for `inherit_context`.
            attempt: Which run of the job this is, counted from 1.

        Example:
            >>> with CorrelationManager.start_job_context("j-1", {"correlation_id": "story-1"}) as scope:
            ...     scope.correlation.correlation_id, scope.correlation.job_id
            ('story-1', 'j-1')
        """
        correlation = handed(parent) or new_story()
        return RootScope(placed(correlation.replace(job_id=_bounded(job_id), attempt=attempt), outside()))

    @staticmethod
    def start_schedule_context() -> Scope:
        """Enter what became due: a story of its own, whatever the scheduler's process is in the middle of.

        Example:
            >>> with CorrelationManager.start_request_context() as request:
            ...     with CorrelationManager.start_schedule_context() as scope:
            ...         scope.correlation.correlation_id == request.correlation.correlation_id
            False
        """
        return RootScope(placed(new_story(), outside()))

    @staticmethod
    def start_command_context() -> Scope:
        """Enter a command: a story of its own, or the one that its process was started in.

        Example:
            >>> with CorrelationManager.start_command_context() as scope:
            ...     scope.correlation.parent_event_id is None
            True
        """
        ctx = started_in(outside())
        return RootScope(placed(begun(ctx), ctx))

    @staticmethod
    def inherit_context(parent: Handed) -> Scope:
        """Continue a story that was handed over, such as by a job's header; unknown and unsafe ids are ignored.

        Args:
            parent: A `Correlation`, or a mapping of its fields; also the Ruby agent's ``_correlation_data``. For
                None, and for what holds no story, it is the current one or a new one.

        Example:
            >>> with CorrelationManager.inherit_context({"correlation_id": "story-1"}) as scope:
            ...     scope.correlation.correlation_id
            'story-1'
        """
        return Scope(placed(handed(parent) or begun()))

    @staticmethod
    def current_context() -> Correlation | None:
        """Return the correlation of this moment, or None outside any story."""
        return current()

    @staticmethod
    @contextmanager
    def with_context(correlation: Handed) -> Iterator[Correlation]:
        """Run a ``with`` block in a correlation, and restore what was before.

        Args:
            correlation: As for `inherit_context`.

        Example:
            >>> with CorrelationManager.with_context(Correlation(correlation_id="story-1")) as correlation:
            ...     correlation.correlation_id
            'story-1'
        """
        inside = handed(correlation) or begun()
        with Scope(placed(inside)):
            yield inside

    @staticmethod
    def clear_context() -> Scope:
        """Leave the current story; the returned scope brings it back when closed."""
        return Scope(outside())


def outside(ctx: Context | None = None) -> Context:
    """Return a context in no story and no trace; the user's own baggage and values stay."""
    return trace.set_span_in_context(trace.INVALID_SPAN, unrooted(removed(ctx)))


def in_flow(correlation: Correlation, flow_type: str, entity_id: object) -> Correlation:
    """Return a correlation inside a flow, which is inside the flow that it had."""
    flow_type, entity = _bounded(flow_type) or "flow", _bounded(entity_id)
    return correlation.replace(
        flow_type=flow_type,
        flow_id=flow_type if entity is None else f"{flow_type}:{entity}",
        parent_flow_id=correlation.flow_id,
    )


def handed(parent: object) -> Correlation | None:
    """Return the story that was handed over in any form, or None where there is none; never raises.

    The Ruby agent gives each hop a ``correlation_id`` of its own, and the story's in ``primary_correlation_id``.
    """
    # By the type alone: isinstance would ask the value for its class, which wakes what is lazy.
    if type(parent) is Correlation:
        return parent
    if not issubclass(type(parent), Mapping):
        return None
    try:
        inner = parent.get("_correlation_data")  # type: ignore[attr-defined]  # a mapping
        given: Any = inner if issubclass(type(inner), Mapping) else parent
        fields = {name: given.get(name) for name in Correlation.__struct_fields__}
        story = given.get("primary_correlation_id")
    except Exception:  # a mapping of somebody's making
        return None
    fields["correlation_id"] = valid_id(story) or fields["correlation_id"]
    correlation = from_mapping(fields)
    if correlation is None or correlation.flow_id is None or correlation.flow_type is not None:
        return correlation
    flow_type, colon, _ = correlation.flow_id.partition(":")
    return correlation.replace(flow_type=flow_type) if colon else correlation


def _bounded(value: object) -> str | None:
    """Return an id of the application's own as text, cut to `MAX_ID`."""
    told = id_text(value)
    return None if told is None else text(told, MAX_ID)
