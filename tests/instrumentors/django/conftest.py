"""A Django project with two databases, instrumented for each test and left as it was."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from django.conf import settings

from ezlogs_instrumentors.django import DjangoInstrumentor

SHOP = f"{__package__}.shop"
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


@pytest.fixture
def database(tables: None) -> Iterator[None]:
    """Two empty databases; a test that leaves a transaction open fails."""
    from django.apps import apps
    from django.db import connections

    yield
    for connection in connections.all():
        assert connection.get_autocommit(), "the test left a transaction open"
        with connection.constraint_checks_disabled(), connection.cursor() as cursor:
            for model in reversed(apps.get_models(include_auto_created=True)):
                cursor.execute(f"DELETE FROM {model._meta.db_table}")


@pytest.fixture
def instrumented() -> Iterator[DjangoInstrumentor]:
    """The instrumentor at work."""
    instrumentor = DjangoInstrumentor()
    instrumentor.instrument()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()
