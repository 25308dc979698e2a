"""The sentence of a sign-in: who came and went, who was turned away, and who acted as somebody else."""

from __future__ import annotations

import msgspec

from ezlogs.event import Actor, Subject, UniversalEvent
from ezlogs.story.cast import Cast
from ezlogs.story.passages import Passage
from ezlogs.story.wording import last_segment, words

_TRIED = {"login": "session.login", "login_failed": "session.login", "logout": "session.logout"}
_ASIDES = ("reason", "method")
_BADLY = ("failure", "dead", "rolled_back")


def sentence(passage: Passage, cast: Cast) -> list[str]:
    """Return ``Ada logged in``, or ``Someone tried to log in as a…@x.org and failed``, and why."""
    event = passage.events[0]
    statement = _statement(event, last_segment(event.action), cast, is_aside=passage.request is not None)
    if event.outcome == "unknown":
        statement = cast.language.say("unsure", statement=statement)
    facts = (event.metadata.get(name) for name in _ASIDES)
    return [statement, *(words(fact) for fact in facts if isinstance(fact, str) and fact)]


def _statement(event: UniversalEvent, action: str, cast: Cast, *, is_aside: bool) -> str:
    say, badly = cast.language.say, event.outcome in _BADLY
    if action == "permission_denied":
        what = _refused(event.subject, cast, is_aside=is_aside)
        return say("session.refused", who=_person(event.actor, cast), what=what)
    if action in ("impersonation_started", "impersonation_ended"):
        who = _person(msgspec.structs.replace(event.actor, on_behalf_of=None), cast)
        whom = cast.thing(event.subject) if event.subject else say("session.somebody")
        message = "session.as" if action == "impersonation_started" else "session.no_longer"
        return say(f"{message}.failed" if badly else message, who=who, whom=whom)
    if action == "password_changed" or (action in _TRIED and (badly or action == "login_failed")):
        message = _TRIED.get(action, "session.password")
        failed = badly or action == "login_failed"
        who = say("someone") if failed and event.actor.type == "anonymous" else _person(event.actor, cast)
        taken_for = _whom(event, cast)
        if not failed:
            return say("session.password_of", who=who, whom=taken_for) if taken_for else say(message, who=who)
        if taken_for:
            return say(f"{message}.failed_as", who=who, whom=taken_for)
        return say(f"{message}.failed", who=who)
    who = _person(_subject(event), cast)
    if action in ("login", "logout"):
        return say(f"session.{action}", who=who)
    return say("session.other", who=who, action=words(action))


def _person(actor: Actor, cast: Cast) -> str:
    return cast.person(actor) or cast.language.say("someone")


def _subject(event: UniversalEvent) -> Actor:
    """Return who came or went: before a login that is not who acts."""
    subject = event.subject
    return Actor(subject.type, subject.id, subject.label) if subject and subject.type == "user" else event.actor


def _whom(event: UniversalEvent, cast: Cast) -> str | None:
    """Return for whom somebody wanted to be taken: a name as it was typed in, masked, or a user; None for itself."""
    subject = event.subject
    if subject is None or _is_own(event):
        return None
    is_password = event.action.endswith("password_changed")
    return subject.label if subject.id is None and subject.label and not is_password else cast.thing(subject)


def _is_own(event: UniversalEvent) -> bool:
    subject = event.subject
    return subject is not None and (subject.type, subject.id) == (event.actor.type, event.actor.id)


def _refused(subject: Subject | None, cast: Cast, *, is_aside: bool) -> str:
    if subject is None or (is_aside and subject.type == "route"):  # the aside says which
        return cast.language.say("session.permission")
    if subject.type == "route" and subject.id:
        return subject.id if subject.id.endswith(" /") else subject.id.rstrip("/")
    message = "session.permission_named" if subject.type == "permission" else "session.permission_for"
    return cast.language.say(message, what=cast.thing(subject))
