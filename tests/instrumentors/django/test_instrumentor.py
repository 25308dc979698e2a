"""The Django instrumentor itself: it neither needs nor touches a configured Django, and takes everything back."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from django.core.exceptions import ValidationError
from django.core.handlers import base as handlers
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import Model, QuerySet
from django.db.models.deletion import Collector
from django.db.models.fields import related_descriptors
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.db.models.sql.compiler import SQLCompiler, SQLInsertCompiler, SQLUpdateCompiler
from django.db.models.sql.subqueries import DeleteQuery, UpdateQuery
from django.forms.forms import BaseForm
from django.forms.formsets import BaseFormSet

from ezlogs.testing import capture
from ezlogs_instrumentors.django import DjangoInstrumentor
from ezlogs_instrumentors.django.routes import template
from ezlogs_instrumentors.django.validation import attach_to_serializers
from ezlogs_instrumentors.hooks import Hooks

from .shop.models import Order, Review, Tag
from .shopkeeper import STEPS, Shopkeeper

HOOKED = [
    (handlers, "settings"),
    *((BaseDatabaseWrapper, name) for name in ("commit", "rollback", "close", "savepoint", "savepoint_commit")),
    (BaseDatabaseWrapper, "savepoint_rollback"),
    (BaseDatabaseWrapper, "set_autocommit"),
    *((QuerySet, name) for name in ("update", "bulk_create", "bulk_update", "_batched_insert", "_raw_delete")),
    *((Model, name) for name in ("from_db", "refresh_from_db", "_save_table", "full_clean")),
    (Collector, "delete"),
    (DeleteQuery, "delete_batch"),
    (UpdateQuery, "update_batch"),
    (related_descriptors, "create_forward_many_to_many_manager"),
    (BaseFormSet, "full_clean"),
    (BaseForm, "full_clean"),
]

HOOKED_FOR_RAW = [
    *((kind, "execute_sql") for kind in (SQLCompiler, SQLInsertCompiler, SQLUpdateCompiler)),
    *((CursorWrapper, name) for name in ("execute", "executemany")),
]
"""These are in the way of every statement, so only of applications that want to know of theirs."""


def hooked(places=HOOKED):
    """Return what is in the places that are hooked."""
    return [vars(owner)[name] for owner, name in places]


def test_everything_is_hooked_and_put_back():
    """After uninstrument() every place holds the very object that it held before."""
    before = hooked()
    instrumentor = DjangoInstrumentor()
    instrumentor.instrument()
    assert all(now is not then for now, then in zip(hooked(), before, strict=True))
    instrumentor.uninstrument()
    assert all(now is then for now, then in zip(hooked(), before, strict=True))


def test_only_who_asks_for_raw_statements_has_them_hooked(monkeypatch):
    """Once for all, however often it is asked for; and not again after uninstrument()."""
    monkeypatch.delitem(sys.modules, "django.db.backends.mysql.base", raising=False)  # which has its own
    before = hooked(HOOKED_FOR_RAW)
    instrumentor = DjangoInstrumentor()
    instrumentor.instrument()
    with capture():
        assert hooked(HOOKED_FOR_RAW) == before
    with capture(raw_statements=True):
        asked = hooked(HOOKED_FOR_RAW)
        assert all(now is not then for now, then in zip(asked, before, strict=True))
    with capture(raw_statements=True):
        assert hooked(HOOKED_FOR_RAW) == asked
    instrumentor.uninstrument()
    with capture(raw_statements=True):
        assert hooked(HOOKED_FOR_RAW) == before
        instrumentor.instrument()
        assert all(now is not then for now, then in zip(hooked(HOOKED_FOR_RAW), before, strict=True))
        instrumentor.uninstrument()
    assert hooked(HOOKED_FOR_RAW) == before


def test_signals_that_cost_queries_have_no_receiver(instrumented):
    """A receiver of these would make Django select rows before it deletes or links them."""
    assert not any(
        signal.has_listeners(Model) for signal in (pre_save, post_save, pre_delete, post_delete, m2m_changed)
    )


def test_hooks_of_others_on_top_are_left_in_place():
    """Where somebody wrapped our wrapper, theirs stays and ours below goes quiet."""
    original = BaseForm.full_clean
    instrumentor = DjangoInstrumentor()
    instrumentor.instrument()
    ours = BaseForm.full_clean

    def theirs(form):
        return ours(form)

    BaseForm.full_clean = theirs
    try:
        instrumentor.uninstrument()
        assert BaseForm.full_clean is theirs
        with capture() as captured:
            from .test_validation import ContactForm

            assert not ContactForm({}).is_valid()
        assert captured.events == []
    finally:
        BaseForm.full_clean = original


def test_hooks_that_were_taken_back_cannot_be_set_any_more():
    """A module that is imported after uninstrument() stays as it is."""
    before, receivers = BaseForm.full_clean, len(post_save.receivers)
    hooks = Hooks()
    hooks.undo()
    hooks.after(BaseForm, "full_clean", print)
    hooks.connect(post_save, print)
    assert BaseForm.full_clean is before
    assert len(post_save.receivers) == receivers


def test_hooks_that_others_kept_do_nothing_any_more(database):
    """Whoever wrapped one of ours before it was taken back has what goes straight through."""
    places = [(owner, name) for owner, name in HOOKED if isinstance(owner, type)]
    instrumentor = DjangoInstrumentor()
    instrumentor.instrument()
    ours = [vars(owner)[name] for owner, name in places]
    instrumentor.uninstrument()
    originals = [vars(owner)[name] for owner, name in places]
    for (owner, name), kept in zip(places, ours, strict=True):
        setattr(owner, name, kept)
    try:
        with capture(raw_statements=True) as captured:
            keeper = Shopkeeper("default")
            for number, step in enumerate(STEPS):
                keeper.step(step, 1 + number % 4, number % 10)
            keeper.finish()
            order = Order.objects.create()
            Review.objects.create(order=order)
            collector = Collector(using="default", origin=order)
            collector.collect([order])
            for querysets in collector.field_updates.values():
                list(map(len, querysets))
            collector.delete()
            with pytest.raises(ValidationError):
                Tag(name="x" * 30).full_clean()
    finally:
        for (owner, name), original in zip(places, originals, strict=True):
            setattr(owner, name, original)
    assert captured.events == []


def test_serializers_of_many_that_have_no_check_of_their_own():
    """As in REST framework before 3.14: theirs is the one that all have."""

    class Base:
        def is_valid(self):
            return True

    hooks, original = Hooks(), Base.is_valid
    attach_to_serializers(hooks, SimpleNamespace(BaseSerializer=Base, ListSerializer=type("Many", (Base,), {})))
    assert Base.is_valid is not original
    hooks.undo()
    assert Base.is_valid is original


def test_quiet_hooks_of_rows_neither_remember_nor_tell(database):
    """Below somebody's wrapper our hooks of loading and deleting do nothing either."""
    instrumentor = DjangoInstrumentor()
    instrumentor.instrument()
    load, delete = vars(Model)["from_db"], Collector.delete
    instrumentor.uninstrument()
    tag = load.__func__(Tag, "default", ["id", "name"], [Tag.objects.create().pk, ""])
    assert vars(tag._state) == {"adding": False, "db": "default"}
    with capture() as captured:
        collector = Collector(using="default", origin=tag)
        collector.collect([tag])
        assert delete(collector) == (1, {"shop.Tag": 1})
    assert captured.events == []


def test_quiet_hooks_pass_everything_through():
    """Hooks that were taken back call the original and nothing else, whatever it does."""

    class Owner:
        def work(self, number):
            return 1 / number

    seen = []
    hooks = Hooks()
    hooks.after(Owner, "work", lambda *call: seen.append(call[1]), even_if_raised=True)
    work = Owner.work
    assert work(Owner(), 2) == 0.5
    with pytest.raises(ZeroDivisionError):
        work(Owner(), 0)
    hooks.undo()
    assert work(Owner(), 4) == 0.25
    with pytest.raises(ZeroDivisionError):
        work(Owner(), 0)
    assert seen == [0.5, None]


def test_without_django_instrumenting_says_so(monkeypatch):
    """A loader that runs every instrumentor passes over this one."""
    monkeypatch.setattr("ezlogs_instrumentors.hooks.find_spec", lambda name: None)
    instrumentor = DjangoInstrumentor()
    with pytest.raises(ModuleNotFoundError, match="django"):
        instrumentor.instrument(skip_dep_check=True)
    assert not instrumentor.is_instrumented_by_opentelemetry


def test_instrumenting_comes_before_django_and_its_settings():
    """Hooks wait for Django's modules; settings named later, as manage.py does, are read as ever."""
    program = """
import sys
from ezlogs_instrumentors.django import DjangoInstrumentor
instrumentor = DjangoInstrumentor()
instrumentor.instrument()
instrumentor.uninstrument()
instrumentor.instrument()
assert not any(name == "django" or name.startswith("django.") for name in sys.modules), "Django was imported"
from django.conf import settings
assert not settings.configured
settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"], ROOT_URLCONF="__main__",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
import django
django.setup()
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("<int:pk>/", lambda request, pk: HttpResponse(str(pk)))]
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from ezlogs.testing import capture
call_command("migrate", verbosity=0)
with capture() as captured:
    User.objects.create(username="ada")
    Client().get("/7/", headers={"host": "localhost"})
print([event.action for event in captured.events])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert done.stdout.strip() == "['user.create', 'GET /{pk}/']", done.stderr


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("", "/"),
        ("orders/", "/orders/"),
        ("a+b*/<slug>/<uuid:id>", "/a+b*/{slug}/{id}"),
        (r"^orders/(?P<pk>[0-9)(]+(x|y))/$", "/orders/{pk}/"),
        (r"^a/(\d+)/(?:b/(\w+))?(?=c)\Z", "/a/{0}/b/{1}"),
        (r"^a/(b-(\d+)/)?(\w+)/$", "/a/{0}{2}/"),
        (r"^feed\.xml$", "/feed.xml"),
        (r"^broken/(\)", "/broken/{0}"),
    ],
)
def test_routes_become_templates(route, expected):
    """Converters and groups of every kind become named parameters."""
    assert template(route) == expected
