"""Rows of a write of many, one by one: only of models that ask for it with ``capture``, and no more than they say.

Of an update or delete they are read before it; what the application gave, or Django has read itself, is not read again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import Any, NamedTuple

from msgspec import UNSET

from ezlogs.emit import guarded
from ezlogs.loaded import key_text
from ezlogs.trackers.data import Captured, Field, ModelPolicy, to_capture
from ezlogs.trackers.soft_deletes import verb_of
from ezlogs_instrumentors.django.data.fixtures import watching
from ezlogs_instrumentors.django.data.loaded import known
from ezlogs_instrumentors.django.data.policies import policy_for
from ezlogs_instrumentors.django.data.shapes import shape_of
from ezlogs_instrumentors.django.data.told import changed, is_same, value_of, written
from ezlogs_instrumentors.django.transactions import is_aborted, is_in_transaction
from ezlogs_instrumentors.django.users import loaded_key


class Read(NamedTuple):
    """What was read before a statement."""

    columns: Sequence[Any]
    rows: Sequence[Sequence[Any]]
    """Each with its key before its columns."""


@guarded
def read(queryset: Any, using: str | None, names: Collection[str] | None = None) -> Read | None:
    """Read the rows that a queryset is about to update or delete, where their model wants them told.

    Args:
        queryset: The rows.
        using: The alias; that which the queryset writes to when left out.
        names: The fields that are updated; None for a delete.
    """
    policy = policy_for(queryset.model)
    most = to_capture(policy)
    if not most or not policy.told or not watching() or not _is_plain(queryset.query):
        return None
    from django.db import connections, router, transaction
    from django.db.models import QuerySet

    model = queryset.model
    alias = using or queryset._db or router.db_for_write(model, **queryset._hints)
    connection = connections[alias]
    if not is_in_transaction(connection) or connection.needs_rollback or is_aborted(connection):
        return None
    columns = list(_columns(model, names)) if policy.capture == "rows" else []
    query = queryset.query.clone()
    query.select_for_update = False
    query.clear_ordering(force=True)
    rows: Any = QuerySet(model, query=query, using=alias)
    if query.count_active_tables() > 1:  # a row may be found several times through another table
        if len(getattr(model._meta, "pk_fields", ())) > 1:
            return None  # not every database compares keys of several columns with those of a query
        rows = QuerySet(model, using=alias).order_by().filter(pk__in=rows.values("pk"))
    safely = transaction.atomic(alias) if connection.vendor == "postgresql" else nullcontext()
    with safely:
        return Read(columns, list(rows.values_list("pk", *(field.attname for field in columns))[:most]))


def _is_plain(query: Any) -> bool:
    """Tell whether the same rows are found by a query with the same conditions."""
    return not (query.is_sliced or query.combinator or query.distinct_fields or query.group_by is not None)


def _columns(model: Any, names: Collection[str] | None) -> Iterator[Any]:
    for field in model._meta.concrete_fields:
        if not field.primary_key and (names is None or field.name in names or field.attname in names):
            yield field


def updated(found: Read | None, values: Mapping[str, object], policy: ModelPolicy) -> list[Captured] | None:
    """Return what an update made of the rows that were read before it.

    Args:
        found: What was read.
        values: What was assigned, by the fields' names.
        policy: That of the model.
    """
    if found is None:
        return None
    if policy.capture != "rows":
        return [Captured(_key(row[0])) for row in found.rows]
    rows = []
    for key, *before in found.rows:
        fields = [
            told
            for field, value in zip(found.columns, before, strict=True)
            for told in _changed(field, value_of(field, value), values[field.name])
        ]
        rows.append(_marked(_key(key), fields))
    return rows


def _changed(field: Any, before: object, value: object) -> Iterator[Field]:
    after = value_of(field, value)
    if after is UNSET or not is_same(field, before, after):
        yield from changed(field, before, after)


def _marked(key: str | None, fields: Sequence[Field]) -> Captured:
    """Return an updated row; one that a mark deletes as deleted."""
    return Captured(key, fields, *verb_of("update", fields))


def deleted(found: Read | None) -> list[Captured] | None:
    """Return the rows that were read before they were deleted."""
    if found is None:
        return None
    return [
        Captured(_key(key), [field for pair in zip(found.columns, was, strict=True) for field in _was(*pair)])
        for key, *was in found.rows
    ]


def deleted_instances(instances: Iterable[Any], using: str, policy: ModelPolicy) -> list[Captured]:
    """Return rows that Django has read to delete them, as far as they were read."""
    rows = []
    for instance in islice(instances, to_capture(policy)):
        was = known(instance, using) if policy.capture == "rows" else {}
        columns = [field for field in instance._meta.concrete_fields if field.attname in was and not field.primary_key]
        fields = [told for field in columns for told in _was(field, was[field.attname])]
        rows.append(Captured(loaded_key(instance), fields))
    return rows


def _was(field: Any, value: object) -> Iterator[Field]:
    if value is not None:
        yield from changed(field, value_of(field, value))


def created_instances(instances: Iterable[Any], policy: ModelPolicy) -> list[Captured]:
    """Return rows as they were given to be inserted."""
    in_detail = policy.capture == "rows"
    return [
        Captured(loaded_key(one), list(_written(one, {}, created=True, only=None)) if in_detail else ())
        for one in instances
    ]


def _written(
    instance: Any, row: Mapping[str, object], *, created: bool, only: Collection[str] | None
) -> Iterator[Field]:
    return written(shape_of(type(instance)), row, vars(instance), created=created, only=only)


def updated_instances(instances: Sequence[Any], names: Collection[str], policy: ModelPolicy) -> list[Captured]:
    """Return rows as they were given to be updated, against what is known of them."""
    only, in_detail = set(names), policy.capture == "rows"
    return [
        _marked(loaded_key(one), list(_written(one, known(one), created=False, only=only)))
        if in_detail
        else Captured(loaded_key(one))
        for one in instances[: to_capture(policy)]
    ]


def detached(instances: Iterable[Any], values: Mapping[str, object], policy: ModelPolicy) -> list[Captured]:
    """Return rows that stay while what they belonged to is deleted, as far as Django has read them."""
    return [
        Captured(loaded_key(instance), list(_left(instance, values)))
        for instance in islice(instances, to_capture(policy))
    ]


def _left(instance: Any, values: Mapping[str, object]) -> Iterator[Field]:
    was = known(instance)
    for name, value in values.items():
        field = instance._meta.get_field(name)
        yield from _changed(field, was.get(field.attname, UNSET), value)


def _key(key: Any) -> str | None:
    if not isinstance(key, tuple):
        return key_text(key)
    texts = [key_text(part) for part in key]
    return None if None in texts else ",".join(map(str, texts))
