"""A shop of Django's, as anybody would write it: its settings, its routes, and both of its applications."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

SECRET_KEY = "only for tests"
ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
USE_TZ = True
ROOT_URLCONF = "django_shop_urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.sqlite3"}}
FORCE_SCRIPT_NAME = os.environ.get("SCRIPT") or None


def _serve(asynchronously: bool):
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application

    app = get_asgi_application() if asynchronously else get_wsgi_application()
    from django.contrib.auth.models import Group, Permission, User
    from django.contrib.contenttypes.models import ContentType
    from django.db import connection

    def fill() -> None:
        with connection.schema_editor() as editor:
            for model in (ContentType, Permission, Group, User):
                editor.create_model(model)
        User(pk=7, username="ada", password="!").save(force_insert=True)
        connection.close()

    with ThreadPoolExecutor(1) as thread:  # an older uvicorn imports applications in its event loop
        thread.submit(fill).result()
    return app


def __getattr__(name: str):
    """Make an application once a server asks for one: this is also the settings."""
    if name in ("wsgi", "asgi"):
        app = _serve(name == "asgi")
        setattr(sys.modules[__name__], name, app)
        return app
    raise AttributeError(name)
