"""Rows kept by their values: what a flush wrote becomes rows when its transaction is about to end, many at once.

Only plain and short values are kept so, for they cannot change until then; a row with any other is told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
from msgspec import UNSET
from sqlalchemy import Boolean, Date, DateTime, Enum, Float, Integer, Interval, Numeric, String, Time, Uuid
from sqlalchemy.orm import LoaderCallableStatus

from ezlogs.trackers.data import Field, Later, ModelPolicy, Moment, Row, observe
from ezlogs.trackers.data.alike import LONGEST_KEPT, PLAIN, TEXTS
from ezlogs.trackers.soft_deletes import verb_of
from ezlogs_instrumentors.sqlalchemy.documents import changed
from ezlogs_instrumentors.sqlalchemy.mapped import Attribute, Shape, bind_of, key_text_of, same, shape_of

_SHORT = (Boolean, Date, DateTime, Enum, Float, Integer, Interval, Numeric, Time, Uuid)

Change = tuple[int, object, object]
"""An attribute's position, and its values before and after."""


class Plan(msgspec.Struct, frozen=True, eq=False):
    """How a model's rows are kept."""

    shape: Shape
    bind: str | None
    """Flask-SQLAlchemy's name of the database."""
    created: tuple[Attribute, ...]
    """What is told of a new row."""
    names: tuple[str, ...]
    """Their names, and those of the key."""
    values: Callable[[Mapping[str, object]], tuple[Any, ...]]
    """Takes the values of these out of a row that has them all."""
    long: tuple[int, ...]
    """Which of them may be long."""
    positions: Mapping[str, int]
    """Where each attribute is in the shape."""
    entailed: tuple[tuple[str, int], ...]
    """What an update gives a value by itself, of which SQLAlchemy keeps no history: names and positions."""
    plain: frozenset[type]
    """Types whose values may be kept."""
    unknown: Mapping[str, object]
    """A row of which nothing is known."""


_plans: WeakKeyDictionary[Any, Plan] = WeakKeyDictionary()


def plan_of(mapper: Any) -> Plan:
    """Return how the rows of a mapper are kept."""
    plan = _plans.get(mapper)
    if plan is None:
        plan = _plans[mapper] = _plan(shape_of(mapper))
    return plan


def _plan(shape: Shape) -> Plan:
    attributes = shape.attributes
    created = tuple(attribute for attribute in attributes if not attribute.is_primary)
    names = (*(attribute.key for attribute in created), *shape.keys)
    enums = (getattr(attribute.type, "enum_class", None) for attribute in attributes)
    return Plan(
        shape=shape,
        bind=bind_of(shape.table),
        created=created,
        names=names,
        values=itemgetter(*names, *names[:1]),  # of one name alone it would be no tuple
        long=tuple(at for at, attribute in enumerate(created) if not is_short(attribute.type)),
        positions={attribute.key: at for at, attribute in enumerate(attributes)},
        entailed=tuple(
            (attribute.key, at)
            for at, attribute in enumerate(attributes)
            if attribute.is_version or attribute.changes_with is not None
        ),
        plain=PLAIN.union(kind for kind in enums if isinstance(kind, type)),
        unknown=dict.fromkeys((*(attribute.key for attribute in attributes), *shape.keys), UNSET),
    )


def is_short(kind: Any) -> bool:
    """Tell whether values of a type are never long."""
    return isinstance(kind, _SHORT) or (isinstance(kind, String) and (kind.length or LONGEST_KEPT + 1) <= LONGEST_KEPT)


def keep_created(state: Any, plan: Plan, policy: ModelPolicy, at: Moment, database: str) -> Later | None:
    """Return a new row by its values; None where some of them cannot be kept."""
    now = state.dict
    try:
        values = plan.values(now)
    except KeyError:
        values = plan.values({**plan.unknown, **now})
    if not plan.plain.issuperset(map(type, values)):
        return None
    if any(is_long(values[number]) for number in plan.long):
        return None
    given = (plan, policy, plan.bind or database, values)
    return Later(plan.shape.model, at, at.correlation, given, _made_of_created)


def keep_updated(  # noqa: PLR0917  # all that is known of one write
    state: Any,
    plan: Plan,
    policy: ModelPolicy,
    at: Moment,
    database: str,
    loaded: Mapping[str, object],
    history: Mapping[str, object],
) -> Later | bool:
    """Return a row by what was updated of it.

    Returns:
        False where some of it cannot be kept, and True where nothing was updated.
    """
    now, later, plain = state.dict, state.committed_state, plan.plain
    changes: list[Change] = []
    for known in (history, later):
        for name in known:
            number = plan.positions.get(name)
            if number is None or (known is later and name in history):
                continue
            before, after = known[name], now.get(name, UNSET)
            if type(before) is LoaderCallableStatus:
                before = UNSET
            if not (_is_kept(before, plain) and _is_kept(after, plain)):
                return False
            changes.append((number, before, after))
    if not changes:
        return True
    along: list[Change] = []
    for name, number in plan.entailed:
        if name not in history and name not in later:
            before, after = loaded.get(name, UNSET), now.get(name, UNSET)
            if not (_is_kept(before, plain) and _is_kept(after, plain)):
                return False
            if before is not after or before is UNSET:
                along.append((number, before, after))
    changes.sort(key=itemgetter(0))
    given = (plan, policy, plan.bind or database, state.key[1], changes, along)
    return Later(plan.shape.model, at, at.correlation, given, _made_of_updated)


def _is_kept(value: Any, plain: frozenset[type]) -> bool:
    return type(value) in plain and not is_long(value)


def is_long(value: Any) -> bool:
    """Tell whether a value is too long a text to be kept."""
    return type(value) in TEXTS and len(value) > LONGEST_KEPT


def _made_of_created(later: Later) -> Row:
    plan, policy, database, values = later.given
    return row_created(plan, policy, database, values, later.at)


def _made_of_updated(later: Later) -> Row | None:
    plan, policy, database, key, changes, along = later.given
    return row_updated(plan, policy, database, key, changes, along, later.at)


def row_created(plan: Plan, policy: ModelPolicy, database: str, values: Sequence[Any], at: Moment) -> Row:
    """Return a new row that was kept by its values, in the order of the plan's names."""
    fields = [
        Field(attribute.key, UNSET, value, attribute.is_harmless, attribute.is_secret)
        for attribute, value in zip(plan.created, values, strict=False)
        if value is not None and (value is not UNSET or attribute.has_server_default)
    ]
    metadata = {"table": plan.shape.name, "database": database}
    key = key_of_created(plan, values)
    return observe(plan.shape.model, "create", id=key, fields=fields, metadata=metadata, at=at, policy=policy)


def key_of_created(plan: Plan, values: Sequence[Any]) -> str | None:
    """Return the key of a new row with some values."""
    return key_text_of([None if value is UNSET else value for value in values[len(plan.created) : len(plan.names)]])


def row_updated(  # noqa: PLR0917  # all that is known of one write
    plan: Plan,
    policy: ModelPolicy,
    database: str,
    key: Sequence[Any],
    changes: Sequence[Change],
    along: Sequence[Change],
    at: Moment,
) -> Row | None:
    """Return a row that was kept by what was updated of it; None where nothing was after all.

    Args:
        plan: How it was kept.
        policy: That of the model.
        database: The database's name.
        key: Its key.
        changes: What the application changed.
        along: What that entails.
        at: The moment of the update.
    """
    attributes = plan.shape.attributes
    fields: list[Field] = []
    for number, before, after in changes:
        _tell(attributes[number], before, after, fields)
    if not fields:
        return None
    if along:
        tables = {attributes[number].table for number, _, _ in changes}
        for number, before, after in along:
            attribute = attributes[number]
            if before is not UNSET or attribute.is_version or attribute.changes_with in tables:
                _tell(attribute, before, after, fields)
    if policy.leaves_out(fields):
        return None
    verb, marked = verb_of("update", fields)
    metadata = {"table": plan.shape.name, "database": database, **marked}
    return observe(plan.shape.model, verb, id=key_text_of(key), fields=fields, metadata=metadata, at=at, policy=policy)


def _tell(attribute: Attribute, before: object, after: object, fields: list[Field]) -> None:
    if before is not UNSET and after is not UNSET and same(attribute, before, after):
        return
    if attribute.is_document:
        fields += changed(attribute.key, before, after, secret=attribute.is_secret)
    else:
        fields.append(Field(attribute.key, before, after, attribute.is_harmless, attribute.is_secret))
