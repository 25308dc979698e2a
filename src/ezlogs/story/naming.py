"""Naming: a paragraph says a name once, and goes on with a pronoun while nobody else is spoken of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ezlogs.event import Actor
from ezlogs.story.cast import NOBODY, Cast
from ezlogs.story.passages import Passage
from ezlogs.story.phrases import Phrase

_NO_PERSON = NOBODY | {"service", "api_key"}
"""Actors whom no pronoun fits."""


def followings(parts: Sequence[Passage], said: Sequence[Phrase], cast: Cast) -> Iterator[str]:
    """Yield for each statement how it goes on after the one before it; nothing where that is of somebody else.

    Args:
        parts: What the statements tell of.
        said: The statements.
        cast: Who is called what.
    """
    spoken_of: Actor | None = None
    for part, text in zip(parts, said, strict=True):
        who = _who(part, text, cast)
        name = cast.person(who) if who is not None else None
        again = cast.language.again(text.statement, name) if name and _is_same(who, spoken_of) else ""
        yield again if again != text.statement else ""
        spoken_of = None if _names_another(part, who) else who


def _who(part: Passage, text: Phrase, cast: Cast) -> Actor | None:
    """Return the person with whose name a statement begins."""
    event = part.events[0]
    found = [cast.behind(event)]
    if event.subject is not None and event.event_type == "auth.session":  # who logs in has not acted before
        found.append(Actor(event.subject.type, event.subject.id, event.subject.label))
    for who in found:
        if who.type in _NO_PERSON or who.on_behalf_of is not None or who.id is None:
            continue
        name = cast.person(who)
        if name and text.statement.startswith((f"{name} ", f"{name}'s ")):
            return who
    return None


def _is_same(who: Actor | None, other: Actor | None) -> bool:
    return who is not None and other is not None and (who.type, who.id) == (other.type, other.id)


def _names_another(part: Passage, who: Actor | None) -> bool:
    """Return whether a statement may speak of a second person, of whom a pronoun could be taken to speak."""
    subjects = [event.subject for event in part.events if event.subject is not None]
    return who is not None and any(subject.type == who.type and subject.id != who.id for subject in subjects)
