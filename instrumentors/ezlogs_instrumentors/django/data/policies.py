"""What is told of Django's models: as their classes say, those of their bases and proxies, or the settings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from ezlogs.runtime import current_runtime
from ezlogs.trackers.data import Described, ModelPolicy, policy_of, policy_of_class

LinksTelling = Literal["nothing", "change", "field", "keys"]


def policy_for(model: Any) -> ModelPolicy:
    """Return what is told of a model."""
    return policy_of_class(model, _describe)


def is_left_out(model: Any) -> bool:
    """Tell whether nothing is told of a model."""
    return not policy_of_class(model, _describe).told


def links_telling(through: Any, *ends: tuple[Any, str]) -> LinksTelling:
    """Return what is told of a change of links: no more than is told of the field at either of its ends.

    Args:
        through: The model of the links. A table that Django made for them can be left out by its name.
        ends: Models, and the names of their fields.
    """
    if _is_table_left_out(through) if through._meta.auto_created else is_left_out(through):
        return "nothing"
    policies = [(policy_for(model), field) for model, field in ends]
    if any(not policy.told or policy.excludes(field) for policy, field in policies):
        return "nothing"
    if all(policy.tells_values(field) for policy, field in policies):
        return "keys"
    return "field" if all(policy.tells(field) for policy, field in policies) else "change"


def _is_table_left_out(through: Any) -> bool:
    runtime = current_runtime()
    if runtime is not None and runtime.settings.data_include:
        return False  # it names models, and not their tables of links
    return not policy_of(None, through._meta.label_lower, through._meta.db_table).told


def _describe(model: Any) -> Described:
    meta = model._meta
    kind = _real(model)
    labels = [meta.label_lower, *([meta.concrete_model._meta.label_lower] if meta.proxy else [])]
    names = {field.attname: field.name for field in meta.concrete_fields}
    is_session = any(base.__name__ == "AbstractBaseSession" for base in kind.__mro__)
    return Described(labels, meta.db_table, kind, partial(_told_name, names), is_told=not is_session)


def _real(model: Any) -> Any:
    """Return the model's class: a migration makes one of its own, which nobody said anything of."""
    from django.apps import apps

    meta = model._meta
    if meta.apps is apps:
        return model
    try:
        return apps.get_model(meta.app_label, meta.model_name)
    except LookupError:  # it is gone since
        return model


def _told_name(names: Mapping[str, str], field: str) -> str:
    """Return a field's name, in paths too, where it may be called as its column is: ``customer_id``."""
    name, dot, path = field.partition(".")
    return f"{names.get(name, name)}{dot}{path}"
