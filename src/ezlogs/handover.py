"""Handing over: work goes to another thread or process, and the context of the one who hands it over goes with it.

Inside a process the OpenTelemetry context itself crosses, with the current span and all that the application keeps in
it. To another process goes a `Parcel`: the trace context, the baggage, the correlation and who acts, as plain texts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from opentelemetry import baggage, context
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ezlogs.actor import current_actor, with_acting
from ezlogs.correlation import BAGGAGE_MEMBERS, Correlation, current, placed, valid_id
from ezlogs.emit import guarded
from ezlogs.origin import for_child
from ezlogs.otel_compat import leave
from ezlogs.party import SYSTEM, Actor
from ezlogs.propagation.clean import clean_id
from ezlogs.sampling.root import travelling
from ezlogs.scope import Scope

_SERVING = frozenset(
    {
        *("concurrent", "logging", "multiprocessing"),
        *("anyio", "apscheduler", "distributed", "grpc", "joblib", "kafka", "kombu", "loky", "pymongo", "watchdog"),
        *("ddtrace", "ezlogs", "opentelemetry", "sentry_sdk"),
    }
)
"""Packages whose own threads and processes serve whoever comes, not the one who happened to be there at their start."""

_PLAIN_RUN = frozenset({"threading", "multiprocessing.process"})
"""Modules whose ``run`` calls the target."""

_trace = TraceContextTextMapPropagator()


def taken() -> Context | None:
    """Return the context that work handed over now takes along, or None where there is nothing to take."""
    return context.get_current() or None


@contextmanager
def nowhere() -> Iterator[None]:
    """Start a worker in a ``with`` block that is in no context: the worker, and what is below it, takes nothing."""
    token = context.attach(Context())
    try:
        yield
    finally:
        leave(token)


def serves_everybody(worker: object) -> bool:
    """Return whether a thread or process, not yet started, is a pool's, a queue's or telemetry's own.

    Such a worker begins in no context: what it is given to do brings its own.
    """
    work = type(worker).run  # type: ignore[attr-defined]  # threads and processes have one
    target = getattr(worker, "_target", None)
    if target is not None and work.__module__ in _PLAIN_RUN:
        work = target
    module = getattr(work, "__module__", None)
    return isinstance(module, str) and module.partition(".")[0] in _SERVING


class Carried:
    """A call that happens in a context that was handed over, and leaves its thread or process as it found it.

    It can be pickled if its function can be. Exceptions leave it as they would leave the function itself; from Python
    3.11 on also without a line in the traceback.

    Args:
        ctx: The context to call it in.
        function: What to call.
        first: Called before, in the thread that it happens in.
        failed: Called with the exception that leaves the function, still in the context.
    """

    __slots__ = ("_ctx", "_failed", "_first", "_function")

    def __init__(
        self,
        ctx: Context,
        function: Callable[..., Any],
        first: Callable[[], object] | None = None,
        failed: Callable[[BaseException], object] | None = None,
    ) -> None:
        self._ctx = ctx
        self._function = function
        self._first = first
        self._failed = failed

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        if self._first is not None:
            self._first()
        scope = Scope(self._ctx)
        try:
            return self._function(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if self._failed is not None:
                self._failed(error)
            raise
        finally:
            scope.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pack the context; it is unpacked where the function is to be called."""
        return _carried, (packed(self._ctx), self._function)


class Parcel(NamedTuple):
    """A context on its way to another process of the same application."""

    trace: dict[str, str]
    """The W3C trace context, by header."""
    baggage: dict[str, str]
    correlation: dict[str, str | int]
    """The fields of the correlation that are known."""
    actor: tuple[str, str | None, str | None] | None
    """Type, id, and on whose behalf; labels stay where they are."""


@guarded
def packed(ctx: Context) -> Parcel:
    """Return a context in the form in which it goes to another process."""
    trace: dict[str, str] = {}
    _trace.inject(trace, ctx)
    correlation = current(ctx)
    if correlation is not None:
        correlation = travelling(correlation, ctx)
    who = current_actor(ctx)
    return Parcel(
        trace,
        {name: str(value) for name, value in baggage.get_all(ctx).items() if isinstance(value, str)},
        {
            name: value
            for name in (Correlation.__struct_fields__ if correlation else ())
            if type(value := getattr(correlation, name)) in (str, int)
        },
        None if who == SYSTEM else (who.type, who.id, who.on_behalf_of),
    )


@guarded
def unpacked(parcel: Parcel) -> Context:
    """Return the context that a parcel holds, on top of nothing: what the process itself is in stays out of it."""
    ctx = _trace.extract(parcel.trace, Context())
    for name, value in parcel.baggage.items():
        ctx = baggage.set_baggage(name, value, ctx)
    if parcel.correlation:
        ctx = placed(Correlation(**parcel.correlation), ctx)  # type: ignore[arg-type]  # as it was packed
    return with_acting(ctx, inherited=Actor(*parcel.actor[:2], on_behalf_of=parcel.actor[2])) if parcel.actor else ctx


class Enclosed:
    """A context that lies in what a process is made of, and is attached by being unpickled in another process."""

    __slots__ = ("_ctx",)

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def __reduce__(self) -> tuple[Any, ...]:
        """Pack the context."""
        return _arrived, (packed(self._ctx), os.getpid())


def for_program(environ: Mapping[Any, Any], ctx: Context) -> dict[Any, Any] | None:
    """Return the environment in which another program goes on with a context, or None to leave it as it is.

    Any program can see it: besides the trace context it holds ezlogs' ids alone, none of the application's baggage.

    Args:
        environ: The variables that the program would have; not changed.
        ctx: The context.
    """
    correlation, ids = current(ctx), Context()
    if correlation is not None:
        correlation = travelling(correlation, ctx)
    for field, member in BAGGAGE_MEMBERS.items():
        value = clean_id(valid_id(getattr(correlation, field, None)))
        if value is not None:
            ids = baggage.set_baggage(member, value, ids)
    return for_child(environ, ctx, ids)


def _carried(parcel: Parcel | None, function: Callable[..., Any]) -> Callable[..., Any]:
    ctx = unpacked(parcel) if parcel else None
    return Carried(ctx, function) if ctx else function


def _arrived(parcel: Parcel | None, pid: int) -> None:
    ctx = unpacked(parcel) if parcel and pid != os.getpid() else None
    if ctx:
        context.attach(ctx)
