"""Models and tables: what they are called, which of their attributes are columns, and whose database it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet, ref

from sqlalchemy import Column, Enum, Table

from ezlogs.loaded import key_text, snake_case
from ezlogs.trackers.data import ModelPolicy, is_secret_type, policy_of
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.sqlalchemy.documents import is_document
from ezlogs_instrumentors.sqlalchemy.listeners import listen

_STEM = re.compile(r"([^/\\]+?)(\.\w+)?$")


class Attribute(NamedTuple):
    """An attribute that is a column."""

    key: str
    is_primary: bool
    is_harmless: bool
    """It is a key or one of a set of choices."""
    has_server_default: bool
    is_version: bool
    table: Any
    changes_with: Any
    """The table, where an update of it gives this column a value, too."""
    type: Any
    is_secret: bool
    """Its type holds passwords, or encrypts."""
    column: str
    """The column's name."""
    is_document: bool
    """It holds JSON."""


class Shape(NamedTuple):
    """What is told of each row of a model."""

    model: str
    table: Any
    name: str
    """The table's name, with its schema if it has one."""
    keys: tuple[str, ...]
    """The attributes that are the primary key."""
    attributes: tuple[Attribute, ...]
    links: tuple[Any, ...]
    """The relationships over an association table."""
    cascades_in_database: bool


_shapes: WeakKeyDictionary[Any, Shape] = WeakKeyDictionary()
_classes: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""The topmost class of each mapped table."""
_mappers: WeakSet[Any] = WeakSet()
_databases: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def attach(hooks: Hooks, module: ModuleType) -> None:
    """Know which class a table belongs to, so that writes through Core are told under its name."""
    listen(hooks, module.Mapper, "instrument_class", see_class)
    registries = getattr(module.mapperlib, "_mapper_registries", ())  # of models that were there before
    for registry in list(registries):
        for mapper in registry.mappers:
            see_class(mapper, mapper.class_)


def see_class(mapper: Any, kind: type) -> None:
    """Remember the class of a table; of subclasses in the same table it is the topmost."""
    _mappers.add(mapper)
    table = mapper.local_table
    if mapper.inherits is not None and mapper.inherits.local_table is table:
        return
    if isinstance(table, Table) and table not in _classes:
        _classes[table] = ref(kind)


def shape_of(mapper: Any) -> Shape:
    """Return what is told of rows of a mapper."""
    shape = _shapes.get(mapper)
    if shape is None:
        shape = _shapes[mapper] = _shape(mapper)
    return shape


def key_of(state: Any, shape: Shape) -> str | None:
    """Return a row's key as it is before its flush: of a new row what it was given, without loading anything."""
    return key_text_of(state.key[1] if state.key is not None else [state.dict.get(key) for key in shape.keys])


def key_text_of(values: Sequence[Any]) -> str | None:
    """Return a key as text; None where a part of it is not known."""
    if len(values) == 1:
        return key_text(values[0])
    texts = [key_text(value) for value in values]
    return None if None in texts else ",".join(map(str, texts))


def same(attribute: Attribute, before: object, after: object) -> bool:
    """Tell whether two values of an attribute are the same to its type."""
    try:
        return bool(attribute.type.compare_values(before, after))
    except Exception:  # a type's own code; SQLAlchemy wrote the row all the same
        return False


def _shape(mapper: Any) -> Shape:
    table = mapper.local_table
    relationships = [relationship for relationship in mapper.relationships if not relationship.viewonly]
    return Shape(
        model=snake_case(mapper.class_),
        table=table,
        name=full_name(table),
        keys=tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key),
        attributes=tuple(
            _attribute(str(prop.key), prop.columns[0], mapper.version_id_col)
            for prop in mapper.column_attrs
            if isinstance(prop.columns[0], Column)
        ),
        links=tuple(relationship for relationship in relationships if relationship.secondary is not None),
        cascades_in_database=any(relationship.passive_deletes for relationship in relationships),
    )


def _attribute(key: str, column: Any, version: Any) -> Attribute:
    return Attribute(
        key,
        column.primary_key,
        is_harmless(column),
        column.server_default is not None,
        column is version,
        column.table,
        None if column.onupdate is None and column.server_onupdate is None else column.table,
        column.type,
        is_secret(column),
        str(column.name),
        is_document(column.type),
    )


def is_secret(column: Any) -> bool:
    """Tell whether a column is of a type that holds passwords, or encrypts, such as those of sqlalchemy-utils."""
    return is_secret_type(type(column.type))


def is_harmless(column: Any) -> bool:
    """Tell whether a column is a key or one of a set of choices."""
    return bool(column.primary_key or column.foreign_keys or isinstance(column.type, Enum))


def policy_of_mapper(mapper: Any) -> ModelPolicy:
    """Return what is told of a mapper's rows."""
    return policy_of_shape(mapper, shape_of(mapper))


def policy_of_shape(mapper: Any, shape: Shape) -> ModelPolicy:
    """Return what is told of a mapper's rows, whose shape is known."""
    return policy_of(mapper.class_, shape.model, shape.name)


def policy_of_table(table: Any) -> ModelPolicy:
    """Return what is told of a table's rows: what is said of its class, if it has one."""
    return policy_of(class_of(table), model_of(table), full_name(table))


def policy_of_entity(entity: Any, table: Any) -> ModelPolicy:
    """Return what is told of a class's rows in a table."""
    return policy_of(entity, snake_case(entity), full_name(table))


def dml_of(statement: Any) -> Any:
    """Return the insert, update or delete that a statement is: what it returns may be made into instances around it."""
    return statement.element if statement.__visit_name__ == "orm_from_statement" else statement


def table_of(statement: Any) -> Any:
    """Return the table that a statement writes, without the notes that the ORM puts on it."""
    notes = statement._annotations
    table = notes.get("_emit_insert_table", notes.get("_emit_update_table", statement.table))
    return table._deannotate() if hasattr(table, "_deannotate") else table


def class_of(table: Any) -> type | None:
    """Return the topmost class of a table."""
    found = _classes.get(table)
    kind: type | None = found() if found is not None else None
    return kind


def model_of(table: Any) -> str:
    """Return the name of a table's model; a table without a model has its own name."""
    kind = class_of(table)
    return str(table.name) if kind is None else snake_case(kind)


def entity_of(statement: Any) -> Any:
    """Return the class that is written; None for a table, also where a model's attributes choose its rows."""
    try:
        return statement.entity_description.get("type")
    except KeyError:  # SQLAlchemy takes the statement for the ORM's then, and finds no class in it
        return None


def is_association(table: Any) -> bool:
    """Tell whether relationships write a table's rows; asked within a flush, so all models are complete."""
    return any(
        getattr(relationship, "secondary", None) is table and not relationship.viewonly
        for mapper in list(_mappers)
        for relationship in mapper.relationships
    )


def where(table: Any, connection: Any) -> dict[str, object]:
    """Return table and database, as metadata of an event."""
    return {"table": full_name(table), "database": bind_of(table) or database_of(connection.engine)}


def bind_of(table: Any) -> str | None:
    """Return Flask-SQLAlchemy's name of a table's database; None where it has none."""
    bind = table.metadata.info.get("bind_key") if isinstance(table, Table) else None
    return None if bind is None else str(bind)


def full_name(table: Any) -> str:
    """Return a table's name, with its schema if it has one."""
    return str(getattr(table, "fullname", None) or getattr(table, "name", None) or type(table).__name__)


def database_of(engine: Any) -> str:
    """Return an engine's name: the one that it was given, its database's, or that of its kind of database."""
    name = _databases.get(engine)
    if name is None:
        name = _databases[engine] = str(engine.logging_name or _database(engine.url) or engine.dialect.name)
    return name


def _database(url: Any) -> str | None:
    found = _STEM.search(url.database or "")
    return None if found is None or url.database == ":memory:" else found[1]
