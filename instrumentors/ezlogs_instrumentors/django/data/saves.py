"""Saves: each row that an instance was saved to, as its tables are written, whatever the application's signals do."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial, wraps
from types import ModuleType
from typing import Any

from msgspec import UNSET

from ezlogs.emit import guarded
from ezlogs.loaded import key_text
from ezlogs.trackers.data import Field, observe
from ezlogs.trackers.soft_deletes import verb_of
from ezlogs_instrumentors.django.data import links
from ezlogs_instrumentors.django.data.fixtures import are_told, watching
from ezlogs_instrumentors.django.data.loaded import known, remember_now
from ezlogs_instrumentors.django.data.shapes import shape_of
from ezlogs_instrumentors.django.data.told import displays, expressions, is_skipped, where, written
from ezlogs_instrumentors.django.transactions import write
from ezlogs_instrumentors.django.users import loaded_key
from ezlogs_instrumentors.hooks import Hooks


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See saves where the last of a model's tables is written.

    A receiver of ``post_save`` would come too late: one of the application's may raise before it, and the row is saved.
    """
    hooks.replace(module.Model, "_save_table", partial(_telling, hooks))


def _telling(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    see = guarded(see_save)

    @wraps(original)
    def _save_table(instance: Any, *args: Any, **kwargs: Any) -> Any:
        updated = original(instance, *args, **kwargs)
        if hooks.active:
            see(instance, updated, *args, **kwargs)
        return updated

    return _save_table


def see_save(  # noqa: PLR0917  # as Django passes them
    instance: Any,
    updated: bool,
    raw: bool = False,
    cls: Any = None,
    force_insert: object = False,
    force_update: bool = False,
    using: str = "default",
    update_fields: Collection[str] | None = None,
) -> None:
    """Tell a row that was inserted or updated; an update that changed nothing is not told."""
    model = type(instance)
    if cls is not model._meta.concrete_model or is_skipped(model) or not watching():
        return
    if raw and not are_told():
        return
    if model._meta.auto_created and not updated:
        links.write_links([instance], using)
        return
    state = instance._state
    before = vars(state).get("ezlogs_loaded")
    row = known(instance, using) if updated else {}
    only = None if update_fields is None else set(update_fields)
    found = list(written(instance, row, created=not updated, only=only))  # before it is known anew
    if found or not updated:
        _write(instance, found, using, created=not updated, undo=partial(setattr, state, "ezlogs_loaded", before))
    remember_now(instance, using, only)


def _write(instance: Any, fields: list[Field], using: str, *, created: bool, undo: Callable[[], None]) -> None:
    model, now = type(instance), vars(instance)
    shape = shape_of(model)
    verb, further = ("create", {}) if created else verb_of("update", fields)
    metadata = where(model, using)
    if further:
        metadata.update(further)
    computed = {field.name for field in fields if field.after is UNSET}
    if computed:
        values = {column.name: now.get(column.attname) for column in shape.columns if column.name in computed}
        metadata.update(expressions(values))
    row = observe(
        model._meta.model_name,
        verb,
        id=key_text(now.get(shape.keys[0])) if len(shape.keys) == 1 else loaded_key(instance),
        fields=fields,
        metadata=metadata,
        undo=undo,
    )
    if shape.choices:
        row.metadata.update(displays(model, row.changes))
    write(row, using)
