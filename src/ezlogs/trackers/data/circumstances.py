"""Circumstances: what has to be as it was for what was found out of one write to hold for the next one, too."""

from __future__ import annotations

import msgspec
from opentelemetry.context import Context

from ezlogs.actor import acting, current_actor
from ezlogs.event import Actor
from ezlogs.trackers.data.policy import latest
from ezlogs.trackers.data.rows import Moment


class Circumstances(msgspec.Struct, frozen=True, eq=False):
    """The context of a write, who acts in it, and what is told of models."""

    ctx: Context
    policies: object
    """Others with any other runtime, too."""
    actor: Actor
    asks_for_actor: bool
    """Whether it is the application's user who acts, which may become another one."""

    def hold(self, ctx: Context) -> bool:
        """Tell whether they are the same in a context, now."""
        return (
            ctx is self.ctx
            and latest[0] is self.policies
            and (not self.asks_for_actor or current_actor(ctx) == self.actor)
        )


def circumstances_of(at: Moment) -> Circumstances:
    """Return those of a write that was just made."""
    who = acting(at.context)
    asks_for_actor = who.scope is None and who.peek is not None
    return Circumstances(at.context, latest[0], at.actor, asks_for_actor)
