"""The scrubber: nothing sensitive leaves the process, and what cannot be checked does not leave either."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ezlogs.privacy.addresses import is_address
from ezlogs.privacy.all_rules import search_of
from ezlogs.privacy.keys import KeyMatcher
from ezlogs.privacy.memory import MOST, Memory
from ezlogs.privacy.paths import Paths
from ezlogs.privacy.policy import DEFAULT_POLICY, Finding, Policy
from ezlogs.privacy.rule import REDACTED, Rule
from ezlogs.privacy.runs import Run, runs_of
from ezlogs.privacy.search import Search
from ezlogs.privacy.surfaces import HOSTS, IDENTIFIERS, STRUCTURAL, URLS
from ezlogs.privacy.walk import DROPPED, NAMES_OF_NAMES, Walk, items_before, unused_name
from ezlogs.privacy.words import SHORTEST_NUMBER, is_moment_or_amount, is_one_word

if TYPE_CHECKING:
    from ezlogs.event import UniversalEvent

MAX_TEXT: Final = 65536
"""Characters of one text that are scanned and kept; the rest is replaced by a marker."""

_OVERLAP: Final = 512
_CARD: Final = 10**13
"""Numbers below this are no payment cards."""
_JSON_STARTS: Final = frozenset('{["')


class Scrubber:
    """Redacts secrets and personal data; records where and by which rule, never what.

    Every method takes ``found``, a list to which it appends one ``"path: rule"`` for each finding, and
    returns *the object it was given* when nothing was found. None of them raises: where a rule raises, the
    value is replaced by ``"[redacted]"``, recorded as ``error`` and counted in :attr:`errors`.

    Found are the kinds of data listed in the documentation on privacy; not names or postal addresses in
    free text, nor a secret whose name says nothing and whose form is no known one.

    Args:
        deny: further names whose values go; see :class:`~ezlogs.privacy.keys.KeyMatcher`.
        allow: names that the default lists deny and that are harmless here.
        rules: the value rules, `ezlogs.privacy.DEFAULT_RULES` when left out. Those that work by name
            (assignments, SQL, URL parameters) are always on.
        policy: what is done with findings; they are redacted when it is left out.
        further: returns more rules; called when something is first scrubbed, and every value is shown to them.

    Example:
        >>> found = []
        >>> order = {"note": "mail to ada@example.com sent", "salary": 1}
        >>> Scrubber(deny=["salary"]).value("order", order, "metadata.order", found)
        {'note': 'mail to [redacted] sent', 'salary': '[redacted]'}
        >>> found
        ['metadata.order.note: email', 'metadata.order.salary: key']
    """

    summarise: Callable[[UniversalEvent], str] | None = None
    """Says in a sentence what an event tells, of what is left of it; None where that is not asked for."""

    def __init__(
        self,
        deny: Iterable[str] = (),
        allow: Iterable[str] = (),
        rules: Iterable[Rule] | None = None,
        policy: Policy = DEFAULT_POLICY,
        further: Callable[[], Iterable[Rule]] | None = None,
    ) -> None:
        self.keys = KeyMatcher(deny, allow)
        self._policy = policy
        self._event_type: str | None = None
        self._within: dict[str, Scrubber] = {}
        self._errors = [0]  # in a list: one count for the scrubbers of all types of events
        self._last_kept: list[object] = [None]
        """Something else each time that the policy keeps a finding."""
        self._rules = None if rules is None else tuple(rules)
        self._further = cache(lambda: tuple(further()) if further else ())
        self._searches: dict[bool, Search] = {}
        self._shortcut = False  # known when the further rules are
        self._clean = Memory()
        """Short texts in which nothing was found: names, states, currencies come again and again."""
        self._clean_urls = Memory()
        self._paths = None if rules is not None else Paths(self.keys)
        """What is known of paths; nothing where the rules are others than ezlogs' own."""
        self._harmless = Memory()
        """Names that are clean and not denied."""

    def search(self, *, in_url: bool = False) -> Search:
        """Return what finds all that there is to find, made when first asked for."""
        known = self._searches.get(in_url)
        if known is None:
            further = self._further()
            self._shortcut = not further
            known = self._searches[in_url] = search_of(self._rules, further, self.keys, in_url=in_url)
        return known

    @property
    def errors(self) -> int:
        """How often a rule, a function of the policy or a value's own code raised."""
        return self._errors[0]

    def within(self, event_type: str) -> Scrubber:
        """Return the scrubber for what is in an event of some type: itself, where the policy knows no types."""
        if not self._policy.by_event_type:
            return self
        known = self._within.get(event_type)
        if known is None:
            if len(self._within) >= MOST:
                self._within.clear()
            known = self._within[event_type] = copy(self)
            known._event_type = event_type
        return known

    def replaced(self, rule: str, text: str, path: str, *, secret: bool = False) -> str | None:
        """Return what stands in the place of a finding, as the policy says; None for nothing.

        Args:
            rule: What found it.
            text: What was found.
            path: Where it is.
            secret: Whether nothing of it may be shown, whatever the policy says.
        """
        if self._policy.redacts(rule, path):
            return REDACTED
        try:
            replaced = self._policy.replaced(Finding(rule, path, text, self._event_type, secret))
        except Exception:
            self._errors[0] += 1
            return REDACTED
        if replaced == text and not self._policy.is_alike_everywhere(rule):
            self._last_kept[0] = object()
        return replaced

    def value(self, key: str, value: Any, path: str, found: list[str]) -> Any:
        """Scrub any value, however nested.

        Args:
            key: its name; a denied name redacts the whole value.
            value: scalars, text, bytes, enumerations, mappings, sequences and sets. Cycles, more than 20
                levels, more than 10,000 items and objects of any other type are redacted.
            path: where it is, for the record: ``"metadata.card"``.
            found: receives ``"path: rule"``.

        Returns:
            The same object, or a copy with ``"[redacted]"``, or whatever the policy says, in the places of the
            findings; `DROPPED` where nothing is to be left of it.
        """
        try:
            return Walk(self, found).value(key, value, path)
        except Exception:
            return self._failed(path, found)

    def text(self, text: str, path: str, found: list[str]) -> str:
        """Scrub free text: a message, a stack trace, a span name, SQL. Only the findings are replaced.

        JSON is read, scrubbed as a value and written again. Beyond 65,536 characters the text is redacted,
        since what was not scanned must not leave.
        """
        return self._looked_at(text, path, found, self._clean, in_url=False)

    def knows(self, key: object, value: object) -> bool:
        """Tell whether an item of a mapping is known to hold nothing: most are, and a look into memory is enough.

        Nothing that it says may differ from what `value` would do with the item; a test holds them together.
        """
        if type(key) is not str or key not in self._harmless:
            return False
        kind = type(value)
        if kind is str:
            return value in self._clean or (self._shortcut and is_one_word(value))  # type: ignore[arg-type]  # a text
        if kind is int or kind is float:
            return -_CARD < value < _CARD  # type: ignore[operator]  # a number
        return kind is bool or value is None

    def learn(self, name: str) -> None:
        """Remember a name in which nothing was found, unless it is denied or says what a value is."""
        if name in self._harmless or name in NAMES_OF_NAMES or name in URLS:
            return
        if not self.keys.denies(name) and not self.keys.hints(name):
            self._harmless.remember(name)

    def finds_nothing(self, text: str) -> bool:
        """Look whether there is nothing to be found in a text, whatever would be done with it."""
        found: list[str] = []
        last_kept = self._last_kept[0]
        self.text(text, "", found)
        return not found and self._last_kept[0] is last_kept

    def finds_nothing_in(self, key: str, value: Any) -> bool:
        """Look whether there is nothing to be found in a value under some key, whatever would be done with it."""
        found: list[str] = []
        last_kept = self._last_kept[0]
        return self.value(key, value, "", found) is value and not found and self._last_kept[0] is last_kept

    def knows_forms(self) -> bool:
        """Return whether it goes by the form of a text: dates, times and numbers of a few digits hold nothing then.

        Not where there are further rules, to which every value is shown.
        """
        self.search()
        return self._shortcut

    def is_clean(self, text: str) -> bool:
        """Tell whether a text is known to hold nothing, so that `text` would return it as it is."""
        if text in self._clean:
            return True
        if not self._shortcut:
            return False
        # What is asked first is part of the second question, and most numbers and names of things are such.
        return (
            (len(text) < SHORTEST_NUMBER and text.isalnum() and text.isascii())
            or is_moment_or_amount(text)
            or is_one_word(text)
        )

    def url(self, url: str, path: str, found: list[str]) -> str:
        """Scrub a URL, or a query without its question mark: in them, ``code`` and ``sig`` are secrets."""
        paths = self._paths
        if paths is not None and self._shortcut and type(url) is str and paths.knows(url):
            return url
        scrubbed = self._looked_at(url, path, found, self._clean_urls, in_url=True)
        if paths is not None and self._shortcut and url in self._clean_urls:
            paths.learn(url)
        return scrubbed

    def attributes(self, attributes: Mapping[str, Any], found: list[str], prefix: str = "") -> Mapping[str, Any]:
        """Scrub the attributes of a span, event, link or resource; see :mod:`ezlogs.privacy.surfaces`.

        Args:
            attributes: OpenTelemetry attributes.
            found: receives ``"path: rule"``.
            prefix: put before each name to make the path: ``"events[0]."``.
        """
        try:
            return self._attributes(attributes, found, prefix)
        except Exception:  # the mapping's own code, or no room to run: what is never looked at is all that can stay
            self._failed(prefix.rstrip("."), found)
            return _structural(attributes)

    def name(self, name: str, path: str, found: list[str]) -> str:
        """Scrub the name of a mapping's item or of an attribute."""
        return self.text(name, path, found)

    def _failed(self, path: str, found: list[str]) -> str:
        self._errors[0] += 1
        found.append(f"{path}: error")
        return REDACTED

    def _attributes(self, attributes: Mapping[str, Any], found: list[str], prefix: str) -> Mapping[str, Any]:
        clean: dict[str, Any] | None = None
        knows = self.knows
        for key in attributes:  # not over the items: OpenTelemetry's mapping is slow at them
            value = attributes[key]
            if key in STRUCTURAL or knows(key, value) or (key in HOSTS and is_address(value)):
                if clean is not None:
                    clean[key] = value
                continue
            name = key
            if key in URLS and isinstance(value, str):
                scrubbed: Any = self.url(value, prefix + key, found)
            else:
                name = self.name(key, f"{prefix}{REDACTED}", found)
                scrubbed = self.value("" if key in IDENTIFIERS else key, value, prefix + name, found)
                if name is key:
                    self.learn(key)
            if clean is None and (name is not key or scrubbed is not value):
                clean = items_before(attributes, key)
            if clean is not None and scrubbed is not DROPPED:
                clean[key if name is key else unused_name(name, clean)] = scrubbed
        return attributes if clean is None else clean

    def _looked_at(self, text: str, path: str, found: list[str], clean: Memory, *, in_url: bool) -> str:
        try:
            if text in clean:
                return text
            last_kept = self._last_kept[0]
            scrubbed = self._scan(text, path, found, self.search(in_url=in_url))
        except Exception:
            return self._failed(path, found)
        if scrubbed is text and self._last_kept[0] is last_kept:  # what is kept here may have to go elsewhere
            clean.remember(text)
        return scrubbed

    def _scan(self, text: str, path: str, found: list[str], search: Search) -> str:
        if len(text) <= MAX_TEXT and text.lstrip()[:1] in _JSON_STARTS:
            try:
                document = json.loads(text, object_pairs_hook=_unambiguous)
            except _AmbiguousDocumentError:
                found.append(f"{path}: json")
                return REDACTED
            except ValueError:
                pass
            else:
                scrubbed = Walk(self, found).value("", document, path)
                if scrubbed is DROPPED:
                    return ""
                return text if scrubbed is document else _dump_like(text, scrubbed)
        runs = search.runs(text) if len(text) <= MAX_TEXT else _runs_of_long(text, search)
        if not runs:
            return text
        pieces: list[str] = []
        told: dict[str, None] = {}
        done = 0
        for start, end, rule, secret, rules in runs:
            part = text[start:end]
            instead = self.replaced(rule, part, path, secret=secret)
            if instead == part:
                continue
            pieces += text[done:start], instead or ""
            done = end
            for name in rules:
                told[name] = None
        if not pieces:
            return text
        found.extend([f"{path}: {rule}" for rule in told])
        pieces.append(text[done:])
        return "".join(pieces)


def _structural(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return {key: attributes[key] for key in STRUCTURAL if key in attributes}
    except Exception:  # its own code
        return {}


def _runs_of_long(text: str, search: Search) -> tuple[Run, ...]:
    # A little more than is kept is looked at, so that a card number across the cut is still seen as one.
    findings = [finding for finding in search.findings(text[: MAX_TEXT + _OVERLAP]) if finding[0] < MAX_TEXT]
    return runs_of([*findings, (MAX_TEXT, len(text), "too_long")])


class _AmbiguousDocumentError(Exception):
    """The same name twice in one object: which value a reader sees is anybody's guess."""


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise _AmbiguousDocumentError
    return document


def _dump_like(original: str, document: Any) -> str:
    compact = '": ' not in original
    return json.dumps(document, ensure_ascii=False, separators=(",", ":") if compact else (", ", ": "))
