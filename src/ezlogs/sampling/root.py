"""Local roots: the request, job or command that a process is in the middle of, at whose end sampling may decide."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from opentelemetry import context
from opentelemetry.context import Context

from ezlogs import runtime as process

if TYPE_CHECKING:
    from ezlogs.correlation import Correlation

ROOT = context.create_key("ezlogs-local-root")

FAILED = frozenset({"failure", "dead", "retried", "rolled_back"})
"""Outcomes that say that something went wrong; ``unknown``, as of what was cancelled, does not."""


class LocalRoot:
    """One local root. What it is in stays in contexts for as long as anything goes on in it, and so does this."""

    __slots__ = ("began", "held", "kept", "owner", "route", "settled", "token")

    def __init__(self, owner: object, token: object, route: str | None) -> None:
        self.owner = owner
        """What began it, and will end it."""
        self.token = token
        """Whose it is: the sampler of this process, since its last start or fork."""
        self.route = route
        """Method and template of the request; empty where it is none, None as long as it is not known."""
        self.began = monotonic()
        self.held = False
        """Whether an event was ever held for it."""
        self.kept = ""
        """Why all that happens in it is kept from now on, if it is."""
        self.settled = False
        """Whether it has ended, and nothing can wait for that any more."""


def rooted(ctx: Context, owner: object, route: str | None = "") -> Context:
    """Return a context inside a local root: that which it is in, or one that begins here.

    Args:
        ctx: The context.
        owner: What begins, and will be told to have `ended`.
        route: Of a request; None where it will be known later.
    """
    runtime = process.current
    if runtime is None or runtime.sampler is None:
        return ctx
    return runtime.sampler.rooted(ctx, owner, route)


def unrooted(ctx: Context) -> Context:
    """Return a context outside any local root."""
    return ctx if ctx.get(ROOT) is None else context.set_value(ROOT, None, ctx)


def routed(ctx: Context, owner: object, route: str) -> None:
    """Say which route a request is of, once that is known."""
    root = ctx.get(ROOT)
    runtime = process.current
    if type(root) is LocalRoot and root.owner is owner and runtime is not None and runtime.sampler is not None:
        runtime.sampler.routed(root, route)


def ended(ctx: Context, owner: object, outcome: str, duration: float | None = None) -> None:
    """Say that what began a local root has ended; nothing where another one did.

    Args:
        ctx: A context inside it.
        owner: What was given to `rooted`.
        outcome: How it ended.
        duration: Seconds that it took; since it began when left out.
    """
    root = ctx.get(ROOT)
    if type(root) is not LocalRoot or root.owner is not owner:
        return
    runtime = process.current
    if runtime is not None and runtime.sampler is not None:
        runtime.sampler.end(root, outcome, monotonic() - root.began if duration is None else duration)


def travelling(correlation: Correlation, ctx: Context) -> Correlation:
    """Return a correlation as it goes on from a context to another service or a job, with what sampling says now."""
    runtime = process.current
    if runtime is None or runtime.sampler is None:
        return correlation
    text = runtime.sampler.travelling(correlation.sampling, ctx)
    return correlation if text == correlation.sampling else correlation.replace(sampling=text)
