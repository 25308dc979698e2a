"""The scrubber as its callers see it: nested values, attributes, limits, and what happens when something fails."""

from __future__ import annotations

import json
import re
from collections import deque, namedtuple
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ezlogs.privacy import DEFAULT_RULES, REDACTED, Pattern, Scrubber
from ezlogs.privacy.scrubber import MAX_TEXT
from ezlogs.privacy.surfaces import IDENTIFIERS, STRUCTURAL
from ezlogs.snapshot import Pairs

CARD, EMAIL, PASSWORD = "4111 1111 1111 1111", "ada@example.com", "correct-horse-9"


def scrubbed(value: Any, key: str = "note", scrubber: Scrubber | None = None) -> tuple[Any, list[str]]:
    """The clean value and what was found."""
    found: list[str] = []
    return (scrubber or Scrubber()).value(key, value, "m", found), found


CHECKOUT = {"email": EMAIL, "card": CARD, "password": PASSWORD, "name": "Ada", "total": 99.9}
ENCODED = {
    "metadata": CHECKOUT,
    "list": [CHECKOUT],
    "pairs": list(CHECKOUT.items()),
    "JSON": json.dumps(CHECKOUT),
    "JSON in JSON": json.dumps({"body": json.dumps(CHECKOUT)}),
    "JSON escapes": json.dumps(json.dumps(CHECKOUT)).replace("@", "\\\\u0040"),
    "bytes": json.dumps(CHECKOUT).encode(),
    "repr": repr(CHECKOUT),
    "repr in a message": f"ValueError: cannot charge {CHECKOUT!r} now",
    "stack trace": f'Traceback:\n  File "x.py", line 1, in pay\n    pay()\nPayError: {CHECKOUT!r}',
    "unique violation": f"Key (email)=({EMAIL}) already exists; password={PASSWORD} card={CARD}",
    "SQL": f"INSERT INTO u (email, card, password) VALUES ('{EMAIL}', '{CARD}', '{PASSWORD}')",
    "SQL error": f"[SQL: INSERT INTO u (password) VALUES (?)]\n[parameters: ('{EMAIL}', '{CARD}', '{PASSWORD}')]",
    "URL": f"https://shop.test/pay?email=ada%40example.com&card=4111+1111+1111+1111&password={PASSWORD}",
    "form": f"email=ada%40example.com&card=4111%201111%201111%201111&password={PASSWORD}",
    "HAR": [{"name": "password", "value": PASSWORD}, {"name": "card", "value": CARD}, {"key": "x", "value": EMAIL}],
}


@pytest.mark.parametrize("value", ENCODED.values(), ids=ENCODED.keys())
def test_the_card_the_address_and_the_password_of_a_checkout_never_survive(value: Any) -> None:
    """Whatever the form, neither they nor their usual encodings are in what is left."""
    clean, found = scrubbed(value)
    left = repr(clean)
    for secret in (CARD, CARD.replace(" ", "+"), CARD.replace(" ", "%20"), EMAIL, "ada%40", "u0040", PASSWORD):
        assert secret not in left
    assert found
    assert scrubbed(clean) == (clean, [])


def test_only_the_finding_is_replaced_and_its_place_recorded() -> None:
    """The record names path and rule; the original is not touched."""
    original = {"a": [{"note": f"mail to {EMAIL} sent"}, 1], "pin": 1234, "safe": "yes"}
    clean, found = scrubbed(original)
    assert clean == {"a": [{"note": f"mail to {REDACTED} sent"}, 1], "pin": REDACTED, "safe": "yes"}
    assert found == ["m.a[0].note: email", "m.pin: key"]
    assert original["pin"] == 1234


class Colour(Enum):
    RED = "red"


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -7,
        10**400,
        1.5,
        float("nan"),
        float("inf"),
        Decimal("1.10"),
        Decimal("sNaN"),
        "Ada",
        b"raw",
        b"\xff\x00a",
        bytearray(b"x"),
        memoryview(b"x"),
        [1, "a"],
        (1, "a"),
        Point(1, 2),
        {"a": {"b": [None]}},
        MappingProxyType({"a": 1}),
        {"a"},
        frozenset({"a"}),
        deque(["a"]),
        Colour.RED,
        datetime(2024, 1, 1, tzinfo=timezone.utc),
        UUID(int=1),
        {1: "a", None: "b", ("t",): "c", b"k": "d"},
        '{"a": [1, 2.50, "x"]}',
        "[not json",
        Pairs((("a", 1), ("b", Pairs((("c", 2),))))),
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)
def test_a_clean_value_is_returned_as_it_is(value: Any) -> None:
    """No copy, no change of type, no finding."""
    clean, found = scrubbed(value)
    assert clean is value
    assert found == []


@pytest.mark.parametrize(
    ("value", "clean", "places"),
    [
        (4111111111111111, REDACTED, ["m: card"]),
        (4111111111111111.0, REDACTED, ["m: card"]),
        (Decimal("4111111111111111"), REDACTED, ["m: card"]),
        (b"x ada@example.com", b"x [redacted]", ["m: email"]),
        (b"\xff ada@example.com", b"\xff [redacted]", ["m: email"]),
        ("ada@example.com".encode("utf-16-le"), REDACTED.encode(), ["m: email"]),
        (("a", EMAIL), ("a", REDACTED), ["m[1]: email"]),
        (Point(1, EMAIL), Point(1, REDACTED), ["m[1]: email"]),
        ({EMAIL}, {REDACTED}, ["m[0]: email"]),
        (deque([EMAIL]), deque([REDACTED]), ["m[0]: email"]),
        (Pairs((("pin", 1), ("a", 2))), Pairs((("pin", REDACTED), ("a", 2))), ["m.pin: key"]),
        ([[b"cookie", b"a=b"], [b"host", b"x"]], [[b"cookie", REDACTED], [b"host", b"x"]], ["m.cookie: key"]),
        (["app", "--password", "x", "--port", "1"], ["app", "--password", REDACTED, "--port", "1"], ["m[2]: key"]),
        (["--password", "--port"], ["--password", "--port"], []),
        ([("password", None), ("a", 1)], [("password", None), ("a", 1)], []),
        ({"password": None, "pin": REDACTED}, {"password": None, "pin": REDACTED}, []),
        ({"Key": "secret", "Value": "x"}, {"Key": "secret", "Value": REDACTED}, ["m.Value: key"]),
        ({"name": "secret", "value": None}, {"name": "secret", "value": None}, []),
        ({"name": 1, "value": "x"}, {"name": 1, "value": "x"}, []),
        ({EMAIL: 1, "bob@example.com": 2}, {REDACTED: 1, "[redacted] 2": 2}, ["m.[redacted]: email"] * 2),
        ({"password": {"old": 1}}, {"password": REDACTED}, ["m.password: key"]),
        ('{"pin": 1, "n": 2.50}', '{"pin": "[redacted]", "n": 2.5}', ["m.pin: key"]),
        (' {"pin":1}', '{"pin":"[redacted]"}', ["m.pin: key"]),
        ('{"pin":1,"pin":2}', REDACTED, ["m: json"]),
        (f'"{EMAIL}"', f'"{REDACTED}"', ["m: email"]),
        (object(), REDACTED, ["m: type"]),
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)
def test_each_kind_of_value_is_looked_into(value: Any, clean: Any, places: list[str]) -> None:
    """Numbers, bytes, pairs, command lines, names with their values, the names themselves, JSON."""
    assert scrubbed(value) == (clean, places)


def test_an_enumeration_with_a_secret_value_is_redacted() -> None:
    """What stands behind a member's name is looked at."""

    class Contact(Enum):
        OWNER = EMAIL

    assert scrubbed(Contact.OWNER) == (REDACTED, ["m: email"])


def test_a_denied_key_redacts_the_value_whatever_it_is() -> None:
    """The caller's own key is judged first."""
    assert scrubbed([1, 2], key="user_password") == (REDACTED, ["m: key"])
    assert scrubbed(1, key="salary", scrubber=Scrubber(deny=["salary"])) == (REDACTED, ["m: key"])
    assert scrubbed("x", key="cart_token", scrubber=Scrubber(allow=["cart_token"])) == ("x", [])


def test_a_cycle_ends() -> None:
    """A value that holds itself is cut where it would start again."""
    value: dict[str, Any] = {"a": 1}
    value["self"] = [value]
    assert scrubbed(value) == ({"a": 1, "self": [REDACTED]}, ["m.self[0]: cycle"])


def test_the_same_value_twice_is_no_cycle() -> None:
    """Only a value inside itself is one."""
    part = {"a": 1}
    value = [part, part]
    assert scrubbed(value)[0] is value


def test_what_is_nested_too_deeply_is_redacted() -> None:
    """Beyond the depth that is looked into nothing passes."""
    value: Any = EMAIL
    for _ in range(100):
        value = [value]
    clean, found = scrubbed(value)
    assert EMAIL not in repr(clean)
    assert found == ["m" + "[0]" * 20 + ": depth"]


def test_what_has_too_many_items_is_redacted() -> None:
    """Beyond the number of items that is looked at nothing passes, however they are shared."""
    assert scrubbed({"a": list(range(20_000))}) == ({"a": REDACTED}, ["m.a: size"])
    shared: Any = EMAIL
    for _ in range(18):
        shared = [shared, shared]
    clean, found = scrubbed(shared)
    assert EMAIL not in repr(clean)
    assert found[-1].endswith(": size")


def test_json_too_deep_to_read_is_redacted() -> None:
    """What the reader gives up on does not pass."""
    scrubber = Scrubber()
    assert scrubbed("[" * 60_000, scrubber=scrubber)[0] == REDACTED


def test_text_beyond_the_limit_is_not_passed_on() -> None:
    """The head is scanned, the rest replaced."""
    clean, found = scrubbed(f"{EMAIL} " + "x" * MAX_TEXT)
    assert clean.startswith(f"{REDACTED} xxx")
    assert clean.endswith("x" + REDACTED)
    assert len(clean) < MAX_TEXT + 20
    assert found == ["m: email", "m: too_long"]


def test_a_card_number_across_the_limit_is_not_cut_into_an_unrecognised_half() -> None:
    """What starts before the limit is seen whole."""
    clean, found = scrubbed("x" * (MAX_TEXT - 10) + " " + CARD + " and more")
    assert "4111" not in clean
    assert found == ["m: card", "m: too_long"]


def test_a_long_name_is_shortened_in_the_record() -> None:
    """Names come from outside; the record stays small."""
    _, found = scrubbed({"a" * 500 + "_password": 1})
    assert found == ["m." + "a" * 64 + ": key"]


def failing(text: str) -> bool:
    """A check with a bug."""
    raise ZeroDivisionError(text)


@pytest.fixture
def broken() -> Scrubber:
    """A scrubber with a rule that raises whenever it sees a 7 in a longer text."""
    import re

    return Scrubber(rules=[*DEFAULT_RULES, Pattern("broken", ("7",), re.compile("7"), failing)])


def test_a_rule_that_raises_redacts_the_value_and_is_counted(broken: Scrubber) -> None:
    """Fail closed: what could not be checked is not passed on, and its neighbours are."""
    value = {"a": "some text with 7 in it", "b": "another text"}
    assert scrubbed(value, scrubber=broken) == ({"a": REDACTED, "b": "another text"}, ["m.a: error"])
    assert broken.url("https://x.test/7/some/path", "u", []) == REDACTED
    assert broken.attributes({"k": "some text with 7 in it"}, []) == {"k": REDACTED}
    assert broken.errors == 3


class Hostile(Mapping[str, Any]):
    """A mapping whose own code raises."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError

    def __len__(self) -> int:
        return 1


def test_a_value_whose_own_code_raises_is_redacted() -> None:
    """Nothing is raised into the caller."""
    scrubber = Scrubber()
    assert scrubbed(Hostile(), scrubber=scrubber) == (REDACTED, ["m: error"])
    found: list[str] = []
    assert scrubber.attributes(Hostile(), found, "events[0].") == {}
    assert found == ["events[0]: error"]
    assert scrubber.errors == 2


def test_attributes_are_scrubbed_by_name_value_and_kind() -> None:
    """Headers by name, messages by value, URLs by their parameters; the prefix makes the path."""
    found: list[str] = []
    attributes = {
        "http.request.header.authorization": ("Bearer x",),
        "exception.message": f"no mail to {EMAIL}",
        "url.full": "https://x.test/cb?code=abc",
        "ezlogs.change.pin.from": "1234",
        "db.query.text": "UPDATE u SET password = 'x'",
        f"baggage {EMAIL}": "v",
        f"baggage bob-{EMAIL}": "w",
        "order": 7,
    }
    assert Scrubber().attributes(attributes, found, "events[1].") == {
        "http.request.header.authorization": REDACTED,
        "exception.message": f"no mail to {REDACTED}",
        "url.full": f"https://x.test/cb?code={REDACTED}",
        "ezlogs.change.pin.from": REDACTED,
        "db.query.text": f"UPDATE u SET password = '{REDACTED}'",
        f"baggage {REDACTED}": "v",
        f"baggage {REDACTED} 2": "w",
        "order": 7,
    }
    assert "events[1].exception.message: email" in found
    assert not any(EMAIL in entry for entry in found)


def test_structural_attributes_are_left_alone_and_identifiers_only_scanned() -> None:
    """A route names parameters, an id is not a secret for being called one; but an e-mail address is one."""
    scrubber, found = Scrubber(), list[str]()
    structural = dict.fromkeys(STRUCTURAL, "{token:uuid} password=x")
    assert scrubber.attributes(structural, found) is structural
    ids = dict.fromkeys(IDENTIFIERS, "42")
    assert scrubber.attributes(ids, found) is ids
    assert found == []
    assert scrubber.attributes({"user.id": EMAIL, "url.full": ("a", EMAIL)}, found) == {
        "user.id": REDACTED,
        "url.full": ("a", REDACTED),
    }


def test_names_stay_right_when_there_are_more_than_the_cache_holds() -> None:
    """Names from the network cannot grow the cache without end."""
    scrubber = Scrubber()
    assert all(scrubber.name(f"field-number-{i}", "m", []) == f"field-number-{i}" for i in range(5000))
    assert scrubber.name(f"a {EMAIL}", "m", []) == f"a {REDACTED}"
    long = "very-" * 30
    assert scrubber.name(long, "m", []) is long
    assert len(scrubber._clean) <= 4096


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.binary(max_size=20))
    | st.sampled_from([EMAIL, CARD, f"password={PASSWORD}", json.dumps(CHECKOUT), "[redacted]"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.sampled_from(["a", "password", "note", "value", "name", EMAIL]), inner, max_size=4),
    ),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(values)
def test_scrubbing_twice_changes_nothing_more(value: Any) -> None:
    """What was scrubbed is clean, and a clean value is the same object."""
    clean, found = scrubbed(value)
    assert not any(entry.endswith(": error") for entry in found)
    assert not found or (EMAIL not in repr(clean) and PASSWORD not in repr(clean))
    assert found or clean is value
    again, found_again = scrubbed(clean)
    assert again is clean
    assert found_again == []


_NAMES = st.sampled_from(
    ["note", "name", "value", "key", "url.full", "password", "n", "session.id", "http.route", "a@b.example"]
)
_VALUES = st.sampled_from(
    [
        *("word", "password", "https://x.example/?code=123456", "ada@example.com", "4111111111111111"),
        *(4111111111111111, 7, 1.5, None, True, ["word"], {"name": "password", "value": "word"}),
    ]
)


@given(st.lists(st.dictionaries(_NAMES, _VALUES), max_size=6))
def test_what_is_known_changes_nothing(items: list[dict[str, Any]]) -> None:
    """A scrubber that has seen much does what one does that has seen nothing, in mappings and in attributes."""
    seasoned = Scrubber()
    for item in items:
        for _ in range(2):
            found: list[str] = []
            expected: list[str] = []
            assert seasoned.value("", item, "m", found) == Scrubber().value("", item, "m", expected)
            assert found == expected
            assert seasoned.attributes(item, found) == Scrubber().attributes(item, expected)
            assert found == expected


def test_a_value_in_which_nothing_is_found_is_not_copied() -> None:
    """Neither the first time nor later; a copy holds what stood before and after the finding, in its order."""
    value = {"a": "word", "b": {"c": [1, "word"]}, "n": 5}
    scrubber = Scrubber()
    for _ in range(2):
        assert scrubber.value("", value, "m", []) is value
        assert scrubber.attributes(value, []) is value
    value["to"], value["last"] = "ada@example.com", 1
    for clean in (scrubber.value("", value, "m", []), scrubber.attributes(value, [])):
        assert list(clean.items()) == list({**value, "to": "[redacted]"}.items())


@pytest.mark.parametrize("name", ["flow", "parent_flow", "transaction", "job", "request", "session"])
def test_ids_that_applications_choose_are_scanned_on_spans_too(name: str) -> None:
    """By their value, whatever instrumentation set them: their names say nothing of what is in them."""
    key = f"ezlogs.{name}.id"
    assert Scrubber().attributes({key: "signup:ada@example.com"}, []) == {key: "signup:[redacted]"}
    harmless = {key: "checkout:42"}
    assert Scrubber().attributes(harmless, []) is harmless


def test_addresses_of_servers_are_nobodys() -> None:
    """Of the service's own hosts and of those that it calls, one or several; the client's is somebody's."""
    clean = {"server.address": "203.0.113.9", "host.ip": ("203.0.113.9", "2001:db8:7:1::5")}
    assert Scrubber().attributes(clean, []) is clean
    assert Scrubber().attributes({"client.address": "203.0.113.9"}, []) == {"client.address": "203.0.113.0"}
    hidden = Scrubber().attributes({"server.address": "bob:hunter2@db:5432"}, [])
    assert "hunter2" not in str(hidden), "what is no address is looked into"


def test_a_version_is_no_address() -> None:
    """Where its name says so."""
    clean = {"app_version": "8.8.4.4", "release": "v1.2.3.4"}
    assert Scrubber().value("", clean, "m", []) is clean
    assert Scrubber().value("", {"note": "8.8.4.4"}, "m", []) == {"note": "8.8.4.0"}


def test_what_pydantic_did_not_take_goes_with_its_place() -> None:
    """The value of a field that is none to tell, in the form of its errors."""
    error = {"type": "string_too_short", "loc": ("body", "password"), "msg": "too short", "input": "hunter2"}
    assert Scrubber().value("", [error], "errors", []) == [{**error, "input": "[redacted]"}]
    harmless = {**error, "loc": ("body", "city"), "input": "Bonn"}
    assert Scrubber().value("", harmless, "errors", []) is harmless
    assert Scrubber().value("", {"input": "Bonn", "loc": "body"}, "errors", []) == {"input": "Bonn", "loc": "body"}


def test_what_looks_drawn_at_random_goes_beside_a_hint_only() -> None:
    """A key of a cache and a hash stay."""
    random = "AbCd1234EfGh5678IjKl9012"
    assert Scrubber().value("", {"key": random}, "m", []) == {"key": "[redacted]"}
    for kept in ({"cache_key": random}, {"note": random}, {"key": "d41d8cd98f00b204e9800998ecf8427e"}):
        assert Scrubber().value("", kept, "m", []) is kept


def test_one_word_of_a_script_without_spaces_is_looked_into() -> None:
    """It may be a whole sentence."""
    assert Scrubber().text("密码是Abc12345", "m", []) == "密码是[redacted]"


def test_handlers_that_interrupt_the_first_scrub_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal comes in the middle of all that takes long, as it does where a handler is called each few milliseconds.

    If each handler began anew what it interrupts, none would ever finish, and what is not checked is redacted.
    """
    compile_it, scrubber = re.compile, Scrubber()
    heard: list[str] = []

    def interrupted(pattern: str, flags: int = 0) -> re.Pattern[str]:
        if len(pattern) > 1500:
            heard.append(scrubber.text("by then the password is hunter2!", "", []))
        return compile_it(pattern, flags)

    with monkeypatch.context() as patched:
        patched.setattr(re, "compile", interrupted)
        assert scrubber.text("mail the password is hunter2!", "m", []) == "mail the password is [redacted]!"
    assert heard == ["by then the password is [redacted]!"] * 3
    assert scrubber.errors == 0


def test_what_is_never_looked_at_stays_whatever_fails() -> None:
    """An event without its id would be nobody's."""

    class Broken(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            if key == "order":
                raise RecursionError
            return super().__getitem__(key)

    found: list[str] = []
    attributes = Broken({"order": 1, "ezlogs.event.id": "0b4f"})
    assert Scrubber().attributes(attributes, found, "attributes.") == {"ezlogs.event.id": "0b4f"}
    assert found == ["attributes: error"]
