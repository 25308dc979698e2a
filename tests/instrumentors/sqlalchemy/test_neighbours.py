"""The SQLAlchemy instrumentor and what is built on SQLAlchemy: asyncio, Flask-SQLAlchemy, SQLModel, other listeners."""

from __future__ import annotations

import asyncio
import warnings

import flask
import pytest
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

import ezlogs

from .conftest import told
from .shop import Base, Depot, Order, Tag

aiosqlite = pytest.importorskip("aiosqlite", reason="no aiosqlite: the tests of asyncio are left out")


def test_an_async_session_tells_with_the_actor_of_its_task(tmp_path, captured):
    """Two tasks at once each have their own."""

    async def buy(engine, user, size):
        with ezlogs.actor("user", user):
            async with AsyncSession(engine) as session:
                session.add(Depot(id=size, size=size))
                await session.flush()
                await asyncio.sleep(0)
                await session.execute(insert(Tag).values(id=size, name=str(size)))
                await session.commit()

    async def main():
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'shop.sqlite3'}", connect_args={"timeout": 30})
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        await asyncio.gather(buy(engine, 1, 10), buy(engine, 2, 20))
        async with AsyncSession(engine) as session:
            assert len((await session.scalars(select(Depot))).all()) == 2
            session.add(Depot())
            await session.flush()
        await engine.dispose()

    asyncio.run(main())
    rows = {(event.action, event.subject.id): event.actor for event in captured.events[:4]}
    assert rows == {
        ("depot.create", "10"): ezlogs.Actor("user", "1"),
        ("tag.create", "10"): ezlogs.Actor("user", "1"),
        ("depot.create", "20"): ezlogs.Actor("user", "2"),
        ("tag.create", "20"): ezlogs.Actor("user", "2"),
    }
    assert [event.action for event in captured.events[4:]] == ["rollback"]


def test_flask_sqlalchemy_names_its_binds(tmp_path, captured):
    """Each bind is a database under the name that the application gave it; the session ends with the request."""
    app = flask.Flask("shop")
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'main.sqlite3'}"
    app.config["SQLALCHEMY_BINDS"] = {"ledger": f"sqlite:///{tmp_path / 'other.sqlite3'}"}
    db = SQLAlchemy(app)

    class Cart(db.Model):
        id = db.Column(db.Integer, primary_key=True)

    class LineEntry(db.Model):
        __bind_key__ = "ledger"
        id = db.Column(db.Integer, primary_key=True)

    with app.app_context():
        db.create_all()
        db.session.add_all([Cart(id=1), LineEntry(id=2)])
        db.session.commit()
        db.session.add(Cart(id=3))
        db.session.flush()
    found = {event.action: event.metadata["database"] for event in captured.events}
    assert found == {"cart.create": "main", "line_entry.create": "ledger", "rollback": "main"}
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


def test_sqlmodel_needs_nothing_of_its_own(tmp_path, captured):
    """Its models and sessions are SQLAlchemy's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sqlmodel = pytest.importorskip("sqlmodel", reason="no SQLModel: its test is left out")

        class Hero(sqlmodel.SQLModel, table=True):
            id: int | None = sqlmodel.Field(default=None, primary_key=True)
            age: int = 1

    engine = sqlmodel.create_engine(f"sqlite:///{tmp_path / 'heroes.sqlite3'}")
    Hero.metadata.create_all(engine)
    with sqlmodel.Session(engine) as session:
        session.add(hero := Hero(age=5))
        session.commit()
        session.refresh(hero)
        hero.age = 6
        session.add(hero)
        session.commit()
        assert session.exec(sqlmodel.select(Hero)).one().age == 6
    assert told(captured) == [("hero.create", "1"), ("hero.update", "1")]
    engine.dispose()


def test_a_subject_is_found_by_its_row(session, captured):
    """An event about the row has the same subject as its changes."""
    session.add(order := Order())
    session.commit()
    session.refresh(order)
    ezlogs.event("order.action", "placed", subject=order)
    assert captured.events[0].subject == captured.events[1].subject == ezlogs.Subject("order", "1")
