"""What is told of a job's arguments and its result: a bounded summary, which runs nobody's code."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from ezlogs.snapshot import Pairs
from ezlogs.testing import Captured, capture
from ezlogs.trackers.job import Arguments, Job, enqueued, started
from ezlogs.trackers.job_arguments import MAX_ARGUMENTS, MAX_TEXT, arguments_told, result_told


def every(*args: object) -> None:
    """Take any number of arguments."""


class Size(Enum):
    """A choice."""

    SMALL = "small"


class Touchy:
    """An object of the application's that must not be touched."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"{name} was read")

    def __repr__(self) -> str:
        raise AssertionError("it was shown")

    def __len__(self) -> int:
        raise AssertionError("it was counted")

    def __hash__(self) -> int:
        raise AssertionError("it was hashed")

    def __reduce__(self) -> Any:
        raise AssertionError("it was pickled")


class Texts(list[str]):
    """A list of the application's own."""

    def __iter__(self) -> Any:
        raise AssertionError("it was read")


def send(order_id: int, email: str = "", *more: object, copy: bool = False, **rest: object) -> None:
    """Send."""


def told(*args: object, how: str = "safe", function: Callable[..., object] | None = send, **kwargs: object) -> Any:
    """Return what is told of a call."""
    with capture(job_arguments=how):
        found = arguments_told(Arguments(function, args, kwargs))
    return dict(found) if isinstance(found, Pairs) else found


def test_arguments_are_told_by_the_names_of_their_parameters() -> None:
    """Those that are left have their number; without a function all have."""
    given = told(42, "ada@example.com", True, 7, copy=True, note=1.5)
    assert given == {
        "order_id": 42,
        "email": "<str of 15>",
        "more[0]": True,
        "more[1]": 7,
        "copy": True,
        "note": 1.5,
    }
    assert told(42, True, function=None) == {"0": 42, "1": True}
    assert told(42, True, 43, function=lambda order_id: None) == {"order_id": 42, "1": True, "2": 43}
    assert told() is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (Decimal("9.90"), "9.90"),
        (date(2026, 2, 3), "2026-02-03"),
        (datetime(2026, 2, 3, tzinfo=timezone.utc), "2026-02-03T00:00:00+00:00"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Size.SMALL, "small"),
        ("Ada", "<str of 3>"),
        (b"Ada", "<bytes of 3>"),
        ([1, 2], "<list of 2>"),
        ({"email": "ada@example.com"}, "<dict of 1>"),
        (send, "<builtins.function>"),
    ],
)
def test_of_what_may_be_private_only_kind_and_size_are_told(value: object, shown: object) -> None:
    """As it is with the setting ``safe``, the default."""
    assert told(value)["order_id"] == shown


@pytest.mark.parametrize("how", ["safe", "full"])
def test_objects_of_the_applications_own_are_named_and_not_touched(how: str) -> None:
    """Neither read, nor shown, counted, compared or pickled."""
    assert told(Touchy(), Texts(["Ada"]), how=how)["order_id"] == f"<{__name__}.Touchy>"
    assert told(1, Texts(["Ada"]))["email"] == f"<{__name__}.Texts>"


def test_what_is_small_is_told_where_that_is_asked_for() -> None:
    """A text or a collection is told as a whole or not at all: half a secret is not recognised as one."""
    items = {"sku": "A-1", "sizes": ["S", "M"]}
    assert told("Ada", items, how="full") == {
        "order_id": "Ada",
        "email": (("sku", "A-1"), ("sizes", ("S", "M"))),
    }
    long, wide, deep = "x" * (MAX_TEXT + 1), list(range(33)), [[[[1]]]]
    assert list(told(long, wide, deep, [long], how="full").values()) == [
        f"<str of {len(long)}>",
        "<list of 33>",
        "<list of 1>",
        "<list of 1>",
    ]
    assert told([Touchy()], how="full")["order_id"] == (f"<{__name__}.Touchy>",)


def test_names_alone_and_nothing() -> None:
    """As the settings say."""
    assert told(42, "Ada", how="names") == ("order_id", "email")
    assert len(told(*range(40), how="names")) == MAX_ARGUMENTS + 1
    assert told(42, "Ada", how="none") is None
    assert arguments_told(Arguments(send, (42,))) is None, "nothing listens"


def test_there_are_only_so_many() -> None:
    """Of the others it is told how many they are; a long name is cut."""
    found = told(*range(40))
    assert len(found) == MAX_ARGUMENTS + 1
    assert found["…"] == f"+{40 - MAX_ARGUMENTS} arguments"
    (name,) = told(**{"n" * 500: 1})
    assert len(name) < 100


@pytest.mark.parametrize(
    ("function", "name"), [(min, "0"), (every, "args[0]"), (partial(send, 1), "email"), ("send", "0"), (dict, "0")]
)
def test_whatever_is_called(function: Any, name: str) -> None:
    """What has no signature gives numbers."""
    with capture():
        assert arguments_told(Arguments(function, (1,))) == ((name, 1),)


@pytest.mark.parametrize("args", [None, 7, "text"])
def test_arguments_of_a_foreign_form_are_not_told(args: object) -> None:
    """A message can hold anything."""
    with capture():
        assert arguments_told(Arguments(send, args, args)) is None
        assert arguments_told(Arguments(send, Touchy(), Touchy())) is None


def test_methods_and_what_a_framework_fills_in() -> None:
    """Neither the object nor, where the framework gives it, the first parameter is an argument."""

    class Mailer:
        def send(self, order_id: int) -> None:
            """Send."""

    with capture():
        assert arguments_told(Arguments(Mailer().send, (42,))) == (("order_id", 42),)
        assert arguments_told(Arguments(Mailer.send, (42,), given=1)) == (("order_id", 42),)


def test_privacy_has_its_say_about_names_and_values() -> None:
    """Also where all is told."""
    with capture(job_arguments="full") as captured:
        job = Job("send", "j-1")
        enqueued(job, arguments=Arguments(None, (), {"password": "hunter2", "note": "to ada@example.com"}))
    text = str(captured.exported)
    assert "hunter2" not in text
    assert "ada@example.com" not in text
    assert set(captured.events[0].metadata["arguments"]) == {"password", "note"}


def test_arguments_are_told_once(captured: Captured) -> None:
    """With the enqueue event; by the attempt where there was none."""
    job, given = Job("send", "j-1"), Arguments(send, (42,))
    headers = enqueued(job, arguments=given)
    for carried in (headers, {}, {"ezlogs": "damaged"}):
        scope = started(job, headers=carried, arguments=given)
        assert scope is not None
        scope.succeeded()
        scope.close()
    enqueue, *attempts = captured.events
    assert enqueue.metadata["arguments"] == {"order_id": 42}
    assert [event.metadata.get("arguments") for event in attempts] == [None, {"order_id": 42}, {"order_id": 42}]


@pytest.mark.parametrize(
    ("how", "shown"), [("none", None), ("names", "<str of 3>"), ("safe", "<str of 3>"), ("full", "Ada")]
)
def test_a_result_is_told_only_where_that_is_asked_for(how: str, shown: str | None) -> None:
    """Nothing unless asked."""
    with capture(job_results=how) as captured:
        scope = started(Job("send", "j-1"))
        assert scope is not None
        scope.succeeded("Ada")
        scope.close()
        assert result_told(None) in (None, "<builtins.NoneType>")
    assert captured.events[0].metadata.get("result") == shown
