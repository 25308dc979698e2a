"""Stories for programs and plain text: what `rich` has no part in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import tzinfo
from typing import Any

import msgspec

from ezlogs.event import Actor, Subject, UniversalEvent
from ezlogs.snapshot import plain
from ezlogs.story.descent import walk
from ezlogs.story.links import linked, origins
from ezlogs.story.telling import Story
from ezlogs.story.tree import Node
from ezlogs.story.wording import moment, printable


def render_text(story: Story, others: Iterable[Story] = (), *, zone: tzinfo | None = None) -> str:
    """Return a story as a paragraph, a closing line, and one that names the stories it goes on from, if any.

    Args:
        story: The story.
        others: Those that it may go on from; they are named by their titles.
        zone: The time zone in which to say when it began; that is not said when left out.
    """
    began = moment(story.began, zone) if zone is not None else ""
    return "\n".join(filter(None, (began, paragraph(story), story.closing, origins(story, others))))


def paragraph(story: Story) -> str:
    """Return the sentences of a story one after the other; who is named in one is not named again in the next."""
    return " ".join(sentence.following or sentence.text for sentence in story.sentences)


def render_markdown(story: Story, others: Iterable[Story] = (), *, zone: tzinfo | None = None) -> str:
    """Return a story as Markdown: a heading, a list of its sentences, how it came out; for a ticket or a chat.

    Whatever the story holds is text there, and neither markup nor a link.

    Args:
        story: The story.
        others: Those that it may go on from; they are named by their titles.
        zone: The time zone in which to say when it began; that is not said when left out.

    Example:
        >>> from ezlogs import Correlation, UniversalEvent
        >>> from ezlogs.story import Told, stories
        >>> event = UniversalEvent.create(
        ...     "order.action", "placed", subject=("order", "*42*"), correlation=Correlation(correlation_id="story-1")
        ... )
        >>> print(render_markdown(*stories([Told(event)])))
        ## Order \\*42\\* was placed
        <BLANKLINE>
        - Order \\*42\\* was placed.
        <BLANKLINE>
        **Completed.** Story `story-1`.
    """
    began = f"{moment(story.began, zone)}. " if zone is not None else ""
    services = f" Services: {', '.join(map(_escaped, story.services))}." if story.services else ""
    going_on = f" {_escaped(going_on)}" if (going_on := origins(story, others)) else ""
    told = "\n".join(f"- {_escaped(sentence.text)}" for sentence in story.sentences)
    ended = f"**{_escaped(story.closing)}** {began}Story `{_code(story.correlation_id)}`.{services}{going_on}"
    return f"## {_escaped(story.title)}\n\n{told}\n\n{ended}"


def _escaped(text: str) -> str:
    """Return a text in which nothing has a meaning in Markdown or HTML, nor an address makes a link by itself."""
    text = re.sub(r"([\\`*_{}\[\]<>#|~!&@])|:(?=//)|(?<=www)\.", r"\\\g<0>", text.strip(), flags=re.IGNORECASE)
    return re.sub(r"^(\d*)(?=[+-]|(?<=\d)[.)])", r"\1\\", text)  # else it might begin a list


def _code(text: str) -> str:
    return printable(text).replace("`", "'")


def render_json(story: Story) -> dict[str, Any]:
    """Return a story as plain values, ready for `json.dumps`.

    Events are a flat list in causal order; ``depth``, ``chain`` and ``parent_event_id`` hold the tree. ``linked`` are
    the correlation ids of other stories that belong with this one.
    """
    return {
        "correlation_id": story.correlation_id,
        "title": story.title,
        "outcome": story.outcome,
        "began": story.began,
        "duration": story.duration,
        "services": list(story.services),
        "closing": story.closing,
        "sentences": [
            {
                "text": sentence.text,
                "event_ids": list(sentence.event_ids),
                "severity": sentence.severity,
                "at": sentence.at,
            }
            for sentence in story.sentences
        ],
        "notes": list(story.notes),
        "linked": list(linked(story)),
        "roots": [root.event.event_id for root in story.roots],
        "orphans": [event.event_id for event in story.orphans],
        "events": [_event(node, depth, chain, story.began) for node, depth, chain in walk(story)],
    }


def _event(node: Node, depth: int, chain: tuple[str, ...], story_began: int) -> dict[str, Any]:
    place = {"depth": depth, "chain": list(chain), "offset": (node.at - story_began) / 1e9}
    return {**event_json(node.event, node.service), **place}


def event_json(event: UniversalEvent, service: str) -> dict[str, Any]:
    """Return what an event tells as plain values, ready for `json.dumps`; a side of a change is left out if unknown."""
    return {
        "event_id": event.event_id,
        "parent_event_id": event.correlation.parent_event_id,
        "timestamp": event.timestamp,
        "service": service,
        "event_type": event.event_type,
        "action": event.action,
        "actor": {**_party(event.actor), "on_behalf_of": event.actor.on_behalf_of},
        "subject": _party(event.subject) if event.subject else None,
        "outcome": event.outcome,
        "duration": event.duration,
        "error": msgspec.to_builtins(event.error),
        "flow_id": event.correlation.flow_id,
        "transaction_id": event.correlation.transaction_id,
        "job_id": event.correlation.job_id,
        "attempt": event.correlation.attempt,
        "metadata": plain(event.facts.metadata),
        "changes": [
            {
                "field": change.field,
                **{
                    side: plain(value)
                    for side, value in (("from", change.before), ("to", change.after))
                    if value is not msgspec.UNSET
                },
            }
            for change in event.changes
        ],
    }


def _party(party: Actor | Subject) -> dict[str, Any]:
    return {"type": party.type, "id": party.id, "label": party.label}
