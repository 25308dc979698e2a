"""Rows of an update or delete of many, read before it: only for models that ask for it with ``capture``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from msgspec import UNSET
from sqlalchemy import event, inspect, select
from sqlalchemy.engine import Engine

from ezlogs.emit import guarded
from ezlogs.loaded import key_text
from ezlogs.trackers.data import Captured, Field, ModelPolicy, on_audit, said_of, to_capture, watching
from ezlogs.trackers.soft_deletes import verb_of
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.sqlalchemy.documents import changed, is_document
from ezlogs_instrumentors.sqlalchemy.flushing import running
from ezlogs_instrumentors.sqlalchemy.mapped import (
    class_of,
    dml_of,
    entity_of,
    is_harmless,
    is_secret,
    policy_of_entity,
    policy_of_table,
    shape_of,
    table_of,
)
from ezlogs_instrumentors.sqlalchemy.transactions import is_autocommitting

_ABORTING = frozenset({"postgresql", "cockroachdb"})
"""Databases in which a statement that fails takes its transaction along, unless it is in a savepoint."""


class Column(NamedTuple):
    """A column that is read."""

    name: str
    """As fields are told: the attribute's name where there is one."""
    column: str
    is_primary: bool
    is_harmless: bool
    is_secret: bool
    is_document: bool
    type: Any


class Read(NamedTuple):
    """What was read before a statement."""

    statement: Any
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]


_read: WeakKeyDictionary[Any, Read] = WeakKeyDictionary()
"""What was read last on each connection."""


def attach_capturing(hooks: Hooks) -> None:
    """Listen to coming statements from when on a model asks for its rows; before, nothing is listened to."""
    heard: list[Callable[..., None]] = []

    def see_audit(kind: type) -> None:
        if not heard and said_of(kind).capture not in (None, "count"):
            heard.append(_listener(hooks))

    hooks.on_undo(on_audit(see_audit))


def _listener(hooks: Hooks) -> Callable[..., None]:
    see = guarded(see_coming)

    def before_execute(connection: Any, clause: Any, multiparams: Any, params: Any, options: Any) -> None:
        if getattr(clause, "is_update", False) or getattr(clause, "is_delete", False):
            see(connection, clause, multiparams, params, options)

    event.listen(Engine, "before_execute", before_execute)
    hooks.on_undo(partial(event.remove, Engine, "before_execute", before_execute))
    return before_execute


def see_coming(connection: Any, statement: Any, multiparams: Any, params: Any, options: Mapping[str, Any]) -> None:
    """Read the rows that an update or delete is about to write, as many as may be told."""
    statement = dml_of(statement)
    _read.pop(connection, None)
    if multiparams or not watching() or running() is not None or not _is_plain(statement):
        return
    policy = policy_of_statement(statement)
    most = to_capture(policy)
    if not policy.told or not most or is_autocommitting(connection):
        return
    columns = _columns(statement, all_of_them=policy.capture == "rows")
    if not any(column.is_primary for column, _ in columns):
        return
    query = select(*(element for _, element in columns)).where(*statement._where_criteria).limit(most)
    if statement._with_options:
        query = query.options(*statement._with_options)
    further = {name: options[name] for name in ("schema_translate_map",) if name in options}
    safely = connection.begin_nested() if connection.dialect.name in _ABORTING else nullcontext()
    with safely:
        rows = connection.execute(query, params or None, execution_options=further).all()
    _read[connection] = Read(statement, [column for column, _ in columns], rows)


def captured(connection: Any, statement: Any, fields: Iterable[Field], policy: ModelPolicy) -> list[Captured] | None:
    """Return what was read before a statement that has now been executed; None where nothing was.

    Args:
        connection: Where.
        statement: The statement.
        fields: What it assigned.
        policy: That of the model.
    """
    read = _read.pop(connection, None) if _read else None
    if read is None or read.statement is not statement:
        return None
    assigned = {field.name: field for field in fields}
    keys = [at for at, column in enumerate(read.columns) if column.is_primary]
    found = []
    for row in read.rows:
        written = list(_changed(read, row, assigned)) if policy.capture == "rows" else []
        told_as = verb_of("update", written) if statement.is_update else (None, {})
        found.append(Captured(joined(row[at] for at in keys), written, *told_as))
    return found


def joined(key: Iterable[Any]) -> str | None:
    """Return a key as it is told; None where a part of it is not known."""
    texts = [key_text(part) for part in key]
    return ",".join(map(str, texts)) if texts and None not in texts else None


def policy_of_statement(statement: Any) -> ModelPolicy:
    """Return what is told of the rows that a statement writes."""
    entity = entity_of(statement)
    table = table_of(statement)
    if entity is None:
        return policy_of_table(table)
    return policy_of_entity(entity, table)


def names_of(statement: Any) -> Mapping[str, str]:
    """Return the names under which the columns that a statement writes are told: those of the class's attributes."""
    entity: Any = entity_of(statement) or class_of(table_of(statement))
    mapper = None if entity is None else inspect(entity, raiseerr=False)
    if mapper is None:  # or it is a class no longer: its mapper was disposed of
        return {}
    return {attribute.column: attribute.key for attribute in shape_of(mapper).attributes}


def _is_plain(statement: Any) -> bool:
    """Tell whether the same rows are found by a query with the same conditions."""
    limits = any(str(name).endswith("_limit") for name in statement.dialect_kwargs)
    return not (statement._independent_ctes or statement._prefixes or limits)


def _columns(statement: Any, *, all_of_them: bool) -> list[tuple[Column, Any]]:
    entity, table = entity_of(statement), table_of(statement)
    if entity is not None:
        shape = shape_of(inspect(entity))
        found = [
            (
                Column(
                    attribute.key,
                    attribute.column,
                    attribute.key in shape.keys,
                    attribute.is_harmless,
                    attribute.is_secret,
                    attribute.is_document,
                    attribute.type,
                ),
                getattr(entity, attribute.key),
            )
            for attribute in shape.attributes
        ]
    else:
        names = names_of(statement)
        found = [
            (
                Column(
                    names.get(column.name, column.name),
                    column.name,
                    column.primary_key,
                    is_harmless(column),
                    is_secret(column),
                    is_document(column.type),
                    column.type,
                ),
                column,
            )
            for column in table.columns
        ]
    return found if all_of_them else [pair for pair in found if pair[0].is_primary]


def _changed(read: Read, row: Sequence[Any], assigned: Mapping[str, Field]) -> Iterator[Field]:
    """Return what becomes of a row: of one that is deleted what it was."""
    for column, before in zip(read.columns, row, strict=True):
        if read.statement.is_delete:
            if not column.is_primary and before is not None:
                yield Field(column.name, before, UNSET, column.is_harmless, column.is_secret)
            continue
        field = assigned.get(column.name)
        if field is None:
            continue
        if column.is_document:
            yield from changed(column.name, before, field.after, secret=column.is_secret)
        elif field.after is UNSET or not _same(column, before, field.after):
            yield Field(column.name, before, field.after, column.is_harmless, column.is_secret)


def _same(column: Column, before: object, after: object) -> bool:
    try:
        return bool(column.type.compare_values(before, after))
    except Exception:  # a type's own code; the database wrote the row all the same
        return False
