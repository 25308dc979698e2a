"""Deletes: an instance or a queryset, told once with what went along, however Django got there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs.trackers.data import Field, observe
from ezlogs_instrumentors.django.data import links
from ezlogs_instrumentors.django.data.bulk import write_bulk
from ezlogs_instrumentors.django.data.fixtures import watching
from ezlogs_instrumentors.django.data.operations import Operation, run, running
from ezlogs_instrumentors.django.data.statements import counting, sent
from ezlogs_instrumentors.django.data.told import is_key_or_choice, is_skipped, where
from ezlogs_instrumentors.django.transactions import write
from ezlogs_instrumentors.django.users import loaded_key
from ezlogs_instrumentors.hooks import Hooks


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See deletes by the statements that they send: receivers of Django's signals would keep it from fast ones."""
    hooks.replace(module.Collector, "delete", partial(_deleting, hooks))


def attach_to_statements(hooks: Hooks, module: ModuleType) -> None:
    """See what a delete does to rows that stay."""
    hooks.replace(module.UpdateQuery, "update_batch", partial(_detaching, hooks))


class Deletion(Operation):
    """A delete with its cascade."""

    def __init__(self, collector: Any) -> None:
        origin = collector.origin
        self._collector = collector
        self._instance = origin if hasattr(type(origin), "_meta") else None
        self._model: Any = type(origin) if self._instance is not None else getattr(origin, "model", None)
        self._key = None if self._instance is None else loaded_key(origin)  # Django takes it off the instance
        self._counts: Counter[Any] = Counter()

    def deleted(self, model: Any, rows: int) -> None:
        """Add up the rows by model."""
        self._counts[model._meta.concrete_model] += rows

    def detaches(self, model: Any, values: Mapping[str, object]) -> bool:
        """Tell whether an update is this delete's: of rows that stay without what they belonged to."""
        return any(
            field.model._meta.concrete_model is model._meta.concrete_model and field.name in values
            for field, _ in self._collector.field_updates
        )

    def tell(self) -> None:
        """Tell what the delete was asked for with the rest as its cascade, or each model by itself."""
        model, counts = self._model, self._counts
        own = 0 if model is None else counts.pop(model._meta.concrete_model, 0)
        if not own or is_skipped(model):
            for other, rows in counts.items():
                write_deleted(other, rows, self.using)
            return
        if model._meta.auto_created:
            known = [] if self._instance is None else [self._instance]
            links.write_links(known, self.using or "default", rows=own, change="removed", through=model)
            return
        for parent in model._meta.get_parent_list():
            if parent._meta.concrete_model in counts:
                counts[parent._meta.concrete_model] -= own  # the same rows, in another table
        cascade = {other._meta.label: rows for other, rows in counts.items() if rows > 0 and not is_skipped(other)}
        further = {"cascade": cascade} if cascade else {}
        if self._instance is None:
            write_bulk(model, self.using, "bulk_delete", own, further=further)
            return
        using = self.using or "default"
        metadata = {**where(model, using), **further}
        write(observe(model._meta.model_name, "destroy", id=self._key, metadata=metadata), using)


class Unlinking(Deletion):
    """The delete that ``remove()`` and ``clear()`` of links are."""

    def __init__(self, collector: Any, outer: links.Links) -> None:
        super().__init__(collector)
        self._outer = outer

    def tell(self) -> None:
        """Hand it to the links; what else went along is told by itself."""
        using = self.using or "default"
        self._outer.remove(using, self._counts.pop(self._outer.through, 0))
        for model, rows in self._counts.items():
            write_deleted(model, rows, using)


def write_deleted(model: Any, rows: int, using: str | None) -> None:
    """Tell rows that were deleted together."""
    if is_skipped(model):
        return
    if model._meta.auto_created:
        links.write_links([], using or "default", rows=rows, change="removed", through=model)
    else:
        write_bulk(model, using, "bulk_delete", rows)


def _deleting(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    begin = guarded(_begin)

    @wraps(original)
    def delete(collector: Any) -> Any:
        operation = begin(collector) if hooks.active else None
        return original(collector) if operation is None else run(operation, original, collector)

    return delete


def _begin(collector: Any) -> Operation | None:
    if not watching():
        return None
    outer = running.get()
    if isinstance(outer, links.Links) and getattr(collector.origin, "model", None) is outer.through:
        return Unlinking(collector, outer)
    return Deletion(collector)


def deleting_fast(hooks: Hooks, original: Callable[..., int]) -> Callable[..., int]:
    """See the deletes that Django sends in one statement, also when the application asks for one itself."""
    see = guarded(_see_fast)

    @wraps(original)
    def _raw_delete(queryset: Any, using: str) -> int:
        if not hooks.active:
            return original(queryset, using)
        rows: int = sent(using, original, queryset, using)
        if rows:
            see(queryset.model, rows, using)
        return rows

    return _raw_delete


def _see_fast(model: Any, rows: int, using: str) -> None:
    operation = running.get()
    if isinstance(operation, Deletion):
        operation.using = using
        operation.deleted(model, rows)
    elif watching():
        write_deleted(model, rows, using)


def _detaching(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    see = guarded(_see_detached)

    @wraps(original)
    def update_batch(query: Any, pk_list: Sequence[Any], values: Mapping[str, object], using: str) -> Any:
        from django.db import connections

        if not hooks.active or not isinstance(running.get(), Deletion):
            return original(query, pk_list, values, using)
        with counting(connections[using]) as counts:
            result = original(query, pk_list, values, using)
        see(query.model, counts, values, using)
        return result

    return update_batch


def _see_detached(model: Any, counts: Sequence[int], values: Mapping[str, object], using: str) -> None:
    rows = sum(counts)
    if rows > 0 and not is_skipped(model):
        fields = [
            Field(name, after=value, harmless=is_key_or_choice(model._meta.get_field(name)))
            for name, value in values.items()
        ]
        write_bulk(model, using, "bulk_update", rows, fields, further={"cause": "cascade"})
