"""Work: a stretch of what an application does, told when it ends, under the event id that was reserved when it began.

What happens meanwhile has that event as its parent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter, time_ns
from types import TracebackType
from typing import Any, TypeVar

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, StatusCode

from ezlogs.actor import current_actor, with_acting, without_acting
from ezlogs.correlation import Correlation, begun, current, new_story, placed
from ezlogs.emit import caused, guarded, record, tracking
from ezlogs.event import Actor, Outcome, failure_of
from ezlogs.facts import Failure
from ezlogs.ids import new_event_id
from ezlogs.opening import closed, opened
from ezlogs.own_spans import span_source
from ezlogs.sampling.root import ended, rooted
from ezlogs.scope import Scope, outside
from ezlogs.snapshot import Pairs, freeze
from ezlogs.trackers.calls import each_call

F = TypeVar("F", bound=Callable[..., Any])
W = TypeVar("W", bound="Work")

_KEY = context.create_key("ezlogs-work")


def outcome_of(error: BaseException | None) -> Outcome:
    """Return how a stretch of work ended that an exception left, or that none did.

    An `Exception` is a failure, and ``SystemExit`` what its code says. Whatever else there is comes from outside - a
    cancelled task, a generator that was closed, Ctrl-C - and does not tell how far the work came: ``unknown``.

    Example:
        >>> [outcome_of(error) for error in (None, ValueError(), SystemExit(0), SystemExit(2), KeyboardInterrupt())]
        ['success', 'failure', 'success', 'failure', 'unknown']
    """
    if error is None:
        return "success"
    if isinstance(error, SystemExit):
        return "failure" if exit_code_of(error) else "success"
    return "failure" if isinstance(error, Exception) else "unknown"


def exit_code_of(error: SystemExit) -> int:
    """Return the exit status that Python gives to a process which ``SystemExit`` ends."""
    code = error.code
    return 0 if code is None else code if isinstance(code, int) else 1


class Work:
    """A stretch of work as a context manager, sync or async, or as a decorator, for each call anew.

    Entered once more while it is under way, such as in another thread, it is another stretch of the same work. None of
    its methods raises, except for wrong events with the setting ``strict``.
    """

    _scope: Scope

    def __init__(
        self, event_type: str, action: str, *, subject: object = None, metadata: Mapping[str, object] | None = None
    ) -> None:
        self.event_type = event_type
        self.action = action
        self._subject = subject
        self._metadata = metadata
        self.event_id = ""
        self.context = Context()
        """What the work happens in."""
        self._outer: Correlation | None = None
        self._began = 0.0
        self._entered: list[None] = []
        """One for each time that it is under way."""
        self._original = self
        """What this is another stretch of."""

    @property
    def correlation(self) -> Correlation | None:
        """Where what happens in the work belongs; None before it begins."""
        return current(self.context)

    def begin(self) -> None:
        """Begin, without being entered: nothing is in the work yet but what is run in its ``context``."""
        began_at = time_ns()
        self.event_id = new_event_id(began_at)
        self.context, self._outer = context.get_current(), None
        self._enter()
        self._note(began_at)
        self._began = perf_counter()

    def end(self, error: BaseException | None = None) -> None:
        """Tell the work, which ``error`` ended."""
        self._leave(error, perf_counter() - self._began)

    def anew(self: W) -> W:
        """Return the same work to be done once more."""
        again = object.__new__(type(self))
        vars(again).update(vars(self), _entered=[], _original=again)
        return again

    def __enter__(self: W) -> W:
        self._entered.append(None)
        stretch = self
        if len(self._entered) > 1:
            stretch = self.anew()
            stretch._original = self
        try:
            stretch.begin()
            stretch._scope = Scope(stretch.context)
        except BaseException:
            self._entered.pop()
            raise
        return stretch

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        stretch = self._under_way()
        self._entered.pop()
        try:
            stretch.end(error)
        finally:
            stretch._scope.close()

    async def __aenter__(self: W) -> W:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Return a function each of whose calls is such work."""
        return each_call(function, self.anew)

    def _under_way(self: W) -> W:
        """Return the stretch of this work that the present moment is in."""
        here = context.get_value(_KEY)
        return here if isinstance(here, type(self)) and here._original is self else self

    @guarded
    def _enter(self) -> None:
        ctx = self._around()
        self._outer = begun(ctx)
        self.context = self._inside(self._outer, ctx)

    def _around(self) -> Context:
        """Return the context that the work begins in."""
        return context.get_current()

    def _inside(self, correlation: Correlation, ctx: Context) -> Context:
        ctx = rooted(ctx, self.event_id)
        return context.set_value(_KEY, self, placed(caused(correlation, self.event_type, self.event_id), ctx))

    def _note(self, began_at: int) -> None:
        if self._outer is not None:
            opened(
                self.event_type,
                self.action,
                event_id=self.event_id,
                correlation=self._outer,
                ctx=self.context,
                subject=self._subject,
                metadata=self._metadata,
                timestamp=began_at,
            )

    @guarded
    def _leave(self, error: BaseException | None, duration: float) -> None:
        outcome = self._outcome(error)
        record(
            self.event_type,
            self.action,
            actor=current_actor(self.context),  # whoever the work may have named meanwhile, and forgotten about
            event_id=self.event_id,
            subject=self._subject,
            metadata=self._facts(),
            outcome=outcome,
            duration=duration,
            error=None if outcome == "success" else self._cause(error),
            correlation=self._outer,
            ctx=self._present(),
        )
        ended(self.context, self.event_id, outcome, duration)
        closed(self.event_id)

    def _outcome(self, error: BaseException | None) -> Outcome:
        return outcome_of(error)

    def _cause(self, error: BaseException | None) -> BaseException | Failure | None:
        """Return what is told of the error that decided the outcome."""
        return error

    def _facts(self) -> Mapping[str, object] | None:
        """Return what is told with the event."""
        return self._metadata

    def _present(self) -> Context | None:
        """Return the context to tell it in: the present one (None), or the work's own where that is another."""
        return None if context.get_value(_KEY) is self else self.context


class StoryOfItsOwn(Work):
    """Work that begins a story and a trace, and that nobody but its own actor does, such as a scheduled run."""

    _span: Span | None = None

    def __init__(self, event_type: str, action: str, actor: Actor, **fields: Any) -> None:
        super().__init__(event_type, action, **fields)
        self._actor = actor

    def begin(self) -> None:
        """Begin a story and a span."""
        self._span = None
        super().begin()

    def _around(self) -> Context:
        return self._beginning(self._acting(outside()))

    def _acting(self, ctx: Context) -> Context:
        return with_acting(without_acting(ctx), inherited=self._actor)

    def _beginning(self, ctx: Context) -> Context:
        """Return a context with a span of the work's own, whose trace begins the story if the context has none."""
        if tracking():
            self._span = span_source(f"ezlogs.{self.event_type.partition('.')[0]}").start(self.action, ctx)
            ctx = ctx if self._span is None else trace.set_span_in_context(self._span, ctx)
        return ctx if current(ctx) is not None else placed(new_story(), ctx)

    def _leave(self, error: BaseException | None, duration: float) -> None:
        super()._leave(error, duration)
        self._finish(self._span, error)

    @guarded
    def _finish(self, span: Span | None, error: BaseException | None) -> None:
        if span is None:
            return
        outcome = self._outcome(error)
        if outcome == "failure":
            span.set_status(StatusCode.ERROR)
        if error is not None and outcome != "success":
            span.set_attribute("error.type", failure_of(error).type)
        span.end()


def with_facts(metadata: object, **facts: object) -> Mapping[str, object]:
    """Return metadata, whatever was given as such, with those of the facts that are known."""
    known = {name: fact for name, fact in facts.items() if fact is not None}
    if metadata is None:
        return known
    given = metadata if type(metadata) is dict else freeze(metadata)  # whose code, if it has any, may raise
    return {**(dict(given) if isinstance(given, (dict, Pairs)) else {"value": given}), **known}
