"""The cast of a story: the names of its people, things and jobs, gathered from all of its events."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import timezone, tzinfo

from ezlogs.event import Actor, Subject, UniversalEvent
from ezlogs.story.language import ENGLISH, Language
from ezlogs.story.registry import NONE, Phrases
from ezlogs.story.wording import capitalised, last_segment, plural, words

_MAIL_JOB = re.compile(r"(?:send|mail|email|deliver)_(?P<after>.+?)(?:_e?mail)?|(?P<before>.+?)_e?mail")
_CALLED = {"cli": "terminal user", "scheduler": "schedule"}
_NO_NAME = frozenset({"email", "mail", "message", "mails", "emails", "messages"})


class Cast:
    """Who and what a story is about.

    Labels never travel between processes, so one event lends its to the others.

    Args:
        events: All events of the story.
        language: The language that it is told in.
        phrases: How the application wants its events to be told.
        zone: The time zone of the times in it.
    """

    def __init__(
        self,
        events: Iterable[UniversalEvent],
        language: Language = ENGLISH,
        phrases: Phrases = NONE,
        zone: tzinfo = timezone.utc,
    ) -> None:
        self.zone = zone
        self.language = language
        self.phrases = phrases
        self._labels: dict[tuple[str, str | None], str] = {}
        self._models: dict[str, tuple[str, str]] = {}
        self._jobs: dict[str, str] = {}
        self._groups: defaultdict[str, set[str]] = defaultdict(set)
        events = list(events)
        self._behind = _behind(events)
        for event in events:
            for party in (event.actor, event.subject):
                if party is not None and party.label and party.id is not None:  # else it names anybody
                    self._labels.setdefault((party.type, party.id), party.label)
            if event.subject is not None and event.metadata.get("verbose_name"):
                singular = str(event.metadata["verbose_name"])
                several = str(event.metadata.get("verbose_name_plural") or plural(singular))
                self._models.setdefault(event.subject.type, (singular, several))
            if event.event_type in ("job.enqueue", "job.execution"):
                self._jobs.setdefault(job_id(event), task(event))
                group = event.metadata.get("group")
                if isinstance(group, str):
                    self._groups[group].add(job_id(event))

    def person(self, actor: Actor) -> str | None:
        """Return how a sentence begins that tells of an actor; None for the system, which takes no credit."""
        name = self._name(actor)
        if actor.on_behalf_of is not None:
            kind, _, identifier = actor.on_behalf_of.partition(":")
            whom = self._name(Actor(kind, identifier or None))
            return self.language.say("on_behalf", who=name or self.language.say("system"), whom=whom)
        return name

    def doer(self, event: UniversalEvent) -> str | None:
        """Return how a sentence begins that tells of an event.

        A request that does not know who asks was asked by whom all that happened in it was done by, if that is one.
        """
        return self.person(self.behind(event))

    def behind(self, event: UniversalEvent) -> Actor:
        """Return who did what an event tells of, as far as that is known."""
        return self._behind.get(event.event_id, event.actor)

    def _name(self, actor: Actor) -> str | None:
        label = actor.label or self._labels.get((actor.type, actor.id))
        if label or actor.type == "system":
            return label
        if actor.type == "unknown":
            return self.language.say("someone")
        if actor.type == "anonymous":
            return self.language.say("visitor")
        kind = _CALLED.get(actor.type) or words(actor.type)
        return capitalised(f"{kind} {actor.id}" if actor.id else self.language.with_article(kind))

    def thing(self, subject: Subject, *, article: bool = True) -> str:
        """Return a subject in words: ``order 42``, ``user Ada``, or ``an order`` when nothing tells which."""
        noun = self.noun(subject.type)
        name = subject.label or self._labels.get((subject.type, subject.id)) or subject.id
        if not name:
            return self.language.with_article(noun) if article else noun
        return name if name.lower().startswith(noun) else f"{noun} {name}"

    def noun(self, kind: str) -> str:
        """Return what one thing of a type is called."""
        return self._nouns(kind)[0]

    def number_of(self, number: int | None, kind: str) -> str:
        """Return ``2 order items``; ``some order items`` when the number was not measured."""
        singular, several = self._nouns(kind)
        if number is None:
            return self.language.say("some_of", noun=several)
        return self.language.counted(number, singular, several)

    def _nouns(self, kind: str) -> tuple[str, str]:
        """Return what things of a type are called: in the language, as their models say, else as the type is."""
        noun = words(kind)
        return self.language.noun(kind) or self._models.get(kind) or (noun, plural(noun))

    def job(self, event: UniversalEvent) -> str:
        """Return the name of the job that a job event tells of: the last segment of its task's name."""
        return self._jobs[job_id(event)]

    def joined(self, event: UniversalEvent) -> int:
        """Return how many jobs had to end before the one that an event tells of: those it names, or of its group."""
        named = event.metadata.get("joined")
        if isinstance(named, (list, tuple)):
            return len(named)
        group = event.metadata.get("joins")
        return len(self._groups[group]) if isinstance(group, str) and group in self._groups else 0

    def mail(self, event: UniversalEvent, run: UniversalEvent | None) -> str | None:
        """Return what a mail is: named by its template, its action or the job that sends it; None if unknown."""
        template = str(event.metadata.get("template") or "").rpartition("/")[2].partition(".")[0]
        if template:
            return words(template)
        kind = event.action.rpartition(".")[0]
        if kind and kind not in _NO_NAME:
            return words(kind)
        found = _MAIL_JOB.fullmatch(self.job(run)) if run is not None else None
        name = (found["after"] or found["before"]) if found else None
        return words(name) if name and name not in _NO_NAME else None


NOBODY = frozenset({"unknown", "anonymous", "system", "scheduler", "cli"})
"""Types of actors that are not known by name, or are no persons."""


def _behind(events: list[UniversalEvent]) -> dict[str, Actor]:
    """Return who is behind requests that do not know it, by event id: who alone did something in it."""
    unknown = {
        event.event_id: event
        for event in events
        if event.event_type == "http.request" and event.actor.type == "unknown"
    }
    if not unknown:
        return {}
    by_id = {event.event_id: event for event in events}
    found: dict[str, dict[tuple[str, str | None], Actor]] = {}
    for event in events:
        if event.actor.type in NOBODY:
            continue
        seen, cause = {event.event_id}, event.correlation.parent_event_id
        while cause in by_id and cause not in seen and cause not in unknown and len(seen) < _NEAR:
            seen.add(cause)
            cause = by_id[cause].correlation.parent_event_id
        if cause in unknown and cause is not None:
            found.setdefault(cause, {}).setdefault((event.actor.type, event.actor.id), event.actor)
    return {event_id: next(iter(actors.values())) for event_id, actors in found.items() if len(actors) == 1}


_NEAR = 8
"""How far from a request something may happen that tells who asked."""


def job_id(event: UniversalEvent) -> str:
    """Return the id of the job that a job event tells of.

    An enqueue event happens in the request or job that asks for the job, so only its subject names the job.
    """
    subject = event.subject.id if event.subject is not None else None
    if event.event_type == "job.enqueue":
        return subject or event.event_id
    return event.correlation.job_id or subject or event.event_id


def task(event: UniversalEvent) -> str:
    """Return the short name of a job event's task: ``send_receipt`` of ``shop.tasks.send_receipt.retry``."""
    return last_segment(event.action.rpartition(".")[0] or event.action)
