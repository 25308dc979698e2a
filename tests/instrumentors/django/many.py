"""A program that writes 100,000 rows through Django's ORM in one transaction, and prints what ezlogs has of them.

Usage: many.py saves|bulk_update. Prints JSON: the events, and from just before the commit how many objects
are alive and how many bytes that ezlogs allocated are in use.
"""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import django
from django.conf import settings

import ezlogs
from ezlogs.testing import capture
from ezlogs_instrumentors.django import DjangoInstrumentor

ROWS = 100_000
COUNTED = ("Parcel", "ModelState", "Loaded", "Later", "Row", "Summary")


def write(way: str, model: Any) -> None:
    """Write all rows, of which the application keeps none."""
    if way == "saves":
        for number in range(ROWS):
            model(weight=number).save()
    else:
        model.objects.bulk_create((model(weight=number) for number in range(ROWS)), batch_size=10_000)
    if way == "bulk_update":
        model.objects.bulk_update(model.objects.only("weight")[:2000], ["weight"], batch_size=100)


def main(way: str) -> None:
    """Print what there is."""
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    DjangoInstrumentor().instrument()
    django.setup()
    from django.db import connection, models, transaction

    @ezlogs.audit(capture="rows", limit=5)
    class Parcel(models.Model):
        weight = models.IntegerField(default=0)

        class Meta:
            app_label = "many"

    with connection.schema_editor() as editor:
        editor.create_model(Parcel)
    with capture() as captured:
        with transaction.atomic():
            if way != "saves":  # which take their time
                tracemalloc.start()
            write(way, Parcel)
            gc.collect()
            alive = Counter(type(one).__name__ for one in gc.get_objects())
            traced = tracemalloc.take_snapshot() if tracemalloc.is_tracing() else None
            tracemalloc.stop()
        events = [[event.action, event.metadata.get("rows", 1)] for event in captured.events]
    ours = [str(Path(module.__file__).parent / "*") for module in (ezlogs, sys.modules[DjangoInstrumentor.__module__])]
    traces = traced.filter_traces([tracemalloc.Filter(True, pattern) for pattern in ours]) if traced else None
    told = {
        "events": Counter(action for action, _ in events),
        "rows": sum(rows for _, rows in events),
        "alive": {name: alive[name] for name in COUNTED},
        "bytes": sum(line.size for line in traces.statistics("filename")) if traces else 0,
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
