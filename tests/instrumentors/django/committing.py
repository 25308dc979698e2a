"""A program that writes to a database through Django's ORM and is killed at a given moment of a commit.

Usage: committing.py MOMENT FIRST_KEY, with the rest in the environment: see `main`.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import django
from django.conf import settings
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import ezlogs


def die() -> None:
    """Be gone at once."""
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def replace_commit(connection: Any, moment: str) -> None:
    """Be gone instead of sending the next COMMIT, or once the database has it; or have it refused."""
    commit = connection._commit

    def send() -> None:
        from django.db import IntegrityError

        if moment == "sent":
            commit()
        if moment != "failed":
            die()
        raise IntegrityError("refused")

    connection._commit = send


def write(moment: str, first: int) -> None:
    """Commit two rows, and die at a moment of the next transaction."""
    from django.db import Error, connection, models, transaction

    class Depot(models.Model):
        id = models.IntegerField(primary_key=True)

        class Meta:
            app_label, db_table = "killed", "killed_depots"

    with transaction.atomic():
        Depot.objects.create(id=first)
        Depot.objects.create(id=first + 1)
    try:
        with transaction.atomic():
            Depot.objects.create(id=first + 2)
            Depot.objects.create(id=first + 3)
            try:
                with transaction.atomic():
                    Depot.objects.create(id=first + 4)
                    raise KeyError
            except KeyError:
                pass
            if moment == "rolled_back":
                raise KeyError
            if moment != "after":
                replace_commit(connection, moment)
    except (KeyError, Error):
        pass
    die()


def main() -> None:
    """Write and die; or with ``wait`` deliver what is there until standard input ends."""
    moment, first = sys.argv[1], int(sys.argv[2])
    trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": "shop"})))
    ezlogs.configure(
        endpoint=os.environ["ENDPOINT"], durability="process", instrument=["ezlogs_django"], flush_interval=0.05
    )
    if moment == "wait":
        ezlogs.event("order.action", "waits")
        ezlogs.flush()
        sys.stdin.read()
        return
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"]}
    settings.configure(INSTALLED_APPS=[], DATABASES={"default": database}, LOGGING_CONFIG=None)
    django.setup()
    with trace.get_tracer("app").start_as_current_span("request"):
        write(moment, first)


if __name__ == "__main__":
    main()
