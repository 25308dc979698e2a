"""Deletes: an instance or a queryset, told once with what went along, however Django got there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial, wraps
from types import ModuleType
from typing import Any

from msgspec import UNSET

from ezlogs.emit import guarded
from ezlogs.trackers.data import Captured, Field, observe, to_capture
from ezlogs_instrumentors.django.data import links
from ezlogs_instrumentors.django.data.bulk import write_bulk
from ezlogs_instrumentors.django.data.capturing import Read, deleted, deleted_instances, detached, read
from ezlogs_instrumentors.django.data.fixtures import watching
from ezlogs_instrumentors.django.data.operations import Operation, run, running
from ezlogs_instrumentors.django.data.policies import is_left_out, policy_for
from ezlogs_instrumentors.django.data.shapes import is_key_or_choice, is_secret
from ezlogs_instrumentors.django.data.statements import counting
from ezlogs_instrumentors.django.data.told import value_of, where
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
        self._captured: dict[Any, list[Captured] | None] = {}
        """Rows by model, as far as they may be told; None where they were not read."""
        for model, instances in collector.data.items():
            policy = policy_for(model)
            if policy.told and to_capture(policy):
                self._capture(model, deleted_instances(instances, collector.using, policy), len(instances))

    def deleted(self, model: Any, rows: int) -> None:
        """Add up the rows by model."""
        self._counts[model._meta.concrete_model] += rows

    def deleted_unseen(self, model: Any, rows: int, found: Read | None) -> None:
        """Add up rows that Django has not read, with what was read of them for us."""
        self.deleted(model, rows)
        policy = policy_for(model)
        if policy.told and to_capture(policy):
            self._capture(model, deleted(found), rows)

    def left(self, model: Any, values: Mapping[str, object]) -> Iterator[Any]:
        """Return the instances that stay without what they belonged to, as far as Django has read them."""
        for (field, _), groups in self._collector.field_updates.items():
            for group in groups:
                if _is_of(field, model, values) and getattr(group, "_result_cache", group) is not None:
                    yield from group

    def _capture(self, model: Any, captured: list[Captured] | None, rows: int) -> None:
        """Keep rows of a model, unless some others of it were not read, or not as many as were deleted."""
        concrete, most = model._meta.concrete_model, to_capture(policy_for(model))
        known = self._captured.get(concrete, [])
        if known is None or captured is None or len(captured) != min(rows, most):
            self._captured[concrete] = None
        else:
            self._captured[concrete] = [*known, *captured][:most]

    def detaches(self, model: Any, values: Mapping[str, object]) -> bool:
        """Tell whether an update is this delete's: of rows that stay without what they belonged to."""
        return any(_is_of(field, model, values) for field, _ in self._collector.field_updates)

    def tell(self) -> None:
        """Tell what the delete was asked for with the rest as its cascade, or each model by itself."""
        model, counts = self._model, self._counts
        own = 0 if model is None else counts.pop(model._meta.concrete_model, 0)
        if not own or is_left_out(model):
            for other, rows in counts.items():
                write_deleted(other, rows, self.using, self._captured.get(other))
            return
        if model._meta.auto_created:
            known = [] if self._instance is None else [self._instance]
            links.write_links(known, self.using or "default", rows=own, change="removed", through=model)
            return
        for parent in model._meta.get_parent_list():
            if parent._meta.concrete_model in counts:
                counts[parent._meta.concrete_model] -= own  # the same rows, in another table
        cascade = {other._meta.label: rows for other, rows in counts.items() if rows > 0 and _is_told(other)}
        further = {"cascade": cascade} if cascade else {}
        using = self.using or "default"
        if self._instance is None:
            captured = self._captured.get(model._meta.concrete_model)
            write_bulk(model, using, "bulk_delete", own, further=further, captured=captured)
        else:
            metadata, policy = {**where(model, using), **further}, policy_for(model)
            write(observe(model._meta.model_name, "destroy", id=self._key, metadata=metadata, policy=policy), using)
        for other, rows in counts.items():
            captured = self._captured.get(other)
            if rows > 0 and captured:
                write_bulk(other, using, "bulk_delete", rows, further={"cause": "cascade"}, captured=captured)


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
            write_deleted(model, rows, using, self._captured.get(model))


def write_deleted(model: Any, rows: int, using: str | None, captured: Sequence[Captured] | None = None) -> None:
    """Tell rows that were deleted together."""
    if model._meta.auto_created:
        links.write_links([], using or "default", rows=rows, change="removed", through=model)
    else:
        write_bulk(model, using, "bulk_delete", rows, captured=captured)


def _is_told(model: Any) -> bool:
    owner = model._meta.auto_created
    return not is_left_out(owner or model)


def _is_of(field: Any, model: Any, values: Mapping[str, object]) -> bool:
    return field.model._meta.concrete_model is model._meta.concrete_model and field.name in values


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
        before = read(queryset, using)
        rows: int = original(queryset, using)
        if rows:
            see(queryset.model, rows, using, before)
        return rows

    return _raw_delete


def _see_fast(model: Any, rows: int, using: str, before: Read | None) -> None:
    operation = running.get()
    if isinstance(operation, Deletion):
        operation.using = using
        operation.deleted_unseen(model, rows, before)
    elif watching():
        write_deleted(model, rows, using, deleted(before))


def _detaching(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    see = guarded(_see_detached)

    @wraps(original)
    def update_batch(query: Any, pk_list: Sequence[Any], values: Mapping[str, object], using: str) -> Any:
        from django.db import connections

        if not hooks.active or not isinstance(running.get(), Deletion):
            return original(query, pk_list, values, using)
        connection = connections[using]
        with counting(connection) as counts:
            result = original(query, pk_list, values, using)
        see(query.model, counts[connection], values, using)
        return result

    return update_batch


def _see_detached(model: Any, counts: Sequence[int], values: Mapping[str, object], using: str) -> None:
    rows, policy, operation = sum(counts), policy_for(model), running.get()
    if rows <= 0 or not policy.told:
        return
    columns = {name: model._meta.get_field(name) for name in values}
    fields = [
        Field(name, UNSET, value_of(columns[name], value), is_key_or_choice(columns[name]), is_secret(columns[name]))
        for name, value in values.items()
    ]
    captured = None
    if isinstance(operation, Deletion) and to_capture(policy):
        captured = detached(operation.left(model, values), values, policy)
    write_bulk(model, using, "bulk_update", rows, fields, further={"cause": "cascade"}, captured=captured)
