"""Models and tables: what they are called, which of their attributes are columns, and whose database it is."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet, ref

from sqlalchemy import Column, Enum, Table

from ezlogs.loaded import key_text, snake_case
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.sqlalchemy.listeners import listen

_SKIPPED = frozenset({"alembic_version"})
"""Tables whose rows are nobody's data."""

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


class Shape(NamedTuple):
    """What is told of each row of a model."""

    model: str
    table: Any
    keys: tuple[str, ...]
    """The attributes that are the primary key."""
    attributes: tuple[Attribute, ...]
    links: tuple[Any, ...]
    """The relationships over an association table."""
    cascades_in_database: bool
    skipped: bool


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
    values = state.key[1] if state.key is not None else [state.dict.get(key) for key in shape.keys]
    if len(values) == 1:
        return key_text(values[0])
    texts = [key_text(value) for value in values]
    return None if None in texts else ",".join(map(str, texts))


def _shape(mapper: Any) -> Shape:
    table = mapper.local_table
    relationships = [relationship for relationship in mapper.relationships if not relationship.viewonly]
    return Shape(
        model=snake_case(mapper.class_),
        table=table,
        keys=tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key),
        attributes=tuple(
            _attribute(str(prop.key), prop.columns[0], mapper.version_id_col)
            for prop in mapper.column_attrs
            if isinstance(prop.columns[0], Column)
        ),
        links=tuple(relationship for relationship in relationships if relationship.secondary is not None),
        cascades_in_database=any(relationship.passive_deletes for relationship in relationships),
        skipped=is_skipped(table),
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
    )


def is_harmless(column: Any) -> bool:
    """Tell whether a column is a key or one of a set of choices."""
    return bool(column.primary_key or column.foreign_keys or isinstance(column.type, Enum))


def is_skipped(table: Any) -> bool:
    """Tell whether a table's rows are nobody's data."""
    return getattr(table, "name", None) in _SKIPPED


def model_of(table: Any) -> str:
    """Return the name of a table's model; a table without a model has its own name."""
    found = _classes.get(table)
    kind = found() if found is not None else None
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
        relationship.secondary is table and not relationship.viewonly
        for mapper in list(_mappers)
        for relationship in mapper.relationships
    )


def where(table: Any, connection: Any) -> dict[str, object]:
    """Return table and database, as metadata of an event."""
    bind = table.metadata.info.get("bind_key") if isinstance(table, Table) else None  # Flask-SQLAlchemy's name of it
    name = getattr(table, "fullname", None) or str(getattr(table, "name", None) or type(table).__name__)
    return {"table": str(name), "database": database_of(connection.engine) if bind is None else str(bind)}


def database_of(engine: Any) -> str:
    """Return an engine's name: the one that it was given, its database's, or that of its kind of database."""
    name = _databases.get(engine)
    if name is None:
        name = _databases[engine] = str(engine.logging_name or _database(engine.url) or engine.dialect.name)
    return name


def _database(url: Any) -> str | None:
    found = _STEM.search(url.database or "")
    return None if found is None or url.database == ":memory:" else found[1]
