"""The kinds of value a setting can have: how each is read, what it allows, and how it is shown.

A kind reads the text of an environment variable and the object given to ``configure()`` alike, so that a
value taken from a file or a command line means the same wherever it enters.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from reprlib import Repr

import msgspec

from ezlogs.patterns import is_event_pattern
from ezlogs.settings.problem import nearest

MASK = "****"

_QUOTE = Repr()
_QUOTE.maxstring = _QUOTE.maxother = 120


class UnacceptableError(ValueError):
    """A value that a kind does not allow; the text says why, and what is allowed."""


class NothingSaidError(Exception):
    """A value of a variable that has another purpose, and says nothing about the setting."""


class Kind(msgspec.Struct, frozen=True):
    """What one kind of value is: the base of all kinds."""

    @property
    def allowed(self) -> str:
        """The values that are allowed, in a few words."""
        raise NotImplementedError

    def parse(self, given: object) -> object:
        """Return the value in its final, immutable form.

        Raises:
            UnacceptableError: It is not allowed.
            NothingSaidError: It is not about the setting.
        """
        raise NotImplementedError

    def closed(self, given: object) -> object:
        """Return what is safe to do where what was given cannot be used and nobody may be stopped for it.

        None, as here, where the next weaker place may say.
        """
        return None

    def under(self, settings: Mapping[str, object]) -> Kind:
        """Return how a value is read where other settings, those above it in the table, have these values."""
        return self

    def beginning_at(self, folder: str, given: object) -> object:
        """Return what was given in a file of some folder, as it would be given anywhere else."""
        return given

    def shown(self, value: object) -> object:
        """Return the value as it may be shown to anyone: secrets masked, fit for JSON."""
        return value

    def quoted(self, given: object) -> str:
        """Return what was given, quoted for a message: short, secrets masked, whatever it was."""
        return _QUOTE.repr(given)

    def refusal(self, *reasons: str) -> UnacceptableError:
        return UnacceptableError("; ".join([*reasons, f"use {self.allowed}"]))


class Boolean(Kind, frozen=True):
    """A switch.

    >>> Boolean().parse("off")
    False
    """

    @property
    def allowed(self) -> str:
        return "true or false, yes or no, on or off, 1 or 0"

    def parse(self, given: object) -> object:
        word = _word(given)
        if word in ("true", "yes", "on", "1"):
            return True
        if word in ("false", "no", "off", "0"):
            return False
        raise self.refusal()


class TrueOrFalse(Kind, frozen=True):
    """A switch as OpenTelemetry reads it: only the words true and false count.

    Source: OpenTelemetry specification, Environment Variable Specification, "Boolean".

    >>> TrueOrFalse().parse("TRUE")
    True
    """

    @property
    def allowed(self) -> str:
        return "true or false"

    def parse(self, given: object) -> object:
        word = _word(given)
        if word not in ("true", "false"):
            raise self.refusal()
        return word == "true"


class SwitchedOff(TrueOrFalse, frozen=True):
    """The switch of a variable that disables.

    >>> SwitchedOff().parse("TRUE")
    False
    """

    def parse(self, given: object) -> object:
        return not super().parse(given)


class OneWord(Kind, frozen=True):
    """A variable with a purpose of its own, of which one ``word`` ``means`` a value of the setting.

    >>> OneWord("none", "attached").parse("none")
    'attached'
    """

    word: str
    means: str

    def parse(self, given: object) -> object:
        if _word(given) == self.word:
            return self.means
        raise NothingSaidError


class Text(Kind, frozen=True):
    """Any text that is not blank; ``what`` names it.

    >>> Text("a name").parse(" shop ")
    'shop'
    """

    what: str

    @property
    def allowed(self) -> str:
        return self.what

    def parse(self, given: object) -> object:
        if isinstance(given, str) and (text := given.strip()):
            return text
        raise self.refusal()


class Location(Text, frozen=True):
    """The path of a file or a directory; whether it exists is found out by whoever opens it.

    In a file of settings a relative path begins where that file is.

    >>> Location("a file").parse("/etc/collector.pem")
    '/etc/collector.pem'
    """

    def parse(self, given: object) -> object:
        return super().parse(os.fspath(given) if isinstance(given, os.PathLike) else given)

    def beginning_at(self, folder: str, given: object) -> object:
        return os.path.join(folder, given.strip()) if isinstance(given, str) and given.strip() else given


class Seconds(Kind, frozen=True):
    """A length of time in seconds, between two bounds that are themselves allowed.

    >>> Seconds(0, 600).parse("2.5")
    2.5
    """

    low: float
    high: float

    @property
    def allowed(self) -> str:
        return f"{self.low:g} to {self.high:g} seconds"

    def parse(self, given: object) -> object:
        return _number(self, given, self.low, self.high)


class Milliseconds(Seconds, frozen=True):
    """The same, given in milliseconds, as OpenTelemetry's variables are.

    >>> Milliseconds(0.01, 3600).parse("2500")
    2.5
    """

    @property
    def allowed(self) -> str:
        return f"{self.low * 1000:g} to {self.high * 1000:g} milliseconds"

    def parse(self, given: object) -> object:
        return _number(self, given, self.low * 1000, self.high * 1000) / 1000


class Count(Kind, frozen=True):
    """A whole number of something, between two bounds that are themselves allowed.

    >>> Count(1, 1000, "items").parse("512")
    512
    """

    low: int
    high: int
    unit: str

    @property
    def allowed(self) -> str:
        return f"{self.low} to {self.high} {self.unit}"

    def parse(self, given: object) -> object:
        if isinstance(given, bool) or not isinstance(given, (str, int)):
            raise self.refusal("not a whole number")
        try:
            count = int(given)
        except ValueError:
            raise self.refusal("not a whole number") from None
        if not self.low <= count <= self.high:
            raise self.refusal("out of range")
        return count


class Ratio(Kind, frozen=True):
    """A share of the whole: 0 is nothing, 1 everything.

    >>> Ratio().parse("0.25")
    0.25
    """

    @property
    def allowed(self) -> str:
        return "0 to 1"

    def parse(self, given: object) -> object:
        return _number(self, given, 0, 1)


class Choice(Kind, frozen=True):
    """One word out of a few.

    >>> Choice(("none", "gzip")).parse("GZIP")
    'gzip'
    """

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return ", ".join(self.words[:-1]) + f" or {self.words[-1]}"

    def parse(self, given: object) -> object:
        word = _word(given)
        if word in self.words:
            return word
        refusal = self.refusal()
        suggestion = nearest(word, self.words)
        raise UnacceptableError(f"{refusal}; did you mean '{suggestion}'?") if suggestion else refusal


class Words(Kind, frozen=True):
    """Any number of words: separated by commas in text, a sequence in code.

    >>> Words("key words").parse("iban, tax_id")
    ('iban', 'tax_id')
    """

    what: str

    @property
    def allowed(self) -> str:
        return f"{self.what}, separated by commas"

    def parse(self, given: object) -> object:
        words = given.split(",") if isinstance(given, str) else given
        if isinstance(words, (Sequence, frozenset, set)) and not isinstance(words, (bytes, bytearray)):
            texts = [word.strip() for word in words if isinstance(word, str)]
            if len(texts) == len(words):
                # A set has no order of its own; equal settings must compare equal in every process.
                texts = texts if isinstance(words, Sequence) else sorted(texts)
                return tuple(dict.fromkeys(text for text in texts if text))
        raise self.refusal()


class EventTypes(Words, frozen=True):
    """Types of events, as `ezlogs.patterns` reads them: ``order.action``, all of ``data.*``, or ``*``.

    >>> EventTypes("event types").parse("data.*, order.action")
    ('data.*', 'order.action')
    """

    @property
    def allowed(self) -> str:
        return f"{super().allowed}: 'order.action', 'data.*' or '*'"

    def parse(self, given: object) -> object:
        patterns = super().parse(given)
        assert isinstance(patterns, tuple)
        for pattern in patterns:
            if not is_event_pattern(pattern):
                raise self.refusal(f"{self.quoted(pattern)} is no event type")
        return patterns


class WordOrNames(Words, frozen=True):
    """One word out of a few that stands for a selection, or the selection itself as names.

    >>> WordOrNames("names", ("all", "none")).parse("django, celery")
    ('django', 'celery')
    >>> WordOrNames("names", ("all", "none")).parse("all")
    'all'
    """

    selections: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return f"{', '.join(self.selections)}, or {super().allowed}"

    def parse(self, given: object) -> object:
        names = super().parse(given)
        assert isinstance(names, tuple)
        chosen = [name for name in names if name.lower() in self.selections]
        if not chosen:
            return names
        if len(names) > 1:
            raise self.refusal(f"'{chosen[0]}' stands alone")
        return chosen[0].lower()


def _number(kind: Kind, given: object, low: float, high: float) -> float:
    if isinstance(given, bool) or not isinstance(given, (str, int, float)):
        raise kind.refusal("not a number")
    try:
        number = float(given)
    except (ValueError, OverflowError):
        raise kind.refusal("not a number") from None
    if math.isnan(number) or not low <= number <= high:
        raise kind.refusal("out of range")
    return number


def _word(given: object) -> str:
    # Any other object would have to be asked for its text, and may answer with an error.
    return str(given).strip().lower() if isinstance(given, (str, int)) else ""


def spelled(shown: object) -> str:
    """Spell a shown value as it would be written in the environment; nothing for what is not set.

    >>> spelled(True), spelled(10.0), spelled(("a", "b")), spelled({"x-key": "****"}), spelled(None)
    ('true', '10', 'a,b', 'x-key=****', '')
    """
    if shown is None:
        return ""
    if isinstance(shown, bool):
        return str(shown).lower()
    if isinstance(shown, float):
        return f"{shown:g}"
    if isinstance(shown, tuple):
        return ",".join(map(str, shown))
    if isinstance(shown, Mapping):
        return ",".join(f"{name}={value}" for name, value in shown.items())
    return str(shown)
