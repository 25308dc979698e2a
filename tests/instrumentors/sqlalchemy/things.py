"""Things: models of any columns, and what may be done to their rows, drawn at random."""

from __future__ import annotations

import enum
from contextlib import ExitStack
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache

from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    PickleType,
    String,
    Text,
    Time,
    TypeDecorator,
    Uuid,
    func,
    inspect,
    literal,
)
from sqlalchemy.orm import declarative_base

import ezlogs


class Lower(TypeDecorator):
    """Texts in lower case."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else value.lower()


class Rounded(TypeDecorator):
    """Numbers that are the same to it if they differ by little."""

    impl = Float
    cache_ok = True

    def compare_values(self, x, y):
        return x == y or (isinstance(x, float) and isinstance(y, float) and round(x) == round(y))


class PasswordType(TypeDecorator):
    """What is told of no row."""

    impl = String(40)
    cache_ok = True


class Mood(enum.Enum):
    """A set of choices."""

    GOOD = "good"
    BAD = 3


texts = st.one_of(
    st.sampled_from(["", "a", "ada@example.com", "4111 1111 1111 1111", "+43 660 1234567", "ä", "x" * 300, "new"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=300), max_size=12),
)
numbers = st.one_of(st.integers(-3, 3), st.sampled_from([10**9 + 7, 411111111]))
decimals = st.one_of(st.decimals(-99, 99, places=2), st.sampled_from([Decimal("123456.78"), 5]))

KINDS = {
    "number": (Integer, {}, numbers),
    "total": (Numeric(12, 2), {}, decimals),
    "ratio": (Float, {}, st.floats(-1e6, 1e6)),
    "odd": (Float, {}, st.sampled_from([float("nan"), 0.5])),
    "rounded": (Rounded, {}, st.sampled_from([1.0, 1.1, 2.0])),
    "note": (Text, {}, texts),
    "email": (String(100), {}, texts.map(lambda text: text[:100])),
    "lower": (Lower, {}, st.sampled_from(["a", "B", "bc"])),
    "password": (String(40), {}, st.sampled_from(["a", "b"])),
    "secret": (PasswordType, {}, st.sampled_from(["a", "b"])),
    "is_gift": (Boolean, {}, st.booleans()),
    "day": (Date, {}, st.dates(date(2000, 1, 1), date(2030, 1, 1))),
    "at": (DateTime, {}, st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1))),
    "zoned": (DateTime(timezone=True), {}, st.datetimes(datetime(2000, 1, 1), timezones=st.just(timezone.utc))),
    "clock": (Time, {}, st.times()),
    "wait": (Interval, {}, st.timedeltas(timedelta(0), timedelta(9))),
    "token": (Uuid, {}, st.uuids()),
    "data": (LargeBinary, {}, st.binary(max_size=3)),
    "mood": (Enum(Mood, native_enum=False), {}, st.sampled_from(Mood)),
    "word": (Enum("new", "old", native_enum=False), {}, st.sampled_from(["new", "old"])),
    "extra": (JSON, {}, st.one_of(st.dictionaries(st.sampled_from("ab"), st.integers(0, 3)), st.just("a"))),
    "pickled": (PickleType, {}, st.one_of(st.integers(0, 3), st.lists(st.integers(0, 2)))),
    "given": (Integer, {"default": 7}, numbers),
    "by_server": (Integer, {"server_default": "7"}, numbers),
    "touched": (Integer, {"default": 0, "onupdate": lambda: 7}, numbers),
    "moved": (Integer, {"onupdate": func.abs(-3)}, numbers),
    "weighed": (Float, {"default": 0.5, "onupdate": lambda: 0.5}, st.floats(-9, 9)),
    "deleted_at": (DateTime, {}, st.none() | st.just(datetime(2026, 1, 1))),
}
KEYS = ("id", "code", "both")
"""A number that the database counts up, a text, or two columns."""


@cache
def model_of(names, key, is_versioned):
    """Make a model with some columns, a key and maybe a version."""
    base = declarative_base()
    columns = {name: Column(name, KINDS[name][0], **KINDS[name][1]) for name in names}
    keys = {
        "id": {"id": Column(Integer, primary_key=True)},
        "code": {"code": Column(String(20), primary_key=True)},
        "both": {
            "row": Column(Integer, primary_key=True, autoincrement=False),
            "code": Column(String(20), primary_key=True),
        },
    }[key]
    own = {"__module__": __name__, "__tablename__": "things"}
    if is_versioned:
        columns["version"] = Column(Integer, nullable=False)
        own["__mapper_args__"] = {"version_id_col": columns["version"]}
    return type("Thing", (base,), {**own, **keys, **columns})


@st.composite
def plans(draw):
    """Return a model, its columns, which of them are hidden and how, and what is done to its rows."""
    names = tuple(sorted(draw(st.sets(st.sampled_from(sorted(KINDS)), min_size=2, max_size=5))))
    model = model_of(names, draw(st.sampled_from(KEYS)), draw(st.booleans()))
    values = {name: KINDS[name][2] for name in names}
    whole, some = st.fixed_dictionaries(values), st.fixed_dictionaries({}, optional=values)
    nothing = st.fixed_dictionaries({}, optional=dict.fromkeys(names, st.none()))
    rows = st.lists(st.one_of(whole, some, nothing), min_size=2, max_size=5)
    changes = st.tuples(st.just("change"), rows)
    steps = st.one_of(
        changes,
        changes,
        changes,
        st.tuples(st.just("add"), rows),
        st.tuples(st.sampled_from(["flush", "savepoint", "undo", "release", "expire", "commit"]), st.none()),
        st.tuples(st.sampled_from(["remove", "compute", "rekey"]), st.integers(0, 4)),
        st.tuples(st.just("act"), st.integers(1, 2)),
    )
    hidden = draw(st.dictionaries(st.sampled_from(names), st.sampled_from(["exclude", "mask", "hash"]), max_size=2))
    return model, names, hidden, [("add", draw(rows)), *draw(st.lists(steps, min_size=3, max_size=10))]


class Keeper:
    """Does to rows what a plan says.

    Args:
        session: Where.
        model: Their model.
        names: Its columns, but for the key.
    """

    def __init__(self, session, model, names):
        self.session, self.model, self.names = session, model, names
        self.rows, self.savepoints, self.number = [], [], 0

    def work(self, steps):
        """Do it all, and commit."""
        with ExitStack() as self.scopes:
            for name, given in [*steps, ("commit", None)]:
                getattr(self, name)(given)

    def there(self):
        """Return the rows that can be changed: nothing can be loaded of one that is to be deleted, and so flushed."""
        going = self.session.deleted
        return [row for row in self.rows if (at := inspect(row)).persistent and not (at.expired and row in going)]

    def add(self, given):
        one_by_one = len(given) > 2
        for values in given:
            self.number += 1
            key = {"code": f"c{self.number}", "row": self.number}
            row = self.model(**{name: key[name] for name in key if hasattr(self.model, name)}, **values)
            self.rows.append(row)
            self.session.add(row)
            if one_by_one:
                self.session.flush()

    def change(self, given):
        for row, values in zip(self.there(), given, strict=False):
            for name, value in values.items():
                setattr(row, name, value)

    def compute(self, at):
        numbers = [name for name in self.names if KINDS[name][0] is Integer]
        for row in self.there()[at : at + 1]:
            for name in numbers:
                setattr(row, name, getattr(self.model, name) + literal(1))

    def rekey(self, at):
        for row in self.there()[at : at + 1]:
            self.number += 1
            name = "code" if hasattr(self.model, "code") else "id"
            setattr(row, name, f"r{self.number}" if name == "code" else 1000 * self.number)

    def remove(self, at):
        for row in self.there()[at : at + 1]:
            self.session.delete(row)

    def act(self, number):
        self.scopes.enter_context(ezlogs.actor(("user", number)))

    def flush(self, _):
        self.session.flush()

    def expire(self, _):
        self.session.expire_all()

    def savepoint(self, _):
        self.savepoints.append(self.session.begin_nested())

    def undo(self, _):
        if self.savepoints:
            self.savepoints.pop().rollback()

    def release(self, _):
        if self.savepoints:
            self.savepoints.pop().commit()

    def commit(self, _):
        while self.savepoints:
            self.release(None)
        self.session.commit()
