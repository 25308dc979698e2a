"""Who acts: named in a scope in any form, seen as the application's user, brought along by a job, or the system."""

from __future__ import annotations

import logging
import sys
from types import ModuleType
from typing import Any

import pytest
from django.utils.functional import SimpleLazyObject
from tests.unit.test_loaded import Hostile, OrderItem

import ezlogs
from ezlogs import Actor, InvalidEvent, Subject, register_identity
from ezlogs.actor import acting, actor, current_actor, with_acting, without_acting
from ezlogs.event import SYSTEM, UNKNOWN_ACTOR
from ezlogs.testing import Captured, capture

ADA, BOB = Actor("user", "7", "Ada"), Actor("user", "8", "Bob")


class Member:
    """The application's own user."""

    def __init__(self, number: object) -> None:
        self.number = number


class Broken(Member):
    """One that its adapter cannot tell."""


def _break(member: Broken) -> object:
    raise LookupError(member)


register_identity(Member, lambda member: ("member", member.number, "Grace"))
register_identity(Broken, _break)


@pytest.mark.parametrize(
    ("given", "who"),
    [
        ({"type": "user", "id": 7, "label": "Ada"}, ADA),
        ({"id": 7}, Actor("user", "7")),
        ({"label": "Ada"}, Actor("user", None, "Ada")),
        ({"type": ADA}, ADA),
        ({"type": Subject("user", "7", "Ada")}, ADA),
        ({"type": ("service", 3)}, Actor("service", "3")),
        ({"type": ("user", 7, "Ada")}, ADA),
        ({"type": {"type": "user", "id": 7, "label": "Ada"}}, ADA),
        ({"type": Member(9)}, Actor("member", "9", "Grace")),
        ({"type": Member(9), "label": "Hopper"}, Actor("member", "9", "Hopper")),
        ({"type": OrderItem(3)}, Actor("order_item", "3")),
        ({"type": Actor("user", 7, on_behalf_of="team:1")}, Actor("user", "7", None, "team:1")),
        ({"type": ADA, "on_behalf_of": BOB}, Actor("user", "7", "Ada", "user:8")),
        ({"type": "user", "id": 7, "on_behalf_of": Member(9)}, Actor("user", "7", None, "member:9")),
        ({"type": "user", "id": 7, "on_behalf_of": ("service", None)}, Actor("user", "7", None, "service")),
        ({"type": "user", "id": Member(9), "label": 5}, Actor("user", "9", "5")),
    ],
)
def test_an_actor_is_named_in_any_form(given: dict[str, Any], who: Actor) -> None:
    """All that events accept, in parts or as a whole; the scope ends where it was left."""
    with capture() as captured:
        with actor(**given):
            ezlogs.event("order.action", "placed")
        ezlogs.event("order.action", "placed")
    assert [event.actor for event in captured.events] == [who, SYSTEM]


def test_naming_nobody_leaves_who_acts() -> None:
    """None may come from a request without a user."""
    with actor(ADA), actor(None), actor():
        assert current_actor() == ADA


def test_an_explicit_actor_of_an_event_wins(captured: Captured) -> None:
    """Over everything that the scopes know."""
    with actor(ADA):
        event = ezlogs.event("order.action", "placed", actor=BOB)
    assert event is not None
    assert event.actor == BOB


def test_on_behalf_of_alone_leaves_who_acts() -> None:
    """Whoever it is, also one that only the application will know, acts for another one until someone else does."""
    with actor(on_behalf_of=BOB):
        assert current_actor() == Actor("system", "system", None, "user:8")
        assert current_actor(with_acting(peek=lambda: ADA)) == Actor("user", "7", "Ada", "user:8")
        impersonator = Actor("user", "1", None, "user:2")
        assert current_actor(with_acting(inherited=impersonator)) == impersonator
        with actor(ADA):
            assert current_actor() == ADA
            with actor(on_behalf_of="team:5"):
                assert current_actor() == Actor("user", "7", "Ada", "team:5")


def test_a_lazy_user_is_known_as_soon_as_the_application_asks() -> None:
    """Until then it is unknown; ezlogs asks never."""
    loads: list[str] = []

    def load() -> Member:
        loads.append("query")
        return Member(9)

    user = SimpleLazyObject(load)
    with actor(user):
        assert current_actor() == UNKNOWN_ACTOR
        assert loads == []
        assert user.number == 9
        assert current_actor() == Actor("member", "9", "Grace")
        with actor(user):
            assert current_actor() == Actor("member", "9", "Grace")
    assert loads == ["query"]


def test_a_lazy_user_that_is_impersonated_is_not_asked() -> None:
    """It is told as unknown."""
    with actor(ADA, on_behalf_of=SimpleLazyObject(Hostile)):
        assert current_actor().on_behalf_of == "unknown"


@pytest.fixture
def local_proxy(monkeypatch: pytest.MonkeyPatch) -> type:
    """Return a class as Werkzeug's ``LocalProxy``: everything that is asked of it is asked of what it stands for."""

    class LocalProxy:
        __slots__ = ("_load",)

        def __init__(self, load: Any) -> None:
            object.__setattr__(self, "_load", load)

        def __getattr__(self, name: str) -> Any:
            return getattr(object.__getattribute__(self, "_load")(), name)

        __class__ = property(lambda self: type(object.__getattribute__(self, "_load")()))  # type: ignore[assignment]  # as Werkzeug's

    module = ModuleType("werkzeug.local")
    module.LocalProxy = LocalProxy  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "werkzeug.local", module)
    return LocalProxy


def test_a_proxy_of_flask_is_never_asked(captured: Captured, local_proxy: type) -> None:
    """What it stands for may be a user that nobody has loaded yet."""
    current_user = local_proxy(lambda: pytest.fail("a query"))
    with actor(current_user):
        event = ezlogs.event("order.action", "placed", subject=current_user)
    assert event is not None
    assert (event.actor, event.subject) == (UNKNOWN_ACTOR, Subject("unknown"))


@pytest.mark.parametrize(
    "nobody", [5, ["user", 7], object(), Hostile, Broken(1), ("", 7)], ids=lambda nobody: type(nobody).__name__
)
def test_what_is_nobody_is_unknown_and_said_once(nobody: object, caplog: pytest.LogCaptureFixture) -> None:
    """In production the application goes on; the text names neither the object nor its secrets."""
    with capture(strict=False) as captured, caplog.at_level(logging.WARNING):
        for _ in range(2):
            with actor(nobody() if nobody is Hostile else nobody):
                ezlogs.event("order.action", "placed")
    assert {event.actor for event in captured.events} == {UNKNOWN_ACTOR}
    assert len(caplog.records) == 1
    assert "use a user, a ('type', id) pair" in caplog.text


def test_what_is_nobody_is_refused_in_tests() -> None:
    """With ``strict`` the mistake is found where it is made, and leaves no scope behind."""
    with capture(), pytest.raises(InvalidEvent, match="whose identity raised LookupError"):
        actor(Broken(1))
    assert acting() == acting(without_acting())


def test_what_is_nobody_is_unknown_without_ezlogs() -> None:
    """The application runs as well before ``configure()``."""
    with actor(object()):
        assert current_actor() == UNKNOWN_ACTOR


def test_an_id_that_its_object_does_not_tell_is_its_type(caplog: pytest.LogCaptureFixture) -> None:
    """An adapter's error is reported, and never reaches the application."""
    with actor(id=Broken(1)):
        assert current_actor() == Actor("user", "<tests.unit.test_actor.Broken>")
    with capture(strict=False), caplog.at_level(logging.WARNING), actor("user", Broken(1)):
        pass
    assert "the id of <tests.unit.test_actor.Broken> could not be told: LookupError" in caplog.text


def test_a_party_holds_texts_whatever_it_was_made_with(captured: Captured) -> None:
    """Nothing checks an actor or subject when it is made; an event does, and keeps what it can."""
    made = Actor("user", 7, Member(1), on_behalf_of=OrderItem(3))  # type: ignore[arg-type]  # as people do
    event = ezlogs.event("order.action", "placed", actor=made, subject=Subject("order", 42))  # type: ignore[arg-type]  # as people do
    assert event is not None
    assert event.actor == Actor("user", "7", "1", "3")
    assert event.subject == Subject("order", "42")
    assert event.invalid == ()


def test_a_user_that_cannot_be_looked_at_costs_the_actor_and_not_the_event(caplog: pytest.LogCaptureFixture) -> None:
    """It is the application's object, and may be in any state."""

    def peek() -> Actor | None:
        raise RuntimeError("detached")

    with capture(strict=False), caplog.at_level(logging.WARNING):
        assert current_actor(with_acting(peek=peek)) == UNKNOWN_ACTOR
        assert current_actor(with_acting(peek=peek, inherited=BOB)) == BOB
    assert "the application's user could not be looked at: RuntimeError" in caplog.text
    assert current_actor(with_acting(peek=peek)) == UNKNOWN_ACTOR


def test_an_actor_in_a_job_ends_with_its_block() -> None:
    """The job itself is told under the actor that it inherited."""
    from ezlogs.trackers.job import Job, enqueued, perform

    with capture() as captured:
        with actor(ADA):
            headers = enqueued(Job("resize", "j-1"), traced=True)
        with perform(Job("resize", "j-1"), headers=headers), actor("service", "cleaner"):
            ezlogs.event("file.action", "removed")
    assert [event.actor for event in captured.events[1:]] == [Actor("service", "cleaner"), Actor("user", "7")]
