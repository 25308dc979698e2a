"""The way through nested values: copy-on-write, and bounded in depth, in items and by cycles."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Protocol
from uuid import UUID

from ezlogs.expressions import expression
from ezlogs.privacy.checksums import is_card
from ezlogs.privacy.commands import secret_words
from ezlogs.privacy.keys import KeyMatcher
from ezlogs.privacy.policy import is_hash
from ezlogs.privacy.randomness import is_key_material
from ezlogs.privacy.rule import BY_NAME, REDACTED

MAX_DEPTH: Final = 20
"""Levels of nesting that are looked into."""

MAX_ITEMS: Final = 10_000
"""Items of one value, over all levels, that are looked at."""

_SAFE: Final = (bool, date, time, timedelta, UUID, type(None))
_SMALLEST_CARD: Final = 10**13
_GREATEST_CARD: Final = 10**19 - 1
_LONGEST_STEP: Final = 64
#: Mappings that spell out a name and its value, as HAR files, header lists and cloud tags do.
_NAMED: Final = (("name", "value"), ("key", "value"), ("field", "value"), ("Name", "Value"), ("Key", "Value"))


NAMES_OF_NAMES: Final = frozenset(("input", *(name for name, _ in _NAMED)))


_VERSION: Final = expression(r"v?\d{1,5}(?:\.\d{1,5}){1,4}")


class _Dropped:
    """The type of `DROPPED`."""

    def __repr__(self) -> str:
        return "DROPPED"


DROPPED: Final = _Dropped()
"""What is left of a value of which nothing is to be left: it has no place, not even an empty one."""


class TextScrubber(Protocol):
    """What the walk needs of a scrubber."""

    @property
    def keys(self) -> KeyMatcher:
        """Which names are denied."""

    def text(self, text: str, path: str, found: list[str]) -> str:
        """The text without its findings."""

    def name(self, name: str, path: str, found: list[str]) -> str:
        """The name without its findings."""

    def is_clean(self, text: str) -> bool:
        """Whether a text is known to hold nothing."""

    def knows(self, key: object, value: object) -> bool:
        """Whether an item is known to hold nothing."""

    def learn(self, name: str) -> None:
        """Remember a name that holds nothing."""

    def replaced(self, rule: str, text: str, path: str, *, secret: bool = False) -> str | None:
        """What stands in the place of a finding; None for nothing."""


class Walk:
    """One walk through one value.

    Args:
        scrubber: scrubs the texts.
        found: receives ``"path: rule"``.
    """

    def __init__(self, scrubber: TextScrubber, found: list[str]) -> None:
        self._scrubber = scrubber
        self._found = found
        self._items_left = MAX_ITEMS
        self._open: set[int] = set()  # the containers on the way from the root to here

    def value(self, key: str, value: Any, path: str) -> Any:
        """The value under a key: redacted as a whole where the key is denied."""
        keys = self._scrubber.keys
        if value is None or not keys.denies(key):
            if type(value) is str and keys.is_version(key) and _VERSION.fullmatch(value):
                return value  # 8.8.4.4 is one here, and no address
            if type(value) is str and keys.hints(key) and is_key_material(value):
                return self._withhold(value, path, BY_NAME, secret=True)
            return self._content(value, path)
        return self._withhold(value, path, BY_NAME, secret=keys.gives_access(key))

    def _content(self, value: Any, path: str) -> Any:
        if type(value) is dict:  # asked first: most are, and whether something is a mapping takes long to tell
            return self._nested(value, path, self._mapping)
        if isinstance(value, str):
            clean = self._scrubber.text(value, path, self._found)
            return DROPPED if not clean and value else clean
        if isinstance(value, _SAFE):
            return value
        if isinstance(value, (int, float, Decimal)):
            return self._withhold(value, path, "card") if _is_card_number(value) else value
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._bytes(value, path)
        if isinstance(value, Mapping):
            return self._nested(value, path, self._mapping)
        if isinstance(value, (list, tuple, set, frozenset, deque)):
            return self._nested(value, path, self._collection)
        if isinstance(value, Enum):
            inner = self._content(value.value, path)
            return value if inner is value.value else inner
        # Its text could be anything, and asking for it runs code of the application.
        return self._redact(value, path, "type")

    def _withhold(self, value: Any, path: str, rule: str, *, secret: bool = False) -> Any:
        """Return what stands in the place of a whole value, as the policy says; of a collection nothing is shown."""
        if not isinstance(value, (str, bytes, int, float, Decimal)) or isinstance(value, bool):
            secret, shown = True, ""
        else:
            shown = _name_of(value)
        if shown == REDACTED or is_hash(shown):
            return value
        replaced = self._scrubber.replaced(rule, shown, path, secret=secret)
        if replaced == shown and not secret:
            return value
        self._found.append(f"{path}: {rule}")
        return DROPPED if replaced is None else replaced

    def _redact(self, value: Any, path: str, rule: str) -> Any:
        if isinstance(value, str) and value == REDACTED:
            return value
        self._found.append(f"{path}: {rule}")
        return REDACTED

    def _nested(self, value: Any, path: str, look_into: Callable[[Any, str], Any]) -> Any:
        if id(value) in self._open:
            return self._redact(value, path, "cycle")
        if len(self._open) >= MAX_DEPTH:
            return self._redact(value, path, "depth")
        self._items_left -= len(value)
        if self._items_left < 0:
            return self._redact(value, path, "size")
        self._open.add(id(value))
        try:
            return look_into(value, path)
        finally:
            self._open.discard(id(value))

    def _mapping(self, mapping: Mapping[Any, Any], path: str) -> Any:
        scrubber = self._scrubber
        denied_value = self._named_value(mapping)
        clean: dict[Any, Any] | None = None
        for key, item in mapping.items():
            if denied_value is None and scrubber.knows(key, item):
                if clean is not None:
                    clean[key] = item
                continue
            name = _name_of(key)
            safe = name if scrubber.is_clean(name) else scrubber.name(name, f"{path}.{REDACTED}", self._found)
            place = f"{path}.{safe[:_LONGEST_STEP]}"
            if denied_value is not None and key == denied_value and item is not None:
                scrubbed = self._withhold(item, place, BY_NAME, secret=True)
            else:
                scrubbed = self.value(name, item, place)
            if safe is name:
                scrubber.learn(name)
            if clean is None:
                if safe is name and scrubbed is item:
                    continue
                clean = items_before(mapping, key)
            if scrubbed is not DROPPED:
                clean[key if safe is name else unused_name(safe, clean)] = scrubbed
        return mapping if clean is None else clean

    def _named_value(self, mapping: Mapping[Any, Any]) -> str | None:
        if NAMES_OF_NAMES.isdisjoint(mapping):
            return None
        for name, value in _NAMED:
            if name in mapping and value in mapping:
                key = mapping[name]
                if isinstance(key, (str, bytes)) and self._scrubber.keys.denies(_name_of(key)):
                    return value
        if "input" in mapping and "loc" in mapping:  # what pydantic says of a value that it did not take
            place = mapping["loc"]
            if isinstance(place, (tuple, list)) and any(self._scrubber.keys.denies(_name_of(part)) for part in place):
                return "input"
        return None

    def _collection(self, items: Any, path: str) -> Any:
        clean = list(self._items(items, path))
        if any(item is DROPPED for item in clean):
            return [item for item in clean if item is not DROPPED]  # a list: a named tuple wants all of its fields
        if all(new is old for new, old in zip(clean, items)):  # noqa: B905 - one made from the other
            return items
        kind = type(items)
        return kind._make(clean) if hasattr(kind, "_make") else kind(clean)

    def _items(self, items: Any, path: str) -> Iterator[Any]:
        after_option = False  # --password, and then the password: a command line in pieces
        passwords = dict(secret_words(items)) if _is_command_line(items) else {}
        for position, item in enumerate(items):
            place = f"{path}[{position}]"
            if after_option and isinstance(item, str) and not item.startswith("-"):
                yield self._withhold(item, place, BY_NAME, secret=True)
            elif position in passwords:
                start = passwords[position]
                hidden = self._withhold(item[start:], place, "command_line", secret=True)
                yield DROPPED if hidden is DROPPED else item[:start] + hidden
            elif _is_pair(item) and self._scrubber.keys.denies(_name_of(item[0])):
                yield self._pair(item, path)
            else:
                yield self._content(item, place)
            after_option = isinstance(item, str) and item.startswith("-") and self._scrubber.keys.denies(item)

    def _pair(self, pair: Any, path: str) -> Any:
        key, value = pair
        name = self._scrubber.name(_name_of(key), f"{path}.{REDACTED}", self._found)
        safe = key if name == _name_of(key) else name
        kept = self.value(_name_of(key), value, f"{path}.{name[:_LONGEST_STEP]}")
        if kept is DROPPED:
            return DROPPED
        return pair if safe is key and kept is value else type(pair)((safe, kept))

    def _bytes(self, value: Any, path: str) -> Any:
        data = bytes(value)
        try:
            encoding, text = "utf-8", data.decode("utf-8")
        except UnicodeDecodeError:
            encoding, text = "latin-1", data.decode("latin-1")  # every byte a character: nothing is lost
        scrubbed = self._scrubber.text(text, path, self._found)
        if scrubbed is not text:
            return scrubbed.encode(encoding)
        if b"\0" in data:  # UTF-16 and other wide text
            narrow = text.replace("\0", "")
            if self._scrubber.text(narrow, path, self._found) is not narrow:
                return REDACTED.encode()
        return value


def _is_card_number(number: Any) -> bool:
    if isinstance(number, Decimal) and not number.is_finite():
        return False  # some of these cannot even be compared
    # Compared before it is converted: an int may be too long to print, and a NaN has no digits.
    if not _SMALLEST_CARD <= abs(number) <= _GREATEST_CARD:
        return False
    return int(number) == number and is_card(str(abs(int(number))))


def _name_of(key: Any) -> str:
    if isinstance(key, str):
        return key
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)


def _is_command_line(items: Any) -> bool:
    return isinstance(items, (list, tuple)) and len(items) > 1 and all(type(item) is str for item in items)


def _is_pair(item: Any) -> bool:
    return isinstance(item, (tuple, list)) and len(item) == 2 and isinstance(item[0], (str, bytes))


def items_before(mapping: Mapping[Any, Any], end: Any) -> dict[Any, Any]:
    """The items that stand before a key: where a copy begins at the first one that is not as it was."""
    before: dict[Any, Any] = {}
    for key, item in mapping.items():
        if key is end or key == end:
            break
        before[key] = item
    return before


def unused_name(name: str, taken: Mapping[Any, Any]) -> str:
    """The name, numbered where two redacted names would collide and one value be lost."""
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name} {number}", number + 1
    return candidate
