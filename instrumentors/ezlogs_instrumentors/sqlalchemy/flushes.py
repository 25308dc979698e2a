"""The unit of work: each row that a flush wrote, with what is known of its values before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial, wraps
from time import time_ns
from types import ModuleType
from typing import Any, NamedTuple
from weakref import ref

import msgspec
from msgspec import UNSET
from sqlalchemy.orm import LoaderCallableStatus
from sqlalchemy.orm.unitofwork import UOWTransaction

from ezlogs.emit import failed, guarded
from ezlogs.otel_compat import current_context
from ezlogs.trackers.data import Field, Later, ModelPolicy, Moment, Row, moment, observe, watching
from ezlogs.trackers.data.alike import PLAIN
from ezlogs.trackers.soft_deletes import verb_of
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.sqlalchemy import alike, below
from ezlogs_instrumentors.sqlalchemy.documents import changed
from ezlogs_instrumentors.sqlalchemy.flushing import NOTHING_BEFORE, Flush, begin, end, end_of, running
from ezlogs_instrumentors.sqlalchemy.kept import Plan, keep_created, keep_updated, plan_of
from ezlogs_instrumentors.sqlalchemy.links import written_links
from ezlogs_instrumentors.sqlalchemy.listeners import listen
from ezlogs_instrumentors.sqlalchemy.mapped import Attribute, key_of, policy_of_shape, same
from ezlogs_instrumentors.sqlalchemy.transactions import writer, writes_of

_NOTHING: Mapping[str, object] = {}


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See what flushes write. Listeners to the class hear every session, whatever class or maker it is from.

    What `see_update` returns is nobody's; ``retval`` has SQLAlchemy call it as it is, for each row.
    """
    session = module.Session
    if below.is_there(UOWTransaction, below.WORK):
        hooks.replace(UOWTransaction, below.WORK, partial(_seeing, hooks))
    else:
        listen(hooks, session, "before_flush", see_beginning)
        listen(hooks, session, "after_flush", see_end)
        listen(hooks, session, "after_soft_rollback", see_failure)
    listen(hooks, module.Mapper, "before_update", see_update, raw=True, retval=True)


def _seeing(hooks: Hooks, original: Callable[[Any], None]) -> Callable[[Any], None]:
    see = guarded(see_flush)

    @wraps(original)
    def execute(flush_context: Any) -> None:
        flush = None
        try:
            if hooks.active and watching():
                flush = begin()
        except Exception as problem:
            failed(begin, problem)
        if flush is None:
            original(flush_context)
            return
        try:
            original(flush_context)
        finally:
            end(flush)
        see(flush_context, flush)

    return execute


def see_beginning(session: Any, flush_context: Any, instances: Any) -> None:
    """Remember the flush, where its end is told by an event."""
    if watching():
        begin(session=ref(session))


def see_end(session: Any, flush_context: Any) -> None:
    """Keep what was written, unless the flush began before anybody was watching."""
    flush = end_of(session)
    if flush is not None:
        see_flush(flush_context, flush)


def see_update(mapper: Any, connection: Any, state: Any) -> None:
    """Remember a row before its update: of what the database computes SQLAlchemy forgets that it was changed."""
    flush = running()
    if flush is not None:
        flush.before[state] = (state.dict.copy(), state.committed_state.copy())


def see_failure(session: Any, previous_transaction: Any) -> None:
    """Forget a flush that failed."""
    end_of(session)


def see_flush(flush_context: Any, flush: Flush) -> None:
    """Keep every row that was written until its transaction ends."""
    session = flush_context.session
    states, ctx, timestamp = flush_context.states, current_context(), time_ns()
    replaced = _replaced_in(states) if len(states) > 1 else None
    can_be_alike = flush.connections == 1 and session.connection_callable is None and not replaced
    writes = writes_of(flush.connection) if can_be_alike else None
    one_by_one: _OneByOne | None = None
    kind = present = None
    for state, (deleted, listed) in states.items():
        if listed:
            continue
        if writes is not None and not deleted:
            if state.class_ is not kind:
                kind, present = state.class_, alike.known(writes, state.class_, ctx)
            try:
                if present is not None and alike.keep(state, present, writes, timestamp, flush.before):
                    if present.links:
                        one_by_one = one_by_one or _OneByOne(session, flush, replaced, timestamp)
                        one_by_one.links_of[state.mapper] = present.links
                    continue
            except Exception as problem:  # the row is told all the same
                failed(alike.keep, problem)
        one_by_one = one_by_one or _OneByOne(session, flush, replaced, timestamp)
        told = one_by_one.keep(state, deleted)
        if told is not None and can_be_alike and not deleted and (present is None or state.class_ is not kind):
            writes = writes_of(flush.connection)
            if writes is not None:
                kind, present = state.class_, alike.learn(writes, state.mapper, *told)
    if one_by_one is not None and one_by_one.links_of:
        one_by_one.keep_links(states)


def _replaced_in(states: Mapping[Any, tuple[bool, bool]]) -> Mapping[Any, Any]:
    """Return the rows, by key, whose deletion became an update by a new row of the same key."""
    return {state.key: state for state, (deleted, listed) in states.items() if deleted and listed and state.key}


class _Model(NamedTuple):
    """What is the same for all rows of a model in a flush."""

    mapper: Any
    plan: Plan
    policy: ModelPolicy
    writer: tuple[Callable[[Row | Later], None], str] | None
    """What keeps its rows, and the database's name; None in sharded sessions, where that depends on the row."""


class _OneByOne(msgspec.Struct, eq=False):
    """Keeps rows of a flush each of which has to be looked at."""

    session: Any
    flush: Flush
    replaced: Mapping[Any, Any] | None
    """The rows, by key, whose deletion became an update by a new row."""
    timestamp: int
    at: Moment | None = None
    models: dict[Any, _Model] = {}
    """By class."""
    links_of: dict[Any, Sequence[Any]] = {}
    """The relationships over association tables of each mapper that has any."""

    def keep(self, state: Any, deleted: bool) -> tuple[Plan, ModelPolicy, str, Moment] | None:
        """Keep a row; return its plan, policy, database and moment, unless it is not told."""
        model, before = self._model(state.class_, state.mapper), self.flush.before
        if not model.policy.told:
            return None
        keep, database = self._writer(model, state)
        at = self.at = self.at or moment()._replace(timestamp=self.timestamp)
        row: Row | Later | bool | None = None
        if not deleted and not self.replaced:
            if state.key is None:
                row = keep_created(state, model.plan, model.policy, at, database)
            else:
                row = keep_updated(state, model.plan, model.policy, at, database, *before.get(state, NOTHING_BEFORE))
        if not row:
            row = _row(state, deleted, before, self.replaced, model, database, at=at)
        if not row or row is True:
            return None
        keep(row)
        return model.plan, model.policy, database, at

    def see_links(self, mapper: Any, plan: Plan) -> None:
        """Take note of the relationships of a model that was written."""
        if plan.shape.links:
            self.links_of[mapper] = plan.shape.links

    def keep_links(self, states: Mapping[Any, tuple[bool, bool]]) -> None:
        """Keep what was written to association tables."""
        for links in written_links(states, self.links_of):
            model = self._model(links.owner.class_, links.owner.mapper)
            if model.policy.told and not model.policy.leaves_out((Field(links.relationship.key),)):
                keep, database = self._writer(model, links.owner)
                keep(links.row(database, model.policy))

    def _model(self, kind: type, mapper: Any) -> _Model:
        model = self.models.get(kind)
        if model is None:
            model = self.models[kind] = _model(self.session, self.flush, mapper)
            self.see_links(mapper, model.plan)
        return model

    def _writer(self, model: _Model, state: Any) -> tuple[Callable[[Row | Later], None], str]:
        return model.writer or writer(self.session.connection_callable(model.mapper, state.obj()))


def _model(session: Any, flush: Flush, mapper: Any) -> _Model:
    plan = plan_of(mapper)
    policy = policy_of_shape(mapper, plan.shape)
    if session.connection_callable is not None or not policy.told:
        return _Model(mapper, plan, policy, None)
    connection = flush.connection
    if flush.connections != 1:
        connection = session.connection(bind_arguments={"mapper": mapper})
    return _Model(mapper, plan, policy, writer(connection))


def _row(  # noqa: PLR0917  # all that is known of one write
    state: Any,
    deleted: bool,
    before: Mapping[Any, Any],
    replaced: Mapping[Any, Any] | None,
    model: _Model,
    database: str,
    *,
    at: Moment,
) -> Row | None:
    shape, policy = model.plan.shape, model.policy
    metadata: dict[str, object] = {"table": shape.name, "database": model.plan.bind or database}
    if deleted:
        verb, fields = "destroy", []
        if shape.cascades_in_database:
            metadata["cascade"] = "db"
    elif state.key is not None:
        verb, fields = "update", updated(state, shape.attributes, *before.get(state, NOTHING_BEFORE))
    else:
        old = replaced.get(state.mapper.identity_key_from_instance(state.obj())) if replaced else None
        verb = "create" if old is None else "update"
        fields = list(created(state, shape.attributes) if old is None else _replaced(old, state, shape.attributes))
    if verb == "update":
        if not fields or policy.leaves_out(fields):
            return None
        verb, marked = verb_of(verb, fields)
        metadata.update(marked)
    return observe(shape.model, verb, id=key_of(state, shape), fields=fields, metadata=metadata, at=at, policy=policy)


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
        if before is UNSET or after is UNSET or not same(attribute, before, after):
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
        if before is not UNSET and after is not UNSET and same(attribute, before, after):
            continue
        if attribute.is_document:
            yield from changed(attribute.key, before, after, secret=attribute.is_secret)
        else:
            yield Field(attribute.key, before, after, attribute.is_harmless, attribute.is_secret)


def _known(value: object) -> object:
    """Return a value, or nothing known for one that was not loaded or that the database computes."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, LoaderCallableStatus) or hasattr(type(value), "__clause_element__") or _is_clause(value):
        return UNSET
    return value


def _is_clause(value: object) -> bool:
    return hasattr(type(value), "compile") and hasattr(type(value), "_annotations")
