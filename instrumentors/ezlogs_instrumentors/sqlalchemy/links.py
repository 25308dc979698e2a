"""Association tables: rows that a flush wrote to them are told as changes of the collection that they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import inspect
from sqlalchemy.orm import PassiveFlag

from ezlogs.trackers.data import ModelPolicy, Row, observe
from ezlogs_instrumentors.sqlalchemy.mapped import bind_of, full_name, key_of, shape_of

_MAX_KEYS_TOLD = 100


class Links(msgspec.Struct, eq=False):
    """What was added to a collection and removed from it."""

    owner: Any
    relationship: Any
    added: dict[Any, None] = {}
    removed: dict[Any, None] = {}

    def row(self, database: str, policy: ModelPolicy) -> Row:
        """Return the change as a write of the collection's owner."""
        shape = shape_of(self.owner.mapper)
        field = self.relationship.key
        table = self.relationship.secondary
        metadata: dict[str, object] = {"table": full_name(table), "database": bind_of(table) or database}
        if policy.tells_values(field):
            metadata["m2m"] = {"field": field, "added": _keys(self.added), "removed": _keys(self.removed)}
        elif policy.tells(field):
            metadata["m2m"] = {"field": field}
        rows = len(self.added) + len(self.removed)
        return observe(shape.model, "update", id=_key(self.owner), rows=rows, metadata=metadata)


def written_links(states: Mapping[Any, tuple[bool, bool]], links_of: Mapping[Any, Iterable[Any]]) -> list[Links]:
    """Return the changes of collections, each once though both its ends may know of it.

    Args:
        states: What a flush wrote: for each row whether it was deleted, and whether nothing was done to it.
        links_of: The relationships over association tables of each mapper.
    """
    found: dict[tuple[Any, str], Links] = {}
    for state, (deleted, listed) in states.items():
        for relationship in () if listed else links_of.get(state.mapper, ()):
            for other, is_added in _changed(state, relationship.key, deleted):
                owner, item, told = _as_told(state, relationship, other)
                links = found.get((owner, told.key))
                if links is None:
                    links = found[owner, told.key] = Links(owner, told)
                (links.added if is_added else links.removed)[item] = None
    return list(found.values())


def _changed(state: Any, key: str, deleted: bool) -> Iterator[tuple[Any, bool]]:
    if not deleted and key not in state.committed_state and (state.key is not None or key not in state.dict):
        return
    history = state.get_history(key, PassiveFlag.PASSIVE_NO_INITIALIZE)
    if not deleted:
        yield from ((item, True) for item in _written(state, history.added))
    yield from ((item, False) for item in _written(state, history.non_added() if deleted else history.deleted))


def _written(state: Any, items: Any) -> Iterator[Any]:
    """Return those ends of links that are in the session: SQLAlchemy writes no other."""
    for item in items or ():
        if item is not None and item in state.session:
            yield inspect(item)


def _as_told(state: Any, relationship: Any, other: Any) -> tuple[Any, Any, Any]:
    """Return owner, item and relationship of a link: it is told of the end that its table names first."""
    for reverse in relationship._reverse_property:
        if not reverse.viewonly and _position(reverse) < _position(relationship):
            return other, state, reverse
    return state, other, relationship


def _position(relationship: Any) -> int:
    column = relationship.synchronize_pairs[0][1]
    return list(relationship.secondary.columns).index(column)


def _keys(states: Iterable[Any]) -> list[str | None]:
    return [_key(state) for state, _ in zip(states, range(_MAX_KEYS_TOLD), strict=False)]


def _key(state: Any) -> str | None:
    return key_of(state, shape_of(state.mapper))
