"""The ending: how a story came out as a whole, and what is known to be missing from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ezlogs.event import UniversalEvent
from ezlogs.story.cast import job_id
from ezlogs.story.language import ENGLISH, Language
from ezlogs.story.passages import SCOPES, is_saved
from ezlogs.story.tree import Node, Tree, began
from ezlogs.story.wording import words

_FAILED = ("failure", "dead")
_NOTABLE_SKEW = 1_000_000_000
"""Nanoseconds by which something seems to have begun before its cause, from which a reader wants to know of it."""


def outcome(tree: Tree) -> str:
    """Return the outcome line: the worst of what happened, not counting what a later attempt made good."""
    runs, inside = tree.nearest("job.execution"), tree.nearest(*SCOPES)
    last_runs = _last_runs(tree)
    overtaken = {event_id for event_id, run in runs.items() if run is not None and last_runs[job_id(run)] is not run}
    final = [node.event for node in tree.nodes if node.event.event_id not in overtaken]
    saved = any(is_saved(node.event) for node in tree.nodes)

    if not saved and any(event.outcome == "rolled_back" for event in final):
        return "Nothing was saved"
    if any(_decides(event, inside[event.event_id]) and event.outcome in _FAILED for event in final):
        return "Failed"
    if any(event.outcome == "unknown" for event in final):
        return "Did not finish"
    if not saved and any(_refused(event) for event in final):
        return "Rejected"
    if any(event.outcome == "retried" for event in final) or _waiting(tree, last_runs):
        return "Still running"
    if any(event.outcome in _FAILED and event.event_type != "data.validation" for event in final):
        return "Completed with failures"
    return "Completed with retries" if overtaken else "Completed"


def notes(tree: Tree, language: Language = ENGLISH) -> tuple[str, ...]:
    """Return what a reader should know about a tree that is not whole."""
    found: list[str] = []
    orphans = len(tree.orphans)
    if orphans:
        found.append(language.say("note.orphan" if orphans == 1 else "note.orphans", number=language.number(orphans)))
    beginnings = len(tree.roots) - orphans - tree.cycles
    if not beginnings:
        found.append(language.say("note.no_beginning"))
    elif beginnings > 1:
        found.append(language.say("note.beginnings", number=language.number(beginnings)))
    if tree.cycles:
        message = "note.circle" if tree.cycles == 1 else "note.circles"
        found.append(language.say(message, number=language.number(tree.cycles)))
    if any(node.at - began(node.event) > _NOTABLE_SKEW for node in tree.nodes):
        found.append(language.say("note.clocks"))
    sampled = [node.event.sampling for node in tree.nodes if node.event.sampling is not None]
    if any(sampling.partial for sampling in sampled):
        found.append(language.say("note.partial"))
    elif orphans and any(sampling.probability < 1 for sampling in sampled):
        found.append(language.say("note.sampled"))
    found += _losses(tree, language)
    return tuple(found)


def _losses(tree: Tree, language: Language) -> Iterator[str]:
    """Yield what ezlogs reported of events that were lost: nobody knows whether they were of this story."""
    for node in tree.nodes:
        lost = node.event.metadata.get("lost") if node.event.event_type == "system.error" else None
        counts = (
            {name: number for name, number in lost.items() if isinstance(number, int)}
            if isinstance(lost, Mapping)
            else {}
        )
        if counts:
            reasons = language.listed([words(str(name)) for name in counts])
            number = sum(counts.values())
            message = "note.loss" if number == 1 else "note.losses"
            yield language.say(message, number=language.number(number), reasons=reasons)


def _last_runs(tree: Tree) -> dict[str, UniversalEvent]:
    last: dict[str, Node] = {}
    for node in tree.nodes:
        if node.event.event_type == "job.execution":
            job = job_id(node.event)
            if job not in last or _turn(node) >= _turn(last[job]):
                last[job] = node
    return {job: node.event for job, node in last.items()}


def _turn(node: Node) -> tuple[int, int]:
    return node.event.correlation.attempt or 0, node.at


def _decides(event: UniversalEvent, inside: UniversalEvent | None) -> bool:
    """Return whether the failure of an event is the story's: nothing around it ended well in spite of it."""
    if event.event_type == "data.validation":
        return False
    return event is inside or inside is None or inside.outcome in _FAILED


def _refused(event: UniversalEvent) -> bool:
    status = event.metadata.get("status")
    return (event.event_type == "data.validation" and event.outcome == "failure") or (
        event.event_type == "http.request" and isinstance(status, int) and 400 <= status < 500
    )


def _waiting(tree: Tree, last_runs: dict[str, UniversalEvent]) -> bool:
    """Return whether a job has not run yet, or a flow has not ended."""
    ended = {node.event.correlation.parent_event_id for node in tree.nodes if _ends_flow(node.event)}
    return any(
        (node.event.event_type == "job.enqueue" and job_id(node.event) not in last_runs)
        or (
            node.event.event_type == "flow.lifecycle"
            and node.event.action.endswith(".start")
            and node.event.event_id not in ended
        )
        for node in tree.nodes
    )


def _ends_flow(event: UniversalEvent) -> bool:
    return event.event_type == "flow.lifecycle" and event.action.endswith((".complete", ".fail"))
