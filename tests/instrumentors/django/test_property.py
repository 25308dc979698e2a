"""The promise about Django: whatever happens, the events are what was committed, no more and no less."""

from __future__ import annotations

from collections import Counter

import pytest
from django.apps import apps
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from ezlogs.testing import capture

from .conftest import empty, statements
from .shop.models import Depot, Gift, Tag
from .shopkeeper import STEPS, Manual, Shopkeeper

pytestmark = pytest.mark.usefixtures("instrumented")

PARENTS = {"shop_gift": "shop_order"}
VERBS = {"create": "insert", "update": "update", "destroy": "delete", "delete": "delete"}

steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 4), st.integers(0, 9)), min_size=4, max_size=30)


def shop_tables():
    """Return the shop's tables with their columns."""
    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.app_label == "shop"]
    return {
        model._meta.db_table: [field.column for field in model._meta.local_concrete_fields]
        for model in models
        if not model._meta.proxy
    }


@pytest.fixture
def logged(database):
    """Return what makes a database log each row that is written by itself, in the same transaction."""
    done = []

    def log(using):
        connection = connections[using]
        done.append(connection)
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE log (what TEXT, verb TEXT, differs INTEGER)")
            if connection.vendor == "postgresql":
                cursor.execute(
                    "CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES "
                    "(TG_TABLE_NAME, lower(TG_OP), CASE WHEN OLD IS DISTINCT FROM NEW THEN 1 ELSE 0 END); "
                    "RETURN NULL; END $$"
                )
            for table, columns in shop_tables().items():
                for verb in ("insert", "update", "delete"):
                    differs = " OR ".join(f'OLD."{c}" IS NOT NEW."{c}"' for c in columns) if verb == "update" else "1"
                    cursor.execute(
                        f"CREATE TRIGGER {table}_{verb} AFTER {verb} ON {table} FOR EACH ROW "
                        + (
                            "EXECUTE FUNCTION log()"
                            if connection.vendor == "postgresql"
                            else f"BEGIN INSERT INTO log VALUES ('{table}', '{verb}', {differs}); END"
                        )
                    )

    yield log
    for connection in done:
        with connection.cursor() as cursor:
            for table in shop_tables():
                for verb in ("insert", "update", "delete"):
                    on = f" ON {table}" if connection.vendor == "postgresql" else ""
                    cursor.execute(f"DROP TRIGGER {table}_{verb}{on}")
            if connection.vendor == "postgresql":
                cursor.execute("DROP FUNCTION log()")
            cursor.execute("DROP TABLE log")


def table_of(label):
    """Return the table of a model."""
    return apps.get_model(label)._meta.db_table


def tables_of(told, table, verb):
    """Return the tables that a row is in; of an update those whose columns are told."""
    tables = [table, PARENTS[table]] if table in PARENTS else [table]
    if verb != "update" or len(tables) == 1:
        return tables
    own = {field.name for field in Gift._meta.local_fields}
    names = {change.field for change in told.changes}
    return [name for name, is_there in zip(tables, (names & own, names - own), strict=True) if is_there]


def written(events):
    """Count the rows that events tell, by table and verb."""
    found = Counter()
    for told in events:
        if told.event_type == "data.raw":
            found[told.metadata["table"], told.metadata["verb"]] += told.metadata["rows"]
        if told.event_type != "data.change":
            continue
        metadata, verb = told.metadata, VERBS[told.action.partition(".")[2].removeprefix("bulk_")]
        table = metadata["table"]
        if links := metadata.get("m2m"):
            assert "added_of" not in links or len(links["added_of"]) > 1
            found[table, "insert"] += links.get("rows_added", 0)
            found[table, "delete"] += links.get("rows_removed", 0)
            continue
        rows = metadata.get("rows", 1)
        for written_table in tables_of(told, table, verb):
            found[written_table, verb] += rows
        for label, count in metadata.get("cascade", {}).items():
            found[table_of(label), "delete"] += count
    return +found


def logged_rows(using):
    """Return what the database itself has logged: by table and verb all rows, and those that really changed."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT what, verb, differs FROM log")
        entries = cursor.fetchall()
        cursor.execute("DELETE FROM log")
    everything = Counter((what, verb) for what, verb, _ in entries)
    return everything, Counter((what, verb) for what, verb, differs in entries if differs)


def replay(depots, events):
    """Apply what events tell of depots."""
    for told in events:
        if told.event_type != "data.change" or told.metadata["table"] != "shop_depot":
            continue
        after = {change.field: change.after for change in told.changes}
        before = {change.field: change.before for change in told.changes}
        if told.subject.id is None:
            for row in depots.values():
                row["size"] = after["size"]
            continue
        key = int(told.subject.id)
        if told.action == "depot.destroy":
            del depots[key]
            continue
        if told.action == "depot.create":
            assert key not in depots
            depots[key] = {"size": 0}
        elif isinstance(before.get("size"), int):
            assert depots[key]["size"] in (None, before["size"])  # computed, and then read
        if after.get("size", 0) is UNSET:
            depots[key]["size"] = None  # computed by the database
        else:
            depots[key]["size"] = after.get("size", depots[key]["size"])


def tell_and_compare(using, plan):
    """Do the steps of a plan; whenever all is committed the events must be what the database has."""
    keeper = Shopkeeper(using)
    empty(connections[using])
    depots = {}
    logged_rows(using)
    with capture(changes="full", raw_statements=True) as captured:
        try:
            for name, key, value in [*plan, ("commit", 1, 0)]:
                keeper.step(name, key, value)
                events = list(captured.events)
                if keeper.blocks:
                    if connections[using].vendor != "sqlite" or not isinstance(keeper.blocks[0], Manual):
                        assert written(events) == {}, (name, events)
                    continue  # SQLite may have committed: a savepoint without a transaction around it is one
                captured.clear()
                everything, changed = logged_rows(using)
                captured.clear()
                compare(written(events), everything, changed)
                replay(depots, events)
                rows = dict(Depot.objects.using(using).values_list("pk", "size"))
                assert {key: row["size"] for key, row in depots.items() if row["size"] is not None} == {
                    key: size for key, size in rows.items() if depots.get(key, {"size": 0})["size"] is not None
                }
                depots = {key: {"size": size} for key, size in rows.items()}
        except BaseException:  # nothing of it may stay for the next plan
            connections[using].in_atomic_block = False
            connections[using].close()
            connections[using].connect()
            raise


def compare(told, everything, changed):
    """Inserts and deletes are told exactly; of updates each that changed a row, and none that was not sent."""
    for what in {*told, *everything}:
        if what[1] == "update":
            assert changed[what] <= told[what] <= everything[what], (what, told, everything, changed)
        else:
            assert told[what] == everything[what], (what, told, everything)


@pytest.mark.timeout(180)
def test_events_are_what_was_committed(logged):
    """On SQLite, where triggers count every row that is written."""
    logged("default")

    @settings(max_examples=100, suppress_health_check=list(HealthCheck))
    @given(plan=steps)
    def check(plan):
        tell_and_compare("default", plan)

    check()


@pytest.mark.timeout(180)
def test_events_are_what_was_committed_on_postgresql(postgresql, logged):
    """On PostgreSQL, which also ends transactions by itself."""
    logged(postgresql)

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(plan=steps)
    def check(plan):
        tell_and_compare(postgresql, plan)

    check()


def test_the_statements_are_those_of_django_alone(database, instrumented):
    """Whatever is written, and whatever goes wrong."""

    def sent(plan):
        empty(connections["default"])
        keeper = Shopkeeper("default")
        with statements() as found, capture(raw_statements=True):
            for step in plan:
                keeper.step(*step)
            keeper.finish()
        return found

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(plan=steps)
    def check(plan):
        with_ezlogs = sent(plan)
        instrumented.uninstrument()
        try:
            assert sent(plan) == with_ezlogs
        finally:
            instrumented.instrument()

    check()


def test_the_property_sees_what_is_missing(logged):
    """An event left out, or one too many, is a difference."""
    logged("default")
    with capture(changes="full") as captured:
        Depot.objects.create(pk=1, size=2)
        Tag.objects.create(name="a")
    everything, changed = logged_rows("default")
    compare(written(captured.events), everything, changed)
    depots = {}
    replay(depots, captured.events)
    assert depots == {1: {"size": 2}}
    for wrong in (captured.events[:1], captured.events * 2):
        with pytest.raises(AssertionError):
            compare(written(wrong), everything, changed)
