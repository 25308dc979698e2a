"""Breaks: where a story was lost on its way from one event to another, and what most likely lost it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import Final

from ezlogs.event import UniversalEvent
from ezlogs.story import Story
from ezlogs.story.cast import job_id
from ezlogs.testing.naming import Names

_WIDTH: Final = 100
"""Characters of a line of prose."""


def broken(found: UniversalEvent, story: Story, names: Names) -> list[str]:
    """Return lines that say where the correlation broke between a story and an event that should be in it.

    Args:
        found: An event of another story.
        story: The story in which it was expected.
        names: What everything is called.
    """
    root = names.root(found)
    lines = [f"correlation broken here: {names.line(root)}"]
    lines += [f"  {line}" for line in _compared(root, story, names)]
    lines += [f"  {line}" for cause in _causes(root, story, names) for line in wrap(cause, _WIDTH)]
    return lines


def _compared(root: UniversalEvent, story: Story, names: Names) -> Iterator[str]:
    yield f"story    expected {names.name(story.correlation_id)}   got {names.story(root)}"
    flows = {event.correlation.flow_id for event in story.events if event.correlation.flow_id}
    flow = root.correlation.flow_id
    if flows and flow not in flows:
        yield f"flow     expected {' or '.join(sorted(flows))}   got {flow or 'none'}"
    parent = root.correlation.parent_event_id
    if parent is None:
        expected = names.name(story.correlation_id)
        yield f"cause    expected an event of {expected}   got none: it began a story of its own"


def _causes(root: UniversalEvent, story: Story, names: Names) -> Iterator[str]:
    parent, expected = root.correlation.parent_event_id, names.name(story.correlation_id)
    known = {event.event_id: event for event in _everything(names)}
    where = names.process(root)
    there = f" ({where})" if where else ""
    if parent in known:
        cause = known[parent]
        yield f"its cause is {names.line(cause)} in {names.story(cause)}: only the story's id was changed in between"
    elif parent is not None:
        yield f"its cause {parent} was not captured: it was lost, sampled out, or emitted where nothing captures"
    elif root.event_type == "job.execution":
        producer = _producer(root, names)
        if producer is None:
            yield f"no job.enqueue of it was captured: what queues it is not instrumented{there}"
        else:
            told = names.process(producer)
            yield (
                f"queued by {names.line(producer)} in {names.story(producer)}{f' ({told})' if told else ''}, "
                f"run in {names.story(root)}{there}: the message's header `ezlogs` was absent or unreadable"
            )
    elif root.event_type == "http.request":
        calls = [event for event in story.events if event.event_type == "http.client" and _same_request(event, root)]
        if calls:
            yield (
                f"called by {names.line(calls[0])} in {expected}: the headers `traceparent` and `baggage` did not "
                f"arrive; see propagate_to for hosts that are not local{there}"
            )
        else:
            yield f"no http.client event of {expected} is this request: the client is not instrumented{there}"
    elif where:
        yield f"that process did not begin in {expected}: it was not handed TRACEPARENT and BAGGAGE{there}"
    else:
        yield (
            f"nothing of {expected} was current where it was emitted: another thread, task or callback has to be "
            "handed the context, as by CorrelationManager.with_context"
        )


def _everything(names: Names) -> Iterable[UniversalEvent]:
    return (node.event for node in names.nodes.values())


def _producer(run: UniversalEvent, names: Names) -> UniversalEvent | None:
    """Return what queued a job's run: by the job's id, else by its name."""
    queued = [event for event in _everything(names) if event.event_type == "job.enqueue"]
    by_id = [event for event in queued if job_id(event) == job_id(run)]
    by_name = [event for event in queued if _name(event) is not None and _name(event) == _name(run)]
    return next(iter(by_id or by_name), None)


def _name(job: UniversalEvent) -> str | None:
    return job.subject.label if job.subject else None


def _same_request(call: UniversalEvent, request: UniversalEvent) -> bool:
    """Return whether a client's call may be a request: the same method, and no path that speaks against it."""
    method, _, route = request.action.partition(" ")
    return str(call.metadata.get("method", call.action.partition(" ")[0])) == method and (
        "/" not in call.action or not route or call.action.endswith(route.rstrip("/")) or "{" in route or "<" in route
    )
