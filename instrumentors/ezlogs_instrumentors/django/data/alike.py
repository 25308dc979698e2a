"""Saves of rows that are alike: in a transaction all but the first of a model's are kept with as little as is theirs.

What they have in common was found out when the first one was saved, and is found out anew where it may have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter, ne
from time import time_ns
from typing import Any, Final
from weakref import WeakKeyDictionary, ref

import msgspec
from msgspec import UNSET

from ezlogs.emit import guarded
from ezlogs.otel_compat import current_context
from ezlogs.trackers.data import ModelPolicy, Moment, Row
from ezlogs.trackers.data.alike import LONGEST_KEPT, TEXTS, Alike, AlikeRow, Columns, Forms, form_of, still_known
from ezlogs.trackers.data.circumstances import Circumstances, circumstances_of
from ezlogs.trackers.soft_deletes import marks
from ezlogs_instrumentors.django.data.fixtures import loading
from ezlogs_instrumentors.django.data.loaded import Loaded
from ezlogs_instrumentors.django.data.shapes import Shape, key_of
from ezlogs_instrumentors.django.data.told import where
from ezlogs_instrumentors.django.transactions import Seen, open_transaction, open_transactions

_ARGUMENTS: Final = 6
"""That Django saves a row with; any other number is of another version, or of somebody else's call."""


class Plan(msgspec.Struct, frozen=True, eq=False):
    """What is the same for all saves of a model."""

    shape: Shape
    policy: ModelPolicy
    values: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    """Returns the values of an instance; raises a KeyError where one is not loaded."""
    texts: tuple[int, ...]
    """The positions of columns whose texts may be of any length."""
    keys: tuple[int, ...]
    """Those of the key."""
    created: Forms
    """By the types of the values."""
    updated: Forms
    """By these, by those of the values from before, and by whether they differ."""
    names: list[object]
    """The latest names of a loaded row that are those of all its columns, in their order."""


class Present(msgspec.Struct, eq=False):
    """What the saves of one model have in common at present."""

    circumstances: Circumstances
    alike: Alike
    plan: Plan
    forms: Forms
    concrete: Any
    known: Mapping[str, Any]
    """What Django knows of the concrete model."""
    connection: Callable[[], Any]
    """Has all of this forgotten when the connection goes."""
    seen: Seen


_plans: WeakKeyDictionary[Any, Plan] = WeakKeyDictionary()


def keep(instance: Any, updated: bool, arguments: Sequence[Any]) -> bool:
    """Keep a row that was saved, if it is like one before it; return whether it was.

    Args:
        instance: The row.
        updated: Whether there was one.
        arguments: The others that Django saved it with, in their order.
    """
    if len(arguments) != _ARGUMENTS:
        return False
    raw, cls, _, _, using, update_fields = arguments
    transaction = open_transactions.writing.get(using)
    if transaction is None or raw or update_fields is not None or (writes := transaction.writes) is None:
        return False
    present: Present | None = writes.found.get((type(instance), updated))
    if present is None or cls is not present.concrete:
        return False
    plan = present.plan
    fields = present.known.get("concrete_fields")
    if fields is not plan.shape.fields or not present.circumstances.hold(current_context()):
        return False
    try:
        values = plan.values(instance.__dict__)
    except KeyError:
        return False
    kinds = tuple(map(type, values))
    state = instance._state
    known: Any = getattr(state, "ezlogs_loaded", None)
    if type(known) is AlikeRow:
        if known.is_undone:
            known = still_known(known)
        elif known.alike.is_over:
            known.prior = None
    before: Sequence[Any] = ()
    flags: tuple[bool, ...] = ()
    if updated:
        if known is None or not _is_whole(plan, known) or using != state.db:
            return False
        if known.seen is not None and not known.seen.holds:
            return False
        before = known.values
        for key in plan.keys:
            if values[key] != before[key]:
                return False
        flags = tuple(map(ne, values, before))
        key_of_form: object = (kinds, tuple(map(type, before)), flags)
    else:
        key_of_form = kinds
    form = present.forms[key_of_form]
    if form is None:
        return False
    for at in plan.texts:
        if kinds[at] in TEXTS and len(values[at]) > LONGEST_KEPT:
            return False
    if updated:
        for at in form.floats:
            if values[at] is before[at]:
                return False
    seen = present.seen
    if seen.number != seen.counter.number:
        seen = present.seen = Seen(seen.counter, seen.counter.number)
    if not form.is_told:
        state.ezlogs_loaded = Loaded(plan.shape.attnames, values, seen)
        return True
    room = writes.room()
    if room is None:
        if not writes.count(present.alike, form, time_ns(), state, partial(_known_again, known)):
            return False
        state.ezlogs_loaded = Loaded(plan.shape.attnames, values, seen)
        return True
    mark = writes.mark
    prior = known.prior if type(known) is AlikeRow and known.level is mark else known
    row = state.ezlogs_loaded = AlikeRow(
        present.alike, form, time_ns(), before, values, plan.shape.attnames, seen, mark, prior
    )
    room.append(row)
    return True


def _is_whole(plan: Plan, known: Any) -> bool:
    """Tell whether a row was loaded with all its columns."""
    names = known.names
    if names is plan.shape.attnames or names is plan.names[0]:
        return True
    if tuple(names) != plan.shape.attnames or len(known.values) != len(names):
        return False
    plan.names[0] = names  # of all rows of one query it is the same list
    return True


@guarded
def learn(  # noqa: PLR0917  # all that is known of a save
    model: Any,
    shape: Shape,
    policy: ModelPolicy,
    using: str,
    at: Moment,
    make: Callable[[AlikeRow], Row | None],
    *,
    created: bool,
) -> None:
    """Find out what further saves of a model have in common with the one just seen, if it is in a transaction.

    Args:
        model: The model.
        shape: Its shape.
        policy: Its policy.
        using: The alias.
        at: The moment of the save.
        make: Makes a row like any other.
        created: Whether it was inserted.
    """
    found, concrete = open_transaction(using), model._meta.concrete_model
    if found is None or shape.holds_documents or shape.fields is not concrete._meta.concrete_fields or loading.get():
        return
    connection, transaction = found
    writes, blocks = transaction.writes, connection.atomic_blocks
    if writes is None or not blocks or blocks[0]._from_testcase:
        return
    known: Present | None = writes.found.get((model, not created))
    if known is not None and known.plan.shape is shape and known.circumstances.hold(at.context):
        return
    plan = _plan(model, shape, policy)
    alike = Alike(
        model._meta.model_name,
        "create" if created else "update",
        at,
        writes.story(at.correlation, at.context),
        partial(where, model, using),
        plan.keys[0] if len(plan.keys) == 1 else -1,
        partial(_key, shape),
        make,
    )
    writes.begin(alike)
    all_found = writes.found
    all_found[model, not created] = Present(
        circumstances_of(at),
        alike,
        plan,
        plan.created if created else plan.updated,
        concrete,
        vars(concrete._meta),
        ref(connection, lambda _: all_found.clear()),
        Seen(transaction.rollbacks, transaction.rollbacks.number),
    )


def _plan(model: Any, shape: Shape, policy: ModelPolicy) -> Plan:
    plan = _plans.get(model)
    if plan is None or plan.shape is not shape or plan.policy is not policy:
        plan = _plans[model] = _made(shape, policy)
    return plan


def _made(shape: Shape, policy: ModelPolicy) -> Plan:
    attnames = shape.attnames
    getter = itemgetter(*attnames)
    columns = Columns(
        [column.name for column in shape.columns],
        [column.is_written for column in shape.columns],
        [column.is_harmless for column in shape.columns],
        [column.is_secret for column in shape.columns],
        [column.field.get_internal_type() in _OF_TEXTS for column in shape.columns],
        shape.choices,
    )
    return Plan(
        shape,
        policy,
        getter if len(attnames) > 1 else lambda now: (getter(now),),
        tuple(attnames.index(name) for name in shape.texts),
        tuple(attnames.index(key) for key in shape.keys),
        Forms(lambda after: form_of(columns, policy, marks(), after)),
        Forms(lambda key: form_of(columns, policy, marks(), *key)),
        [None],
    )


def _key(shape: Shape, values: Sequence[Any]) -> str | None:
    return key_of(dict(zip(shape.attnames, values, strict=True)), shape)


def _known_again(known: object, owner: Any) -> None:
    owner.ezlogs_loaded = known


def given(row: AlikeRow, shape: Shape) -> tuple[dict[str, object], dict[str, object]]:
    """Return a row as it was known before, and as it is now, by attribute."""
    before, now = (
        {name: value for name, value in zip(shape.attnames, values, strict=False) if value is not UNSET}
        for values in (row.before, row.values)
    )
    return before, now


_OF_TEXTS = frozenset({"CharField", "TextField", "SlugField", "URLField", "EmailField", "FilePathField"})
"""The types of fields that take a text as it is."""
