"""Rows that are alike: written in one way to one model by one actor in one story, so that most of it is judged once.

What is left for each of them are its key, its values and its moment. It can be made into a row like any other at any
time; `ezlogs.delivery.row_encoder` encodes it without that, with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET
from opentelemetry.context import Context

from ezlogs.correlation import Correlation
from ezlogs.trackers.data.policy import ModelPolicy
from ezlogs.trackers.data.rows import Later, Moment, Row
from ezlogs.trackers.data.values import is_harmless_type

PLAIN: Final = frozenset(
    {bool, int, float, str, bytes, Decimal, date, datetime, time, timedelta, UUID, type(None), type(UNSET)}
)
"""Types that are values and nothing else: neither expressions nor files, and never changed in place."""

LONGEST_KEPT: Final = 255
"""Characters or bytes of a text that is kept as it is until its transaction ends."""

TEXTS: Final = frozenset({str, bytes})
"""Types of values that may be long."""

_MOST_FORMS: Final = 1024
_NOTHING: Final = frozenset({type(None), type(UNSET)})
_UNKNOWN: Final = type(UNSET)


class Columns(NamedTuple):
    """What is the same for all rows of a model, each by the position of a column."""

    names: Sequence[str]
    written: Sequence[bool]
    """Whether writes set it: it is neither the key nor generated."""
    harmless: Sequence[bool]
    """A key or one of a set of choices: its values may be told whatever their type."""
    secret: Sequence[bool]
    """Of a type that holds passwords, or encrypts."""
    texts: Sequence[bool]
    """Of a type that holds texts as they are assigned."""
    choices: Mapping[str, Mapping[object, str] | None]
    """What people call the choices of fields, by name and value; None where that depends on the language."""


class Side(NamedTuple):
    """A value that is told of a changed field."""

    field: str
    at: int
    """The position of its column."""
    is_after: bool
    kind: type
    """What it is, exactly."""


class Choice(NamedTuple):
    """A field whose values people call by a name."""

    field: str
    at: int
    has_before: bool
    has_after: bool
    names: Mapping[object, str]


class Form(msgspec.Struct, eq=False):
    """What is told of rows whose values are of the same types, and of which the same fields were changed."""

    names: tuple[str, ...] = ()
    """The changed fields that are told, be it by their names only."""
    sides: tuple[Side, ...] = ()
    choices: tuple[Choice, ...] = ()
    floats: tuple[int, ...] = ()
    """Where a value may be none of the numbers: such a one differs from itself, and is not changed all the same."""
    is_told: bool = True
    """Whether such a write is told at all: not one that changed nothing but what is left out."""
    encoding: Any = None
    """What encodes its rows, made when first needed."""


class Forms(dict[Any, Any]):
    """The forms of a model's rows, by what they follow from, as the types of their values; None as of `form_of`.

    Args:
        make: Makes the form of such a key, or the forms of all that begin with it. There may be many of them: any
            field may hold nothing, or be changed.
    """

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[Any], Form | Forms | None]) -> None:
        self._make = make

    def __missing__(self, key: object) -> Form | Forms | None:
        if len(self) >= _MOST_FORMS:
            self.clear()
        form = self[key] = self._make(key)
        return form


class Alike(msgspec.Struct, eq=False):
    """What rows have in common that are alike."""

    model: str
    verb: str
    at: Moment
    """The moment of the first of them, whose time is its own only."""
    correlation: Correlation
    where: Callable[[], dict[str, object]]
    """Returns their metadata, but for what people call their choices."""
    key_at: int
    """The position of the column that is their key; -1 where several are."""
    key_of: Callable[[Sequence[Any]], str | None]
    """Returns the key of a row with some values."""
    make: Callable[[AlikeRow], Row | None]
    """Makes a row like any other, but for its story."""
    encoding: Any = None
    """The constant part of their encoding, and whose it is."""
    counted_as: tuple[object, ...] | None = None
    """What those of them are counted with that are not told one by one."""
    is_over: bool = False
    """Whether their transaction has ended."""

    def end(self) -> None:
        """Let go of what only a transaction under way needs: what was written in it is known for much longer."""
        self.is_over = True
        self.at = self.at._replace(context=Context())
        self.encoding = None


class AlikeRow(msgspec.Struct, eq=False, gc=False):
    """One of them; to an ORM's adapter also what it knows of the row from now on.

    Nothing that it holds leads back to it, so that the garbage collector, which takes its time for each of many
    objects, need not know of it: `Alike.end` sees to that when its transaction ends.
    """

    alike: Alike
    form: Form
    timestamp: int
    before: Sequence[Any]
    """Its values before the write, of all columns; nothing where it was created."""
    values: Sequence[Any]
    """Those that it has now."""
    names: Sequence[str]
    """The names of the columns."""
    seen: Any = None
    """The adapter's own."""
    level: Any = None
    """What it is taken back with."""
    prior: Any = None
    """What was known of the row before anything was written that is taken back with this."""
    is_undone: bool = False
    """Whether it was taken back."""

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """Never pickled or copied along with the application's instance."""
        return type(None), ()

    def row(self) -> Row | None:
        """Return it as any other."""
        row = self.alike.make(self)
        if row is not None:
            row.correlation = self.alike.correlation
        return row


def made_of(write: Row | Later | AlikeRow) -> Row | None:
    """Return a write as a row like any other; None where nothing was changed after all."""
    return write.row() if isinstance(write, (AlikeRow, Later)) else write


def still_known(known: Any) -> Any:
    """Return what is known of a row after what was taken back.

    >>> still_known(None) is None
    True
    """
    while type(known) is AlikeRow and known.is_undone:
        known = known.prior
    return known


def form_of(  # noqa: PLR0917  # all that a form follows from
    columns: Columns,
    policy: ModelPolicy,
    marks: Collection[str],
    after: Sequence[type],
    before: Sequence[type] = (),
    changed: Sequence[bool] = (),
) -> Form | None:
    """Return what is told of rows of one form; None where that depends on more than types.

    Args:
        columns: Those of the model.
        policy: That of the model.
        marks: Fields by which rows are marked as deleted.
        after: The types of the values that were written, by position.
        before: Those of the values from before; nothing for rows that were created.
        changed: Whether both differ.

    Example:
        >>> columns = Columns(["id", "total", "note"], [False, True, True], [True, False, False], [False] * 3,
        ...     [False, False, True], {})
        >>> form = form_of(columns, ModelPolicy(), (), (int, Decimal, str))
        >>> form.names, [(side.field, side.kind.__name__) for side in form.sides]
        (('total', 'note'), [('total', 'Decimal')])
    """
    if not PLAIN.issuperset(after) or not PLAIN.issuperset(before):
        return None
    written: list[tuple[int, type, type]] = []
    for at, kind in enumerate(after):
        was = before[at] if before else _UNKNOWN
        if not columns.written[at] or kind is _UNKNOWN:
            continue
        if (not before and kind is type(None)) or (before and was is not _UNKNOWN and not changed[at]):
            continue
        is_other = was is not kind and was is not _UNKNOWN and kind not in _NOTHING
        if is_other and (was is not type(None) or (kind is str and not columns.texts[at])):
            return None  # the field says whether it is the same: "9.90" may have been assigned for a decimal
        written.append((at, was, kind))
    return form_of_written(columns, policy, marks, written, is_created=not before)


def form_of_written(
    columns: Columns,
    policy: ModelPolicy,
    marks: Collection[str],
    written: Sequence[tuple[int, type, type]],
    *,
    is_created: bool,
) -> Form | None:
    """Return what is told of rows of which the same columns were written; None where that depends on more than types.

    Args:
        columns: Those of the model.
        policy: That of the model.
        marks: Fields by which rows are marked as deleted.
        written: The columns, each by its position, with the types of its values before and after.
        is_created: Whether the rows were created.
    """
    if is_created:
        marks = ()
    changed = [columns.names[at] for at, _, _ in written]
    if any(name in marks for name in changed):
        return None
    if not is_created and (not changed or (policy.restricts and all(map(policy.excludes, changed)))):
        return Form(is_told=False)
    names: list[str] = []
    sides: list[Side] = []
    choices: list[Choice] = []
    for at, was, kind in written if policy.changes != "none" else ():
        name = columns.names[at]
        how = policy.telling(name)
        if how == "nothing":
            continue
        names.append(name)
        if columns.secret[at] or how == "name":
            continue
        if how not in ("full", "safe"):
            return None
        if how == "safe" and not (columns.harmless[at] or (is_harmless_type(was) and is_harmless_type(kind))):
            continue
        told = [Side(name, at, is_after, of) for is_after, of in ((False, was), (True, kind)) if of is not _UNKNOWN]
        sides += told
        if name in columns.choices and told:
            called = columns.choices[name]
            if called is None:
                return None
            choices.append(Choice(name, at, was is not _UNKNOWN, kind is not _UNKNOWN, called))
    floats = tuple(at for at, was, kind in written if was is kind and kind in (float, Decimal))
    return Form(tuple(names), tuple(sides), tuple(choices), floats)
