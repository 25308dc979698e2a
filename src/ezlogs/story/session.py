"""The sentence of a sign-in: who came and went, who was turned away, and who acted as somebody else."""

from __future__ import annotations

import msgspec

from ezlogs.event import Actor, Subject, UniversalEvent
from ezlogs.story.cast import Cast
from ezlogs.story.passages import Passage
from ezlogs.story.wording import last_segment, words

_ENDED = {"login": "logged in", "logout": "logged out"}
_TRIED = {"login": "log in", "login_failed": "log in", "logout": "log out", "password_changed": "change the password"}
_ASIDES = ("reason", "method")
_BADLY = ("failure", "dead", "rolled_back")


def sentence(passage: Passage, cast: Cast) -> list[str]:
    """Return ``Ada logged in``, or ``Someone tried to log in as a…@x.org and failed``, and why."""
    event = passage.events[0]
    statement = _statement(event, last_segment(event.action), cast, is_aside=passage.request is not None)
    if event.outcome == "unknown":
        statement = f"It is not known whether this happened: {statement}"
    facts = (event.metadata.get(name) for name in _ASIDES)
    return [statement, *(words(fact) for fact in facts if isinstance(fact, str) and fact)]


def _statement(event: UniversalEvent, action: str, cast: Cast, *, is_aside: bool) -> str:
    if action == "permission_denied":
        return f"{_person(event.actor, cast)} was refused {_refused(event.subject, cast, is_aside=is_aside)}"
    if action in ("impersonation_started", "impersonation_ended"):
        who = _person(msgspec.structs.replace(event.actor, on_behalf_of=None), cast)
        whom = cast.thing(event.subject) if event.subject else "somebody else"
        verb = "began to act" if action == "impersonation_started" else "no longer acts"
        if event.outcome in _BADLY:
            verb = "tried to act" if action == "impersonation_started" else "tried to stop acting"
            return f"{who} {verb} as {whom} and failed"
        return f"{who} {verb} as {whom}"
    if action in _TRIED and (event.outcome in _BADLY or action == "login_failed"):
        who = "Someone" if event.actor.type == "anonymous" else _person(event.actor, cast)
        return f"{who} tried to {_TRIED[action]}{_as(event, cast)} and failed"
    if action == "password_changed":
        whose = f" of {cast.thing(event.subject)}" if event.subject and not _is_own(event) else ""
        return f"{_person(event.actor, cast)} changed the password{whose}"
    who = _person(_subject(event), cast)
    return f"{who} {_ENDED[action]}" if action in _ENDED else f"{who}'s session: {words(action)}"


def _person(actor: Actor, cast: Cast) -> str:
    return cast.person(actor) or "Someone"


def _subject(event: UniversalEvent) -> Actor:
    """Return who came or went: before a login that is not who acts."""
    subject = event.subject
    return Actor(subject.type, subject.id, subject.label) if subject and subject.type == "user" else event.actor


def _as(event: UniversalEvent, cast: Cast) -> str:
    """Return for whom somebody wanted to be taken: a name as it was typed in, masked, or a user."""
    subject = event.subject
    if subject is None or _is_own(event):
        return ""
    if event.action.endswith("password_changed"):
        return f" of {cast.thing(subject)}"
    return f" as {subject.label}" if subject.id is None and subject.label else f" as {cast.thing(subject)}"


def _is_own(event: UniversalEvent) -> bool:
    subject = event.subject
    return subject is not None and (subject.type, subject.id) == (event.actor.type, event.actor.id)


def _refused(subject: Subject | None, cast: Cast, *, is_aside: bool) -> str:
    if subject is None or (is_aside and subject.type == "route"):  # the aside says which
        return "permission"
    if subject.type == "route" and subject.id:
        return subject.id if subject.id.endswith(" /") else subject.id.rstrip("/")
    return f"the {cast.thing(subject)}" if subject.type == "permission" else f"permission for {cast.thing(subject)}"
