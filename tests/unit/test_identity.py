"""Identities: what an adapter may return, which one is asked, and what text an id becomes."""

from __future__ import annotations

import sys
from collections import namedtuple
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import pytest
from tests.unit.test_loaded import Hostile, OrderItem, hostile_record

import ezlogs
from ezlogs import Actor, Identity, Subject, register_identity
from ezlogs.identity import describe, id_text, identify
from ezlogs.testing import Captured, capture


class Account:
    def __init__(self, told: object) -> None:
        self.told = told


class PremiumAccount(Account):
    pass


class Invoice:
    def __init__(self, number: int) -> None:
        self.number = number

    def __str__(self) -> str:
        return f"Invoice {self.number}"


class Nameless:
    pass


register_identity(Account, lambda account: account.told)
register_identity(Invoice, lambda invoice: invoice.number)


@pytest.mark.parametrize(
    ("told", "identity"),
    [
        (Identity("account", "7", "Ada"), Identity("account", "7", "Ada")),
        (Actor("user", "7", "Ada"), Identity("user", "7", "Ada")),
        (Subject("account", "7"), Identity("account", "7")),
        (("account", 7), Identity("account", "7")),
        (("account", 7, "Ada"), Identity("account", "7", "Ada")),
        ({"type": "account", "id": UUID(int=1)}, Identity("account", str(UUID(int=1)))),
        (7, Identity("premium_account", "7")),
        ("a-7", Identity("premium_account", "a-7")),
        (UUID(int=1), Identity("premium_account", str(UUID(int=1)))),
        (OrderItem(3), Identity("order_item", "3")),
    ],
)
def test_an_adapter_returns_what_is_at_hand(told: object, identity: Identity) -> None:
    """An identity, an actor or subject, a tuple, a mapping, another object, or only the id."""
    assert identify(PremiumAccount(told)) == identity


def test_the_nearest_class_wins_and_may_pass() -> None:
    """An adapter that returns None leaves the answer to the next class's, and at last to what is loaded."""

    class Special(Account):
        pass

    class Item(OrderItem):
        pass

    register_identity(Special, lambda account: ("special", 1) if account.told else None)
    register_identity(Item, lambda item: None)
    assert identify(Special(True)) == Identity("special", "1")
    assert identify(Special(0)) == Identity("special", "0")
    assert identify(Item(5)) == Identity("item", "5")


def test_a_registered_class_wins_over_its_shape() -> None:
    """A tuple or mapping of the application's own may have an adapter; without one it is read as it is."""
    point = namedtuple("point", ["x", "y"])  # a class without an adapter
    assert identify(point("user", 2)) == Identity("user", "2")
    register_identity(point, lambda found: found.y)
    assert identify(point("user", 2)) == Identity("point", "2")


def test_nobody_is_found_in_what_is_nobody() -> None:
    """Plain values are no parties."""
    for value in (None, 7, "user", ("user",), (1, 2, 3, 4), [("user", 7)], Nameless(), Hostile()):
        assert identify(value) is None


def test_a_subject_may_act_and_an_actor_be_acted_on() -> None:
    """Who was the subject of one event is the actor of the next."""
    with capture() as captured:
        ezlogs.event("user.action", "met", actor=Subject("user", "7"), subject=Actor("user", "8", "Bob"))
    assert captured.events[0].actor == Actor("user", "7")
    assert captured.events[0].subject == Subject("user", "8", "Bob")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (42, "42"),
        (2.5, "2.5"),
        ((7, "a"), "7,a"),
        ([7, None], "7,None"),
        (OrderItem(3), "3"),
        (Invoice(9), "9"),
        (Nameless(), "<tests.unit.test_identity.Nameless>"),
        ({"type": "order", "id": 4}, "4"),
        ({"number": 4}, "(('number', 4),)"),
        (sys, "<builtins.module>"),
    ],
)
def test_an_id_is_told_as_text(value: object, text: str | None) -> None:
    """A key as it is, an object by its own id, and never by its address in memory."""
    assert id_text(value) == text
    assert id_text(Hostile()) == "<tests.unit.test_loaded.Hostile>"


def test_models_can_be_given_without_registration(captured: Captured) -> None:
    """As actor, as subject, and as the id of either."""
    ezlogs.event("order.action", "placed", actor=OrderItem(1), subject=("order", OrderItem(2)))
    assert captured.events[0].actor == Actor("order_item", "1")
    assert captured.events[0].subject == Subject("order", "2")


def test_an_adapter_that_raises_costs_the_identity_and_not_the_event() -> None:
    """The event is kept, repaired and marked."""

    class Failing:
        pass

    register_identity(Failing, lambda failing: failing.missing)
    with capture(strict=False) as captured:
        ezlogs.event("order.action", "placed", actor=Failing())
    assert captured.events[0].actor == Actor("unknown")
    assert "raised AttributeError" in captured.events[0].invalid[0]


class Broken(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise RuntimeError

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"type": "user", "label": "Ada"}, "{'type': 'user', 'label': …}"),
        (("user", Nameless(), "Ada"), "('user', <tests.unit.test_identity.Nameless>, …)"),
        (7, "7"),
        (None, "None"),
        (Broken(), "<tests.unit.test_identity.Broken>"),
        (Nameless, "<tests.unit.test_identity.Nameless>"),
    ],
)
def test_a_rejected_value_is_described_without_its_code_and_without_names(value: object, text: str) -> None:
    """What an error message repeats is short, and no label of a person."""
    assert describe(value) == text
    assert describe(hostile_record(1)) == "<tests.unit.test_loaded.HostileRecord>"
