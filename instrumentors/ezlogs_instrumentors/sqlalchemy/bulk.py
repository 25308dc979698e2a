"""The session's bulk methods, of which SQLAlchemy tells nobody: one event for each model, however many rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial, wraps
from types import ModuleType
from typing import Any

from msgspec import UNSET
from sqlalchemy import inspect

from ezlogs.emit import guarded
from ezlogs.trackers.data import Captured, Field, observe_bulk, to_capture, watching
from ezlogs.trackers.soft_deletes import verb_of
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.sqlalchemy.capturing import joined
from ezlogs_instrumentors.sqlalchemy.flushes import created, updated
from ezlogs_instrumentors.sqlalchemy.flushing import Flush, begin, end
from ezlogs_instrumentors.sqlalchemy.mapped import Shape, key_of, policy_of_mapper, shape_of, where
from ezlogs_instrumentors.sqlalchemy.transactions import write


class Given:
    """What goes into a bulk method, counted as it passes: nothing is kept, and a generator stays one.

    Of models that ask for it as many rows are remembered as may be told.
    """

    def __init__(self) -> None:
        self.rows: Counter[tuple[Any, str]] = Counter()
        self.names: dict[str, None] = {}
        self.captured: dict[tuple[Any, str], list[Captured]] = {}

    def mappings(self, mapper: Any, verb: str, mappings: Iterable[Any]) -> Iterator[Any]:
        """Pass dictionaries of one model on."""
        room = to_capture(policy_of_mapper(mapper))
        for mapping in mappings:
            self.rows[mapper, verb] += 1
            if verb == "bulk_update":
                self.names.update(dict.fromkeys(mapping))
            if room:
                room -= 1
                shape = shape_of(mapper)
                key = joined(mapping.get(name) for name in shape.keys)
                self._capture(mapper, verb, Captured(key, list(_values(shape, mapping))))
            yield mapping

    def objects(self, objects: Iterable[Any]) -> Iterator[Any]:
        """Pass instances on."""
        for instance in objects:
            state = inspect(instance)
            verb = "bulk_create" if state.key is None else "bulk_update"
            self.rows[state.mapper, verb] += 1
            if self.rows[state.mapper, verb] <= to_capture(policy_of_mapper(state.mapper)):
                shape = shape_of(state.mapper)
                if state.key is None:
                    row = Captured(key_of(state, shape), list(created(state, shape.attributes)))
                else:
                    written = updated(state, shape.attributes)
                    row = Captured(key_of(state, shape), written, *verb_of("update", written))
                self._capture(state.mapper, verb, row)
            yield instance

    def _capture(self, mapper: Any, verb: str, row: Captured) -> None:
        self.captured.setdefault((mapper, verb), []).append(row)


def _values(shape: Shape, mapping: Any) -> Iterator[Field]:
    for attribute in shape.attributes:
        after = mapping.get(attribute.key)
        if not attribute.is_primary and after is not None:
            yield Field(attribute.key, UNSET, after, attribute.is_harmless, attribute.is_secret)


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See the three methods."""
    session = module.Session
    hooks.replace(session, "bulk_save_objects", partial(_counting_objects, hooks))
    hooks.replace(session, "bulk_insert_mappings", partial(_counting_mappings, hooks, "bulk_create"))
    hooks.replace(session, "bulk_update_mappings", partial(_counting_mappings, hooks, "bulk_update"))


def _counting_objects(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def bulk_save_objects(session: Any, /, objects: Any, *args: Any, **kwargs: Any) -> Any:
        if not hooks.active or not watching():
            return original(session, objects, *args, **kwargs)
        given = Given()
        return _counted(session, given, lambda: original(session, given.objects(objects), *args, **kwargs))

    return bulk_save_objects


def _counting_mappings(hooks: Hooks, verb: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def call(session: Any, /, mapper: Any, mappings: Any, *args: Any, **kwargs: Any) -> Any:
        if not hooks.active or not watching():
            return original(session, mapper, mappings, *args, **kwargs)
        given = Given()
        counted = given.mappings(inspect(mapper), verb, mappings)
        return _counted(session, given, lambda: original(session, mapper, counted, *args, **kwargs))

    return call


def _counted(session: Any, given: Given, write: Callable[[], Any]) -> Any:
    """Have a method write what it was given, and see how much that was."""
    flush = begin(counting=True)
    try:
        result = write()
    finally:
        end(flush)
    _see(session, given, flush)
    return result


@guarded
def _see(session: Any, given: Given, flush: Flush) -> None:
    for (mapper, verb), count in given.rows.items():
        shape, rows = shape_of(mapper), count
        if verb == "bulk_update" and flush.updated is not None:  # objects that did not change are left out
            rows = min(count, max(flush.updated[table] for table in mapper.tables))
        policy = policy_of_mapper(mapper)
        if rows and policy.told:
            connection = session.connection(bind_arguments={"mapper": mapper})
            fields = list(_fields(shape, given.names)) if verb == "bulk_update" else ()
            metadata = where(shape.table, connection)
            captured = given.captured.get((mapper, verb)) if rows == count else None
            for row in observe_bulk(
                shape.model, verb, rows=rows, policy=policy, captured=captured, fields=fields, metadata=metadata
            ):
                write(row, connection)


def _fields(shape: Shape, names: Iterable[str]) -> Iterator[Field]:
    keys = {attribute.key for attribute in shape.attributes if attribute.is_primary}
    return (Field(name) for name in names if name not in keys)
