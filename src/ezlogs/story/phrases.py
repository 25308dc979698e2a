"""Phrases: what the sentence of each kind of passage says, and what it adds in brackets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ezlogs.event import Actor, UniversalEvent
from ezlogs.story import call, job, mail, rows, session
from ezlogs.story.cast import Cast
from ezlogs.story.passages import Passage
from ezlogs.story.wording import (
    capitalised,
    counted,
    duration,
    in_brackets,
    last_segment,
    listed,
    past,
    with_article,
    words,
)

_BADLY = ("failure", "dead", "rolled_back")
_NO_FIELD = "__all__"
"""Where Django reports what is wrong with a form as a whole."""

NOTABLE_LATENESS = 1.0
"""Seconds after it was due from which a reader wants to know of a schedule's lateness."""

_AT_ONCE = 0.001
"""Seconds that nobody waits."""

_MAX_STEPS = 5
"""How many steps of a flow that completed are told."""

_UNFINISHED: Mapping[object, str] = {"disconnected": "was not waited for", "cancelled": "was cancelled"}
"""How a request ended of which nobody knows how much was done, by the reason."""

_SWITCHED = 101
"""The status of a WebSocket that was accepted."""

_UNMATCHED = " (unmatched)"
"""The route of a request that no route matches."""


class Phrase(NamedTuple):
    """A sentence before its full stop: the statement, and the facts in brackets after it."""

    statement: str
    asides: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.statement}{in_brackets(self.asides)}"


def phrase(passage: Passage, cast: Cast) -> Phrase:
    """Return what the sentence of a passage says; a request that shrank to an aside is told in brackets."""
    said = _PHRASES[passage.kind](passage, cast)
    statement, *asides = (said,) if isinstance(said, str) else said
    if passage.request is not None:
        asides += [_line(passage.request.event), *_facts(passage.request.event)]
    return Phrase(statement, tuple(asides))


def _request(passage: Passage, cast: Cast) -> list[str]:
    event = passage.events[0]
    who, line = cast.doer(event), _line(event)
    if line.endswith(_UNMATCHED):
        return [f"{who or 'Someone'} requested an unknown address", line.removesuffix(_UNMATCHED), *_facts(event)]
    if event.metadata.get("method") == "WEBSOCKET":
        return _session(event, who, line.partition(" ")[2])
    if event.outcome == "unknown":
        end = _UNFINISHED.get(event.metadata.get("reason"), "did not finish")
        return [f"{_owner(who) or 'The'} request {line} {end}", *_facts(event)]
    if event.outcome in _BADLY:
        return [f"{_owner(who) or 'The'} request {line} failed", *_facts(event)]
    return [f"{who} requested {line}" if who else f"{line} was requested", *_facts(event)]


def _session(event: UniversalEvent, who: str | None, route: str) -> list[str]:
    """Return the phrase of a WebSocket, with what went over it."""
    status, received, sent = (event.metadata.get(name) for name in ("status", "messages_received", "messages_sent"))
    took = [duration(event.duration)] if event.duration is not None else []
    if status != _SWITCHED:
        return [f"{who or 'Someone'} was not let in at {route}", *_facts(event)]
    end = {"success": "", "unknown": " and lost the connection"}.get(event.outcome, ", which failed")
    over = [f"{received} messages received, {sent} sent"] if received is not None and sent is not None else []
    error = [last_segment(event.error.type)] if event.error else []
    return [f"{who or 'Someone'} was connected to {route}{end}", *over, *error, *took]


def _line(request: UniversalEvent) -> str:
    """Return ``POST /orders`` of a request, without the slash that frameworks like to end a route with."""
    method, route = request.metadata.get("method"), request.metadata.get("route")
    line = f"{method} {route}" if method and route else request.action
    return line if line.endswith(" /") else line.rstrip("/")


def _facts(event: UniversalEvent) -> list[str]:
    """Return what was measured of an event, for the brackets: status, error and duration."""
    status = event.metadata.get("status")
    return [
        *([str(status)] if status is not None else []),
        *([last_segment(event.error.type)] if event.error else []),
        *([duration(event.duration)] if event.duration is not None else []),
    ]


def _owner(who: str | None) -> str | None:
    return f"{who}'s" if who else None


def _business(passage: Passage, cast: Cast) -> list[str]:
    event = passage.events[0]
    who, verb = cast.person(event.actor), past(event.action)
    thing = cast.thing(event.subject) if event.subject else with_article(words(event.event_type.partition(".")[0]))
    subject_is_actor = event.subject is not None and _same(event.subject.type, event.subject.id, event.actor)
    facts = [] if passage.request else _facts(event)
    if verb is None:
        return [f"{who or 'The system'} did {words(event.action)} on {thing}", *_badly(event), *facts]
    if event.outcome in _BADLY:
        tried = f"{who} tried, but {thing}" if who else capitalised(thing)
        return [f"{tried} was not {verb}", *_badly(event), *facts]
    if who is None:
        statement = f"{capitalised(thing)} was {verb}"
    else:
        statement = f"{who} {verb}" if subject_is_actor else f"{who} {verb} {thing}"
    return [
        f"It is not known whether this happened: {statement}" if event.outcome == "unknown" else statement,
        *facts,
    ]


def _same(kind: str, identifier: str | None, actor: Actor) -> bool:
    return identifier is not None and (kind, identifier) == (actor.type, actor.id)


def _badly(event: UniversalEvent) -> list[str]:
    if event.outcome not in _BADLY:
        return []
    return [last_segment(event.error.type) if event.error else event.outcome.replace("_", " ")]


def _validation(passage: Passage, cast: Cast) -> str:
    event = passage.events[0]
    owner = _owner(cast.person(event.actor))
    noun = cast.thing(event.subject, article=owner is None) if event.subject else words(event.action.partition(".")[0])
    faults: dict[str, list[str]] = {}
    fields, codes = (_listed(event.metadata.get(name)) for name in ("fields", "codes"))
    for field, code in zip(fields, codes, strict=False):
        faults.setdefault(str(field), []).append(str(code))
    statement = f"{owner} {noun} was rejected" if owner else f"{capitalised(noun)} was rejected"
    return f"{statement}: {', '.join(map(_fault, faults, faults.values()))}" if faults else statement


def _listed(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()


def _fault(field: str, codes: list[str]) -> str:
    told = listed([words(code) for code in codes])
    return told if field == _NO_FIELD else f"{field} {told}"


def _transaction(passage: Passage, cast: Cast) -> str:
    event = passage.events[0]
    action = last_segment(event.action)
    reason = last_segment(event.error.type if event.error else str(event.metadata.get("error") or ""))
    why = in_brackets([reason] if reason else [])
    if event.outcome == "unknown":
        return f"It is not known whether the transaction was committed{why}"
    if passage.alone and action == "rollback":
        return f"Nothing was saved: the transaction was rolled back{why}"
    counts = event.metadata.get("rows_by_model")
    rows = counts.items() if isinstance(counts, Mapping) else ()
    lost = [cast.number_of(number if isinstance(number, int) else None, kind) for kind, number in rows]
    what = "A transaction" if action == "rollback" else "Part of a transaction"
    return f"{what} was rolled back{why}" + (f": {', '.join(lost)}" if lost else "")


def _flow(passage: Passage, cast: Cast) -> str:
    event = next((event for event in reversed(passage.events) if not _is_step(event)), passage.events[0])
    name = capitalised(
        cast.thing(event.subject, article=False) if event.subject else words(event.action.rpartition(".")[0])
    )
    steps = _steps(passage.events)
    if last_segment(event.action) in ("start", "step"):
        reached = f", reached {steps[-1]}" if steps else ""
        return f"{name} began{reached} and has not ended"
    took = duration(event.duration) if event.duration is not None else None
    if event.outcome == "success":
        told = [*steps[:_MAX_STEPS], *([f"and {len(steps) - _MAX_STEPS:,} more"] if len(steps) > _MAX_STEPS else [])]
        return f"{name} completed" + (f" in {took}" if took else "") + in_brackets(told)
    end = "was interrupted" if event.outcome == "unknown" else "failed"
    where = f" at {words(str(event.metadata['step']))}" if event.metadata.get("step") else ""
    why = [last_segment(event.error.type)] if event.error else _badly(event)
    after = "" if took is None else " at once" if (event.duration or 0) < _AT_ONCE else f" after {took}"
    return f"{name} {end}{where}{after}{in_brackets(why)}"


def _is_step(event: UniversalEvent) -> bool:
    return event.action.endswith(".step")


def _steps(events: list[UniversalEvent]) -> list[str]:
    """Return the steps that a flow reached, in words: as its end tells them, else as they were told one by one."""
    told = _listed(events[-1].metadata.get("steps")) or tuple(
        step for event in events if _is_step(event) and (step := event.metadata.get("step"))
    )
    return [words(str(step)) for step in told]


def _graphql(passage: Passage, cast: Cast) -> list[str]:
    event = passage.events[0]
    who, told = cast.person(event.actor), event.metadata
    errors, messages, stage = told.get("error_count"), told.get("messages"), told.get("stage")
    wrong = f" with {counted(errors, 'error')}" if isinstance(errors, int) and errors else ""
    facts = [] if passage.request else _facts(event)
    if stage is not None:  # its error's type says no more than that
        what = "GraphQL document" if event.action == "(unknown)" else event.action
        article = "A" if what == "GraphQL document" else "The"
        return [f"{_owner(who) or article} {what} was refused in {words(str(stage))}{wrong}"]
    if event.outcome in _BADLY and not told.get("partial") and messages is None:
        return [f"{_owner(who) or 'The'} {event.action} failed{wrong}", *facts]
    got = f" and got {counted(messages, 'message')}" if isinstance(messages, int) else ""
    end = f" until it was {words(str(told.get('reason') or 'interrupted'))}" if event.outcome == "unknown" else ""
    return [f"{who or 'The system'} ran {event.action}{got}{wrong}{end}", *facts]


def _call(passage: Passage, cast: Cast) -> list[str]:
    return call.sentence(passage.events[0])


def _access(passage: Passage, cast: Cast) -> str:
    event = passage.events[0]
    verb = {"view": "viewed", "export": "exported"}.get(last_segment(event.action), "read")
    count = event.metadata.get("count")
    kind = event.subject.type if event.subject else event.action.partition(".")[0]
    if isinstance(count, int):
        thing = cast.number_of(count, kind)
    else:
        thing = cast.thing(event.subject) if event.subject else with_article(words(kind))
    return f"{cast.person(event.actor) or 'The system'} {verb} {thing}"


def _sql(passage: Passage, cast: Cast) -> str:
    event = passage.events[0]
    count = event.metadata.get("rowcount")
    reach = f", which reached {counted(count, 'row')}" if isinstance(count, int) else ""
    return f"{cast.person(event.actor) or 'The system'} ran SQL: {event.action}{reach}"


def _schedule(passage: Passage, cast: Cast) -> list[str]:
    event = passage.events[0]
    end = {"success": "", "unknown": " and did not finish"}.get(event.outcome, " and failed")
    return [f"Schedule {schedule_name(event)} came due{end}", *lateness(event), *_facts(event)]


def schedule_name(event: UniversalEvent) -> str:
    """Return the name of the schedule's entry that an event tells of."""
    return event.subject.id if event.subject and event.subject.id else event.action.rpartition(".")[0] or event.action


def lateness(event: UniversalEvent) -> list[str]:
    """Return how late a scheduled run began, if that was measured and is notable."""
    late = event.metadata.get("lateness")
    return [f"{duration(late)} late"] if isinstance(late, (int, float)) and late >= NOTABLE_LATENESS else []


def _command(passage: Passage, cast: Cast) -> list[str]:
    event = passage.events[0]
    end = {"success": "ran", "unknown": "did not finish"}.get(event.outcome, "failed")
    code = event.metadata.get("exit_code")
    facts = [fact for fact in _facts(event) if fact != "SystemExit"]  # which its exit code says already
    earlier = [str(name) for name in _listed(event.metadata.get("commands"))[:-1]]
    after = [f"after {listed(earlier)}"] if earlier else []
    return [f"Command {event.action} {end}", *after, *([f"exit code {code}"] if code else []), *facts]


def _cache(passage: Passage, cast: Cast) -> list[str]:
    event = passage.events[0]
    name = event.subject.id if event.subject and event.subject.id else "default"
    found = [(key, event.metadata.get(key)) for key in ("hits", "misses")]
    told = [f"{number:,} {key}" for key, number in found if isinstance(number, int)]
    return [f"Cache {name}: {', '.join(told) or words(event.action)}", *_facts(event)]


def _system(passage: Passage, cast: Cast) -> list[str]:
    return [f"ezlogs reported: {words(passage.events[0].action)}", *_facts(passage.events[0])]


_PHRASES: dict[str, Callable[[Passage, Cast], str | list[str]]] = {
    "access": _access,
    "business": _business,
    "cache": _cache,
    "call": _call,
    "command": _command,
    "flow": _flow,
    "graphql": _graphql,
    "job": job.sentence,
    "mail": mail.sentence,
    "request": _request,
    "rows": rows.sentence,
    "schedule": _schedule,
    "session": session.sentence,
    "sql": _sql,
    "system": _system,
    "transaction": _transaction,
    "validation": _validation,
}
