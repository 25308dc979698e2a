"""Languages: a story's messages, plurals and numbers as the people want them whom it is told to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ezlogs.story.messages import ENGLISH as MESSAGES
from ezlogs.story.wording import ordinal, past, plural, time_parts, with_article, words

_OF_THEM = {"was": "were", "has": "have", "is": "are", "does": "do"}
"""The verbs of the messages, and of most phrases, that are others after ``they``."""


def _of_two(number: int) -> int:
    return 0 if number == 1 else 1


class Language:
    """How stories are told in one language. Immutable.

    Args:
        messages: Templates by the ids of `ezlogs.story.messages.ENGLISH`; what is not among them is told in English. A
            verb in its past form, such as ``placed``, is looked up as ``verb.placed``, a noun as ``noun.order``.
        form: Which of a noun's forms, divided by ``|``, goes with a number; 0 for the first.
        thousands: What divides a number's digits by threes.
        decimal: What stands before its fraction.

    Raises:
        ValueError: A message has an id that is not known, or misses or adds something in braces.

    Example:
        >>> german = Language({"business": "{who} hat {thing} {verb}", "verb.placed": "aufgegeben"}, thousands=".")
        >>> german.say("business", who="Ada", thing="order 42", verb=german.verb("placed")), german.number(1204)
        ('Ada hat order 42 aufgegeben', '1.204')
    """

    def __init__(
        self,
        messages: Mapping[str, str] | None = None,
        *,
        form: Callable[[int], int] = _of_two,
        thousands: str = ",",
        decimal: str = ".",
    ) -> None:
        given = dict(messages or {})
        for name, template in given.items():
            _check(name, template)
        self._messages = {**MESSAGES, **given}
        self._form, self._thousands, self._decimal = form, thousands, decimal

    def say(self, message: str, /, **values: object) -> str:
        """Return a message with its values put in."""
        return self._messages[message].format_map(values)

    def verb(self, past_form: str) -> str:
        """Return a verb; as it is where there is no translation."""
        return self._messages.get(f"verb.{past_form}", past_form)

    def noun(self, kind: str) -> tuple[str, str] | None:
        """Return what things of a type are called, one and several; None where there is no translation."""
        found = self._messages.get(f"noun.{kind}")
        return None if found is None else (found.partition("|")[0], found.rpartition("|")[2])

    def number(self, number: float) -> str:
        """Return a number with its digits in threes."""
        shown = f"{number:,}" if isinstance(number, int) else f"{number:,g}"
        return shown.translate({ord(","): self._thousands, ord("."): self._decimal})

    def counted(self, number: int, noun: str, several: str | None = None) -> str:
        """Return a number with a noun of a name or a type in the language of the application."""
        return self._with(number, [noun, several or plural(noun)])

    def counting(self, number: int, message: str) -> str:
        """Return a number with the noun of a message."""
        return self._with(number, self._messages[message].split("|"))

    def _with(self, number: int, forms: Sequence[str]) -> str:
        noun = forms[min(self._form(number), len(forms) - 1)]
        return self.say("none_of", noun=noun) if not number else f"{self.number(number)} {noun}"

    def times(self, number: int) -> str:
        """Return how often: once, twice, ``3 times``."""
        name = {1: "once", 2: "twice"}.get(number)
        return self.say(name) if name else self.say("times", number=self.number(number))

    def duration(self, seconds: float) -> str:
        """Return a duration as people say it; see `ezlogs.story.wording.duration`."""
        told = [self.say(unit, number=self.number(number)) for number, unit in time_parts(seconds)]
        if not told:
            return self.say("under_1_ms")
        return told[0] if len(told) == 1 else self.say("two_units", large=told[0], small=told[1])

    def ordinal(self, number: int) -> str:
        """Return which one in order."""
        return ordinal(number) if self._messages["attempt_of"] == MESSAGES["attempt_of"] else self.number(number)

    def listed(self, items: Sequence[str]) -> str:
        """Return items as a list in a sentence."""
        return self.say("and", first=", ".join(items[:-1]), last=items[-1]) if len(items) > 1 else "".join(items)

    def again(self, statement: str, who: str) -> str:
        """Return a statement that begins with a name as it follows another of the same person's.

        As it is where it does not begin so, and in a language that has no message for it.
        """
        for opening, message in ((f"{who} ", "again"), (f"{who}'s ", "again.of")):
            if statement.startswith(opening) and (self._is_english or self._messages[message] != MESSAGES[message]):
                rest = statement.removeprefix(opening)
                if self._is_english and message == "again":
                    verb, space, after = rest.partition(" ")
                    rest = f"{_OF_THEM.get(verb, verb)}{space}{after}"
                return self.say(message, rest=rest)
        return statement

    def in_brackets(self, facts: Sequence[str]) -> str:
        """Return facts in brackets, each once, or nothing."""
        return self.say("aside", facts=", ".join(dict.fromkeys(facts))) if facts else ""

    def past(self, action: str) -> str | None:
        """Return an action as a verb in the past, or None if it is not one."""
        if (told := self._messages.get(f"verb.{words(action)}")) is not None:
            return told
        return past(action)

    def with_article(self, noun: str) -> str:
        """Return a noun with what English puts before one that is not named."""
        return with_article(noun) if self._is_english else noun

    @property
    def _is_english(self) -> bool:
        return self._messages["business"] == MESSAGES["business"]


def _check(name: str, template: str) -> None:
    from string import Formatter

    if name.startswith(("verb.", "noun.")):
        return
    if name not in MESSAGES:
        from difflib import get_close_matches

        near = get_close_matches(name, MESSAGES, 1)
        raise ValueError(f"message {name!r} is not known{f'; did you mean {near[0]!r}?' if near else ''}")
    wanted, found = (
        {field for _, field, _, _ in Formatter().parse(text) if field is not None}
        for text in (MESSAGES[name], template)
    )
    if unknown := sorted(found - wanted):
        raise ValueError(f"message {name!r} has no {{{unknown[0]}}}; it has {', '.join(sorted(wanted)) or 'nothing'}")


ENGLISH: Final = Language()
"""What stories are told in where no other language is given."""
