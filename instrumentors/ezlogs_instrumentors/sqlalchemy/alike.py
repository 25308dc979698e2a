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
from ezlogs.trackers.data.alike import LONGEST_KEPT, TEXTS, Alike, AlikeRow, Columns, Form, Forms, form_of_written
from ezlogs.trackers.data.circumstances import Circumstances, circumstances_of
from ezlogs.trackers.soft_deletes import marks
from ezlogs_instrumentors.sqlalchemy.flushing import NOTHING_BEFORE
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

Captured = tuple["Form | None", Sequence[Any], Sequence[Any], Sequence[str]]
"""What is kept of a row: its form, its values before and after, and the names that they go by."""

_NONE: Captured = (None, (), (), ())
"""For a row that is not like others."""

_UNKNOWN = type(UNSET)
_NOTHING = frozenset({LoaderCallableStatus, _UNKNOWN})
"""The types of values that are not known."""

_NUMBERS = frozenset({float, Decimal})
"""Types with a value that differs from itself: where it is the same object, nothing gave it anew."""


class Taking(NamedTuple):
    """What is taken of a row that was updated, by which of its attributes were changed."""

    is_all: bool
    """Whether these are all that an update writes: there is nothing that it entails."""
    values: Callable[[Mapping[str, object]], tuple[Any, ...]]
    """Takes their values out of a row that has them all, and of what an update entails."""
    long: tuple[int, ...]
    """Which of them may be long."""
    forms: Forms
    """By the types of the values and of those from before, and then by whether they differ."""


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
    links: tuple[Any, ...]
    """The relationships over an association table."""
    creates: Alike | None = None
    updates: Alike | None = None
    """What new rows have in common, and what updated ones have, once there is one."""


_models: WeakKeyDictionary[Any, Model] = WeakKeyDictionary()


def learn(  # noqa: PLR0917  # all that is known of a row
    writes: Transaction, mapper: Any, plan: Plan, policy: ModelPolicy, database: str, at: Moment
) -> Present:
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
    circumstances = circumstances_of(at)
    found = writes.found[mapper.class_] = Present(circumstances, model, plan.bind or database, at, plan.shape.links)
    return found


def known(writes: Transaction, kind: type, ctx: Any) -> Present | None:
    """Return what was found out of the rows of a class in a transaction, if it still holds."""
    found: Present | None = writes.found.get(kind)
    return found if found is not None and found.circumstances.hold(ctx) else None


def keep(state: Any, present: Present, writes: Transaction, timestamp: int, flushed: Mapping[Any, Any]) -> bool:
    """Keep a row, if it is like one before it; return whether it was.

    Args:
        state: The row.
        present: What it has in common with others.
        writes: Where it is kept.
        timestamp: When it was flushed.
        flushed: What was known, before the flush, of the rows that it updated; see `Flush.before`.
    """
    model = present.model
    before: Sequence[Any] = ()
    if state.key is not None:
        form, before, values, names = _updated(state, model, *flushed.get(state, NOTHING_BEFORE))
        alike = present.updates
    else:  # all of it is inline: there may be a flush for each new row
        plan, now, alike = model.plan, state.dict, present.creates
        names = plan.names
        try:
            values = plan.values(now)
        except KeyError:
            values = plan.values({**plan.unknown, **now})
        for at in plan.long:
            value = values[at]
            if type(value) in TEXTS and len(value) > LONGEST_KEPT:
                return False
        form = model.created[tuple(map(type, values))]
    if form is None:
        return False
    if not form.is_told:
        return True
    if alike is None:
        alike = _begun(present, writes, is_new=state.key is None)
    room = writes.room()
    if room is None:
        return writes.count(alike, form, timestamp)
    room.append(AlikeRow(alike, form, timestamp, before, values, names))
    return True


def _updated(state: Any, model: Model, loaded: Mapping[str, object], history: Mapping[str, object]) -> Captured:
    """Return what is kept of a row that was updated.

    Args:
        state: The row.
        model: Its model.
        loaded: Its values before.
        history: What SQLAlchemy knew of changed ones before.
    """
    now, names, key = state.dict, tuple(history), state.key[1]
    try:
        taking = model.takings[names]
    except KeyError:
        taking = _keep_taking(model, names)
    if taking is None or state.committed_state.keys() != history.keys():
        return _NONE
    take = taking.values
    before = take(history if taking.is_all else {**model.plan.unknown, **loaded, **history})
    try:
        values = take(now)
    except KeyError:
        values = take({**model.plan.unknown, **now})
    for at in taking.long:
        if is_long(values[at]) or is_long(before[at]):
            return _NONE
    forms = taking.forms[tuple(map(type, values)), tuple(map(type, before))]
    if forms is None:
        return _NONE
    return forms[tuple(map(ne, values, before))], key + before, key + values, names


def _begun(present: Present, writes: Transaction, *, is_new: bool) -> Alike:
    """Return what new rows have in common from now on, or updated ones."""
    model, database, at = present.model, present.database, present.at
    shape, keys = model.plan.shape, len(model.plan.shape.keys)
    alike = Alike(
        model=shape.model,
        verb="create" if is_new else "update",
        at=at,
        correlation=writes.story(at.correlation, at.context),
        where=partial(dict, table=shape.name, database=database),
        key_at=-1 if keys > 1 else len(model.plan.created) if is_new else 0,
        key_of=partial(key_of_created, model.plan) if is_new else lambda values: key_text_of(values[:keys]),
        make=partial(_made_created if is_new else _made_updated, model, database),
    )
    writes.begin(alike)
    if is_new:
        present.creates = alike
    else:
        present.updates = alike
    return alike


def _made_created(model: Model, database: str, row: AlikeRow) -> Row | None:
    return row_created(model.plan, model.policy, database, row.values, _moment_of(row))


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
        changed == len(positions),
        itemgetter(*keys, *keys[:1]),  # of one name alone it would be no tuple
        tuple(at for at, attribute in enumerate(attributes) if not is_short(attribute.type)),
        Forms(lambda kinds: _forms_of_updated(plan, model.policy, attributes, changed, *kinds)),
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


def _forms_of_updated(  # noqa: PLR0917  # all that forms follow from
    plan: Plan,
    policy: ModelPolicy,
    attributes: Sequence[Attribute],
    changed: int,
    after: Sequence[type],
    before: Sequence[type],
) -> Forms | None:
    """Return the forms of rows whose values are of some types; None where these have to be looked at."""
    if not plan.plain.issuperset(after) or not plan.plain.union(_NOTHING).issuperset(before):
        return None
    kinds = [(_UNKNOWN if was in _NOTHING else was, kind) for was, kind in zip(before, after, strict=True)]
    if any(was is kind and kind in _NUMBERS for was, kind in kinds[changed : len(attributes)]):
        return None
    tables = {attribute.table for attribute in attributes[:changed]}
    first = len(plan.shape.keys)
    columns = _columns(attributes, first)

    def form(differs: Sequence[bool]) -> Form | None:
        written = [
            (first + at, was, kind)
            for at, (attribute, (was, kind)) in enumerate(zip(attributes, kinds, strict=False))
            if was is _UNKNOWN or kind is _UNKNOWN or differs[at]
            if at < changed or was is not _UNKNOWN or attribute.is_version or attribute.changes_with in tables
        ]
        if not written or written[0][0] >= first + changed:  # what an update entails is no change by itself
            written.clear()
        return form_of_written(columns, policy, marks(), written, is_created=False)

    return Forms(form)


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
