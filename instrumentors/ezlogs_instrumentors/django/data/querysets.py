"""QuerySets: rows that are inserted or updated together, told as one event with their number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial, wraps
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from msgspec import UNSET

from ezlogs.emit import guarded
from ezlogs.trackers.data import Field, to_capture
from ezlogs.trackers.soft_deletes import verb_of
from ezlogs_instrumentors.django.data import deletion, links
from ezlogs_instrumentors.django.data.bulk import write_bulk
from ezlogs_instrumentors.django.data.capturing import Read, created_instances, read, updated, updated_instances
from ezlogs_instrumentors.django.data.fixtures import watching
from ezlogs_instrumentors.django.data.loaded import known, remember
from ezlogs_instrumentors.django.data.operations import Operation, run, running
from ezlogs_instrumentors.django.data.policies import is_left_out, policy_for
from ezlogs_instrumentors.django.data.shapes import is_key_or_choice, is_secret
from ezlogs_instrumentors.django.data.statements import Alias
from ezlogs_instrumentors.django.data.told import expressions, value_of
from ezlogs_instrumentors.hooks import Hooks


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See what is written without any signal."""
    hooks.replace(module.QuerySet, "update", partial(_updating, hooks, Alias(hooks, "SQLUpdateCompiler")))
    hooks.replace(module.QuerySet, "bulk_create", partial(_creating, hooks))
    hooks.replace(module.QuerySet, "bulk_update", partial(_updating_many, hooks))
    hooks.replace(module.QuerySet, "_raw_delete", partial(deletion.deleting_fast, hooks))


class BulkCreate(Operation):
    """Rows that are inserted together."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._rows: int | None = 0
        self._given = 0
        self._policy = policy_for(model)
        self._first: list[Any] = []
        """As many of them as may be told."""

    def inserted(self, model: Any, instances: Sequence[Any], rows: int | None) -> None:
        """Add up what the database wrote, and what it was given."""
        self._first += instances[: max(0, to_capture(self._policy) - len(self._first))]
        self._given += len(instances)
        self._rows = None if rows is None or self._rows is None else self._rows + rows

    def tell(self) -> None:
        """Tell how many rows there are, and which, if they are all that were given."""
        if self._rows is None:
            write_bulk(self._model, self.using, "bulk_create", None, further={"rows_given": self._given})
        elif self._rows:
            captured = created_instances(self._first, self._policy) if self._rows == self._given else None
            write_bulk(self._model, self.using, "bulk_create", self._rows, captured=captured)


class BulkUpdate(Operation):
    """Instances that are updated together."""

    def __init__(self, model: Any, instances: Sequence[Any], names: Iterable[str]) -> None:
        self._model = model
        self._instances = instances
        self._names = names
        self._rows = 0

    def updated(self, using: str, rows: int) -> None:
        """Add up how many rows were updated."""
        self.using = using
        self._rows += rows

    def tell(self) -> None:
        """Tell how many rows, and know the instances' rows as they are now."""
        columns = [self._model._meta.get_field(name) for name in self._names]
        before = WeakKeyDictionary((one._state, vars(one._state).get("ezlogs_loaded")) for one in self._instances)

        def undo() -> None:
            for state, loaded in before.items():
                state.ezlogs_loaded = loaded

        fields = [Field(field.name) for field in columns]
        policy = policy_for(self._model)
        names = [field.name for field in columns]
        is_all = self._rows == len(self._instances)
        captured = updated_instances(self._instances, names, policy) if is_all else None
        write_bulk(self._model, self.using, "bulk_update", self._rows, fields, captured=captured, undo=undo)
        for one in self._instances:
            row = known(one)
            if row:
                row.update((field.attname, value_of(field, vars(one).get(field.attname))) for field in columns)
                remember(one, tuple(row), tuple(row.values()), self.using)


def _updating(hooks: Hooks, alias: Alias, original: Callable[..., int]) -> Callable[..., int]:
    see = guarded(partial(_see_update, alias))

    @wraps(original)
    def update(queryset: Any, /, **values: Any) -> int:
        before = None
        if hooks.active:
            alias.prepare(queryset)
            if not isinstance(running.get(), BulkUpdate):
                before = read(queryset, None, values)
        rows = original(queryset, **values)
        if hooks.active and rows:
            see(queryset, rows, values, before)
        return rows

    return update


def _see_update(alias: Alias, queryset: Any, rows: int, values: Mapping[str, object], before: Read | None) -> None:
    """Tell that rows of a queryset were updated, unless it is a part of something that is told as a whole."""
    model, operation = queryset.model, running.get()
    if isinstance(operation, BulkUpdate):
        operation.updated(alias.of(queryset), rows)
        return
    policy = policy_for(model)
    if not policy.told or not watching():
        return
    fields = [_assigned(model, name, value) for name, value in values.items()]
    verb, marked = verb_of("bulk_update", fields)
    names = {field.name: value for field, value in zip(fields, values.values(), strict=True)}
    further = expressions({name: value for name, value in names.items() if policy.tells(name)})
    if isinstance(operation, deletion.Deletion) and operation.detaches(model, values):
        further["cause"] = "cascade"
    captured = updated(before, names, policy)
    write_bulk(model, alias.of(queryset), verb, rows, fields, further=further, marked=marked, captured=captured)


def _assigned(model: Any, name: str, value: object) -> Field:
    field = model._meta.get_field(name)
    return Field(field.name, UNSET, value_of(field, value), is_key_or_choice(field), is_secret(field))


def _creating(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    begin = guarded(_begin_creating)

    @wraps(original)
    def bulk_create(queryset: Any, /, *args: Any, **kwargs: Any) -> Any:
        operation = begin(queryset.model) if hooks.active else None
        if operation is None:
            return original(queryset, *args, **kwargs)
        return run(operation, original, queryset, *args, **kwargs)

    return bulk_create


def _begin_creating(model: Any) -> Operation | None:
    if not watching():
        return None
    outer = running.get()
    if isinstance(outer, links.Links) and outer.through is model:
        return links.Added(outer)
    if model._meta.auto_created:
        return links.Adding(model)
    return None if is_left_out(model) else BulkCreate(model)


def _updating_many(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    begin = guarded(_begin_updating)

    @wraps(original)
    def bulk_update(queryset: Any, /, objs: Any, fields: Any, *args: Any, **kwargs: Any) -> Any:
        if hooks.active:
            objs, fields = tuple(objs), list(fields)
            operation = begin(queryset.model, objs, fields)
            if operation is not None:
                return run(operation, original, queryset, objs, fields, *args, **kwargs)
        return original(queryset, objs, fields, *args, **kwargs)

    return bulk_update


def _begin_updating(model: Any, objs: Sequence[Any], names: Sequence[str]) -> Operation | None:
    return None if not objs or not watching() or is_left_out(model) else BulkUpdate(model, objs, names)
