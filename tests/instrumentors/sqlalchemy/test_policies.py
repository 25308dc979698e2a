"""What is told of SQLAlchemy's models as their classes and the settings say; what is read for it, and what is not."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    StaticPool,
    String,
    Table,
    TypeDecorator,
    bindparam,
    create_engine,
    delete,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    registry,
    relationship,
    with_loader_criteria,
)

import ezlogs
from ezlogs.testing import capture
from ezlogs.trackers.data import on_audit
from ezlogs_instrumentors.sqlalchemy import SqlalchemyInstrumentor

from .conftest import changes, told


class PasswordType(TypeDecorator):
    """As sqlalchemy-utils calls it."""

    impl = String
    cache_ok = True


class EncryptedText(PasswordType):
    """A type of the application's own, made of that."""

    cache_ok = True


class Base(DeclarativeBase):
    """A clinic's tables."""


friends = Table(
    "friends",
    Base.metadata,
    Column("one_id", ForeignKey("patients.id"), primary_key=True),
    Column("other_id", ForeignKey("patients.id"), primary_key=True),
)


@ezlogs.audit(exclude=["seen", "friends"], mask=["mail"], changes="full", capture="rows", limit=3, access=True)
class Patient(Base):
    __tablename__ = "patients"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(default="patient")
    mail: Mapped[str | None] = mapped_column("e_mail")
    seen: Mapped[int] = mapped_column(default=0)
    weight: Mapped[int] = mapped_column(default=1)
    diary: Mapped[str | None] = mapped_column(EncryptedText)
    friends: Mapped[list[Patient]] = relationship(
        secondary=friends,
        primaryjoin=lambda: Patient.id == friends.c.one_id,
        secondaryjoin=lambda: Patient.id == friends.c.other_id,
    )
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "patient"}  # noqa: RUF012  # SQLAlchemy's


class Guest(Patient):
    """In the same table."""

    __mapper_args__ = {"polymorphic_identity": "guest"}  # noqa: RUF012  # SQLAlchemy's


@ezlogs.audit(access=False, capture="count")
class Unseen(Patient):
    __mapper_args__ = {"polymorphic_identity": "unseen"}  # noqa: RUF012  # SQLAlchemy's


@ezlogs.audit(capture="pks", limit=2)
class Visit(Base):
    __tablename__ = "visits"

    patient_id: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[int] = mapped_column(primary_key=True)
    note: Mapped[str | None]


@ezlogs.audit(False)
class Draft(Base):
    __tablename__ = "drafts"

    id: Mapped[int] = mapped_column(primary_key=True)


class Plain(Base):
    __tablename__ = "plains"

    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(default=1)


loose = Table("audit_log", Base.metadata, Column("id", Integer, primary_key=True), Column("size", Integer))


@pytest.fixture
def engine(engine):
    """With the clinic's tables, too."""
    Base.metadata.create_all(engine)
    return engine


@pytest.fixture
def patients(session):
    """Five of them."""
    with capture():
        session.add_all(Patient(id=number, mail=f"p{number}@example.com", weight=number) for number in range(1, 6))
        session.commit()
        session.expunge_all()


def of_changes(captured):
    """Return what was told of changes, in short."""
    return [(event.action, event.subject.id, changes(event)) for event in captured.of("data.change")]


def test_fields_are_told_as_the_class_says(session, captured):
    """Masked, left out, and by type never; under the attributes' names whatever the columns are called."""
    session.add(patient := Patient(id=1, mail="ada@example.com", weight=2, diary="dear diary"))
    session.flush()
    patient.seen = 5
    session.flush()
    patient.mail = None
    session.execute(insert(Patient).values(id=2, mail="bob@example.com", diary="mine", kind="patient"))
    session.execute(insert(Patient.__table__).values(id=3, e_mail="eve@example.com", kind="patient"))
    session.commit()
    mail = (UNSET, "…@example.com")
    created = {"kind": (UNSET, "patient"), "mail": mail, "weight": (UNSET, 1), "diary": (UNSET, UNSET)}
    assert of_changes(captured) == [
        ("patient.create", "1", {**created, "weight": (UNSET, 2)}),
        ("patient.update", "1", {"mail": ("…@example.com", None)}),
        ("patient.create", "2", created),
        ("patient.create", "3", {"kind": (UNSET, "patient"), "mail": mail, "weight": (UNSET, 1)}),
    ]
    for secret in ("dear diary", "mine", "ada@", "bob@", "eve@"):
        captured.assert_absent(secret)


def test_a_collection_can_be_left_out(session, captured):
    """Or be told by its name alone."""
    session.add_all([one := Patient(id=1), other := Patient(id=2)])
    one.friends.append(other)
    session.commit()
    assert [event.action for event in captured.of("data.change")] == ["patient.create", "patient.create"]


def test_a_collection_is_told_as_its_values_may_be(engine):
    """With names only there are no keys; with none not even the collection's name."""
    from .shop import Order, Tag

    for setting, expected in (("names", {"field": "tags"}), ("none", None)):
        with capture(changes=setting) as captured, Session(engine) as session:
            session.add(Order(tags=[Tag(name=setting)]))
            session.commit()
        assert captured.events[-1].metadata.get("m2m") == expected


def test_models_that_are_left_out_are_not_told(engine):
    """By their class or by a setting, through the unit of work, Core, the bulk methods, and as text."""
    with capture(data_exclude=["audit_*", "plain"], raw_statements=True) as captured, Session(engine) as session:
        session.add_all([Draft(id=1), Plain(id=1)])
        session.execute(insert(loose).values(id=1))
        session.bulk_insert_mappings(Plain, [{"id": 2}])
        session.execute(update(Draft).values(id=7))
        session.execute(text("INSERT INTO audit_log (id) VALUES (2)"))
        session.execute(text("INSERT INTO drafts (id) VALUES (2)"))
        session.commit()
    assert [event.subject.id for event in captured.events] == ["drafts"]  # of text the table is all that is known


def test_rows_of_an_update_are_told_where_their_class_wants_them(session, patients, captured, statements):
    """Before and after, up to the limit, read by one query before it; what stays the same is no change."""
    session.execute(update(Patient).where(Patient.id <= 3).values(weight=2, seen=Patient.seen + 1))
    session.commit()
    assert of_changes(captured) == [
        ("patient.update", "1", {"weight": (1, 2)}),
        ("patient.update", "2", {}),
        ("patient.update", "3", {"weight": (3, 2)}),
    ]
    assert captured.events[0].metadata == {"table": "patients", "database": "shop", "bulk": 3}
    assert [sql.split()[0] for sql in statements] == ["BEGIN", "SELECT", "UPDATE"]
    assert "LIMIT" in statements[1]


def test_rows_beyond_the_limit_are_counted(session, patients, captured):
    """Of deleted rows what they were."""
    session.query(Patient).filter(Patient.weight > 0).delete()
    session.commit()
    *rows, rest = of_changes(captured)
    assert [row[:2] for row in rows] == [("patient.destroy", "1"), ("patient.destroy", "2"), ("patient.destroy", "3")]
    assert rows[0][2] == {
        "kind": ("patient", UNSET),
        "mail": ("…@example.com", UNSET),
        "weight": (1, UNSET),
    }
    assert rest == ("patient.bulk_delete", None, {})
    assert captured.of("data.change")[-1].metadata["rows"] == 2


def test_keys_of_composite_keys_are_told_as_elsewhere(session, captured, statements):
    """Parts joined by commas, through Core with parameters too; a rollback takes all of it back."""
    session.execute(insert(Visit), [{"patient_id": 1, "day": day} for day in (1, 2, 3)])
    session.commit()
    assert captured.events[0].metadata["pks"] == ("1,1", "1,2")
    assert captured.events[0].metadata["truncated"] is True
    captured.clear()
    session.connection().execute(
        update(Visit.__table__).where(Visit.__table__.c.day == bindparam("wanted")).values(note=bindparam("text")),
        {"wanted": 2, "text": "x"},
    )
    session.commit()
    (event,) = captured.events
    assert (event.metadata["rows"], event.metadata["pks"], event.metadata["truncated"]) == (1, ("1,2",), False)
    captured.clear()
    session.execute(delete(Visit))
    session.rollback()
    assert [event.event_type for event in captured.events] == ["data.transaction"]


def test_rows_that_an_insert_was_given_are_told_without_a_query(session, captured, statements):
    """Those of the ORM's bulk insert; a conflict that may be passed over is only counted."""
    session.execute(insert(Patient), [{"id": 1, "mail": "ada@example.com"}, {"id": 2, "mail": None}])
    session.execute(insert(Patient).prefix_with("OR IGNORE"), [{"id": 2}, {"id": 3}])
    session.commit()
    first, second, third = of_changes(captured)
    assert first[:2] == ("patient.create", "1")
    assert first[2]["mail"] == (UNSET, "…@example.com")
    assert second[:2] == ("patient.create", "2")
    assert third[:2] == ("patient.bulk_create", None)
    assert not [sql for sql in statements if sql.startswith("SELECT")]


def test_subclasses_in_the_same_table_are_read_alone(session, patients, captured):
    """Their own condition holds for the query as well."""
    session.add_all([Guest(id=8, weight=1), Guest(id=9, weight=2)])
    session.commit()
    captured.clear()
    session.execute(update(Guest).values(weight=7))
    session.execute(update(Unseen).values(weight=8))
    session.commit()
    assert of_changes(captured) == [
        ("guest.update", "8", {"weight": (1, 7)}),
        ("guest.update", "9", {"weight": (2, 7)}),
    ]


def test_what_cannot_be_read_the_same_way_is_counted(session, patients, captured, statements):
    """Parameters of many, common table expressions, and RETURNING where the driver does not count."""
    few = select(Patient.id).where(Patient.id < 3).cte("few")
    session.execute(update(Patient).where(Patient.id.in_(select(few.c.id))).values(weight=50).add_cte(few))
    session.connection().execute(
        update(Patient.__table__).where(Patient.__table__.c.id == bindparam("key")).values(weight=bindparam("new")),
        [{"key": 1, "new": 51}, {"key": 2, "new": 52}],
    )
    session.execute(update(Patient).values(weight=53).returning(Patient.id)).all()
    session.commit()
    assert [row[0] for row in of_changes(captured)] == ["patient.bulk_update"] * 3
    assert len([sql for sql in statements if sql.startswith("SELECT")]) == 1


def test_models_that_do_not_ask_for_it_cost_no_query(session, captured, statements):
    """Nor does a flush of those that do."""
    session.add_all([Plain(id=1), patient := Patient(id=1)])
    session.flush()
    patient.weight = 3
    session.flush()
    session.execute(update(Plain).values(size=2))
    session.execute(delete(Plain))
    session.commit()
    assert not [sql for sql in statements if sql.startswith("SELECT")]


def test_nobody_listens_to_coming_statements_before_a_model_asks(monkeypatch):
    """Nor to rows that are read."""
    from ezlogs.trackers.data import audit

    SqlalchemyInstrumentor().uninstrument()
    monkeypatch.setattr(audit, "_audits", type(audit._audits)())
    SqlalchemyInstrumentor().instrument()
    assert not list(Engine.dispatch.before_execute._clslevel[Engine])
    assert not list(Patient.__mapper__.class_manager.dispatch.load)
    ezlogs.audit(Plain, capture="pks", access=True)
    ezlogs.audit(Visit, capture="pks")
    assert len(Engine.dispatch.before_execute._clslevel[Engine]) == 1
    assert len(list(Plain.__mapper__.class_manager.dispatch.load)) == 1
    SqlalchemyInstrumentor().uninstrument()
    assert not list(Engine.dispatch.before_execute._clslevel[Engine])
    assert not list(Plain.__mapper__.class_manager.dispatch.load)
    ezlogs.audit(Plain, access=True)
    assert not list(Plain.__mapper__.class_manager.dispatch.load)


def test_a_failing_query_of_ours_leaves_the_statement_alone(session, patients, monkeypatch):
    """It is executed, and counted."""
    from ezlogs_instrumentors.sqlalchemy import capturing

    monkeypatch.setattr(capturing, "_columns", lambda *_, **__: 1 / 0)
    with capture(strict=False) as captured:
        session.execute(update(Patient).values(weight=2))
        session.commit()
    assert [row[0] for row in of_changes(captured)] == ["patient.bulk_update"]


def test_in_postgresql_a_failing_query_does_not_take_the_transaction_along(postgresql, monkeypatch):
    """It is in a savepoint."""
    from ezlogs_instrumentors.sqlalchemy import capturing

    Base.metadata.drop_all(postgresql)
    Base.metadata.create_all(postgresql)
    try:
        with capture(), Session(postgresql) as session:
            session.add_all(Patient(id=number) for number in (1, 2))
            session.commit()
        with capture() as captured, Session(postgresql) as session:
            session.execute(update(Patient).values(weight=5))
            session.commit()
        assert [row[1:] for row in of_changes(captured)] == [("1", {"weight": (1, 5)}), ("2", {"weight": (1, 5)})]
        plain = capturing._columns
        wrong = Column("nothing", Integer)

        def columns(statement, **kwargs):
            found = plain(statement, **kwargs)
            return [(found[0][0], wrong), *found[1:]]

        monkeypatch.setattr(capturing, "_columns", columns)
        with capture(strict=False) as captured, Session(postgresql) as session:
            session.execute(update(Patient).values(weight=6))
            session.commit()
            assert session.scalars(select(Patient.weight)).all() == [6, 6]
        assert [row[0] for row in of_changes(captured)] == ["patient.bulk_update"]
    finally:
        Base.metadata.drop_all(postgresql)


def test_a_statement_that_fails_tells_nothing_of_what_was_read(session, patients, captured):
    """And what is executed next is not taken for it."""
    with pytest.raises(DBAPIError):
        session.execute(update(Patient).where(Patient.id < 3).values(id=5))
    session.rollback()
    captured.clear()
    with capture(changes="full") as later:
        session.execute(update(Plain).values(size=3))
        session.execute(update(Patient).where(Patient.id == 5).values(weight=9))
        session.commit()
    assert of_changes(later) == [("patient.update", "5", {"weight": (5, 9)})]


def test_reading_is_told_of_models_that_ask_for_it(session, patients, captured):
    """Once in each scope, without values; of subclasses too, unless they say otherwise, and of no other model."""
    session.add_all([Guest(id=8), Unseen(id=9), Plain(id=1)])
    session.commit()
    session.expunge_all()
    captured.clear()
    with ezlogs.flow("visit", 1):
        session.scalars(select(Patient).where(Patient.id > 4)).all()
        session.scalars(select(Plain)).all()
        session.expire_all()
        assert session.get(Patient, 5).weight == 5
        session.execute(select(Patient.weight)).all()
    with ezlogs.flow("visit", 2):
        session.refresh(session.get(Patient, 5))
    assert told(captured)[1:3] == [("patient.view", "5"), ("guest.view", "8")]
    views = captured.of("data.access")
    assert [view.subject.id for view in views] == ["5", "8", "5"]
    assert views[0].metadata == {"table": "patients"}
    assert {view.changes for view in views} == {()}
    assert views[0].correlation.flow_id == "visit:1"


def test_reading_is_told_once_though_base_and_subclass_ask_for_it(session, captured):
    """Whichever asked first, and for classes that are mapped later too."""

    class Later:
        pass

    class Below(Later):
        pass

    ezlogs.audit(Below, access=True)
    ezlogs.audit(Later, access=True)
    ezlogs.audit(Below, access=True)
    mappings = registry()
    table = Table("laters", mappings.metadata, Column("id", Integer, primary_key=True), Column("kind", String))
    base = mappings.map_imperatively(Later, table, polymorphic_on=table.c.kind, polymorphic_identity="later")
    mappings.map_imperatively(Below, inherits=base, polymorphic_identity="below")
    mappings.metadata.create_all(session.connection())
    session.add_all([Later(), Below()])
    session.commit()
    session.expunge_all()
    captured.clear()
    session.scalars(select(Later)).all()
    assert sorted(told(captured)) == [("below.view", "2"), ("later.view", "1")]
    mappings.dispose()


def test_without_access_events_nothing_is_looked_up(session, patients):
    """As with that type disabled."""
    with capture(disabled_events=["data.access"]) as captured:
        session.scalars(select(Patient)).all()
    assert captured.events == []


def test_a_large_blob_by_any_other_type_is_no_secret():
    """Types are known by their names."""
    from ezlogs_instrumentors.sqlalchemy.mapped import is_secret

    assert not is_secret(Column("x", LargeBinary))
    assert is_secret(Column("x", EncryptedText))


def test_listeners_end_with_the_instrumentor():
    """Nobody is left in the list of those who want to know."""
    from ezlogs.trackers.data import audit

    before = len(audit._listeners)
    SqlalchemyInstrumentor().uninstrument()
    assert len(audit._listeners) == before - 2
    on_audit(lambda _: None)()


def test_a_failed_savepoint_leaves_nothing_behind(session, captured):
    """However many there are: SQLAlchemy does not release those that it goes back to."""
    from ezlogs_instrumentors.sqlalchemy import transactions

    session.add(Plain(id=1))
    session.flush()
    for number in range(2, 20):
        nested = session.begin_nested()
        session.add(Plain(id=number))
        session.flush()
        nested.rollback()
    (state,) = list(transactions._open.values())
    assert len(state.writes._levels) == 1
    session.commit()
    assert [event.metadata.get("rows") for event in captured.events] == [None, 18]


def test_what_bulk_methods_are_given_is_told_without_a_query(session, captured, statements):
    """Keys and values that are there already; what was not given is not known."""
    session.bulk_insert_mappings(Visit, ({"patient_id": 1, "day": day, "note": "x"} for day in (1, 2, 3)))
    session.bulk_update_mappings(Visit, [{"patient_id": 1, "day": 1, "note": "y"}])
    session.bulk_insert_mappings(Patient, [{"id": 1, "mail": "ada@example.com", "kind": "patient", "weight": 3}])
    session.bulk_insert_mappings(Patient, [{"mail": "eve@example.com", "kind": "patient"}])
    session.bulk_save_objects([Patient(id=7, weight=2)])
    session.commit()
    assert not [sql for sql in statements if sql.startswith("SELECT")]
    assert [event.metadata.get("pks") for event in captured.events][:2] == [("1,1", "1,2"), ("1,1",)]
    assert of_changes(captured)[2:] == [
        ("patient.create", "1", {"kind": (UNSET, "patient"), "mail": (UNSET, "…@example.com"), "weight": (UNSET, 3)}),
        ("patient.bulk_create", None, {}),
        ("patient.create", "7", {"kind": (UNSET, "patient"), "weight": (UNSET, 2)}),
    ]


def test_objects_saved_together_are_told_as_they_changed(session, patients, captured):
    """With the values from before; where some did not change, nobody knows which, and they are counted."""
    one, two, three = session.scalars(select(Patient).where(Patient.id < 4)).all()
    session.expunge_all()
    captured.clear()
    one.weight = two.weight = 50
    session.bulk_save_objects([one, two])
    session.commit()
    assert of_changes(captured) == [
        ("patient.update", "1", {"weight": (1, 50)}),
        ("patient.update", "2", {"weight": (2, 50)}),
    ]
    captured.clear()
    one.weight = 51
    session.bulk_save_objects([one, three])
    session.commit()
    assert [row[:2] for row in of_changes(captured)] == [("patient.bulk_update", None)]


class Picky(TypeDecorator):
    """A type that cannot compare."""

    impl = Integer
    cache_ok = True

    def compare_values(self, one, other):
        """Fail."""
        raise RuntimeError


keyless = Table("keyless", Base.metadata, Column("number", Integer), Column("size", Picky))


@ezlogs.audit(capture="rows")
class Keyless(Base):
    """Whose key only the class knows."""

    __table__ = keyless
    __mapper_args__ = {"primary_key": [keyless.c.number]}  # noqa: RUF012  # SQLAlchemy's


@ezlogs.audit(capture="rows")
class Elsewhere(Base):
    __tablename__ = "elsewhere"
    __table_args__ = {"schema": "tenant"}  # noqa: RUF012  # SQLAlchemy's

    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int]


@pytest.fixture(autouse=True)
def no_schemas(monkeypatch):
    """SQLite has none: tables of one are made by hand."""
    metadata = Base.metadata
    plain = [table for table in metadata.sorted_tables if table.schema is None]
    monkeypatch.setattr(metadata, "create_all", lambda bind: type(metadata).create_all(metadata, bind, tables=plain))
    monkeypatch.setattr(metadata, "drop_all", lambda bind: type(metadata).drop_all(metadata, bind, tables=plain))


def test_a_table_without_a_key_is_counted_where_its_class_is_not_named(session, captured):
    """Through the class its rows have keys; what a type cannot compare is told as changed."""
    session.execute(insert(Keyless), [{"number": 1, "size": 1}, {"number": 2, "size": 1}])
    session.commit()
    captured.clear()
    session.execute(update(Keyless).values(size=1))
    session.execute(update(keyless).values(size=1))
    session.commit()
    assert [row[:2] for row in of_changes(captured)] == [
        ("keyless.update", "1"),
        ("keyless.update", "2"),
        ("keyless.bulk_update", None),
    ]


def test_conditions_of_options_hold_for_what_is_read(session, patients, captured):
    """As for the statement."""
    few = with_loader_criteria(Patient, Patient.id < 3)
    session.execute(update(Patient).values(weight=70).options(few))
    session.commit()
    assert [row[:2] for row in of_changes(captured)] == [("patient.update", "1"), ("patient.update", "2")]


def test_what_is_read_is_in_the_schema_of_the_statement(session, captured):
    """Where one takes the place of another."""
    here = {"schema_translate_map": {"tenant": None}}
    session.execute(text("CREATE TABLE elsewhere (id INTEGER PRIMARY KEY, size INTEGER)"))
    session.execute(insert(Elsewhere).values(id=1, size=1), execution_options=here)
    session.execute(update(Elsewhere).values(size=2), execution_options=here)
    session.commit()
    assert of_changes(captured)[1:] == [("elsewhere.update", "1", {"size": (1, 2)})]


def test_what_is_read_through_asyncio(tmp_path):
    """In the greenlet of the statement."""
    pytest.importorskip("aiosqlite", reason="no aiosqlite: asyncio is left out")

    async def clinic():
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'clinic'}")
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            session.add_all([Patient(id=1), Patient(id=2)])
            await session.commit()
            await session.execute(update(Patient).values(weight=9))
            await session.commit()
        await engine.dispose()

    with capture() as captured:
        asyncio.run(clinic())
    assert of_changes(captured)[2:] == [
        ("patient.update", "1", {"weight": (1, 9)}),
        ("patient.update", "2", {"weight": (1, 9)}),
    ]


def test_without_a_transaction_nothing_is_read(tmp_path):
    """It would be another one than that of the write."""
    engine = create_engine(f"sqlite:///{tmp_path / 'clinic'}", isolation_level="AUTOCOMMIT")
    Base.metadata.create_all(engine)
    with capture() as captured, engine.connect() as connection:
        connection.execute(insert(Patient.__table__).values(id=1, kind="patient"))
        connection.execute(update(Patient.__table__).values(weight=2))
    engine.dispose()
    assert [row[0] for row in of_changes(captured)] == ["patient.create", "patient.bulk_update"]


def test_after_its_end_an_import_hook_that_still_waited_listens_to_nothing():
    """It cannot be taken back, so it does nothing."""
    from ezlogs.trackers.data import audit
    from ezlogs_instrumentors.hooks import Hooks
    from ezlogs_instrumentors.sqlalchemy import reading

    before = len(audit._listeners)
    hooks = Hooks()
    hooks.undo()
    reading.attach(hooks, None)
    assert len(audit._listeners) == before


@ezlogs.audit(capture="rows", limit=4)
class Cell(Base):
    __tablename__ = "cells"

    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int]
    note: Mapped[int | None]


CELLS = st.lists(st.tuples(st.integers(0, 2), st.none() | st.integers(0, 2)), max_size=7)
WRITES = st.lists(
    st.tuples(
        st.sampled_from(["update", "compute", "core", "delete"]), st.integers(0, 2), st.none() | st.integers(0, 2)
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=CELLS, writes=WRITES)
def test_rows_that_are_told_are_those_that_changed(cells, writes):
    """Before and after each statement the table is read, and the difference is what is told, as far as it is known."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    cell = Cell.__table__
    try:
        with capture(changes="full") as captured, Session(engine) as session:
            session.add_all(Cell(id=at, size=size, note=note) for at, (size, note) in enumerate(cells))
            session.commit()
            for name, size, value in writes:
                captured.clear()
                before = {row.id: row for row in session.execute(select(Cell.id, Cell.size, Cell.note))}
                chosen = {at for at, row in before.items() if row.size >= size}
                session.execute(
                    {
                        "update": update(Cell).where(Cell.size >= size).values(note=value),
                        "compute": update(Cell).where(Cell.size >= size).values(note=Cell.note + 1, size=Cell.size),
                        "core": update(cell).where(cell.c.size >= size).values(note=value),
                        "delete": delete(Cell).where(Cell.size >= size),
                    }[name]
                )
                session.commit()
                after = {row.id: row for row in session.execute(select(Cell.id, Cell.size, Cell.note))}
                events = captured.of("data.change")
                rows = {int(event.subject.id): event for event in events if event.subject.id is not None}
                rest = sum(event.metadata["rows"] for event in events if event.subject.id is None)
                assert set(rows) <= chosen
                assert rest == max(0, len(chosen) - 4)
                if len(chosen) <= 4:
                    known = {at for at in chosen if after.get(at) != before[at]}
                    assert set(rows) == (chosen if name in ("compute", "delete") else known)
                for at, event in rows.items():
                    assert event.action == ("cell.destroy" if name == "delete" else "cell.update")
                    for field, (was, now) in changes(event).items():
                        assert was == getattr(before[at], field)
                        assert now is UNSET or now == getattr(after[at], field)
    finally:
        engine.dispose()
