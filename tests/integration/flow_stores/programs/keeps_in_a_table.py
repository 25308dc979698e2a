"""Keeps a flow in a table of Django's, closes the store, and prints what it finds before and after."""

import sys

import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    CACHES={"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "flows"}},
)
django.setup()
call_command("createcachetable")

from django.db import connection  # noqa: E402  # Django needs its settings first

from ezlogs.flows.keyed import django_store  # noqa: E402

store = django_store()
store.remember("a", "story-1", 60)
print(store.find("a"))
store.close()
print(connection.connection is None)
print(store.find("a"))
store.close()
