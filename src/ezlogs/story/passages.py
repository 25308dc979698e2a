"""Passages: a story's events, divided so that each passage is one sentence and each event is in exactly one.

Every event has a key, and events with equal keys are one passage: the division is complete by construction.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from ezlogs.event import UniversalEvent
from ezlogs.story.cast import Cast, job_id
from ezlogs.story.tree import Node, Tree

SCOPES = ("http.request", "job.execution", "schedule.run", "cli.command")
"""What other events happen in."""

KINDS = {
    "auth.session": "session",
    "cache.operation": "cache",
    "cli.command": "command",
    "data.access": "access",
    "data.change": "rows",
    "data.raw": "sql",
    "data.transaction": "transaction",
    "data.validation": "validation",
    "email.delivery": "mail",
    "flow.lifecycle": "flow",
    "graphql.operation": "graphql",
    "http.client": "call",
    "http.request": "request",
    "job.enqueue": "job",
    "job.execution": "job",
    "schedule.run": "schedule",
    "system.error": "system",
}
"""What tells of each type of event; any other is an event of the application's own: its business."""

_LEADS = ("business", "session", "validation", "graphql", "rows")
"""What a request is about, best first; the request itself then shrinks to an aside."""

Key = tuple[Hashable, ...]


class Passage(NamedTuple):
    """Events that one sentence tells of."""

    kind: str
    nodes: list[Node]
    """In causal order, without the request."""
    request: Node | None
    """The request that is told along with what it was about."""
    inside: UniversalEvent | None
    """The request, job run, scheduled run or command that the passage happens in."""
    alone: bool
    """Whether nothing was saved in what the passage happens in."""
    last_seen: int
    """When the last was heard of it, in Unix nanoseconds; of a job that is also what happened in its runs."""

    @property
    def events(self) -> list[UniversalEvent]:
        """The events that the sentence is about."""
        return [node.event for node in self.nodes]

    @property
    def told(self) -> list[Node]:
        """All events of the passage, the request first."""
        return [self.request, *self.nodes] if self.request else self.nodes

    @property
    def anchor(self) -> Node:
        """The event that decides where the sentence stands.

        A job is told where it first ran, a flow where it ended, anything else where it began.
        """
        if self.kind == "flow":
            return self.nodes[-1]
        runs = [node for node in self.nodes if node.event.event_type == "job.execution"]
        return (runs or self.told)[0]


def passages(tree: Tree, cast: Cast) -> list[Passage]:
    """Return the passages of a story in the order in which they are told: by time, causes first."""
    inside, runs = tree.nearest(*SCOPES), tree.nearest("job.execution")
    saved_in = {_id(inside[node.event.event_id]) for node in tree.nodes if is_saved(node.event)}
    types = {node.event.event_id: node.event for node in tree.nodes}

    def key_of(event: UniversalEvent) -> Key:
        kind = KINDS.get(event.event_type, "business")
        scope, run = _id(inside[event.event_id]), runs[event.event_id]
        if run is not None and _echoes(event, run):
            return "job", job_id(run)
        if cast.phrases.find(event) is not None:
            return "business", event.event_id
        if kind == "rows":
            return kind, scope, event.correlation.transaction_id, event.outcome
        if kind == "transaction" and event.outcome == "success":
            return "rows", scope, event.correlation.transaction_id, event.outcome
        if kind == "job":
            return kind, job_id(event)
        if kind == "mail":
            return kind, scope, cast.mail(event, run), event.outcome
        if kind == "flow":
            return kind, _start_of_flow(event, types).event_id
        return kind, event.event_id

    keys = {node.event.event_id: key_of(node.event) for node in tree.nodes}
    leads: dict[str | None, Key] = {}
    for node in tree.nodes:
        event_id = node.event.event_id
        request, key = _id(inside[event_id]), keys[event_id]
        if _rank(key) < _rank(leads.get(request, ("nothing",))):
            leads[request] = key

    found: dict[Key, Passage] = {}
    last_seen: dict[Key, int] = {}
    for node in tree.nodes:
        event_id = node.event.event_id
        is_request = node.event.event_type == "http.request"
        key = leads.get(event_id, keys[event_id]) if is_request else keys[event_id]
        folded = is_request and key != keys[event_id]
        scope_event = inside[event_id]
        if key not in found:
            alone = _id(scope_event) not in saved_in
            found[key] = Passage(str(key[0]), [], node if folded else None, scope_event, alone, 0)
        if not folded:
            found[key].nodes.append(node)
        run = runs[event_id]
        for heard in (key, ("job", job_id(run))) if run is not None else (key,):
            last_seen[heard] = max(last_seen.get(heard, 0), node.end)
    position = {node.event.event_id: index for index, node in enumerate(tree.nodes)}
    parts = [part._replace(last_seen=last_seen[key]) for key, part in found.items()]
    return sorted(parts, key=lambda part: (part.anchor.at, position[part.anchor.event.event_id]))


def is_saved(event: UniversalEvent) -> bool:
    """Return whether an event tells of rows that are known to be in the database."""
    return event.event_type == "data.change" and event.outcome == "success"


def _echoes(event: UniversalEvent, run: UniversalEvent) -> bool:
    """Return whether an event only repeats why a job's run failed: the job's own sentence tells it."""
    if event.outcome not in ("failure", "rolled_back") or run.outcome == "success":
        return False
    return event.event_type == "email.delivery" or (event.event_type == "data.transaction" and run.outcome == "retried")


def _start_of_flow(event: UniversalEvent, events: dict[str, UniversalEvent]) -> UniversalEvent:
    cause = events.get(event.correlation.parent_event_id or "")
    ends = not event.action.endswith(".start")
    if ends and cause is not None and cause.event_type == event.event_type and cause.subject == event.subject:
        return cause
    return event


def _rank(key: Key) -> int:
    return _LEADS.index(key[0]) if key[0] in _LEADS else len(_LEADS)


def _id(event: UniversalEvent | None) -> str | None:
    return event.event_id if event is not None else None
