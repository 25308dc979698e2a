"""A program that writes to a database through SQLAlchemy and is killed at a given moment of a commit.

Usage: committing.py MOMENT FIRST_KEY, with the rest in the environment: see `main`.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import nullcontext
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Engine, ForeignKey, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import ezlogs


class Base(DeclarativeBase):
    """The tables."""


class Depot(Base):
    __tablename__ = "killed_depots"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parent_id: Mapped[int | None] = mapped_column(
        ForeignKey("killed_depots.id", deferrable=True, initially="DEFERRED"), default=None
    )
    name: Mapped[str] = mapped_column(default="Ada's, ada@example.com")


def die() -> None:
    """Be gone at once."""
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def opened(url: str) -> Engine:
    """A database in which transactions begin when they should, and keys are looked at when they end."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def connect(connection: Any, record: object) -> None:
            connection.isolation_level = None
            connection.execute("PRAGMA foreign_keys=ON")

        @event.listens_for(engine, "begin")
        def begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN")

    return engine


def die_when_sent(engine: Engine) -> None:
    """Be gone once the database has the next COMMIT, before anybody reads its answer."""

    def send(dbapi_connection: Any) -> None:
        if engine.dialect.name == "sqlite":
            dbapi_connection.commit()
        else:
            sent = dbapi_connection.dbapi_connection.pgconn
            sent.send_query(b"COMMIT")
            while sent.flush():
                pass
        die()

    engine.dialect.do_commit = send  # type: ignore[method-assign]


def write(engine: Engine, moment: str, first: int) -> None:
    """Commit two rows, and die at a moment of the next transaction."""
    with Session(engine) as session:
        session.add_all([Depot(id=first), Depot(id=first + 1)])
        session.commit()
    with Session(engine) as session:
        session.add_all([Depot(id=first + 2), Depot(id=first + 3)])
        session.flush()
        nested = session.begin_nested()
        session.add(Depot(id=first + 4))
        session.flush()
        nested.rollback()
        if moment == "failed":
            session.add(Depot(id=first + 5, parent_id=first + 9))
            try:
                session.commit()
            except DBAPIError:
                die()
        if moment == "rolled_back":
            session.flush()
            event.listen(engine, "commit", lambda connection: 1 / 0)  # it never gets to be sent
            try:
                session.commit()
            except ZeroDivisionError:
                session.rollback()
            die()
        if moment == "before":
            event.listen(engine, "commit", lambda connection: die())
        elif moment == "sent":
            die_when_sent(engine)
        session.commit()
        die()


def main() -> None:
    """Write and die; or with ``wait`` deliver what is there until standard input ends."""
    moment, first = sys.argv[1], int(sys.argv[2])
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    if os.environ.get("PIPELINE") == "attached":
        provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    trace.set_tracer_provider(provider)
    ezlogs.configure(
        endpoint=os.environ["ENDPOINT"],
        durability="process",
        carrier=os.environ.get("CARRIER", "span"),
        instrument=["sqlalchemy"],
        flush_interval=0.05,
    )
    if moment == "wait":
        ezlogs.event("order.action", "waits")
        ezlogs.flush()
        sys.stdin.read()
        return
    engine = opened(os.environ["DATABASE"])
    tracer = trace.get_tracer("app")
    with tracer.start_as_current_span("request") if os.environ.get("ON_A_SPAN") else nullcontext():
        write(engine, moment, first)


if __name__ == "__main__":
    main()
