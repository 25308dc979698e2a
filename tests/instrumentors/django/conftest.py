"""A Django project with two databases, instrumented for each test and left as it was."""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings

from ezlogs.event import UniversalEvent
from ezlogs.testing import capture
from ezlogs_instrumentors.django import DjangoInstrumentor
from tests.servers import Server

SHOP = f"{__package__}.shop"
CLINIC = f"{__package__}.clinic"
DIRECTORY = Path(tempfile.mkdtemp(prefix="ezlogs-django-"))
atexit.register(shutil.rmtree, DIRECTORY, ignore_errors=True)


if not settings.configured:
    settings.configure(
        SECRET_KEY="only for tests",
        ALLOWED_HOSTS=["*"],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        ROOT_URLCONF=f"{SHOP}.urls",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            SHOP,
            CLINIC,
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        MIGRATION_MODULES={"auth": None, "contenttypes": None, "sessions": None},
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DATABASES={
            alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": str(DIRECTORY / f"{alias}.sqlite3")}
            for alias in ("default", "ledger")
        },
        LOGGING_CONFIG=None,
    )
    django.setup()


@pytest.fixture(scope="session")
def tables() -> Iterator[None]:
    """Both databases with all tables."""
    from django.core.management import call_command
    from django.db import connections

    for alias in connections:
        call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
    yield
    connections.close_all()


def empty(connection: Any) -> None:
    """Delete all rows."""
    from django.apps import apps
    from django.db import transaction

    with connection.constraint_checks_disabled(), transaction.atomic(using=connection.alias):
        for model in reversed(apps.get_models(include_auto_created=True)):
            with connection.cursor() as cursor:
                cursor.execute(f"DELETE FROM {model._meta.db_table}")
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM sqlite_sequence")


@pytest.fixture
def database(tables: None) -> Iterator[None]:
    """Two empty databases; a test that leaves a transaction open fails."""
    from django.db import connections

    yield
    for connection in connections.all():
        assert connection.get_autocommit(), "the test left a transaction open"
        empty(connection)


@pytest.fixture(scope="session")
def postgresql_alias(tables: None, postgresql_server: Server) -> Iterator[str]:
    """A third database with all tables, in PostgreSQL."""
    from django.core.management import call_command
    from django.db import connections

    alias = "third"
    connections.settings[alias] = postgresql_server.database("django_third").django()
    connections.configure_settings(connections.settings)
    with connections[alias].cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE")
        cursor.execute("CREATE SCHEMA public")
    call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
    yield alias
    connections[alias].close()
    del connections[alias], connections.settings[alias]


@pytest.fixture
def postgresql(postgresql_alias: str, database: None) -> str:
    """The alias of an empty database in PostgreSQL."""
    return postgresql_alias


@pytest.fixture
def instrumented() -> Iterator[DjangoInstrumentor]:
    """The instrumentor at work."""
    instrumentor = DjangoInstrumentor()
    instrumentor.instrument()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


@contextmanager
def statements() -> Iterator[list[str]]:
    """Note what is sent to every database: the shapes of the statements, without names that count up."""
    from django.db import connections

    found: list[str] = []

    def execute(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        found.append(f"{context['connection'].alias}: {re.sub('s[0-9]+_x[0-9]+', 's', str(sql))}")
        return run(sql, params, many, context)

    with ExitStack() as stack:
        for connection in connections.all():
            stack.enter_context(connection.execute_wrapper(execute))
        yield found


@pytest.fixture
def told(database: None, instrumented: DjangoInstrumentor) -> Callable[..., list[UniversalEvent]]:
    """Return what runs an application's code and returns its events.

    It runs it again without ezlogs: the statements must be the same.
    """
    from django.db import connections

    def tell(application: Callable[[], object], **settings: Any) -> list[UniversalEvent]:
        with capture(**settings) as captured, statements() as with_ezlogs:
            application()
        for connection in connections.all():
            empty(connection)
        instrumented.uninstrument()
        try:
            with statements() as without:
                application()
        finally:
            instrumented.instrument()
            for connection in connections.all():
                empty(connection)
        assert with_ezlogs == without
        return captured.events

    return tell


def actions(events: list[UniversalEvent]) -> list[tuple[str, str | None]]:
    """Return what happened and to what, in short."""
    return [(event.action, event.subject.id if event.subject else None) for event in events]


def changes(event: UniversalEvent) -> dict[str, tuple[object, object]]:
    """Return an event's changes by field."""
    return {change.field: (change.before, change.after) for change in event.changes}


@pytest.fixture
def patients() -> None:
    """Five of them."""
    from .clinic.models import Patient

    with capture():
        Patient.objects.bulk_create(
            Patient(pk=number, mail=f"p{number}@example.com", weight=number) for number in range(1, 6)
        )


def rows(captured: Any) -> list[tuple[str, str | None, Any]]:
    """Return what was told of changes, in short."""
    return [(event.action, event.subject.id, changes(event)) for event in captured.of("data.change")]


def selects(sent: Any) -> list[str]:
    """Return the queries among what was sent."""
    return [sql for sql in sent if "SELECT" in sql.split(" ", 2)[1]]
