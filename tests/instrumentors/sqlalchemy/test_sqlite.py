"""The SQLAlchemy instrumentor on SQLite where the driver or the database ends a transaction by itself."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from .conftest import told
from .shop import Base, Depot


def test_an_error_for_which_sqlite_rolls_back_everything(engine, captured):
    """What was written before it is told as rolled back, also where the application goes on and commits."""
    with engine.connect() as connection:
        connection.execute(insert(Depot.__table__), {"id": 1, "size": 1})
        with pytest.raises(IntegrityError):
            connection.execute(insert(Depot.__table__).prefix_with("OR ROLLBACK"), {"id": 1, "size": 2})
        connection.commit()
    with Session(engine) as session:
        assert session.scalars(select(Depot.id)).all() == []
    (rolled_back,) = captured.events
    assert (rolled_back.action, rolled_back.outcome) == ("rollback", "rolled_back")
    assert rolled_back.error.type == "sqlite3.IntegrityError"


def test_a_driver_in_autocommit_mode(tmp_path, captured):
    """Each row is told as it is written; a rollback takes nothing back, and none is told."""
    engine = create_engine(f"sqlite:///{tmp_path / 'shop.sqlite3'}", connect_args={"isolation_level": None})
    Base.metadata.create_all(engine)
    with engine.connect() as connection:
        connection.execute(insert(Depot.__table__), {"id": 1, "size": 1})
        assert told(captured) == [("depot.create", "1")]
        connection.rollback()
        assert connection.scalar(select(Depot.size)) == 1
    engine.dispose()
    assert told(captured) == [("depot.create", "1")]
