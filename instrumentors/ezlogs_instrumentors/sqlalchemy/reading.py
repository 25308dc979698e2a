"""Rows that are read, of models that ask for it with ``access``; of all others nothing is listened to."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any
from weakref import WeakSet

from ezlogs.trackers.data import accessed, on_audit, said_of, watching_access
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.sqlalchemy.listeners import listen
from ezlogs_instrumentors.sqlalchemy.mapped import full_name, key_of, policy_of_mapper, shape_of


def attach(hooks: Hooks, module: ModuleType) -> None:
    """Listen to each class that asks for it, now or later, and to its subclasses."""
    if hooks.active:
        hooks.on_undo(on_audit(partial(_hear, hooks, WeakSet())))


def _hear(hooks: Hooks, heard: WeakSet[type], kind: type) -> None:
    if kind in heard or not said_of(kind).access or type(kind).__module__.startswith("django."):
        return
    heard.add(kind)

    def see(state: Any, *_: Any) -> None:
        nearest = next(base for base in state.class_.__mro__ if base in heard)
        if nearest is kind:  # a base that asks for it as well hears the same row
            see_read(state)

    for name in ("load", "refresh"):
        listen(hooks, kind, name, see, raw=True, propagate=True)


def see_read(state: Any) -> None:
    """Tell that a row was read."""
    if not watching_access():
        return
    policy = policy_of_mapper(state.mapper)
    if policy.told and policy.access:
        shape = shape_of(state.mapper)
        accessed(shape.model, key_of(state, shape), metadata={"table": full_name(shape.table)})
