"""Rows that are read, of models that ask for it with ``access``; for all others nothing is done."""

from __future__ import annotations

from typing import Any

from ezlogs.emit import guarded
from ezlogs.trackers.data import accessed, watching_access
from ezlogs_instrumentors.django.data.policies import policy_for
from ezlogs_instrumentors.django.data.told import where
from ezlogs_instrumentors.django.users import loaded_key


@guarded
def asks(model: Any) -> bool:
    """Tell whether a class says that reading its rows is told."""
    return policy_for(model).access


@guarded
def see_read(instance: Any, using: str) -> None:
    """Tell that a row was read."""
    if not watching_access():
        return
    model = type(instance)
    policy = policy_for(model)
    if policy.told and policy.access:
        accessed(model._meta.model_name, loaded_key(instance), metadata=where(model, using))
