"""Rows and records are known by what they hold in memory: none of their code runs, nothing is loaded."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from datetime import date, datetime, timezone
from decimal import Decimal
from enum import Enum
from types import ModuleType
from typing import Any
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from sqlalchemy import Engine, ForeignKey, create_engine, event, inspect
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    defer,
    mapped_column,
    registry,
    relationship,
)

from ezlogs.loaded import Identity, key_text, loaded_identity, resolved, row_identity, snake_case


class HostileError(Exception):
    """What hostile code raises."""


class Hostile:
    """Every way in which an object's class can have a say raises."""

    def __getattribute__(self, name: str) -> Any:
        raise HostileError(name)

    def __getattr__(self, name: str) -> Any:
        raise HostileError(name)

    def _raise(self, *_: object) -> Any:
        raise HostileError

    __str__ = __repr__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __getitem__ = _raise  # type: ignore[assignment]  # hostile
    __class__ = property(_raise)  # type: ignore[assignment]  # hostile


@dataclasses.dataclass(eq=False, repr=False)
class HostileRecord(Hostile):
    id: int


def hostile_record(identifier: object) -> Any:
    """Return a record whose class resists."""
    record = HostileRecord.__new__(HostileRecord)
    object.__setattr__(record, "id", identifier)
    return record


@dataclasses.dataclass
class OrderItem:
    id: int


@dataclasses.dataclass(slots=True)
class SlottedItem:
    id: int


@attrs.define
class AttrsItem:
    id: int


class PydanticItem(pydantic.BaseModel):
    id: int


class StructItem(msgspec.Struct):
    id: int


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (OrderItem(7), "order_item"),
        (SlottedItem(7), "slotted_item"),
        (AttrsItem(7), "attrs_item"),
        (PydanticItem(id=7), "pydantic_item"),
        (StructItem(7), "struct_item"),
    ],
)
def test_a_record_with_an_id_is_known(record: object, kind: str) -> None:
    """Dataclasses, attrs, pydantic and msgspec objects, with and without slots."""
    assert loaded_identity(record) == Identity(kind, "7")
    assert row_identity(record) is None


def test_an_id_that_was_never_set_is_not_known() -> None:
    """A slot or a field can be empty; a property is no field."""

    @dataclasses.dataclass
    class Computed:
        total: int

        @property
        def id(self) -> int:
            raise HostileError

    assert loaded_identity(SlottedItem.__new__(SlottedItem)) is None
    assert loaded_identity(Computed(1)) is None
    assert loaded_identity(OrderItem(None)) == Identity("order_item", None)  # type: ignore[arg-type]  # not saved yet


def test_other_objects_are_nobody() -> None:
    """An ``id`` by chance, a class, a plain value or nothing says nothing."""

    class Plain:
        id = 7

    plain = Plain()
    plain.id = 8
    for value in (plain, Plain, OrderItem, 7, "7", None, object(), [7], {"id": 7}, Hostile()):
        assert loaded_identity(value) is None


def test_no_code_of_the_object_runs() -> None:
    """Not of its class, not of its id's, not of a ``__dict__`` that its class made up."""

    class Elsewhere:
        @property
        def __dict__(self) -> Any:
            raise HostileError

        __dataclass_fields__: Any = ()

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            raise HostileError(name)

    class Guarded(OrderItem, metaclass=Meta):
        pass

    guarded = object.__new__(Guarded)
    object.__setattr__(guarded, "id", 3)
    assert loaded_identity(hostile_record(5)) == Identity("hostile_record", "5")
    assert loaded_identity(hostile_record(Hostile())) == Identity("hostile_record", None)
    assert loaded_identity(Elsewhere()) is None
    assert loaded_identity(guarded) == Identity("guarded", "3")


def test_a_likeness_of_an_orm_is_not_one() -> None:
    """What a model has means nothing on an object that no ORM made."""

    class Likeness:
        _meta = Hostile()
        _sa_class_manager = Hostile()

    likeness = Likeness()
    vars(likeness)["_sa_instance_state"] = Hostile()
    assert loaded_identity(likeness) is None


class Shade(Enum):
    RED = "red"
    OTHER = object()


class Code(str):
    def __str__(self) -> str:
        raise HostileError


class Number(int):
    def __repr__(self) -> str:
        raise HostileError


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("a", "a"),
        (7, "7"),
        (True, "1"),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (Decimal("1.50"), "1.50"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, tzinfo=timezone.utc), "2026-01-02T00:00:00+00:00"),
        (b"\x01\xff", "01ff"),
        (Shade.RED, "red"),
        (Shade.OTHER, None),
        (None, None),
        (1.5, None),
    ],
)
def test_a_key_becomes_text_without_its_code(key: object, text: str | None) -> None:
    """The usual types of keys are told; a type whose own code would have to be asked is not."""
    assert key_text(key) == text


def test_a_key_of_a_type_of_somebodys_making_is_not_asked() -> None:
    """Not even for its text."""
    assert key_text(Hostile()) is None
    assert key_text(Code("a")) == "a"
    assert key_text(Number(7)) == "7"


def test_keys_of_known_libraries_are_told() -> None:
    """Such as the UUIDs of asyncpg, which are no UUIDs to Python."""
    known = type("UUID", (), {"__str__": lambda _: "u-1", "__module__": "asyncpg.pgproto.pgproto"})
    assert key_text(known()) == "u-1"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("Order", "order"), ("OrderItem", "order_item"), ("HTTPLog", "http_log"), ("Page[int]", "page"), ("a_b", "a_b")],
)
def test_a_class_names_the_type_in_snake_case(name: str, kind: str) -> None:
    """Also one with an acronym or a type parameter."""
    assert snake_case(type(name, (), {})) == kind


def test_without_django_there_is_nothing_lazy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that was never imported made no object; a half-imported one made none yet."""
    value = object()
    monkeypatch.delitem(sys.modules, "django.utils.functional", raising=False)
    assert resolved(value) is value
    monkeypatch.setitem(sys.modules, "django.utils.functional", ModuleType("functional"))
    assert resolved(value) is value


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    orders: Mapped[list[CustomerOrder]] = relationship(back_populates="customer")

    def __repr__(self) -> str:
        return f"{self.name}: {self.orders}"


class CustomerOrder(Base):
    __tablename__ = "orders"
    number: Mapped[int] = mapped_column("order_number", primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    customer: Mapped[Customer] = relationship(back_populates="orders")


class Guest(MappedAsDataclass, Base):
    __tablename__ = "guests"
    code: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int]


class Imperative:
    pass


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Return a database in memory."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def statements(engine: Engine) -> list[str]:
    """Return what is executed."""
    executed: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def remember(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        executed.append(statement)

    return executed


def test_sqlalchemys_instances_are_known_and_nothing_is_loaded(engine: Engine, statements: list[str]) -> None:
    """Pending, persistent, expired, deferred, detached and deleted ones; no query, and what was not loaded stays so."""
    with Session(engine) as session:
        ada = Customer(name="Ada")
        session.add(ada)
        assert loaded_identity(ada) == Identity("customer", None)
        session.flush()
        assert loaded_identity(ada) == Identity("customer", "1")
        session.commit()
        statements.clear()
        assert inspect(ada).expired
        assert loaded_identity(ada) == Identity("customer", "1")
        assert inspect(ada).expired
        session.expunge(ada)
        assert loaded_identity(ada) == Identity("customer", "1")

        bare = session.query(Customer).options(defer(Customer.name)).one()
        statements.clear()
        assert loaded_identity(bare) == Identity("customer", "1")
        assert {"name", "orders"} <= inspect(bare).unloaded
        assert statements == []
        session.delete(bare)
        session.flush()
        statements.clear()
        assert loaded_identity(bare) == Identity("customer", "1")
        assert statements == []
        session.rollback()


def test_a_key_of_several_columns_is_told_with_commas() -> None:
    """By the names of its attributes, also before it is saved; half a key is none."""
    assert loaded_identity(CustomerOrder(number=42, year=2026)) == Identity("customer_order", "42,2026")
    assert loaded_identity(CustomerOrder(number=42)) == Identity("customer_order", None)


def test_a_row_that_is_a_record_too_is_known_by_its_key() -> None:
    """A mapped dataclass may have another field called ``id``."""
    assert loaded_identity(Guest("g-1", 5)) == Identity("guest", "g-1")


def test_classes_that_were_mapped_by_hand_are_rows() -> None:
    """Imperative mappings too; a mapped instance that was never initialised is nobody's row."""
    registry().map_imperatively(Imperative, Guest.__table__)
    row = Imperative()
    row.code = "g-2"  # type: ignore[attr-defined]  # mapped
    assert row_identity(row) == Identity("imperative", "g-2")
    assert row_identity(Imperative.__new__(Imperative)) is None
