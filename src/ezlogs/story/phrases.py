"""Phrases: what the sentence of each kind of passage says, and what it adds in brackets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from msgspec import UNSET

from ezlogs.event import Actor, UniversalEvent
from ezlogs.story import call, job, mail, rows, session
from ezlogs.story.cast import Cast
from ezlogs.story.passages import Passage
from ezlogs.story.registry import Facts, Named, filled
from ezlogs.story.wording import capitalised, last_segment, words

_BADLY = ("failure", "dead", "rolled_back")
_NO_FIELD = "__all__"
"""Where Django reports what is wrong with a form as a whole."""

NOTABLE_LATENESS = 1.0
"""Seconds after it was due from which a reader wants to know of a schedule's lateness."""

_AT_ONCE = 0.001
"""Seconds that nobody waits."""

_MAX_STEPS = 5
"""How many steps of a flow that completed are told."""

_UNFINISHED: Mapping[object, str] = {"disconnected": "end.disconnected", "cancelled": "end.cancelled"}
"""How a request ended of which nobody knows how much was done, by the reason."""

_SWITCHED = 101
"""The status of a WebSocket that was accepted."""

_UNMATCHED = " (unmatched)"
"""The route of a request that no route matches."""


class Phrase(NamedTuple):
    """A sentence before its full stop: the statement, and the facts in brackets after it."""

    statement: str
    asides: tuple[str, ...] = ()


def phrase(passage: Passage, cast: Cast) -> Phrase:
    """Return what the sentence of a passage says; a request that shrank to an aside is told in brackets."""
    said = _PHRASES[passage.kind](passage, cast)
    statement, *asides = (said,) if isinstance(said, str) else said
    if passage.request is not None:
        asides += [_line(passage.request.event), *_facts(passage.request.event, cast)]
    return Phrase(statement, tuple(asides))


def _request(passage: Passage, cast: Cast) -> list[str]:
    event, say = passage.events[0], cast.language.say
    who, line, facts = cast.doer(event), _line(event), _facts(event, cast)
    if line.endswith(_UNMATCHED):
        return [say("request.unmatched", who=who or say("someone")), line.removesuffix(_UNMATCHED), *facts]
    if event.metadata.get("method") == "WEBSOCKET":
        return _session(event, who or say("someone"), line.partition(" ")[2], cast)
    if event.outcome == "unknown" or event.outcome in _BADLY:
        message = "end.failed"
        if event.outcome == "unknown":
            message = _UNFINISHED.get(event.metadata.get("reason"), "end.unfinished")
        end = say(message)
        return [
            say("request.of", who=who, line=line, end=end) if who else say("request.ended", line=line, end=end),
            *facts,
        ]
    return [say("request", who=who, line=line) if who else say("request.of_nobody", line=line), *facts]


def _session(event: UniversalEvent, who: str, route: str, cast: Cast) -> list[str]:
    """Return the phrase of a WebSocket, with what went over it."""
    language = cast.language
    status, received, sent = (event.metadata.get(name) for name in ("status", "messages_received", "messages_sent"))
    took = [language.duration(event.duration)] if event.duration is not None else []
    if status != _SWITCHED:
        return [language.say("socket.refused", who=who, route=route), *_facts(event, cast)]
    end = {"success": "", "unknown": language.say("socket.lost")}.get(event.outcome, language.say("socket.failed"))
    known = received is not None and sent is not None
    over = [language.say("socket.messages", received=received, sent=sent)] if known else []
    error = [last_segment(event.error.type)] if event.error else []
    return [language.say("socket", who=who, route=route, end=end), *over, *error, *took]


def _line(request: UniversalEvent) -> str:
    """Return ``POST /orders`` of a request, without the slash that frameworks like to end a route with."""
    method, route = request.metadata.get("method"), request.metadata.get("route")
    line = f"{method} {route}" if method and route else request.action
    return line if line.endswith(" /") else line.rstrip("/")


def _facts(event: UniversalEvent, cast: Cast) -> list[str]:
    """Return what was measured of an event, for the brackets: status, error and duration."""
    status = event.metadata.get("status")
    return [
        *([str(status)] if status is not None else []),
        *([last_segment(event.error.type)] if event.error else []),
        *([cast.language.duration(event.duration)] if event.duration is not None else []),
    ]


def _business(passage: Passage, cast: Cast) -> list[str]:
    event, language = passage.events[0], cast.language
    say = language.say
    facts = [] if passage.request else _facts(event, cast)
    if (own := _own(event, cast)) is not None:
        return [own, *facts]
    who, verb = cast.person(event.actor), language.past(event.action)
    kind = words(event.event_type.partition(".")[0])
    thing = cast.thing(event.subject) if event.subject else language.with_article(kind)
    subject_is_actor = event.subject is not None and _same(event.subject.type, event.subject.id, event.actor)
    if verb is None:
        statement = say("did", who=who or say("system"), what=words(event.action), thing=thing)
        return [statement, *_badly(event), *facts]
    if event.outcome in _BADLY:
        statement = (
            say("business.tried", who=who, thing=thing, verb=verb)
            if who
            else say("business.not", thing=capitalised(thing), verb=verb)
        )
        return [statement, *_badly(event), *facts]
    if who is None:
        statement = say("business.of_nobody", thing=capitalised(thing), verb=verb)
    elif subject_is_actor:
        statement = say("business.alone", who=who, verb=verb)
    else:
        statement = say("business", who=who, verb=verb, thing=thing)
    return [say("unsure", statement=statement) if event.outcome == "unknown" else statement, *facts]


def _own(event: UniversalEvent, cast: Cast) -> str | None:
    """Return what the application wants an event to be told by, if that can be made of it."""
    template = cast.phrases.find(event)
    if template is None:
        return None
    actor, subject = event.actor, event.subject
    values = {
        "actor": Named(
            cast.person(actor) or cast.language.say("system"), actor.type, actor.id or "", actor.label or ""
        ),
        "subject": Named(cast.thing(subject), subject.type, subject.id or "", subject.label or "")
        if subject
        else Named("", "", "", ""),
        "action": event.action,
        "duration": "" if event.duration is None else cast.language.duration(event.duration),
        "metadata": Facts(event.metadata),
        "changes": Facts({change.field: change.after for change in event.changes if change.after is not UNSET}),
    }
    try:
        text = template(event) if callable(template) else template
        return capitalised(filled(text, values)).removesuffix(".") if text else None
    except Exception:  # it is the application's, and a story is told all the same
        return None


def _same(kind: str, identifier: str | None, actor: Actor) -> bool:
    return identifier is not None and (kind, identifier) == (actor.type, actor.id)


def _badly(event: UniversalEvent) -> list[str]:
    if event.outcome not in _BADLY:
        return []
    return [last_segment(event.error.type) if event.error else event.outcome.replace("_", " ")]


def _validation(passage: Passage, cast: Cast) -> str:
    event, language = passage.events[0], cast.language
    who = cast.person(event.actor)
    noun = cast.thing(event.subject, article=who is None) if event.subject else words(event.action.partition(".")[0])
    faults: dict[str, list[str]] = {}
    fields, codes = (_listed(event.metadata.get(name)) for name in ("fields", "codes"))
    for field, code in zip(fields, codes, strict=False):
        faults.setdefault(str(field), []).append(str(code))
    thing = language.say("of_person", who=who, thing=noun) if who else capitalised(noun)
    statement = language.say("rejected", thing=thing)
    if not faults:
        return statement
    details = ", ".join(_fault(field, told, cast) for field, told in faults.items())
    return language.say("detailed", statement=statement, details=details)


def _listed(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()


def _fault(field: str, codes: list[str], cast: Cast) -> str:
    told = cast.language.listed([words(code) for code in codes])
    return told if field == _NO_FIELD else f"{field} {told}"


def _transaction(passage: Passage, cast: Cast) -> str:
    event, language = passage.events[0], cast.language
    action = last_segment(event.action)
    reason = last_segment(event.error.type if event.error else str(event.metadata.get("error") or ""))
    why = language.in_brackets([reason] if reason else [])
    if event.outcome == "unknown":
        return language.say("transaction.unknown", why=why)
    if passage.alone and action == "rollback":
        return language.say("transaction.nothing_saved", why=why)
    counts = event.metadata.get("rows_by_model")
    rows = counts.items() if isinstance(counts, Mapping) else ()
    lost = [cast.number_of(number if isinstance(number, int) else None, kind) for kind, number in rows]
    statement = language.say("transaction.rolled_back" if action == "rollback" else "transaction.part", why=why)
    return language.say("detailed", statement=statement, details=", ".join(lost)) if lost else statement


def _flow(passage: Passage, cast: Cast) -> str:
    event = next((event for event in reversed(passage.events) if not _is_step(event)), passage.events[0])
    language = cast.language
    name = capitalised(
        cast.thing(event.subject, article=False) if event.subject else words(event.action.rpartition(".")[0])
    )
    steps = _steps(passage.events)
    if last_segment(event.action) in ("start", "step"):
        if steps:
            return language.say("flow.reached", flow=name, step=steps[-1])
        return language.say("flow.under_way", flow=name)
    took = language.duration(event.duration) if event.duration is not None else None
    if event.outcome == "success":
        rest = len(steps) - _MAX_STEPS
        told = [*steps[:_MAX_STEPS], *([language.say("more", number=language.number(rest))] if rest > 0 else [])]
        message = "flow.completed" if took is None else "flow.completed_in"
        return language.say(message, flow=name, time=took) + language.in_brackets(told)
    end = language.say("flow.interrupted" if event.outcome == "unknown" else "flow.failed", flow=name)
    where = language.say("flow.at", step=words(str(event.metadata["step"]))) if event.metadata.get("step") else ""
    after = ""
    if took is not None:
        at_once = (event.duration or 0) < _AT_ONCE
        after = language.say("flow.at_once") if at_once else language.say("flow.after", time=took)
    why = [last_segment(event.error.type)] if event.error else _badly(event)
    return f"{end}{where}{after}{language.in_brackets(why)}"


def _is_step(event: UniversalEvent) -> bool:
    return event.action.endswith(".step")


def _steps(events: list[UniversalEvent]) -> list[str]:
    """Return the steps that a flow reached, in words: as its end tells them, else as they were told one by one."""
    told = _listed(events[-1].metadata.get("steps")) or tuple(
        step for event in events if _is_step(event) and (step := event.metadata.get("step"))
    )
    return [words(str(step)) for step in told]


def _graphql(passage: Passage, cast: Cast) -> list[str]:
    event, language = passage.events[0], cast.language
    who, told, say = cast.person(event.actor), event.metadata, language.say
    errors, messages, stage = told.get("error_count"), told.get("messages"), told.get("stage")
    wrong = (
        say("graphql.errors", errors=language.counting(errors, "error")) if isinstance(errors, int) and errors else ""
    )
    facts = [] if passage.request else _facts(event, cast)
    operation = event.action
    if stage is not None:  # its error's type says no more than that
        message = "graphql.refused_of" if who else "graphql.refused"
        if operation == "(unknown)":
            operation, message = say("graphql.document"), message if who else "graphql.refused_a"
        return [say(message, who=who, operation=operation, stage=words(str(stage))) + wrong]
    if event.outcome in _BADLY and not told.get("partial") and messages is None:
        failed = "graphql.failed_of" if who else "graphql.failed"
        return [say(failed, who=who, operation=operation) + wrong, *facts]
    got = say("graphql.got", messages=language.counting(messages, "message")) if isinstance(messages, int) else ""
    until = ""
    if event.outcome == "unknown":
        until = say("graphql.until", reason=words(str(told.get("reason") or "interrupted")))
    return [say("graphql", who=who or say("system"), operation=operation) + f"{got}{wrong}{until}", *facts]


def _call(passage: Passage, cast: Cast) -> list[str]:
    return call.sentence(passage.events[0], cast)


def _access(passage: Passage, cast: Cast) -> str:
    event, language = passage.events[0], cast.language
    verb = language.verb({"view": "viewed", "export": "exported"}.get(last_segment(event.action), "read"))
    count = event.metadata.get("count")
    kind = event.subject.type if event.subject else event.action.partition(".")[0]
    if isinstance(count, int):
        thing = cast.number_of(count, kind)
    else:
        thing = cast.thing(event.subject) if event.subject else language.with_article(words(kind))
    return language.say("access", who=cast.person(event.actor) or language.say("system"), verb=verb, thing=thing)


def _sql(passage: Passage, cast: Cast) -> str:
    event, language = passage.events[0], cast.language
    count, who = event.metadata.get("rowcount"), cast.person(event.actor) or language.say("system")
    if isinstance(count, int):
        return language.say("sql.reached", who=who, action=event.action, rows=language.counting(count, "row"))
    return language.say("sql", who=who, action=event.action)


def _schedule(passage: Passage, cast: Cast) -> list[str]:
    event = passage.events[0]
    message = {"success": "schedule", "unknown": "schedule.unfinished"}.get(event.outcome, "schedule.failed")
    return [cast.language.say(message, name=schedule_name(event)), *lateness(event, cast), *_facts(event, cast)]


def schedule_name(event: UniversalEvent) -> str:
    """Return the name of the schedule's entry that an event tells of."""
    return event.subject.id if event.subject and event.subject.id else event.action.rpartition(".")[0] or event.action


def lateness(event: UniversalEvent, cast: Cast) -> list[str]:
    """Return how late a scheduled run began, if that was measured and is notable."""
    late = event.metadata.get("lateness")
    if not isinstance(late, (int, float)) or late < NOTABLE_LATENESS:
        return []
    return [cast.language.say("late", time=cast.language.duration(late))]


def _command(passage: Passage, cast: Cast) -> list[str]:
    event, language = passage.events[0], cast.language
    message = {"success": "command", "unknown": "command.unfinished"}.get(event.outcome, "command.failed")
    code = event.metadata.get("exit_code")
    facts = [fact for fact in _facts(event, cast) if fact != "SystemExit"]  # which its exit code says already
    earlier = [str(name) for name in _listed(event.metadata.get("commands"))[:-1]]
    after = [language.say("command.after", commands=language.listed(earlier))] if earlier else []
    ended = [language.say("command.code", code=code)] if code else []
    return [language.say(message, action=event.action), *after, *ended, *facts]


def _cache(passage: Passage, cast: Cast) -> list[str]:
    event, language = passage.events[0], cast.language
    name = event.subject.id if event.subject and event.subject.id else "default"
    found = [(key, event.metadata.get(key)) for key in ("hits", "misses")]
    told = [
        language.say(f"cache.{key}", number=language.number(number)) for key, number in found if isinstance(number, int)
    ]
    return [language.say("cache", name=name, facts=", ".join(told) or words(event.action)), *_facts(event, cast)]


def _system(passage: Passage, cast: Cast) -> list[str]:
    event, say = passage.events[0], cast.language.say
    what = event.subject.label if event.subject is not None and event.subject.type == "error" else None
    if what is not None and event.action in ("unhandled", "logged"):  # an exception of the application's
        return [say(event.action, error=what)]
    return [say("own", action=words(event.action)), *_facts(event, cast)]


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
