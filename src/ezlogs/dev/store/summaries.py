"""What the list of stories shows of each, and which of them somebody looks for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ezlogs.event import Actor
from ezlogs.story import Story, Told, stories

LONGEST_WORDS = 20_000

Teller = Callable[[Iterable[Told]], list[Story]]
"""Makes stories of events, as `ezlogs.story.stories` does."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list."""

    story: str
    version: int = 0
    began: int
    """Nanoseconds since 1970."""
    duration: float
    """Seconds."""
    title: str
    outcome: str
    """How it came out, in words; see `ezlogs.story.Story.outcome`."""
    actor: str
    services: tuple[str, ...]
    events: int
    is_broken: bool
    """Whether the chain of causes has a gap: an event whose cause did not arrive, more than one beginning."""
    words: str = ""

    @classmethod
    def of(cls, told: Iterable[Told], teller: Teller = stories) -> Summary | None:
        """Return what is to be shown of the story that some events tell; None without any."""
        found = teller(told)
        return cls._of_story(found[0]) if found else None

    @classmethod
    def _of_story(cls, story: Story) -> Summary:
        return cls(
            story=story.correlation_id,
            began=story.began,
            duration=story.duration,
            title=story.title,
            outcome=story.outcome,
            actor=shown(story.roots[0].event.actor),
            services=story.services,
            events=len(story.events),
            is_broken=bool(story.orphans) or len(story.roots) > 1,
            words=_words(story),
        )

    @classmethod
    def of_spans(cls, story: str, spans: Sequence[Mapping[str, Any]]) -> Summary:
        """Return what is to be shown of a trace in which there are no events: its first span."""
        first = spans[0]
        services = tuple(dict.fromkeys(span["service"] for span in spans))
        return cls(
            story=story,
            began=first["began"],
            duration=(max(span["ended"] for span in spans) - first["began"]) / 1e9,
            title=first["name"],
            outcome="Failed" if any(span["status"] == "error" for span in spans) else "Completed",
            actor="",
            services=services,
            events=0,
            is_broken=False,
            words="\n".join([story, *(span["name"] for span in spans), *services]).lower(),
        )

    def row(self) -> tuple[Any, ...]:
        """Return it as the table of stories has it, from ``began`` on."""
        return (
            self.began,
            self.duration,
            self.title,
            self.outcome,
            self.actor,
            json.dumps(self.services),
            self.events,
            self.is_broken,
            self.words,
        )


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which stories somebody looks for; what is None or empty says nothing."""

    text: str = ""
    """Words that all have to be in its sentences, actions, subjects or ids."""
    actor: str = ""
    """Part of the name of who began it, or ``type:id``."""
    subject: str = ""
    """``type`` or ``type:id`` of anything that happened to."""
    type: str = ""
    """A type of event, such as ``job.execution``; ``job.*`` for all that begin so."""
    outcome: str = ""
    """``failed``, ``retries``, ``completed``, ``unfinished``, ``broken``."""
    until: str = ""
    """The id of a story: none that began after it; nothing is left out when it is there no longer."""

    def condition(self) -> tuple[str, Sequence[object]]:
        """Return it as a condition on the table of stories, with the condition's parameters."""
        parts, given = ["is_told"], list[object]()
        for word in self.text.lower().split()[:8]:
            parts.append("words LIKE ? ESCAPE '\\'")
            given.append(_like(word))
        if self.actor:
            parts.append("lower(actor) LIKE ? ESCAPE '\\'")
            given.append(_like(self.actor.lower()))
        of_events = list[str]()
        if self.type:
            of_events.append("type GLOB ?")
            given.append(self.type)
        if self.subject:
            kind, _, identifier = self.subject.partition(":")
            of_events.append("subject_type = ?" + (" AND subject_id = ?" if identifier else ""))
            given += [kind, identifier] if identifier else [kind]
        if of_events:
            parts.append(f"story IN (SELECT story FROM events WHERE {' AND '.join(of_events)})")
        if self.outcome in _OUTCOMES:
            parts.append(_OUTCOMES[self.outcome])
        if self.until:
            parts.append("began <= coalesce((SELECT began FROM stories WHERE story = ?), began)")
            given.append(self.until)
        return " AND ".join(parts), given


_OUTCOMES = {
    "failed": "(outcome LIKE 'Fail%' OR outcome LIKE 'Nothing was saved%')",
    "retries": "outcome LIKE '%retr%'",
    "completed": "outcome LIKE 'Completed%'",
    "unfinished": "NOT (outcome LIKE 'Completed%' OR outcome LIKE 'Fail%' OR outcome LIKE 'Nothing was saved%')",
    "broken": "is_broken",
}


def shown(actor: Actor) -> str:
    """Return who acted, in a word or two: a label with what it stands for, else that alone.

    >>> shown(Actor("user", "7", "Ada")), shown(Actor("user", "7")), shown(Actor("anonymous"))
    ('Ada (user:7)', 'user:7', 'anonymous')
    """
    name = f"{actor.type}:{actor.id}" if actor.id is not None else actor.type
    return f"{actor.label} ({name})" if actor.label else name


def _words(story: Story) -> str:
    found = [story.correlation_id, *(sentence.text for sentence in story.sentences)]
    for event in story.events:
        found += [event.event_type, event.action]
        if event.subject is not None:
            found += [f"{event.subject.type}:{event.subject.id}", event.subject.label or ""]
    return "\n".join(dict.fromkeys(found)).lower()[:LONGEST_WORDS]


def _like(text: str) -> str:
    for sign in "\\%_":
        text = text.replace(sign, f"\\{sign}")
    return f"%{text}%"
