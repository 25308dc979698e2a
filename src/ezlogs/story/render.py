"""Stories for programs and plain text: what `rich` has no part in."""

from __future__ import annotations

from typing import Any

import msgspec

from ezlogs.event import Actor, Subject, UniversalEvent
from ezlogs.snapshot import plain
from ezlogs.story.descent import walk
from ezlogs.story.links import linked, origins
from ezlogs.story.telling import Story
from ezlogs.story.tree import Node


def render_text(story: Story) -> str:
    """Return a story as a paragraph, a closing line, and one that names the stories it goes on from, if any."""
    paragraph = " ".join(sentence.text for sentence in story.sentences)
    return "\n".join(filter(None, (paragraph, story.closing, origins(story))))


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
        "sentences": [{"text": sentence.text, "event_ids": list(sentence.event_ids)} for sentence in story.sentences],
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
