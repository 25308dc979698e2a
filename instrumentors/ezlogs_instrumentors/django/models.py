"""Django's models: what is written through the ORM, seen without a query of our own and without slower deletes."""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from copy import deepcopy
from functools import partial, wraps
from types import ModuleType
from typing import Any

import msgspec
from msgspec import UNSET

from ezlogs.emit import guarded
from ezlogs.trackers.data import Field, observe, watching
from ezlogs_instrumentors.django.transactions import write
from ezlogs_instrumentors.django.users import loaded_key
from ezlogs_instrumentors.hooks import Hooks

_SKIPPED = frozenset({"admin.logentry", "contenttypes.contenttype", "migrations.migration", "sessions.session"})
_MUTABLE = frozenset({dict, list, set, bytearray})
_SCALAR_FIELDS = frozenset(
    {"django.db.models.fields", "django.db.models.fields.files", "django.db.models.fields.related"}
)
"""The modules of fields whose values are immutable."""

_MAX_KEYS_TOLD = 100

_in_bulk_update: ContextVar[type | None] = ContextVar("ezlogs_in_bulk_update", default=None)


def attach_to_models(hooks: Hooks, module: ModuleType) -> None:
    """Know the rows as they were loaded."""
    hooks.replace(module.Model, "from_db", partial(_remembering, hooks))
    hooks.after(module.Model, "refresh_from_db", see_refresh)


def attach_to_signals(hooks: Hooks, module: ModuleType) -> None:
    """See saves. Signals of deletes and many-to-many changes are left alone: a receiver makes Django query more."""
    hooks.connect(module.signals.post_save, see_save)


def attach_to_querysets(hooks: Hooks, module: ModuleType) -> None:
    """See what is written without any signal."""
    hooks.after(module.QuerySet, "update", see_update)
    hooks.after(module.QuerySet, "bulk_create", see_bulk_create)
    hooks.after(module.QuerySet, "bulk_update", see_bulk_update)
    hooks.replace(module.QuerySet, "bulk_update", _inner_updates_silenced)


def attach_to_deletion(hooks: Hooks, module: ModuleType) -> None:
    """See deletes of instances and of querysets, with Django's own counts."""
    hooks.replace(module.Collector, "delete", partial(_counting, hooks))


class Loaded(msgspec.Struct, frozen=True):
    """A row as the database has it, as far as it is known. Never pickled or copied along with its instance."""

    names: Sequence[str]
    values: Sequence[Any]

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return type(None), ()


class _Packed(bytes):
    """A mutable value, such as a JSON document, as it was when it was loaded."""


def _remembering(hooks: Hooks, original: Any) -> Any:
    load = original.__func__
    documents: dict[type, bool] = {}

    @wraps(load)
    def from_db(cls: Any, db: Any, field_names: Any, values: Any, *args: Any, **kwargs: Any) -> Any:
        instance = load(cls, db, field_names, values, *args, **kwargs)
        if hooks.active:
            holds_documents = documents.get(cls)
            if holds_documents is None:
                documents[cls] = holds_documents = _holds_documents(cls)
            if holds_documents:
                _remember(instance, field_names, values)
            else:  # once for each row of a query, so nothing that could fail and nothing more
                instance._state.ezlogs_loaded = Loaded(field_names, values)
        return instance

    return classmethod(from_db)


def _holds_documents(model: Any) -> bool:
    """Tell whether rows of a model can hold values that change in place."""
    return any(
        type(field).__module__ not in _SCALAR_FIELDS or hasattr(field, "from_db_value")
        for field in model._meta.concrete_fields
    )


@guarded
def _remember(instance: Any, names: Sequence[str], values: Sequence[Any]) -> None:
    instance._state.ezlogs_loaded = Loaded(names, [_packed(value) for value in values])


def _packed(value: Any) -> Any:
    if type(value) not in _MUTABLE:
        return value
    try:
        return _Packed(marshal.dumps(value))
    except ValueError:  # it holds more than plain data
        return deepcopy(value)


def _known(instance: Any) -> dict[str, object]:
    loaded = vars(instance._state).get("ezlogs_loaded")
    if loaded is None:
        return {}
    return {
        name: marshal.loads(value) if isinstance(value, _Packed) else value  # packed by us, in memory
        for name, value in zip(loaded.names, loaded.values, strict=False)
        if value is not UNSET
    }


def see_refresh(instance: Any, _: None, using: Any = None, fields: Any = None, *args: Any, **kwargs: Any) -> None:
    """Know the row anew, or the fields of it that were loaded again."""
    names = None if fields is None else set(fields)
    _remember_now(instance, names)


def _remember_now(instance: Any, names: set[str] | None = None) -> None:
    """Know the row as the instance has it now; of the fields that are not named, what was known before."""
    now = vars(instance)
    known = {} if names is None else _known(instance)
    for field in instance._meta.concrete_fields:
        if field.attname in now and (names is None or not names.isdisjoint((field.name, field.attname))):
            known[field.attname] = _value(field, now[field.attname])
    _remember(instance, tuple(known), tuple(known.values()))


def see_save(
    *, sender: Any, instance: Any, created: bool, raw: bool, using: str, update_fields: Any = None, **_: Any
) -> None:
    """Tell a row that was inserted or updated; an update that changed nothing is not told."""
    if raw or _is_skipped(sender) or not watching():
        return
    state = instance._state
    before = vars(state).get("ezlogs_loaded")
    known = {} if created else _known(instance)
    fields = list(_written(instance, known, created=created, only=update_fields))
    _remember_now(instance, None if update_fields is None else set(update_fields))
    if not created and not fields:
        return
    row = observe(
        sender._meta.model_name,
        "create" if created else "update",
        id=loaded_key(instance),
        fields=fields,
        metadata=_where(sender, using),
        undo=partial(setattr, state, "ezlogs_loaded", before),
    )
    write(row, using)


def _written(instance: Any, known: Mapping[str, object], *, created: bool, only: Any) -> Iterator[Field]:
    now = vars(instance)
    for field in instance._meta.concrete_fields:
        if field.primary_key or field.attname not in now or getattr(field, "generated", False):
            continue
        if only is not None and field.name not in only and field.attname not in only:
            continue
        before, after = known.get(field.attname, UNSET), _value(field, now[field.attname])
        if (created and after is None) or (before is not UNSET and _same(field, before, after)):
            continue
        yield Field(field.name, before, after, _is_key_or_choice(field))


def _same(field: Any, before: object, after: object) -> bool:
    if before == after:
        return True
    if type(before) is type(after) or after is None or after is UNSET:
        return False
    try:
        return bool(field.to_python(after) == before)  # assigned as text, such as "9.90" for a decimal
    except Exception:  # a field's own code; Django saved the value all the same
        return False


def see_update(queryset: Any, rows: int, **values: Any) -> None:
    """Tell that rows of a queryset were updated."""
    model = queryset.model
    if not rows or _in_bulk_update.get() is model or _is_skipped(model) or not watching():
        return
    fields = [_assigned(model, name, value) for name, value in values.items()]
    _write_bulk(queryset, "bulk_update", rows, fields)


def _assigned(model: Any, name: str, value: object) -> Field:
    if hasattr(type(value), "_meta"):
        value = loaded_key(value)
    return Field(name, UNSET, UNSET if _is_expression(value) else value, _is_key_or_choice(model._meta.get_field(name)))


def see_bulk_create(
    queryset: Any,
    created: Any,
    objs: Any = (),
    batch_size: Any = None,
    ignore_conflicts: bool = False,
    *args: Any,
    update_conflicts: bool = False,
    **kwargs: Any,
) -> None:
    """Tell that rows were inserted together; how many is not known where the database may have skipped some."""
    model = queryset.model
    if not created or _is_skipped(model) or not watching():
        return
    if model._meta.auto_created:
        _write_links_added(queryset, created)
        return
    count = "rows_given" if ignore_conflicts or update_conflicts or any(args[:1]) else "rows"
    _write_bulk(queryset, "bulk_create", len(created), count=count)


def see_bulk_update(queryset: Any, rows: int, objs: Any = (), fields: Iterable[str] = (), *_: Any, **__: Any) -> None:
    """Tell that instances were updated together."""
    if rows and not _is_skipped(queryset.model) and watching():
        _write_bulk(queryset, "bulk_update", rows, [Field(name) for name in fields])


def _inner_updates_silenced(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def bulk_update(queryset: Any, *args: Any, **kwargs: Any) -> Any:
        token = _in_bulk_update.set(queryset.model)
        try:
            return original(queryset, *args, **kwargs)
        finally:
            _in_bulk_update.reset(token)

    return bulk_update


def _write_bulk(queryset: Any, verb: str, rows: int, fields: Sequence[Field] = (), *, count: str = "rows") -> None:
    model = queryset.model
    metadata = {count: rows, **_where(model, queryset.db)}
    write(observe(model._meta.model_name, verb, rows=rows, fields=fields, metadata=metadata), queryset.db)


def _counting(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    see = guarded(see_delete)

    @wraps(original)
    def delete(collector: Any) -> Any:
        origin = collector.origin
        key = loaded_key(origin) if hasattr(type(origin), "_meta") else None  # Django takes it off the instance
        result = original(collector)
        if hooks.active:
            see(collector.using, origin, key, result[1])
        return result

    return delete


def see_delete(using: str, origin: Any, key: str | None, counts: Mapping[str, int]) -> None:
    """Tell a deleted instance or queryset once, with how many rows of other models went with it."""
    model = type(origin) if hasattr(type(origin), "_meta") else getattr(origin, "model", None)
    if model is None or _is_skipped(model) or not watching() or not any(counts.values()):
        return
    meta = model._meta
    own = counts.get(meta.concrete_model._meta.label, 0)
    if meta.auto_created:
        _write_links(model, using, {"operation": "remove", "rows": own}, own)
        return
    cascade = {label: count for label, count in counts.items() if count and label != meta.concrete_model._meta.label}
    metadata = {**_where(model, using), **({"cascade": cascade} if cascade else {})}
    if isinstance(origin, model):
        write(observe(meta.model_name, "destroy", id=key, metadata=metadata), using)
    else:
        write(observe(meta.model_name, "bulk_delete", rows=own, metadata={"rows": own, **metadata}), using)


def _write_links_added(queryset: Any, links: Sequence[Any]) -> None:
    """Tell what was given to ``order.tags.add``; what was linked already is not told apart by Django."""
    source, target = _ends(queryset.model)
    owners = {vars(link).get(source.attname) for link in links}
    added = [vars(link).get(target.attname) for link in links[:_MAX_KEYS_TOLD]]
    owner = str(owners.pop()) if len(owners) == 1 else None
    _write_links(queryset.model, queryset.db, {"operation": "add", "ids": added}, len(links), owner)


def _write_links(through: Any, using: str, what: Mapping[str, object], rows: int, owner: str | None = None) -> None:
    source = through._meta.auto_created
    names = [field.name for field in source._meta.many_to_many if field.remote_field.through is through]
    metadata = {"m2m": {"field": names[0] if names else None, **what}, **_where(through, using)}
    write(observe(source._meta.model_name, "update", id=owner, rows=rows, metadata=metadata), using)


def _ends(through: Any) -> tuple[Any, Any]:
    """Return the keys of an automatic many-to-many table: of the model that has the field, and of the other."""
    source, target = [field for field in through._meta.concrete_fields if field.is_relation]
    return source, target


def _where(model: Any, using: str) -> dict[str, object]:
    meta = model._meta
    return {
        "table": meta.db_table,
        "database": using,
        "verbose_name": str(meta.verbose_name),
        "verbose_name_plural": str(meta.verbose_name_plural),
    }


def _is_skipped(model: Any) -> bool:
    return model._meta.label_lower in _SKIPPED or any(base.__name__ == "AbstractBaseSession" for base in model.__mro__)


def _value(field: Any, value: object) -> object:
    """Return what is in the column: nothing that is known for an expression, a file's name for a file."""
    if _is_expression(value):
        return UNSET
    return str(value) if hasattr(field, "upload_to") and value is not None else value


def _is_expression(value: object) -> bool:
    return hasattr(type(value), "resolve_expression")


def _is_key_or_choice(field: Any) -> bool:
    return bool(field.is_relation or field.primary_key or getattr(field, "choices", None))
