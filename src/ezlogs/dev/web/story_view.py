"""One story as the page shows it: in sentences, as a tree, and as lanes over time, one for each process."""

from __future__ import annotations

from typing import Any

from ezlogs.dev.store import MOST_TOLD, Store
from ezlogs.event import UniversalEvent
from ezlogs.party import type_and_id
from ezlogs.story import render_json
from ezlogs.story.tree import began


def story_view(store: Store, story: str) -> dict[str, Any] | None:
    """Return one story, as plain values; None if it is not there.

    ``bars`` are events that took a while or an instant, and spans of whatever service, each with its lane and the time
    that it waited in a queue before. ``began`` is in milliseconds since 1970, all other times are seconds after it.
    """
    found, spans = store.teller(store.told(story)), store.spans(story)
    if not found and not spans:
        return None
    view: dict[str, Any] = render_json(found[0]) if found else {"correlation_id": story, "events": [], "sentences": []}
    processes = store.processes(story)
    bars = [_event_bar(event, processes) for event in (found[0].events if found else ())]
    bars += [_span_bar(span) for span in spans]
    bars.sort(key=lambda bar: bar["from"])
    if (number := store.size(story)) > MOST_TOLD:
        view["notes"] = [*view.get("notes", ()), f"These are the first {MOST_TOLD:,} of {number:,} events."]
    lanes = list(dict.fromkeys(bar["lane"] for bar in bars))
    start = min((bar["from"] for bar in bars), default=0)
    for bar in bars:
        bar["from"], bar["to"] = (bar["from"] - start) / 1e9, (bar["to"] - start) / 1e9
    return {**view, "began": start / 1e6, "lanes": lanes, "bars": bars}


def _event_bar(event: UniversalEvent, processes: dict[str, str]) -> dict[str, Any]:
    at = began(event)
    wait = event.metadata.get("queue_wait")
    return {
        "event_id": event.event_id,
        "name": f"{event.event_type} {event.action}",
        "label": event.action,
        "lane": processes.get(event.event_id, ""),
        "from": at,
        "to": at + int((event.duration or 0) * 1e9),
        "waited": wait if isinstance(wait, (int, float)) else 0,
        "outcome": event.outcome,
        "subject": type_and_id(event.subject) if event.subject else "",
    }


def _span_bar(span: dict[str, Any]) -> dict[str, Any]:
    return {
        "span": span["span"],
        "name": span["name"],
        "lane": span["process"],
        "from": span["began"],
        "to": max(span["began"], span["ended"]),
        "waited": 0,
        "outcome": "failure" if span["status"] == "error" else "success",
        "subject": "",
    }
