"""Odd values are shown sensibly in a snapshot, and none of them runs code that could query, recurse or raise."""

from __future__ import annotations

import sqlite3
from array import array
from collections import ChainMap, OrderedDict, UserDict, UserList, defaultdict, deque, namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import ip_address, ip_network
from pathlib import Path, PurePosixPath
from re import compile as pattern
from types import MappingProxyType, SimpleNamespace
from uuid import UUID

import attrs
import msgspec
import numpy
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.test_loaded import Customer

from ezlogs.conversions import message_of
from ezlogs.snapshot import MAX_ITEMS, MAX_NODES, MAX_TEXT, MAX_TOTAL_TEXT, Pairs, freeze, plain

Point = namedtuple("Point", "x y")


@dataclass
class Line:
    number: int
    tags: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        raise AssertionError("a snapshot must not run properties")


@dataclass(slots=True)
class SlottedLine:
    number: int


@attrs.define
class Parcel:
    weight: float


@attrs.define(slots=False)
class LooseParcel:
    weight: float


class Invoice(pydantic.BaseModel):
    number: int
    key: pydantic.SecretStr

    @pydantic.computed_field
    def total(self) -> int:
        raise AssertionError("a snapshot must not run computed fields")


class Refund(msgspec.Struct):
    amount: int


class LoudUuid(UUID):
    def __str__(self) -> str:
        raise AssertionError("a snapshot must not run overrides")


class LoudDecimal(Decimal):
    __str__ = LoudUuid.__str__


class LoudDict(dict[str, int]):
    def items(self) -> object:  # type: ignore[override]  # wrong on purpose
        raise AssertionError("a snapshot must not run overrides")

    __iter__ = keys = items  # type: ignore[assignment]  # wrong on purpose


class LoudList(list[int]):
    def __iter__(self) -> Iterator[int]:
        raise AssertionError("a snapshot must not run overrides")

    __len__ = __iter__  # type: ignore[assignment]  # wrong on purpose


class Nowhere(tzinfo):
    def utcoffset(self, moment: object) -> timedelta:
        raise OSError("no clock")


class Status(Enum):
    PAID = ("paid", 2)


class Plain:
    pass


class Pair(tuple[int, ...]):
    pass


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Line(1, ["a"]), {"number": 1, "tags": ["a"]}),
        (SlottedLine(2), {"number": 2}),
        (Parcel(1.5), {"weight": 1.5}),
        (LooseParcel(2.5), {"weight": 2.5}),
        (Invoice(number=7, key="hush"), {"number": 7, "key": "<pydantic.types.SecretStr>"}),
        (Refund(5), {"amount": 5}),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Pair((1, 2)), [1, 2]),
        (Customer(id=7), "customer:7"),
        (Customer(), "customer"),
        (LoudUuid(int=1), "00000000-0000-0000-0000-000000000001"),
        (LoudDecimal("9.90"), "9.90"),
        (LoudDict(a=1), {"a": 1}),
        (LoudList([1, 2]), [1, 2]),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (ChainMap({"a": 1}, {"b": 2}), {"b": 2, "a": 1}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (UserDict(a=1), {"a": 1}),
        (UserList([1]), [1]),
        (deque([1, 2]), [1, 2]),
        (range(3), [0, 1, 2]),
        (array("i", [1, 2]), [1, 2]),
        (SimpleNamespace(a=1), {"a": 1}),
        (frozenset({3, 1}), [1, 3]),
        (Fraction(1, 3), "1/3"),
        (1 + 2j, "(1+2j)"),
        (ip_address("::1"), "::1"),
        (ip_network("10.0.0.0/8"), "10.0.0.0/8"),
        (PurePosixPath("/tmp/x"), "/tmp/x"),
        (pattern(r"a+"), "a+"),
        (Status.PAID, ["paid", 2]),
        (bytearray(b"abc"), "abc"),
        (memoryview(b"abc"), "abc"),
        (numpy.float64(1.5), 1.5),
        (numpy.int32(7), 7),
        (numpy.bool_(True), True),
        (numpy.str_("text"), "text"),
        (numpy.float32("nan"), "nan"),
        (numpy.array(3), 3),
        (numpy.zeros((2, 3)), "<numpy.ndarray> (2, 3)"),
        (KeyError("sku"), "KeyError: 'sku'"),
        (OSError(2, "No such file"), "FileNotFoundError: [Errno 2] No such file"),
        (object(), "<builtins.object>"),
        (Plain(), f"<{__name__}.Plain>"),
        (Plain, f"<{__name__}.Plain>"),
        (len, "<builtins.builtin_function_or_method>"),
        (lambda: 1, "<builtins.function>"),
        ((number for number in range(3)), "<builtins.generator>"),
        (iter([1]), "<builtins.list_iterator>"),
        (datetime(2026, 1, 2, tzinfo=Nowhere()), "<datetime.datetime>"),
        (10**25, "10000000000000000000000000"),
        (1 << 40_000, "… (an integer of 40001 bits)"),
        ({(1, 2): 3}, {"(1, 2)": 3}),
        ({b"key": 3}, {"key": 3}),
        ("half \ud83d", "half ?"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_shown_by_what_it_holds(value: object, shown: object) -> None:
    """Records by their fields, collections by their items, scalars as such, everything else by its type."""
    assert plain(freeze(value)) == shown


class Watched:
    """Raises whatever is asked of its instances."""

    def __getattribute__(self, name: str) -> object:
        raise AssertionError(f"asked for {name}")

    def __repr__(self) -> str:
        raise AssertionError("asked for its repr")

    __str__ = __format__ = __hash__ = __eq__ = __bool__ = __len__ = __iter__ = __repr__  # type: ignore[assignment]  # all hostile


class HostileMeta(type):
    def __hash__(cls) -> int:
        raise RuntimeError("unhashable class")


class Unhashable(metaclass=HostileMeta):
    pass


@pytest.mark.parametrize("kind", ["Watched", "Unhashable"])
def test_hostile_objects_are_named_and_not_asked(kind: str) -> None:
    """No attribute is read, and a class that cannot even be hashed costs its value at most."""
    assert str(freeze([globals()[kind]()])[0]).startswith(f"<{__name__}.")  # type: ignore[index]  # a tuple


def test_a_lazy_proxy_stays_lazy() -> None:
    """``isinstance`` would read ``__class__``, and so load what Django's ``request.user`` stands for."""
    from django.utils.functional import SimpleLazyObject

    def load() -> object:
        raise AssertionError("loaded")

    assert freeze(SimpleLazyObject(load)) == "<django.utils.functional.SimpleLazyObject>"


def test_a_value_that_queries_is_not_iterated() -> None:
    """A cursor is an iterator: reading it would take rows away from the application."""
    with sqlite3.connect(":memory:") as database:
        cursor = database.execute("select 1")
        assert freeze(cursor) == "<sqlite3.Cursor>"
        assert cursor.fetchall() == [(1,)]
    database.close()


def test_an_exceptions_arguments_are_not_asked_for_their_repr() -> None:
    """Rows of an ORM are common arguments of exceptions."""
    assert message_of(ValueError("order", Watched())) == f"order, <{__name__}.Watched>"
    assert message_of(KeyError(Watched())) == f"<{__name__}.Watched>"
    assert message_of(ValueError()) is None

    class OwnError(Exception):
        def __str__(self) -> str:
            return "its own words"

    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert message_of(OwnError()) == "its own words"
    assert message_of(MuteError()) is None
    assert freeze(MuteError()) == "test_an_exceptions_arguments_are_not_asked_for_their_repr.<locals>.MuteError"


def test_wide_cycles_end_at_once() -> None:
    """A list of 256 of itself would otherwise be 256 to the power of eight values."""
    cycle: list[object] = []
    cycle.extend([cycle] * MAX_ITEMS)
    assert freeze(cycle) == ("… (+256 items, inside themselves)",) * MAX_ITEMS


def test_shared_values_are_no_cycle() -> None:
    """The same list twice, side by side, is shown twice."""
    shared = [1]
    assert freeze([shared, shared]) == ((1,), (1,))


def count(value: object) -> int:
    """Return how many values a frozen one holds."""
    if isinstance(value, Pairs):
        return 1 + sum(count(item) for _, item in value)
    return 1 + sum(map(count, value)) if isinstance(value, tuple) else 1


def test_the_whole_snapshot_is_bounded() -> None:
    """Many small values, or a few long texts, are cut where the whole becomes too large; how much is said."""
    wide = [[[number] * 100 for number in range(100)] for _ in range(100)]
    frozen = freeze(wide)
    assert count(frozen) < MAX_NODES * 1.2
    assert "… (+" in str(frozen)
    texts = ["x" * MAX_TEXT] * 200
    assert len(str(freeze(texts))) < MAX_TOTAL_TEXT * 1.2
    assert str(freeze(texts)).endswith(f"… (+{MAX_TEXT} characters)')")


def test_bytes_are_cut_between_characters() -> None:
    """A character across the cut does not turn the text into base64; base64 is cut shorter, and both say how much."""
    assert str(freeze("€".encode() * MAX_TEXT)).endswith(f"… (+{2 * MAX_TEXT} bytes)")
    assert str(freeze("€".encode() * MAX_TEXT)).startswith("€€€")
    assert str(freeze(b"\xff" * MAX_TEXT)).endswith(f"… (+{MAX_TEXT // 4} bytes)")


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.characters(categories=["Cs"])
    | st.binary()
    | st.decimals()
    | st.fractions()
    | st.complex_numbers()
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.dates()
    | st.timedeltas()
    | st.uuids()
    | st.builds(Watched)
    | st.ip_addresses()
    | st.sampled_from([Plain(), Status.PAID, Path("x"), iter([1]), ValueError("x"), numpy.float32(1)]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers() | st.binary(max_size=3), inner, max_size=4)
        | st.frozensets(st.integers() | st.text(max_size=3), max_size=4)
        | st.builds(Line, inner)
        | st.builds(SimpleNamespace, a=inner)
    ),
    max_leaves=15,
)


@given(anything)
def test_any_value_becomes_plain_json(value: object) -> None:
    """Whatever is given, the snapshot is hashable, encodes to JSON, and is its own snapshot."""
    frozen = freeze(value)
    hash(frozen)
    encoded = msgspec.json.encode(plain(frozen))
    assert msgspec.json.decode(encoded) == plain(frozen)
    assert freeze(frozen) == frozen
