"""A thousand saves in a transaction of SQLAlchemy: alone, with ezlogs, and with SQLAlchemy-Continuum."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.programs.saving import ROWS, Ezlogs, Save, changed, measured, order


def none() -> dict[str, float]:
    """SQLAlchemy alone."""
    return _measured("none")


def continuum() -> dict[str, float]:
    """With SQLAlchemy-Continuum, which writes the whole row once more."""
    return _measured("continuum")


def ezlogs(endpoint: str) -> dict[str, float]:
    """With ezlogs, default settings: each event is in the journal before the commit, and delivered after it."""
    return _measured("ezlogs", endpoint)


def _measured(what: str, endpoint: str | None = None) -> dict[str, float]:
    with TemporaryDirectory() as directory:
        told = None if endpoint is None else Ezlogs(endpoint)
        model, make_session = _set_up(Path(directory), what)
        sides = _sides(model, make_session)
        if told is None:
            return measured(sides)
        told.deliver()
        before = told.delivered()
        found = measured(sides, told.deliver, told.within)
        rows = 0
        with make_session() as session:
            rows = 3 * session.query(model).count() // 2  # of two that are created one is updated
        assert told.delivered() - before == rows, (told.delivered() - before, rows)
        return found


def _set_up(directory: Path, what: str) -> tuple[Any, Any]:
    """Return the model of orders, whose table is there, and what makes sessions."""
    import sqlalchemy
    from sqlalchemy import exc, orm

    warnings.simplefilter("ignore", exc.SAWarning)  # SQLite has no decimal numbers
    if what == "continuum":
        import_module("sqlalchemy_continuum").make_versioned(user_cls=None)
    base: Any = orm.declarative_base()
    columns = {
        "id": sqlalchemy.Column(sqlalchemy.Integer, primary_key=True),
        "customer": sqlalchemy.Column(sqlalchemy.String(100), nullable=False),
        "state": sqlalchemy.Column(sqlalchemy.Enum("new", "paid", "sent", native_enum=False), nullable=False),
        "quantity": sqlalchemy.Column(sqlalchemy.Integer, nullable=False),
        "total": sqlalchemy.Column(sqlalchemy.Numeric(12, 2), nullable=False),
        "is_gift": sqlalchemy.Column(sqlalchemy.Boolean, nullable=False),
        "placed_at": sqlalchemy.Column(sqlalchemy.DateTime, nullable=False),
        "note": sqlalchemy.Column(sqlalchemy.Text),
    }
    versioned = {"__versioned__": {}} if what == "continuum" else {}
    model = type("Order", (base,), {"__module__": __name__, "__tablename__": "orders", **columns, **versioned})
    orm.configure_mappers()
    engine = sqlalchemy.create_engine(f"sqlite:///{directory / 'shop.sqlite3'}")
    base.metadata.create_all(engine)
    return model, orm.sessionmaker(engine, expire_on_commit=False)


def _sides(model: Any, make_session: Any) -> dict[str, Callable[[], Save]]:
    def creates() -> Save:
        return lambda: saved([model(**order(number)) for number in range(ROWS)], one_by_one=True)

    def at_once() -> Save:
        return lambda: saved([model(**order(number)) for number in range(ROWS)], one_by_one=False)

    def saved(rows: list[Any], *, one_by_one: bool) -> None:
        with make_session.begin() as session:
            for row in rows:
                session.add(row)
                if one_by_one:
                    session.flush()

    def updates() -> Save:
        session = make_session()
        rows = session.query(model).order_by(model.id.desc()).limit(ROWS).all()

        def save() -> None:
            for row in rows:
                changed(row)
            session.commit()
            session.close()

        return save

    return {"creates": creates, "updates": updates, "at_once": at_once}
