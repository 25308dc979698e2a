"""The shop's database: orders and what is reserved for them, in SQLite, a connection for each transaction."""

from __future__ import annotations

import os

from sqlalchemy import create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import NullPool

engine = create_engine(f"sqlite:///{os.environ['SOAK_DATABASE']}", poolclass=NullPool, connect_args={"timeout": 60})


class Base(DeclarativeBase):
    """The tables."""


class Order(Base):
    """What a customer wants."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[int]


class Reservation(Base):
    """What is kept for an order; its key says for which, and by which attempt."""

    __tablename__ = "reservations"
    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[int]


@event.listens_for(engine, "connect")
def _prepare(connection: object, _record: object) -> None:
    connection.execute("pragma synchronous = off")  # type: ignore[attr-defined]  # a connection of sqlite3's


def save(row: Base) -> None:
    """Insert a row, in a transaction of its own."""
    with Session(engine) as session, session.begin():
        session.add(row)


if __name__ == "__main__":
    with engine.connect() as connection:
        connection.exec_driver_sql("pragma journal_mode = wal")
    Base.metadata.create_all(engine)
