"""Django's instances and lazy users as actors and subjects: known by what is loaded, never woken."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils.functional import SimpleLazyObject

import ezlogs
from ezlogs import Actor, Identity, Subject
from ezlogs.actor import current_actor
from ezlogs.identity import identify
from ezlogs.loaded import UNRESOLVED, loaded_identity, resolved, row_identity
from ezlogs.testing import capture
from tests.instrumentors.django.shop.models import Gift, Item, Order

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def item():
    """An item of an order, of which nothing but its key and its order's is loaded."""
    order = Order.objects.create()
    return Item.objects.only("order_id").get(pk=Item.objects.create(order=order, name="lamp").pk)


def test_instances_are_known_without_the_instrumentor_and_without_a_query(item):
    """Saved, unsaved, deferred, inherited and deleted ones; what was deferred stays so."""
    gift = Gift.objects.create()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert loaded_identity(item) == Identity("item", str(item.pk))
        assert loaded_identity(gift) == Identity("gift", str(gift.pk))
        assert loaded_identity(Order()) == Identity("order", None)
        assert "name" in item.get_deferred_fields()
    assert len(queries) == 0
    del vars(item)["id"]
    with CaptureQueriesContext(connection) as queries:
        assert row_identity(item) == Identity("item", None)
    assert len(queries) == 0


def test_neither_its_text_nor_its_attributes_are_asked_for():
    """A model's own ``__str__`` and ``__getattribute__`` never run."""

    class Wary(Order):
        class Meta:
            app_label = "shop"
            proxy = True

        def __str__(self):
            raise AssertionError

        def __getattribute__(self, name):
            if name in ("pk", "id"):
                raise AssertionError(name)
            return super().__getattribute__(name)

    wary = Wary.__new__(Wary)
    vars(wary)["id"] = 5
    assert loaded_identity(wary) == Identity("wary", "5")


def test_a_model_is_no_instance():
    """Classes are nobody."""
    assert loaded_identity(Order) is None
    assert loaded_identity(Model) is None


def test_events_take_instances_as_they_are(item):
    """As actor and subject, without any registration."""
    with capture() as captured:
        ezlogs.event("item.action", "seen", actor=item, subject=item)
    assert captured.events[0].actor == Actor("item", str(item.pk))
    assert captured.events[0].subject == Subject("item", str(item.pk))


def test_a_lazy_user_is_never_woken(instrumented):
    """Before anybody asked for it, it is unknown; afterwards it is who it is."""
    user = User.objects.create_user("ada", first_name="Ada")
    lazy = SimpleLazyObject(lambda: User.objects.get(pk=user.pk))
    with CaptureQueriesContext(connection) as queries:
        assert resolved(lazy) is UNRESOLVED
        assert identify(lazy) == Identity("unknown")
        assert row_identity(lazy) is None
        with capture(strict=False) as captured:
            ezlogs.event("order.action", "placed", actor=lazy, subject=lazy)
            assert captured.events[0].actor == Actor("unknown")
    assert len(queries) == 0
    assert lazy.username == "ada"
    assert identify(lazy) == Identity("user", str(user.pk), "Ada")
    assert row_identity(lazy) == Identity("user", str(user.pk))


def test_a_scope_looks_at_a_lazy_user_when_an_event_happens(instrumented):
    """Who was unknown at the scope's beginning is known as soon as the application has asked."""
    user = User.objects.create_user("ada")
    lazy = SimpleLazyObject(lambda: User.objects.get(pk=user.pk))
    with ezlogs.actor(lazy, on_behalf_of="user:9"):
        assert current_actor() == Actor("unknown", on_behalf_of="user:9")
        assert lazy.username == "ada"
        assert current_actor() == Actor("user", str(user.pk), "ada", "user:9")
    with ezlogs.actor(SimpleLazyObject(AnonymousUser)) as scope:
        assert current_actor().type == "unknown"
        scope.close()


def test_anonymous_is_not_unknown(instrumented):
    """The application knows that nobody is logged in."""
    with ezlogs.actor(AnonymousUser()):
        assert current_actor() == Actor("anonymous")
