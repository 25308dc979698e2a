"""Rows that are alike: in a transaction all but the first of a model's are kept with as little as is theirs.

What they have in common was found out when the first one was flushed, and is found out anew where it may have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from operator import itemgetter, ne
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
from msgspec import UNSET
from sqlalchemy import TypeDecorator
from sqlalchemy.orm import LoaderCallableStatus
from sqlalchemy.types import TypeEngine

from ezlogs.trackers.data import ModelPolicy, Moment, Row, Transaction
from ezlogs.trackers.data.alike import Alike, AlikeRow, Columns, Form, Forms, form_of_written
from ezlogs.trackers.data.circumstances import Circumstances, circumstances_of
from ezlogs.trackers.soft_deletes import marks
from ezlogs_instrumentors.sqlalchemy.kept import (
    Change,
    Plan,
    is_long,
    is_short,
    key_of_created,
    row_created,
    row_updated,
)
from ezlogs_instrumentors.sqlalchemy.mapped import Attribute, key_text_of

_MOST_TAKINGS = 1024
"""Sets of attributes of one model that were changed together."""

_UNKNOWN = type(UNSET)
_NOTHING = frozenset({LoaderCallableStatus, _UNKNOWN})
"""The types of values that are not known."""

_NUMBERS = frozenset({float, Decimal})
"""Types with a value that differs from itself: where it is the same object, nothing gave it anew."""


class Taking(NamedTuple):
    """What is taken of a row that was updated, by which of its attributes were changed."""

    positions: tuple[int, ...]
    """Of the attributes in the shape: of those that were changed in their order, and then of what that entails."""
    changed: int
    """How many were changed."""
    values: Callable[[Mapping[str, object]], tuple[Any, ...]]
    """Takes their values out of a row that has them all."""
    long: tuple[int, ...]
    """Which of them may be long."""
    forms: Forms
    """By the types of the values, of those from before, and by whether they differ."""


class Model(NamedTuple):
    """What is the same for all rows of a model, as long as its policy is."""

    plan: Plan
    policy: ModelPolicy
    created: Forms
    """The forms of new rows, by the types of their values."""
    takings: dict[tuple[str, ...], Taking | None]
    """By the names of what was changed; None where some of it is nothing that rows can be alike by."""


class Present(msgspec.Struct, eq=False):
    """What the rows of one model have in common at present."""

    circumstances: Circumstances
    model: Model
    database: str
    at: Moment
    creates: Alike | None = None
    updates: Alike | None = None
    """What new rows have in common, and what updated ones have, once there is one."""


_models: WeakKeyDictionary[Any, Model] = WeakKeyDictionary()


def learn(writes: Transaction, mapper: Any, plan: Plan, policy: ModelPolicy, database: str, at: Moment) -> Present:
    """Find out what further rows of a model have in common with the one that was just kept.

    Args:
        writes: Where it was kept.
        mapper: That of the model.
        plan: How its rows are kept.
        policy: Its policy.
        database: The database's name.
        at: The moment of the flush.
    """
    model = _models.get(mapper)
    if model is None or model.policy is not policy:
        model = _models[mapper] = Model(plan, policy, Forms(partial(_form_of_created, plan, policy)), {})
    found = writes.found[mapper] = Present(circumstances_of(at), model, plan.bind or database, at)
    return found


def known(writes: Transaction, mapper: Any, ctx: Any) -> Present | None:
    """Return what was found out of a model's rows in a transaction, if it still holds."""
    found: Present | None = writes.found.get(mapper)
    return found if found is not None and found.circumstances.hold(ctx) else None


def keep_created(state: Any, present: Present, writes: Transaction, timestamp: int) -> bool:
    """Keep a new row, if it is like one before it; return whether it was.

    Args:
        state: The row.
        present: What it has in common with others.
        writes: Where it is kept.
        timestamp: When it was flushed.
    """
    model = present.model
    plan = model.plan
    try:
        values = plan.values(state.dict)
    except KeyError:
        values = plan.values({**plan.unknown, **state.dict})
    form = model.created[tuple(map(type, values))]
    if form is None:
        return False
    for at in plan.long:
        if is_long(values[at]):
            return False
    alike = present.creates or _creates(present, writes)
    return _keep(writes, alike, form, timestamp, (), values, plan.names)


def keep_updated(  # noqa: PLR0917  # all that is known of one write
    state: Any,
    present: Present,
    writes: Transaction,
    timestamp: int,
    loaded: Mapping[str, object],
    history: Mapping[str, object],
) -> bool:
    """Keep a row that was updated, if it is like one before it; return whether it was.

    Args:
        state: The row.
        present: What it has in common with others.
        writes: Where it is kept.
        timestamp: When it was flushed.
        loaded: Its values before.
        history: What SQLAlchemy knew of changed ones before.
    """
    model, now, names, key = present.model, state.dict, tuple(history), state.key[1]
    try:
        taking = model.takings[names]
    except KeyError:
        taking = _keep_taking(model, names)
    if taking is None or type(key) is not tuple or state.committed_state.keys() != history.keys():
        return False
    if taking.changed < len(taking.positions):
        before = taking.values({**model.plan.unknown, **loaded, **history})
    else:
        before = taking.values(history)
    try:
        values = taking.values(now)
    except KeyError:
        values = taking.values({**model.plan.unknown, **now})
    try:
        differs = tuple(map(ne, values, before))
    except Exception:  # a value's own code
        return False
    form = taking.forms[tuple(map(type, values)), tuple(map(type, before)), differs]
    if form is None:
        return False
    if not form.is_told:
        return True
    for at in taking.long:
        if is_long(values[at]) or is_long(before[at]):
            return False
    alike = present.updates or _updates(present, writes)
    return _keep(writes, alike, form, timestamp, key + before, key + values, names)


def _keep(  # noqa: PLR0917  # all that is known of one write
    writes: Transaction,
    alike: Alike,
    form: Form,
    timestamp: int,
    before: Sequence[Any],
    values: Sequence[Any],
    names: Sequence[str],
) -> bool:
    room = writes.room()
    if room is None:
        return writes.count(alike, form, timestamp)
    room.append(AlikeRow(alike, form, timestamp, before, values, names))
    return True


def _creates(present: Present, writes: Transaction) -> Alike:
    plan, policy = present.model.plan, present.model.policy
    present.creates = _begun(
        present,
        writes,
        "create",
        len(plan.created) if len(plan.shape.keys) == 1 else -1,
        partial(key_of_created, plan),
        partial(_made_created, plan, policy, present.database),
    )
    return present.creates


def _updates(present: Present, writes: Transaction) -> Alike:
    number = len(present.model.plan.shape.keys)
    present.updates = _begun(
        present,
        writes,
        "update",
        0 if number == 1 else -1,
        lambda values: key_text_of(values[:number]),
        partial(_made_updated, present.model, present.database),
    )
    return present.updates


def _begun(  # noqa: PLR0917  # all that rows have in common
    present: Present,
    writes: Transaction,
    verb: str,
    key_at: int,
    key_of: Callable[[Sequence[Any]], str | None],
    make: Callable[[AlikeRow], Row | None],
) -> Alike:
    at, shape = present.at, present.model.plan.shape
    where = partial(dict, table=shape.name, database=present.database)
    alike = Alike(shape.model, verb, at, writes.story(at.correlation, at.context), where, key_at, key_of, make)
    writes.begin(alike)
    return alike


def _made_created(plan: Plan, policy: ModelPolicy, database: str, row: AlikeRow) -> Row:
    return row_created(plan, policy, database, row.values, _moment_of(row))


def _made_updated(model: Model, database: str, row: AlikeRow) -> Row | None:
    plan = model.plan
    positions, changed = _positions(plan, tuple(row.names))
    number = len(plan.shape.keys)
    taken: list[Change] = [
        (at, UNSET if type(before) is LoaderCallableStatus else before, after)
        for at, before, after in zip(positions, row.before[number:], row.values[number:], strict=False)
    ]
    key = row.values[:number]
    return row_updated(plan, model.policy, database, key, taken[:changed], taken[changed:], _moment_of(row))


def _moment_of(row: AlikeRow) -> Moment:
    return row.alike.at._replace(timestamp=row.timestamp)


def _form_of_created(plan: Plan, policy: ModelPolicy, kinds: Sequence[type]) -> Form | None:
    if not plan.plain.issuperset(kinds):
        return None
    written = [
        (at, _UNKNOWN, kinds[at])
        for at, attribute in enumerate(plan.created)
        if kinds[at] is not type(None) and (kinds[at] is not _UNKNOWN or attribute.has_server_default)
    ]
    return form_of_written(_columns(plan.created), policy, (), written, is_created=True)


def _keep_taking(model: Model, names: tuple[str, ...]) -> Taking | None:
    if len(model.takings) >= _MOST_TAKINGS:
        model.takings.clear()
    taking = model.takings[names] = _taking(model, names)
    return taking


def _taking(model: Model, names: tuple[str, ...]) -> Taking | None:
    """Return what is taken of rows whose attributes of some names were changed; None where each has to be looked at."""
    plan = model.plan
    positions, changed = _positions(plan, names)
    attributes = [plan.shape.attributes[at] for at in positions]
    if not changed or not all(map(_is_usual, attributes)):
        return None
    keys = [attribute.key for attribute in attributes]
    return Taking(
        positions,
        changed,
        itemgetter(*keys, *keys[:1]),  # of one name alone it would be no tuple
        tuple(at for at, attribute in enumerate(attributes) if not is_short(attribute.type)),
        Forms(lambda key: _form_of_updated(plan, model.policy, attributes, changed, *key)),
    )


def _positions(plan: Plan, names: Sequence[str]) -> tuple[tuple[int, ...], int]:
    """Return which attributes an update writes by which some are changed, and how many are changed themselves."""
    changed = sorted(plan.positions[name] for name in names if name in plan.positions)
    return (*changed, *(at for name, at in plan.entailed if name not in names)), len(changed)


def _is_usual(attribute: Attribute) -> bool:
    """Tell whether two values of an attribute are the same where Python says so, and told as one."""
    kind = attribute.type
    while isinstance(kind, TypeDecorator) and type(kind).compare_values is TypeDecorator.compare_values:
        kind = kind.impl_instance
    is_compared = type(kind).compare_values is not TypeEngine.compare_values
    return not (attribute.is_primary or attribute.is_document or is_compared)


def _form_of_updated(  # noqa: PLR0917  # all that a form follows from
    plan: Plan,
    policy: ModelPolicy,
    attributes: Sequence[Attribute],
    changed: int,
    after: Sequence[type],
    before: Sequence[type],
    differs: Sequence[bool],
) -> Form | None:
    if not plan.plain.issuperset(after) or not plan.plain.union(_NOTHING).issuperset(before):
        return None
    tables = {attribute.table for attribute in attributes[:changed]}
    first = len(plan.shape.keys)
    written: list[tuple[int, type, type]] = []
    for at, attribute in enumerate(attributes):
        was, kind = _UNKNOWN if before[at] in _NOTHING else before[at], after[at]
        if at >= changed:
            if not written:
                break
            if was is kind and kind in _NUMBERS:
                return None
            if was is _UNKNOWN and not (attribute.is_version or attribute.changes_with in tables):
                continue
        if was is _UNKNOWN or kind is _UNKNOWN or differs[at]:
            written.append((first + at, was, kind))
    return form_of_written(_columns(attributes, first), policy, marks(), written, is_created=False)


def _columns(attributes: Sequence[Attribute], first: int = 0) -> Columns:
    """Return what is the same for all rows, of which the attributes come after as many values of the key."""
    return Columns(
        [""] * first + [attribute.key for attribute in attributes],
        (),
        [True] * first + [attribute.is_harmless for attribute in attributes],
        [False] * first + [attribute.is_secret for attribute in attributes],
        (),
        {},
    )
