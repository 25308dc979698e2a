"""A UniversalEvent is checked, complete and immutable; wrong input is named all at once, or repaired and marked."""

import copy
import pickle
from collections.abc import Mapping

import msgspec
import pytest

import ezlogs
from ezlogs.correlation import Correlation
from ezlogs.event import (
    SYSTEM,
    Actor,
    Change,
    Failure,
    InvalidEvent,
    Subject,
    UniversalEvent,
    failure_of,
    type_and_id,
)
from ezlogs.identity import Identity, register_identity
from ezlogs.testing import capture

STORY = Correlation(correlation_id="0af7651916cd43dd8448eb211c80319c")


def make(event_type: object = "order.action", action: object = "placed", **fields: object) -> UniversalEvent:
    """Return an event."""
    return UniversalEvent.create(event_type, action, correlation=STORY, **fields)  # type: ignore[arg-type]  # wrong input is the point


class Customer:
    def __init__(self, number: int) -> None:
        self.number = number


class Broken:
    pass


register_identity(Customer, lambda customer: Identity("customer", str(customer.number), "Ada"))
register_identity(Broken, lambda broken: broken.missing)


@pytest.mark.parametrize("actor", [Actor("user", "7"), ("user", 7), {"type": "user", "id": 7}, ("user", "7", None)])
def test_an_actor_may_be_given_in_any_form(actor: object) -> None:
    """A struct, a pair or a mapping name the same actor."""
    assert make(actor=actor).actor == Actor("user", "7")


def test_registered_objects_and_their_subclasses_are_identified() -> None:
    """The nearest class's adapter says who an object is."""

    class Vip(Customer):
        pass

    assert make(subject=Vip(9)).subject == Subject("customer", "9", "Ada")


def test_without_an_actor_the_system_acts() -> None:
    """Nobody is invented."""
    assert make().actor == SYSTEM


def test_every_problem_is_named_at_once_with_what_is_allowed() -> None:
    """One error lists all problems, each with what was given and the nearest right spelling."""
    with pytest.raises(InvalidEvent) as caught:
        make(
            "Order Placed",
            "",
            actor={"type": "user"},
            outcome="sucess",
            severity=3,
            metadata=5,
            duration=-1,
            strict=True,
        )
    text = str(caught.value)
    assert "event_type 'Order Placed': use two lower-case segments, e.g. 'order.placed'" in text
    assert "actor: missing 'id' (got {'type': 'user'})" in text
    assert "outcome 'sucess'" in text
    assert "did you mean 'success'?" in text
    assert "severity 3: use one of debug, info, warn, error, fatal" in text
    assert "action ''" in text
    assert "metadata 5: use a mapping" in text
    assert "duration -1: use seconds" in text


@pytest.mark.parametrize(
    ("given", "repaired"),
    [
        ("Order Placed", "order.placed"),
        ("orderPlaced", "order.placed"),
        ("order", "order.event"),
        ("order.placed.twice", "order.placed_twice"),
        ("42", "custom.event"),
        (None, "custom.event"),
        (object(), "custom.event"),
    ],
)
def test_in_production_a_wrong_type_is_repaired_and_marked(given: object, repaired: str) -> None:
    """A business event is not lost for a spelling."""
    event = make(given)
    assert event.event_type == repaired
    assert event.invalid[0].startswith("event_type")


def test_what_cannot_be_an_actor_is_marked_and_unknown() -> None:
    """An unregistered object, or an adapter that raises, costs the identity and not the event."""
    assert make(actor=object()).actor == Actor("unknown")
    assert "register_identity" in make(actor=object()).invalid[0]
    assert "raised AttributeError" in make(actor=Broken()).invalid[0]
    assert make(subject={"id": 4}).subject == Subject("unknown", "4")


def test_wrong_metadata_is_kept_under_a_name() -> None:
    """The fact survives, marked."""
    assert make(metadata=5).metadata == {"value": 5}


def test_metadata_is_a_snapshot_and_read_only() -> None:
    """Neither the caller nor a reader can change an event."""
    details = {"lines": [1]}
    event = make(metadata=details)
    details["lines"].append(2)
    assert event.metadata == {"lines": (1,)}
    with pytest.raises(TypeError):
        event.metadata["new"] = 1  # type: ignore[index]  # read-only is the point
    with pytest.raises(AttributeError):
        event.action = "x"  # type: ignore[misc]  # frozen is the point
    assert hash(event) == hash(event)


def test_severity_follows_from_the_outcome() -> None:
    """A failure is an error unless somebody says otherwise."""
    assert make(outcome="failure").severity == "error"
    assert make(outcome="dead").severity == "error"
    assert make(outcome="retried").severity == "info"
    assert make(outcome="failure", severity="warn").severity == "warn"


def test_reserved_ids_and_times_are_kept() -> None:
    """A scope reserves its event's id at its start."""
    event = make(event_id="evt_1", timestamp=5, sequence=3, duration=0.5, changes=(Change("status", "a", "b"),))
    assert (event.event_id, event.timestamp, event.sequence, event.duration) == ("evt_1", 5, 3, 0.5)
    assert event.changes[0].after == "b"
    assert Change("note").before is msgspec.UNSET


def test_an_exception_becomes_its_type_and_message() -> None:
    """Also one whose own text raises."""

    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert failure_of(KeyError("x")) == Failure("KeyError", "'x'")
    assert failure_of(MuteError()).message is None
    assert make(error=ValueError("no")).error == Failure("ValueError", "no")
    assert make(error=Failure("a.B")).error == Failure("a.B")


def test_an_actor_travels_as_type_and_id() -> None:
    """Labels never do."""
    assert type_and_id(Actor("user", "7", "Ada")) == "user:7"
    assert type_and_id(Actor("system")) == "system"


def test_the_ruby_name_of_the_story_is_kept() -> None:
    """``primary_correlation_id`` is the story's id."""
    assert STORY.primary_correlation_id == STORY.correlation_id


def test_an_event_cannot_be_changed_by_any_usual_way() -> None:
    """No attribute is set, added or deleted; copies are the event itself; pickling keeps every field."""
    event = make(metadata={"a": {"b": [1]}}, subject=("order", 42))
    for name in ("action", "metadata", "_facts", "new"):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(event, name, 1)
    with pytest.raises(AttributeError, match="immutable"):
        del event.action
    with pytest.raises(TypeError):
        event.metadata["a"]["b"] = 1
    assert copy.copy(event) is event
    assert copy.deepcopy(event) is event
    assert pickle.loads(pickle.dumps(event)) == event
    assert event != event.to_json()
    with pytest.raises(AttributeError, match="no attribute 'actoin'"):
        event.actoin  # type: ignore[attr-defined]  # noqa: B018  # the misspelling is the point


def test_an_events_repr_is_short_and_tells_no_values() -> None:
    """It may end in anybody's log."""
    event = make(metadata={"password": "hunter2"}, event_id="evt_1")
    assert repr(event) == "<UniversalEvent order.action 'placed' success evt_1>"


@pytest.mark.parametrize("timestamp", [-1, 2**63, 1.5, "now", True])
def test_a_wrong_time_or_id_is_replaced_and_marked(timestamp: object) -> None:
    """An event is never lost for its time, nor stays without an id."""
    event = make(timestamp=timestamp, event_id=7)
    assert event.timestamp > 10**18
    assert event.event_id.startswith("evt_")
    assert event.invalid[0].startswith(f"timestamp {timestamp!r}: use nanoseconds")
    assert event.invalid[1].startswith("event_id 7")


def test_other_wrong_fields_are_marked_too() -> None:
    """Changes, errors and mappings that cannot be read cost themselves only."""

    class Unreadable(dict[str, int]):
        pass

    event = make(changes=5, error="boom", duration=float("inf"), metadata=Unreadable(a=1))
    assert event.metadata == {"a": 1}
    assert [problem.partition(" ")[0] for problem in event.invalid] == ["duration", "changes", "error"]

    class Broken(Mapping[str, int]):
        def __getitem__(self, key: str) -> int:
            raise KeyError(key)

        __iter__ = __len__ = __getitem__  # type: ignore[assignment]  # wrong on purpose

    event = make(metadata=Broken())
    assert "its items could not be read" in event.invalid[0]
    assert str(event.metadata["value"]).endswith("Broken>")


def test_changes_are_snapshots_too() -> None:
    """A row's value that changes later does not change the event."""
    tags = ["a"]
    event = make(changes=[Change("tags", None, tags)])
    tags.append("b")
    assert event.changes == (Change("tags", None, ("a",)),)


def test_texts_that_cannot_be_encoded_are_repaired() -> None:
    """Half a surrogate pair would make the whole batch unencodable."""
    event = make(action="paid \ud83d", actor=("user", "7\udc00"), subject=("order\ud800", 1))
    event.to_json()
    assert (event.action, event.actor.id, event.subject) == ("paid ?", "7?", Subject("order?", "1"))


def test_reading_what_is_final_settles_nothing() -> None:
    """Whoever encodes a log record asks for time, type, story and severity, and needs no facts for them."""
    with capture(strict=False) as captured:
        ezlogs.event("order.action", "refused", outcome="failure")
        ezlogs.event("order.action", "refused", outcome=["failure"])  # type: ignore[arg-type]  # on purpose
    event, wrong = captured.events
    assert (event.event_type, event.severity, event.timestamp > 0) == ("order.action", "error", True)
    assert event._facts is msgspec.UNSET
    assert wrong.severity == wrong.facts.severity
