"""The unit of work: each row that a flush wrote, with what is known of its values before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from types import ModuleType
from typing import Any

from msgspec import UNSET
from sqlalchemy.orm import LoaderCallableStatus

from ezlogs.trackers.data import Field, ModelPolicy, Moment, moment, observe, watching
from ezlogs.trackers.soft_deletes import verb_of
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.sqlalchemy.documents import changed
from ezlogs_instrumentors.sqlalchemy.flushing import begin, end, forget, running
from ezlogs_instrumentors.sqlalchemy.links import written_links
from ezlogs_instrumentors.sqlalchemy.listeners import listen
from ezlogs_instrumentors.sqlalchemy.mapped import Attribute, Shape, key_of, policy_of_mapper, shape_of, where
from ezlogs_instrumentors.sqlalchemy.transactions import write

_NOTHING: Mapping[str, object] = {}
_PLAIN = frozenset({bool, int, float, str, bytes, Decimal, date, datetime, type(None), type(UNSET)})
"""Types that are values and nothing else."""


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See what flushes write. Listeners to the class hear every session, whatever class or maker it is from."""
    session = module.Session
    listen(hooks, session, "before_flush", see_beginning)
    listen(hooks, module.Mapper, "before_update", see_update, raw=True)
    listen(hooks, session, "after_flush", see_flush)
    listen(hooks, session, "after_soft_rollback", see_failure)


def see_beginning(session: Any, flush_context: Any, instances: Any) -> None:
    """Remember the flush."""
    if watching():
        begin(session)


def see_update(mapper: Any, connection: Any, state: Any) -> None:
    """Remember a row before its update: of what the database computes SQLAlchemy forgets that it was changed."""
    flush = running()
    if flush is not None:
        flush.before[state] = (dict(state.dict), dict(state.committed_state))


def see_failure(session: Any, previous_transaction: Any) -> None:
    """Forget a flush that failed."""
    forget(session)


def see_flush(session: Any, flush_context: Any) -> None:
    """Keep every row that was written until its transaction ends."""
    flush = end(session)
    if flush is None:
        return
    before, states = flush.before, flush_context.states
    replaced = {state.key: state for state, (deleted, listed) in states.items() if deleted and listed and state.key}
    shapes: dict[Any, Shape] = {}
    policies: dict[Any, ModelPolicy] = {}
    at = moment()
    find = partial(_connection, session, {})
    for state, (deleted, listed) in states.items():
        if listed:
            continue
        connection = find(state)
        policy = policies.get(state.mapper)
        if policy is None:
            shapes[state.mapper] = shape_of(state.mapper)
            policy = policies[state.mapper] = policy_of_mapper(state.mapper)
        if policy.told:
            _see_row(state, deleted, before, replaced, connection, at=at, policy=policy)
    links_of = {mapper: shape.links for mapper, shape in shapes.items() if shape.links}
    for links in written_links(states, links_of) if links_of else ():
        policy = policy_of_mapper(links.owner.mapper)
        if policy.told and not policy.leaves_out((Field(links.relationship.key),)):
            connection = find(links.owner)
            write(links.row(connection, policy), connection)


def _connection(session: Any, found: dict[Any, Any], state: Any) -> Any:
    if session.connection_callable is not None:  # of sharded sessions
        return session.connection_callable(state.mapper, state.obj())
    connection = found.get(state.mapper)
    if connection is None:
        connection = found[state.mapper] = session.connection(bind_arguments={"mapper": state.mapper})
    return connection


def _see_row(
    state: Any,
    deleted: bool,
    before: Mapping[Any, Any],
    replaced: Mapping[Any, Any],
    connection: Any,
    *,
    at: Moment,
    policy: ModelPolicy,
) -> None:
    shape = shape_of(state.mapper)
    metadata = where(shape.table, connection)
    if deleted:
        verb, fields = "destroy", []
        if shape.cascades_in_database:
            metadata["cascade"] = "db"
    elif state.key is not None:
        verb, fields = "update", updated(state, shape.attributes, *before.get(state, (_NOTHING, _NOTHING)))
    else:
        old = replaced.get(state.mapper.identity_key_from_instance(state.obj())) if replaced else None
        verb = "create" if old is None else "update"
        fields = list(created(state, shape.attributes) if old is None else _replaced(old, state, shape.attributes))
    if verb == "update":
        if not fields or policy.leaves_out(fields):
            return
        verb, marked = verb_of(verb, fields)
        metadata.update(marked)
    row = observe(shape.model, verb, id=key_of(state, shape), fields=fields, metadata=metadata, at=at, policy=policy)
    write(row, connection)


def created(state: Any, attributes: tuple[Attribute, ...]) -> Iterator[Field]:
    """Return what is inserted of a new row."""
    now = state.dict
    for attribute in attributes:
        after = _known(now.get(attribute.key, UNSET))
        if attribute.is_primary or after is None or (after is UNSET and not _is_set_by_database(attribute, now)):
            continue
        yield Field(attribute.key, UNSET, after, attribute.is_harmless, attribute.is_secret)


def _is_set_by_database(attribute: Attribute, now: Mapping[str, object]) -> bool:
    return attribute.has_server_default or attribute.key in now


def updated(
    state: Any,
    attributes: tuple[Attribute, ...],
    loaded: Mapping[str, object] = _NOTHING,
    history: Mapping[str, object] = _NOTHING,
) -> list[Field]:
    """Return what is updated of a row.

    Args:
        state: The row now.
        attributes: Its columns.
        loaded: Its values before.
        history: What SQLAlchemy knew of changed ones before.
    """
    now, later = state.dict, state.committed_state
    told: list[Field] = []
    along: list[Field] = []
    tables = {attribute.table for attribute in attributes if attribute.key in history or attribute.key in later}
    for attribute in attributes:
        key = attribute.key
        after = _known(now.get(key, UNSET))
        if key in history or key in later:
            before, fields = _known(history[key] if key in history else later[key]), told
        elif (
            key in loaded or attribute.is_version or attribute.changes_with in tables
        ):  # SQLAlchemy keeps no history of what the others entail
            before, fields = _known(loaded.get(key, UNSET)), along
            if before is after and before is not UNSET:
                continue
        else:
            continue
        if before is UNSET or after is UNSET or not _same(attribute, before, after):
            if attribute.is_document:
                fields += changed(key, before, after, secret=attribute.is_secret)
            else:
                fields.append(Field(key, before, after, attribute.is_harmless, attribute.is_secret))
    return told + along if told else []


def _replaced(old: Any, state: Any, attributes: tuple[Attribute, ...]) -> Iterator[Field]:
    """Compare a deleted row with the new one of the same key, by which SQLAlchemy updated it."""
    was = {**old.dict, **old.committed_state}
    for attribute in attributes:
        if attribute.is_primary or attribute.key not in state.dict:
            continue
        before, after = _known(was.get(attribute.key, UNSET)), _known(state.dict[attribute.key])
        if before is not UNSET and after is not UNSET and _same(attribute, before, after):
            continue
        if attribute.is_document:
            yield from changed(attribute.key, before, after, secret=attribute.is_secret)
        else:
            yield Field(attribute.key, before, after, attribute.is_harmless, attribute.is_secret)


def _known(value: object) -> object:
    """Return a value, or nothing known for one that was not loaded or that the database computes."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, LoaderCallableStatus) or hasattr(type(value), "__clause_element__") or _is_clause(value):
        return UNSET
    return value


def _is_clause(value: object) -> bool:
    return hasattr(type(value), "compile") and hasattr(type(value), "_annotations")


def _same(attribute: Attribute, before: object, after: object) -> bool:
    try:
        return bool(attribute.type.compare_values(before, after))
    except Exception:  # a type's own code; SQLAlchemy wrote the row all the same
        return False
