"""Saves: each row that an instance was saved to, as its tables are written, whatever the application's signals do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial, wraps
from types import ModuleType
from typing import Any

from msgspec import UNSET

from ezlogs.emit import failed, guarded
from ezlogs.trackers.data import Field, Later, ModelPolicy, Moment, Row, moment, observe
from ezlogs.trackers.data.alike import AlikeRow
from ezlogs.trackers.soft_deletes import verb_of
from ezlogs_instrumentors.django.data import alike, links
from ezlogs_instrumentors.django.data.fixtures import are_told, watching
from ezlogs_instrumentors.django.data.loaded import Loaded, known, loaded, plain_values, remember_now
from ezlogs_instrumentors.django.data.policies import policy_for
from ezlogs_instrumentors.django.data.shapes import Shape, key_of, shape_of
from ezlogs_instrumentors.django.data.told import displays, expressions, where, written
from ezlogs_instrumentors.django.transactions import seen, write
from ezlogs_instrumentors.hooks import Hooks


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See saves where the last of a model's tables is written.

    A receiver of ``post_save`` would come too late: one of the application's may raise before it, and the row is saved.
    """
    hooks.replace(module.Model, "_save_table", partial(_telling, hooks))


def _telling(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    see, keep = guarded(see_save), alike.keep

    @wraps(original)
    def _save_table(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        updated = original(instance, *args, **kwargs)
        if hooks.active:
            try:
                if not kwargs and keep(instance, updated, args):
                    return updated
            except Exception as problem:
                failed(keep, problem)
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
    if cls is not model._meta.concrete_model or not watching():
        return
    if raw and not are_told():
        return
    if model._meta.auto_created and not updated:
        links.write_links([instance], using)
        return
    policy = policy_for(model)
    if not policy.told:
        return
    shape = shape_of(model)
    if not raw and update_fields is None and (values := plain_values(instance, shape)) is not None:
        _keep(instance, shape, values, using, policy, created=not updated)
        return
    state = instance._state
    undo = _back_to(getattr(state, "ezlogs_loaded", None))
    row = known(instance, using) if updated else {}
    only = None if update_fields is None else set(update_fields)
    fields = list(written(shape, row, vars(instance), created=not updated, only=only))
    if not updated or (fields and not policy.leaves_out(fields)):
        made = _row(model, shape, fields, vars(instance), using, policy, created=not updated, at=moment())
        made.undo, made.owner = undo, state
        write(made, using)
    remember_now(instance, using, only)


def _keep(instance: Any, shape: Shape, values: list[Any], using: str, policy: ModelPolicy, *, created: bool) -> None:
    """Keep what was written until its transaction ends."""
    state = instance._state
    before = None if created else loaded(instance, using)
    if before is None or before.names != shape.attnames or before.values != values:
        at, undo = moment(), _back_to(getattr(state, "ezlogs_loaded", None))
        given = (type(instance), shape, before, values, using, policy, created)
        write(Later(type(instance)._meta.model_name, at, at.correlation, given, _made, undo, state), using)
        make = partial(_made_alike, type(instance), shape, using, policy)
        alike.learn(type(instance), shape, policy, using, at, make, created=created)
    state.ezlogs_loaded = Loaded(shape.attnames, values, seen(using))


def _back_to(before: object) -> Callable[[Any], None]:
    return lambda state: setattr(state, "ezlogs_loaded", before)


def _made(later: Later) -> Row | None:
    model, shape, before, values, using, policy, created = later.given
    row = {} if before is None else dict(zip(before.names, before.values, strict=False))
    now = {name: value for name, value in zip(shape.attnames, values, strict=True) if value is not UNSET}
    return _made_of(model, shape, row, now, using, policy, created=created, at=later.at)


def _made_alike(model: Any, shape: Shape, using: str, policy: ModelPolicy, row: AlikeRow) -> Row | None:
    before, now = alike.given(row, shape)
    at = row.alike.at._replace(timestamp=row.timestamp)
    return _made_of(model, shape, before, now, using, policy, created=row.alike.verb == "create", at=at)


def _made_of(  # noqa: PLR0917  # all that is known of one write
    model: Any,
    shape: Shape,
    row: Mapping[str, Any],
    now: Mapping[str, Any],
    using: str,
    policy: ModelPolicy,
    *,
    created: bool,
    at: Moment,
) -> Row | None:
    fields = list(written(shape, row, now, created=created, only=None))
    if not created and (not fields or policy.leaves_out(fields)):
        return None
    return _row(model, shape, fields, now, using, policy, created=created, at=at)


def _row(  # noqa: PLR0917  # all that is known of one write
    model: Any,
    shape: Shape,
    fields: list[Field],
    now: Mapping[str, Any],
    using: str,
    policy: ModelPolicy,
    *,
    created: bool,
    at: Moment,
) -> Row:
    verb, further = ("create", {}) if created else verb_of("update", fields)
    metadata = where(model, using)
    if further:
        metadata.update(further)
    computed = {field.name for field in fields if field.after is UNSET and policy.tells(field.name)}
    if computed:
        values = {column.name: now.get(column.attname) for column in shape.columns if column.name in computed}
        metadata.update(expressions(values))
    key = key_of(now, shape)
    row = observe(model._meta.model_name, verb, id=key, fields=fields, metadata=metadata, at=at, policy=policy)
    if shape.choices:
        row.metadata.update(displays(model, row.changes))
    return row
