"""Models of a shop, of every kind that SQLAlchemy has."""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import JSON, Column, ForeignKey, Integer, Numeric, String, Table, func, literal_column
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, composite, deferred, mapped_column, relationship


class Base(DeclarativeBase):
    """All tables of the shop."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {str: String(100)}  # MariaDB wants to know how long


class Status(enum.Enum):
    PENDING = "pending"
    PAID = "paid"


class Point:
    """Where a parcel goes: two columns."""

    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y

    def __composite_values__(self) -> tuple[int, int]:
        return self.x, self.y

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)

    def __hash__(self) -> int:
        return hash((self.x, self.y))


order_tags = Table(
    "order_tags",
    Base.metadata,
    Column("order_id", ForeignKey("orders.id"), primary_key=True),
    Column("tag_id", ForeignKey("tags.id"), primary_key=True),
)

follows = Table(
    "follows",
    Base.metadata,
    Column("follower_id", ForeignKey("people.id"), primary_key=True),
    Column("followed_id", ForeignKey("people.id"), primary_key=True),
)


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[Status] = mapped_column(default=Status.PENDING)
    total: Mapped[Decimal] = mapped_column(Numeric(10, 2), default=Decimal(0))
    count: Mapped[int] = mapped_column(default=0)
    note: Mapped[str | None]
    password: Mapped[str | None]
    big: Mapped[str | None] = deferred(mapped_column(String(100)))
    state: Mapped[str] = mapped_column(server_default="new")
    touched: Mapped[int] = mapped_column(default=0, onupdate=lambda: 7)
    extra: Mapped[dict[str, Any] | None] = mapped_column(MutableDict.as_mutable(JSON))
    position: Mapped[Any] = composite(
        Point, mapped_column("x", Integer, nullable=True), mapped_column("y", Integer, nullable=True)
    )
    twice = column_property(literal_column("count * 2"))
    items: Mapped[list[Item]] = relationship(back_populates="order", cascade="all, delete-orphan")
    tags: Mapped[list[Tag]] = relationship(secondary=order_tags, back_populates="orders")

    @hybrid_property
    def amount(self) -> int:
        return self.count

    @amount.setter
    def amount(self, value: int) -> None:
        self.count = value


class Item(Base):
    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    count: Mapped[int] = mapped_column(default=1)
    order: Mapped[Order] = relationship(back_populates="items")


class Tag(Base):
    __tablename__ = "tags"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    orders: Mapped[list[Order]] = relationship(secondary=order_tags, back_populates="tags")


class Person(Base):
    __tablename__ = "people"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str | None]
    follows: Mapped[list[Person]] = relationship(
        secondary=follows,
        primaryjoin=lambda: Person.id == follows.c.follower_id,
        secondaryjoin=lambda: Person.id == follows.c.followed_id,
    )
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_on": "kind", "polymorphic_identity": "person"}


class Customer(Person):
    """In the same table."""

    points: Mapped[int | None]
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "customer"}


class Manager(Person):
    """In a table of its own, joined."""

    __tablename__ = "managers"

    id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    grade: Mapped[int] = mapped_column(default=1)
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "manager"}


class Depot(Base):
    __tablename__ = "depots"

    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(default=1)


class ColdDepot(Depot):
    """In a table of its own, alone."""

    __tablename__ = "cold_depots"

    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(default=1)
    celsius: Mapped[int] = mapped_column(default=4)
    __mapper_args__: ClassVar[dict[str, Any]] = {"concrete": True}


class Seat(Base):
    """With a composite key, and counted versions."""

    __tablename__ = "seats"

    row: Mapped[int] = mapped_column(primary_key=True)
    letter: Mapped[str] = mapped_column(primary_key=True)
    taken: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column()
    __mapper_args__: ClassVar[dict[str, Any]] = {"version_id_col": version}


class Shelf(Base):
    """Whose books the database deletes."""

    __tablename__ = "shelves"

    id: Mapped[int] = mapped_column(primary_key=True)
    books: Mapped[list[Book]] = relationship(passive_deletes=True, cascade="all, delete")


class Book(Base):
    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int] = mapped_column(ForeignKey("shelves.id", ondelete="CASCADE"))
    read: Mapped[int] = mapped_column(server_default=func.abs(0))
