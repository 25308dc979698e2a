"""Telling: from what was received to stories, each with its tree, its sentences and how it came out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import timezone, tzinfo

import msgspec

from ezlogs.event import SEVERITIES, Severity, UniversalEvent
from ezlogs.story.cast import Cast
from ezlogs.story.ending import notes, outcome
from ezlogs.story.language import ENGLISH, Language
from ezlogs.story.naming import followings
from ezlogs.story.passages import Passage, passages
from ezlogs.story.phrases import phrase
from ezlogs.story.registry import NONE, Phrases
from ezlogs.story.tree import Node, Told, Tree, distinct, grow
from ezlogs.story.wording import printable

NOTABLE_GAP = 5.0
"""Seconds between two sentences that a reader wants to know of."""


class Sentence(msgspec.Struct, frozen=True):
    """One sentence, which can stand alone, and the events that it tells of."""

    text: str
    event_ids: tuple[str, ...]
    severity: Severity = "info"
    """That of the worst of these events."""
    at: int = 0
    """When what it tells of began, in Unix nanoseconds."""
    following: str = ""
    """What it is in a paragraph, after the one before it: without the name that was just said. Else nothing."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """All events with one correlation id, as one tree and in words."""

    correlation_id: str
    title: str
    """What it was about: its first business sentence, else its first, without brackets and full stop."""
    outcome: str
    """How it came out: ``Completed with retries``, ``Nothing was saved``, ``Failed`` ...; see `ending.outcome`."""
    sentences: tuple[Sentence, ...]
    """In the order of time; every event is in exactly one."""
    notes: tuple[str, ...]
    """What is known to be missing or wrong with the tree; empty for a whole one."""
    events: tuple[UniversalEvent, ...]
    """In causal order: each after its cause."""
    roots: tuple[Node, ...]
    """The beginnings; one, when nothing is missing."""
    orphans: tuple[UniversalEvent, ...]
    """Events whose cause did not arrive; their nodes are among the roots."""
    services: tuple[str, ...]
    """In the order in which they appear."""
    began: int
    """Unix time in nanoseconds."""
    duration: float
    """Seconds from the first beginning to the last end."""

    closing: str
    """The last line: how it came out and how long it took, and what is missing from the tree."""


def stories(
    received: Iterable[Told], *, language: Language = ENGLISH, phrases: Phrases = NONE, zone: tzinfo = timezone.utc
) -> list[Story]:
    """Return the stories that events tell, in the order in which they began.

    Pure: equal events give equal stories, in whatever order and however often they were received.

    Args:
        received: Events, privacy already applied, each with the service that told of it.
        language: What they are told in.
        phrases: How the application wants its events to be told.
        zone: The time zone of the times that rows were changed to.

    Example:
        >>> from ezlogs import Actor, Correlation, UniversalEvent
        >>> placed = UniversalEvent.create(
        ...     "order.action", "placed", actor=Actor("user", "7", "Ada"), subject=("order", 42),
        ...     correlation=Correlation(correlation_id="story-1"),
        ... )
        >>> [story] = stories([Told(placed, "shop-web"), Told(placed, "shop-web")])
        >>> story.sentences[0].text
        'Ada placed order 42.'
    """
    by_story: defaultdict[str, list[Told]] = defaultdict(list)
    for told in distinct(received):
        by_story[told.event.correlation.correlation_id].append(told)
    found = []
    for correlation_id, told_of in by_story.items():
        tree = grow(told_of)
        cast = Cast([node.event for node in tree.nodes], language, phrases, zone)
        found.append(_story(correlation_id, tree, cast))
    return sorted(found, key=lambda story: (story.began, story.correlation_id))


def _story(correlation_id: str, tree: Tree, cast: Cast) -> Story:
    events = tuple(node.event for node in tree.nodes)
    language = cast.language
    parts = passages(tree, cast)
    said = [phrase(part, cast) for part in parts]
    business = next((index for index, part in enumerate(parts) if part.kind in ("business", "session")), 0)
    began = min(node.at for node in tree.nodes)
    took = (max(node.end for node in tree.nodes) - began) / 1e9
    came_out, missing = outcome(tree), notes(tree, language)
    return Story(
        correlation_id=correlation_id,
        title=printable(said[business].statement),
        outcome=came_out,
        closing=printable(" ".join((_closing(came_out, took if len(events) > 1 else 0, language), *missing))),
        sentences=tuple(
            Sentence(
                printable(f"{lead}{text.statement}{language.in_brackets(text.asides)}."),
                tuple(node.event.event_id for node in part.told),
                max((node.event.severity for node in part.told), key=SEVERITIES.index),
                part.anchor.at,
                printable(f"{following}{language.in_brackets(text.asides)}.") if following and not lead else "",
            )
            for lead, text, following, part in zip(
                _leads(parts, language), said, followings(parts, said, cast), parts, strict=True
            )
        ),
        notes=missing,
        events=events,
        roots=tree.roots,
        orphans=tree.orphans,
        services=tuple(dict.fromkeys(printable(node.service) for node in tree.nodes if node.service)),
        began=began,
        duration=took,
    )


def _closing(came_out: str, took: float, language: Language) -> str:
    told = language.say(f"outcome.{came_out}")
    if not took:
        return language.say("closing", outcome=told)
    message = "closing.in" if came_out.startswith("Completed") else "closing.took"
    return language.say(message, outcome=told, time=language.duration(took))


def _leads(parts: list[Passage], language: Language) -> list[str]:
    """Return what each sentence begins with: the time since all before it had ended, if notable."""
    leads: list[str] = []
    ended = parts[0].anchor.at
    for part in parts:
        gap = (part.anchor.at - ended) / 1e9
        leads.append(language.say("later", time=language.duration(gap)) if gap > NOTABLE_GAP else "")
        ended = max(ended, *(node.end for node in part.told))
    return leads
