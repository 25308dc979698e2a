"""A thousand saves in a transaction of Django: alone, with ezlogs, and with what keeps a history in tables."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.apps import AppConfig

from benchmarks.programs.saving import ROWS, Ezlogs, Save, changed, measured, order

_APPS = {"auditlog": ["auditlog"], "simple_history": ["simple_history"]}


class Shop(AppConfig):
    """The application that orders belong to."""

    name, label = "benchmarks.programs", "shop"


def none() -> dict[str, float]:
    """Django alone."""
    return _measured("none")


def auditlog() -> dict[str, float]:
    """With django-auditlog, which writes a row for each."""
    return _measured("auditlog")


def simple_history() -> dict[str, float]:
    """With django-simple-history, which writes the whole row once more."""
    return _measured("simple_history")


def ezlogs(endpoint: str) -> dict[str, float]:
    """With ezlogs, default settings: each event is in the journal before the commit, and delivered after it."""
    return _measured("ezlogs", endpoint)


def _measured(what: str, endpoint: str | None = None) -> dict[str, float]:
    with TemporaryDirectory() as directory:
        _configure(Path(directory), what)
        told = None if endpoint is None else Ezlogs(endpoint)
        model = _set_up(what)
        if told is None:
            return measured(_sides(model))
        told.deliver()
        before = told.delivered()
        found = measured(_sides(model), told.deliver, told.within)
        rows = 2 * model.objects.count()  # each was created and updated
        assert told.delivered() - before == rows, (told.delivered() - before, rows)
        return found


def _configure(directory: Path, what: str) -> None:
    from django.conf import settings

    settings.configure(
        SECRET_KEY="bench",
        USE_TZ=True,
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", f"{__name__}.Shop", *_APPS.get(what, [])],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(directory / "shop.sqlite3")}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        LOGGING_CONFIG=None,
    )


def _set_up(what: str) -> Any:
    """Return the model of orders, whose table is there."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    model, tables = _model(what)
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        for table in tables:
            editor.create_model(table)
    return model


def _model(what: str) -> tuple[Any, list[Any]]:
    from django.db import models

    columns = {
        "customer": models.CharField(max_length=100),
        "state": models.CharField(max_length=10, choices=[("new", "New"), ("paid", "Paid"), ("sent", "Sent")]),
        "quantity": models.IntegerField(),
        "total": models.DecimalField(max_digits=12, decimal_places=2),
        "is_gift": models.BooleanField(),
        "placed_at": models.DateTimeField(),
        "note": models.TextField(null=True),
    }
    if what == "simple_history":
        columns["history"] = import_module("simple_history.models").HistoricalRecords()
    meta = type("Meta", (), {"app_label": "shop"})
    model: Any = type("Order", (models.Model,), {"__module__": __name__, "Meta": meta, **columns})
    if what == "auditlog":
        import_module("auditlog.registry").auditlog.register(model)
    return model, [model, model.history.model] if what == "simple_history" else [model]


def _sides(model: Any) -> dict[str, Callable[[], Save]]:
    from django.db import transaction

    def creates() -> Save:
        rows = [model(**order(number)) for number in range(ROWS)]
        return lambda: saved(rows)

    def updates() -> Save:
        rows = list(model.objects.order_by("-pk")[:ROWS])
        for row in rows:
            changed(row)
        return lambda: saved(rows)

    def saved(rows: list[Any]) -> None:
        with transaction.atomic():
            for row in rows:
                row.save()

    return {"creates": creates, "updates": updates}
