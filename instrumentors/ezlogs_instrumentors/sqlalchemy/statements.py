"""Statements that the application executes itself: rows inserted, updated or deleted through Core or the ORM's DML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial, wraps
from types import ModuleType
from typing import Any
from weakref import WeakSet

from msgspec import UNSET
from sqlalchemy import BindParameter, event, inspect
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ezlogs.emit import failed, guarded
from ezlogs.loaded import key_text, snake_case
from ezlogs.trackers import raw
from ezlogs.trackers.data import Captured, Field, ModelPolicy, observe, observe_bulk, policy_of, to_capture, watching
from ezlogs.trackers.soft_deletes import verb_of
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.sqlalchemy import below
from ezlogs_instrumentors.sqlalchemy.capturing import (
    attach_capturing,
    captured,
    joined,
    names_of,
    policy_of_statement,
)
from ezlogs_instrumentors.sqlalchemy.flushing import latest, running
from ezlogs_instrumentors.sqlalchemy.mapped import (
    database_of,
    dml_of,
    entity_of,
    is_association,
    is_harmless,
    is_secret,
    model_of,
    table_of,
    where,
)
from ezlogs_instrumentors.sqlalchemy.servers import is_mysql
from ezlogs_instrumentors.sqlalchemy.transactions import see_implicit_commit, write


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See statements once they have been executed; of those that read, nothing but their type is looked at."""
    if not hooks.active:
        return
    if below.is_there(Connection, below.STATEMENTS):
        hooks.replace(Connection, below.STATEMENTS, partial(_seeing, hooks))
        for method in (below.DEFINITIONS, below.COMPILED):
            if below.is_there(Connection, method):
                hooks.after(Connection, method, _see_other)
    else:
        _listen(hooks)
    hooks.after(Connection, "exec_driver_sql", see_driver_statement)
    attach_capturing(hooks)


def _seeing(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    see, see_other = guarded(_see_executed), guarded(_see_other)
    see_coming = guarded(partial(_see_coming, hooks, WeakSet()))

    @wraps(original)
    def execute(connection: Any, statement: Any, parameters: Any, options: Any) -> Any:
        if statement.is_select or not hooks.active:
            return original(connection, statement, parameters, options)
        if "compiled_cache" in options:
            if _is_of_flush(connection):
                return original(connection, statement, parameters, options)
        elif statement.is_insert:
            see_coming(connection, statement)
        result = original(connection, statement, parameters, options)
        if statement.is_dml:
            see(connection, parameters, result)
        else:
            see_other(connection, result, statement)
        return result

    return execute


def _is_of_flush(connection: Any) -> bool:
    """Tell whether a flush is what executes a statement here, and remember where: its rows are told one by one.

    It looks after its own errors, as it is asked for each row that is flushed by itself.
    """
    try:
        flush = latest()
        if flush is None or flush.is_over or flush.updated is not None:
            return False
        flush.see(connection)
    except Exception as problem:
        failed(_is_of_flush, problem)
        return False
    return True


def _see_executed(connection: Any, parameters: Any, result: Any) -> None:
    context = result.context
    several = parameters if len(parameters) > 1 else ()
    see_statement(connection, context.invoked_statement, several, context.execution_options, result)


def _listen(hooks: Hooks) -> None:
    """Listen to events, where connections have not the method."""
    see, see_other = guarded(see_statement), guarded(_see_other)

    def after_execute(  # noqa: PLR0917  # as SQLAlchemy passes them
        connection: Any, clause: Any, multiparams: Any, params: Any, options: Any, result: Any
    ) -> None:
        if getattr(clause, "is_select", False):
            return
        if not getattr(clause, "is_dml", False):
            see_other(connection, result, clause)
        elif "compiled_cache" not in options or not _is_of_flush(connection):
            see(connection, clause, multiparams, options, result)

    for name, listener in (("after_execute", after_execute), ("after_cursor_execute", _after_cursor_execute(hooks))):
        event.listen(Engine, name, listener)
        hooks.on_undo(partial(event.remove, Engine, name, listener))


def _after_cursor_execute(hooks: Hooks) -> Callable[..., None]:
    remember = guarded(_remember_rows)

    def after_cursor_execute(  # noqa: PLR0917  # as SQLAlchemy passes them
        connection: Any, cursor: Any, statement: Any, parameters: Any, context: Any, executemany: bool
    ) -> None:
        if context.isinsert and hooks.active:
            remember(cursor, context)

    return after_cursor_execute


def _see_coming(hooks: Hooks, heard: WeakSet[Any], connection: Any, insert: Any) -> None:
    """Listen to a connection from when on it inserts rows of which only the driver knows how many they are."""
    insert = dml_of(insert)
    several = insert.select is not None or insert._multi_values or _may_skip(insert)
    if several and connection not in heard and watching():
        heard.add(connection)
        event.listen(connection, "after_cursor_execute", _after_cursor_execute(hooks))


def _see_other(connection: Any, result: Any, statement: Any, *_: Any, **__: Any) -> None:
    """See what is neither a query nor one of SQLAlchemy's inserts, updates and deletes."""
    if is_mysql(connection) and (context := getattr(result, "context", None)) is not None:
        see_implicit_commit(connection, context.statement)
    if raw.watching():
        see_raw(connection, statement, result)


def _remember_rows(cursor: Any, context: Any) -> None:
    """Remember what the driver says of an insert, of which SQLAlchemy closes the cursor without having asked."""
    rows = cursor.rowcount
    if rows >= 0:  # of a large insert for each part of it
        context.ezlogs_rows = getattr(context, "ezlogs_rows", 0) + rows


def see_statement(connection: Any, statement: Any, multiparams: Any, options: Mapping[str, Any], result: Any) -> None:
    """Keep what a statement wrote, unless it is one of the ORM's own, whose rows are told one by one."""
    if not watching():
        return
    statement = dml_of(statement)
    table = table_of(statement)
    if _is_of_orm(table, options):
        _see_own(connection, statement, table, multiparams, result)
        return
    policy = policy_of_statement(statement)
    if not policy.told:
        return
    entity = entity_of(statement)
    if entity is not None and statement.is_insert and table is not inspect(entity).local_table:
        return  # one of several tables of a model, whose rows are told of the last
    model = model_of(table) if entity is None else snake_case(entity)
    rows = _count(statement, multiparams, result)
    if rows == 0:
        return
    if statement.is_insert and _is_of_one_row(statement, multiparams, rows):
        fields = _renamed(_inserted(table, result), statement)
        metadata = where(table, connection)
        write(
            observe(model, "create", id=_key(table, result), fields=fields, metadata=metadata, policy=policy),
            connection,
        )
        return
    verb = "bulk_create" if statement.is_insert else "bulk_update" if statement.is_update else "bulk_delete"
    fields = _renamed(_assigned(statement, table, multiparams, result), statement) if statement.is_update else []
    before = (
        _given(statement, table, multiparams, policy)
        if statement.is_insert
        else captured(connection, statement, fields, policy)
    )
    marked: Mapping[str, object] = {}
    if statement.is_update:
        verb, marked = verb_of(verb, fields)
    for row in observe_bulk(
        model,
        verb,
        rows=rows,
        policy=policy,
        captured=before,
        fields=fields,
        metadata=where(table, connection),
        marked=marked,
    ):
        write(row, connection)


def _renamed(fields: Iterator[Field], statement: Any) -> list[Field]:
    """Return the fields under their attributes' names: those are what policies name."""
    names = names_of(statement)
    return [field._replace(name=names.get(field.name, field.name)) for field in fields]


def _given(statement: Any, table: Any, multiparams: Any, policy: ModelPolicy) -> list[Captured] | None:
    """Return the rows that an insert was given, with their keys, where the model wants them told."""
    most = to_capture(policy)
    if not most or not multiparams or _may_skip(statement):
        return None
    keys = [column.key for column in table.primary_key]
    rows = []
    for parameters in multiparams[:most]:
        fields = (
            Field(str(name), UNSET, value, is_harmless(column), is_secret(column))
            for name, value in parameters.items()
            if (column := table.columns.get(name)) is not None and not column.primary_key and value is not None
        )
        rows.append(Captured(joined(parameters.get(key) for key in keys), _renamed(fields, statement)))
    return rows


def see_driver_statement(connection: Any, result: Any, statement: str, *_: Any, **__: Any) -> None:
    """Keep what a statement for the driver wrote."""
    if is_mysql(connection):
        see_implicit_commit(connection, statement)
    if raw.watching():
        see_raw(connection, statement, result)


def see_raw(connection: Any, statement: Any, result: Any) -> None:
    """Keep that a statement written as text changed rows; never the statement, never its parameters."""
    written = raw.read(str(statement))
    if written is None or not policy_of(None, written.table, written.table).told:
        return
    rows = _rowcount(result)
    if rows == 0:
        return
    write(raw.observe(written, rows=rows, database=database_of(connection.engine)), connection)


def _is_of_orm(table: Any, options: Mapping[str, Any]) -> bool:
    """Tell whether a flush executes this: those that listeners of the application execute meanwhile are not its own."""
    if running() is None:
        return False
    return "compiled_cache" in options or is_association(table)


def _see_own(connection: Any, statement: Any, table: Any, multiparams: Any, result: Any) -> None:
    flush = running()
    if flush is None:
        return
    flush.see(connection)
    if flush.updated is not None and statement.is_update:
        rows = _rowcount(result)
        flush.updated[table] += (len(multiparams) or 1) if rows is None else rows


def _count(statement: Any, multiparams: Any, result: Any) -> int | None:
    """Return how many rows were written, as far as the driver knows; None where it does not."""
    if statement.is_insert and not _may_skip(statement):
        if multiparams:
            return len(multiparams)
        if statement.select is None and not statement._multi_values:
            return 1
    rows = _rowcount(result)
    if statement._returning and not rows and not result._soft_closed:
        return None  # some drivers count rows as they are fetched
    if rows and statement.is_insert and _updates_on_duplicate(statement):
        return 1 if not (multiparams or statement.select is not None or statement._multi_values) else None
    return rows


def _rowcount(result: Any) -> int | None:
    rows = getattr(result.context, "ezlogs_rows", result.rowcount)
    return rows if isinstance(rows, int) and rows >= 0 else None


def _may_skip(insert: Any) -> bool:
    return insert._post_values_clause is not None or bool(insert._prefixes)


def _updates_on_duplicate(insert: Any) -> bool:
    """Tell whether an insert is MySQL's kind of upsert, which counts a row that it updated as two."""
    return getattr(insert._post_values_clause, "__visit_name__", None) == "on_duplicate_key_update"


def _is_of_one_row(insert: Any, multiparams: Any, rows: int | None) -> bool:
    several = multiparams or insert.select is not None or insert._multi_values or _may_skip(insert)
    return not several and rows == 1


def _only(given: Any) -> Mapping[str, Any]:
    """Return the parameters of a statement that was given one row, be it in a list."""
    found: Mapping[str, Any] = given[0] if isinstance(given, list) else given
    return found


def _inserted(table: Any, result: Any) -> Iterator[Field]:
    for name, value in _only(result.last_inserted_params()).items():
        column = table.columns.get(name)
        if column is not None and not column.primary_key and value is not None:
            yield Field(str(name), UNSET, value, is_harmless(column), is_secret(column))


def _key(table: Any, result: Any) -> str | None:
    try:
        key = result.inserted_primary_key
    except SQLAlchemyError:  # with RETURNING it is the application's to fetch
        given = _only(result.last_inserted_params())
        key = [given.get(column.key) for column in table.primary_key]
    texts = [key_text(part) for part in key or ()]
    return ",".join(map(str, texts)) if texts and None not in texts else None


def _assigned(statement: Any, table: Any, multiparams: Any, result: Any) -> Iterator[Field]:
    values = {getattr(column, "key", column): value for column, value in _set(statement)}
    single = {} if multiparams else _only(result.last_updated_params())
    names = multiparams[0] if multiparams else single
    for name in dict.fromkeys([*values, *(name for name in names if name in table.columns)]):
        column = table.columns.get(name)
        after = single.get(name, UNSET)
        value = values.get(name, UNSET)
        if isinstance(value, BindParameter):
            after = single.get(value.key, UNSET if value.required or multiparams else value.effective_value)
        elif value is not UNSET:
            after = UNSET
        is_known = column is not None
        yield Field(str(name), UNSET, after, is_known and is_harmless(column), is_known and is_secret(column))


def _set(update: Any) -> list[tuple[Any, Any]]:
    return [*(update._values or {}).items(), *(getattr(update, "_ordered_values", None) or ())]
