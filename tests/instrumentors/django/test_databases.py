"""The Django instrumentor on PostgreSQL and MariaDB: what is told is what the tables have, also when they fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Barrier, Thread

import pytest
from django.db import DatabaseError, Error, IntegrityError, OperationalError, connections, transaction
from django.db.models import F, Sum

from tests.servers import Address, Proxy, Server

from .shop.models import Item, Order, Tag

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("instrumented")]

_made: set[str] = set()


@pytest.fixture(scope="session")
def postgresql_address(postgresql_server: Server) -> Address:
    """A database in PostgreSQL."""
    return postgresql_server.database("django")


@pytest.fixture(scope="session")
def mariadb_address(mariadb_server: Server) -> Address:
    """A database in MariaDB."""
    import pymysql

    pymysql.install_as_MySQLdb()
    return mariadb_server.database("django")


@pytest.fixture(autouse=True)
def alias(kind: str, address: Address, database: None) -> Iterator[str]:
    """The alias of that database, with all tables, empty."""
    from django.apps import apps
    from django.core.management import call_command

    with known_as(kind, address):
        if kind not in _made:
            call_command("migrate", database=kind, run_syncdb=True, verbosity=0)
            _made.add(kind)
        connection = connections[kind]
        with connection.constraint_checks_disabled(), transaction.atomic(using=kind), connection.cursor() as cursor:
            for model in reversed(apps.get_models(include_auto_created=True)):
                cursor.execute(f"DELETE FROM {model._meta.db_table}")
        yield kind


@contextmanager
def known_as(alias: str, address: Address) -> Iterator[None]:
    """Let Django know a database by an alias."""
    connections.settings[alias] = {**connections.settings["default"], **address.django()}
    try:
        yield
    finally:
        with suppress(Error):
            connections[alias].close()
        del connections[alias], connections.settings[alias]


def actions(captured):
    """Return what happened, in short."""
    return [event.action for event in captured.events]


def ends(captured):
    """Return what happened, and how it ended."""
    return [(event.action, event.outcome) for event in captured.events]


def execute(alias, statement):
    """Execute a statement."""
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)


def race(alias, work, *arguments):
    """Do some work in threads, each with a connection of its own, and wait for all of them."""

    def alone(*given):
        try:
            work(*given)
        finally:
            connections[alias].close()

    threads = [Thread(target=alone, args=given) for given in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture
def orders(alias, captured) -> list[int]:
    """The keys of two orders of count 1; what is told of them is forgotten."""
    keys = [Order.objects.using(alias).create(count=1).pk for _ in range(2)]
    captured.clear()
    return keys


def test_rows_and_their_keys(alias, captured):
    """As with any other database."""
    rows = Order.objects.using(alias)
    order = rows.create(extra={"gift": True})
    order.count = F("count") + 1
    order.extra = {"gift": False}
    order.save(using=alias)
    rows.filter(pk=order.pk).update(count=5)
    order.tags.add(Tag.objects.using(alias).create(name="a"))
    order.delete()
    assert actions(captured) == [
        "order.create",
        "order.update",
        "order.bulk_update",
        "tag.create",
        "order.update",
        "order.destroy",
    ]
    assert captured.events[0].subject.id is not None
    assert all(event.metadata["database"] == alias for event in captured.events)


def test_many_rows_at_once(alias, captured):
    """Rows that conflict are updated or ignored, and of how many it was nobody says more than is known."""
    tags = Tag.objects.using(alias)
    tags.bulk_create([Tag(pk=1, name="a"), Tag(pk=2, name="b")])
    tags.bulk_create([Tag(pk=2, name="c"), Tag(pk=3, name="d")], ignore_conflicts=True)
    targets = {"unique_fields": ["id"]} if alias == "postgresql" else {}
    tags.bulk_create(
        [Tag(pk=3, name="e"), Tag(pk=4, name="f")], update_conflicts=True, update_fields=["name"], **targets
    )
    assert tags.count() == 4
    assert actions(captured) == ["tag.bulk_create"] * 3
    assert captured.events[0].metadata["rows"] == 2


def test_a_deadlock(alias, orders, captured):
    """The victim is told as rolled back with the error, the other by its rows."""
    barrier, failed = Barrier(2, timeout=30), []

    def work(mine, other):
        try:
            with transaction.atomic(using=alias):
                order = Order.objects.using(alias).get(pk=mine)
                order.count = mine + 100
                order.save()
                barrier.wait()
                order = Order.objects.using(alias).get(pk=other)
                order.count = mine + 100
                order.save()
        except OperationalError:
            failed.append(mine)

    race(alias, work, orders, orders[::-1])
    assert len(failed) == 1
    assert sorted(actions(captured)) == ["order.update", "order.update", "rollback"]
    (rolled_back,) = captured.of("data.transaction")
    assert rolled_back.error.type.endswith("OperationalError")
    assert rolled_back.metadata["rows_by_model"] == {"order": 1}


def test_a_deadlock_in_a_savepoint(alias, orders, captured):
    """PostgreSQL takes back what came after the savepoint, MariaDB the whole transaction, whatever comes later."""
    barrier, failed = Barrier(2, timeout=30), []

    def work(mine, other):
        with suppress(DatabaseError), transaction.atomic(using=alias):
            Tag.objects.using(alias).create(pk=mine, name=f"of {mine}")
            Order.objects.using(alias).filter(pk=mine).update(count=5)
            barrier.wait()
            try:
                with transaction.atomic(using=alias):
                    Order.objects.using(alias).filter(pk=other).update(count=6)
            except OperationalError:
                failed.append(mine)
            Order.objects.using(alias).create(count=7)

    race(alias, work, orders, orders[::-1])
    assert len(failed) == 1
    tags = {str(key) for key in Tag.objects.using(alias).values_list("pk", flat=True)}
    assert {event.subject.id for event in captured.events if event.action == "tag.create"} == tags
    assert actions(captured).count("order.create") == Order.objects.using(alias).filter(count=7).count()


SERIALIZABLE = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "mariadb": "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
}


def test_a_serialization_failure_that_is_tried_again(alias, orders, captured):
    """However often it fails, the rows are told once."""
    barrier, tries = Barrier(2, timeout=30), []

    def work(name):
        execute(alias, SERIALIZABLE[alias])
        for attempt in range(5):
            try:
                with transaction.atomic(using=alias):
                    total = Order.objects.using(alias).aggregate(total=Sum("count"))["total"]
                    if attempt == 0:
                        barrier.wait()
                    Tag.objects.using(alias).create(name=name)
                    Order.objects.using(alias).filter(pk=orders[0]).update(count=total)
            except OperationalError:
                tries.append(name)
            else:
                return

    race(alias, work, ("a",), ("b",))
    assert tries
    assert actions(captured).count("tag.create") == actions(captured).count("order.bulk_update") == 2
    assert actions(captured).count("rollback") == len(tries)
    assert Tag.objects.using(alias).count() == 2


def test_a_unique_violation(alias, orders, captured):
    """Handled in a savepoint, the rest is told; unhandled, the transaction as rolled back."""
    items = Item.objects.using(alias)
    items.create(order_id=orders[0], name="a")
    captured.clear()
    with transaction.atomic(using=alias):
        Tag.objects.using(alias).create(name="t")
        with suppress(IntegrityError), transaction.atomic(using=alias):
            items.create(order_id=orders[0], name="a")
    assert actions(captured) == ["tag.create"]
    captured.clear()
    with pytest.raises(IntegrityError), transaction.atomic(using=alias):  # noqa: PT012  # the error ends it
        Tag.objects.using(alias).create(name="u")
        items.create(order_id=orders[0], name="a")
    assert ends(captured) == [("rollback", "rolled_back")]
    assert captured.events[0].error.type == "django.db.utils.IntegrityError"
    assert captured.events[0].metadata["rows_by_model"] == {"tag": 1}


def test_an_error_that_is_handled_without_a_savepoint(alias, orders, captured):
    """Where transactions are managed by hand PostgreSQL answers the commit with a rollback and no error."""
    transaction.set_autocommit(False, using=alias)
    try:
        Item.objects.using(alias).create(order_id=orders[0], name="a")
        with pytest.raises(IntegrityError):
            Item.objects.using(alias).create(order_id=orders[0], name="a")
        transaction.commit(using=alias)
    finally:
        transaction.rollback(using=alias)
        transaction.set_autocommit(True, using=alias)
    assert actions(captured).count("item.create") == Item.objects.using(alias).count()


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_connection_lost_in_the_middle_of_a_commit(cut, alias, address, captured):
    """Nobody was told whether it was saved, so the rows are told as unknown, whatever the truth."""
    with Proxy(address) as proxy, known_as("proxied", proxy.address):
        with pytest.raises(Error), transaction.atomic(using="proxied"):  # noqa: PT012  # the error ends it
            Order.objects.using("proxied").create(pk=77)
            proxy.cut = cut
        connections["proxied"].close()
        Tag.objects.using("proxied").create(name="a")
    if cut == "after":
        assert Order.objects.using(alias).filter(pk=77).exists()
    assert ends(captured) == [("order.create", "unknown"), ("commit", "unknown"), ("tag.create", "success")]
    assert captured.events[1].error.type.endswith("OperationalError")


def test_a_server_that_is_started_again(alias, server, captured):
    """What was open is rolled back; what comes after is told."""
    if not server.is_own:
        pytest.skip("a server that somebody else started is not restarted")
    with pytest.raises(Error), transaction.atomic(using=alias):  # noqa: PT012  # the error ends it
        Order.objects.using(alias).create()
        server.restart()
        Order.objects.using(alias).create()
    connections.close_all()  # whatever alias the server has in other tests
    assert ends(captured) == [("rollback", "rolled_back")]
    assert captured.events[0].metadata["rows_by_model"] == {"order": 1}
    captured.clear()
    Order.objects.using(alias).create()
    assert actions(captured) == ["order.create"]
    assert Order.objects.using(alias).count() == 1


SLOW = {
    "postgresql": ("SET statement_timeout = 100", "SELECT pg_sleep(30)"),
    "mariadb": ("SET max_statement_time = 0.1", "SELECT SLEEP(30) FROM django_session RIGHT JOIN (SELECT 1) one ON 1"),
}


def test_a_statement_that_takes_too_long(alias, captured):
    """A timeout that nobody handles is the error of the rollback."""
    limit, slow = SLOW[alias]
    with pytest.raises(Error), transaction.atomic(using=alias):  # noqa: PT012  # the error ends it
        execute(alias, limit)
        Order.objects.using(alias).create()
        execute(alias, slow)
    connections[alias].close()
    assert ends(captured) == [("rollback", "rolled_back")]
    assert captured.events[0].error is not None


@pytest.mark.parametrize("kind", ["mariadb"])
def test_a_statement_that_commits(alias, captured):
    """With MariaDB what was written before it is committed, whatever is rolled back later."""
    with suppress(KeyError), transaction.atomic(using=alias):
        Tag.objects.using(alias).create(name="a")
        execute(alias, "TRUNCATE TABLE django_session")
        raise KeyError
    assert Tag.objects.using(alias).count() == 1
    assert actions(captured) == ["tag.create"]
