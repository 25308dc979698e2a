"""A project with the admin, the REST framework's pages and static files; prints what is told of using them."""

from __future__ import annotations

import json
import sys
import urllib.request

from django.conf import settings

APPS = ("admin", "auth", "contenttypes", "sessions", "messages", "staticfiles")
settings.configure(
    SECRET_KEY="only for tests",
    ALLOWED_HOSTS=["*"],
    USE_TZ=True,
    ROOT_URLCONF=__name__,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[*(f"django.contrib.{name}" for name in APPS), "rest_framework"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    MIGRATION_MODULES=dict.fromkeys(APPS),
    STATIC_URL="/static/",
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    LOGGING_CONFIG=None,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)

import django  # noqa: E402  # these need the settings

from ezlogs_instrumentors.django import DjangoInstrumentor  # noqa: E402

DjangoInstrumentor().instrument()
django.setup()

from django.contrib import admin  # noqa: E402
from django.contrib.auth.models import Group, User  # noqa: E402
from django.contrib.staticfiles.testing import StaticLiveServerTestCase  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client, TestCase  # noqa: E402
from django.test.runner import DiscoverRunner  # noqa: E402
from django.urls import include, path  # noqa: E402
from rest_framework.routers import DefaultRouter  # noqa: E402
from rest_framework.serializers import ModelSerializer  # noqa: E402
from rest_framework.viewsets import ModelViewSet  # noqa: E402

from ezlogs.testing import capture  # noqa: E402

PASSWORD = "correct horse"
KEY = "c8xk2m-6d9f4b0e2c8b5a3f7d1e6c9a0b4f8e2d"


class Groups(ModelSerializer):
    """Groups as they are shown."""

    class Meta:
        model = Group
        fields = ("id", "name")


class GroupViews(ModelViewSet):
    """Groups for everybody."""

    queryset = Group.objects.order_by("id")
    serializer_class = Groups
    permission_classes = ()


router = DefaultRouter()
router.register("groups", GroupViews)
urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include(router.urls)),
    path("accounts/", include("django.contrib.auth.urls")),
]


class InATransaction(TestCase):
    """As projects test."""

    def test_it(self):
        with self.settings(MIDDLEWARE=settings.MIDDLEWARE[:2]):
            assert self.client.get("/api/groups/").status_code == 200
        assert self.client.get("/api/groups/").status_code == 200


class Live(StaticLiveServerTestCase):
    """The same on a server in a thread."""

    def test_it(self):
        for url in ("/api/groups/", "/static/admin/css/base.css"):
            with urllib.request.urlopen(self.live_server_url + url, timeout=20) as response:
                assert response.status == 200


def use():
    """Use the admin and the REST framework's pages, as a browser does."""
    client, html = Client(), {"accept": "text/html"}
    client.get("/admin/")
    client.post("/admin/login/?next=/admin/", {"username": "ada", "password": "wrong", "next": "/admin/"})
    client.post("/admin/login/?next=/admin/", {"username": "ada", "password": PASSWORD, "next": "/admin/"})
    client.get("/admin/auth/user/?q=ada@example.com")
    client.post("/admin/auth/group/add/", {"name": "crew"})
    client.get("/admin/auth/group/1/change/")
    client.post("/admin/logout/")
    client.get("/api/groups/", headers=html)
    client.put("/api/groups/1/", {"name": "staff"}, content_type="application/json", headers=html)
    client.get(f"/accounts/reset/MQ/{KEY}/")
    client.get("/static/admin/css/base.css")


if __name__ == "__main__":
    sys.modules["django_admin"] = sys.modules["__main__"]
    with capture() as captured:
        call_command("migrate", run_syncdb=True, verbosity=0)
        User.objects.create_superuser("ada", "ada@example.com", PASSWORD)
        begun = len(captured.events)
        use()
        used = captured.events[begun:]
        runner = DiscoverRunner(verbosity=0, interactive=False)
        suite = runner.test_loader.loadTestsFromModule(sys.modules["__main__"])
        result = runner.run_suite(suite)
        assert result.wasSuccessful(), result
        tested = captured.events[begun + len(used) :]
    json.dump(
        {
            "used": [[event.event_type, event.action, event.actor.type, event.outcome] for event in used],
            "tested": [event.action for event in tested if event.event_type == "http.request"],
            "leaked": [repr(event) for event in used if KEY in repr(event) or PASSWORD in repr(event)],
        },
        sys.stdout,
    )
