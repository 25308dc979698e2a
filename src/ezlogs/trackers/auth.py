"""Sign-ins, whatever the framework: who came and went, who was turned away, and who acted as somebody else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from opentelemetry import context
from opentelemetry.context import Context

from ezlogs.actor import current_actor
from ezlogs.emit import listening, record
from ezlogs.event import ANONYMOUS, Actor, InvalidEvent, Subject, UniversalEvent, type_and_id
from ezlogs.party import party
from ezlogs.runtime import current_runtime

AUTH_SESSION: Final = "auth.session"
ACTIONS: Final = (
    "login",
    "logout",
    "login_failed",
    "password_changed",
    "permission_denied",
    "impersonation_started",
    "impersonation_ended",
)
"""What can be told of a session."""

REASONS: Final[Mapping[int, str]] = {401: "unauthenticated", 403: "forbidden"}
"""The statuses of RFC 9110 that refuse a request for who asked, and what they say."""

SCHEMES: Final = frozenset({"basic", "bearer", "digest", "dpop", "hoba", "mutual", "negotiate", "ntlm", "token"})
"""Authentication schemes, most of them from IANA's registry."""

_REFUSED: Final = frozenset({"login_failed", "permission_denied"})
_REFUSAL: Final = context.create_key("ezlogs-refusal")
_DOMAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-")
"""What a domain is written with by those who do not mean a password."""


class _Refusal:
    """Whether it was told that a request was refused; one for each request."""

    __slots__ = ("told",)

    def __init__(self) -> None:
        self.told = False


def auth(
    action: str,
    user: object = None,
    *,
    actor: object = None,
    subject: object = None,
    username: object = None,
    method: str | None = None,
    backend: str | None = None,
    reason: str | None = None,
    client_address: str | None = None,
    error: BaseException | None = None,
    metadata: Mapping[str, object] | None = None,
) -> UniversalEvent | None:
    """Tell that a session began or ended, that somebody was refused, or that somebody acts as somebody else.

    Never give a password, a token or a code: nothing here has a use for one.

    Args:
        action: ``login``, ``logout``, ``login_failed``, ``password_changed``, ``permission_denied``,
            ``impersonation_started`` or ``impersonation_ended``.
        user: Whom it is about, in any form that events accept: who came or went, whose password it is, who was
            refused, who is impersonated. The present actor when left out, and nobody for ``login_failed``, where a
            text is taken for ``username``.
        actor: Who acts, where that is somebody else: the administrator who sets a password, the impersonator. Else
            it is the user of a ``login`` or ``logout``, nobody (``anonymous``) for ``login_failed``, and the present
            actor.
        subject: What was refused, as ``("permission", "orders.delete_order")``; else the user.
        username: The name that was typed in by somebody who could not log in. Told by its first letter, and the
            domain of an e-mail address; with the setting ``login_names="none"`` not at all.
        method: How: ``password``, ``remember_me``, ``sso``.
        backend: What decided, such as the path of a class.
        reason: Why it was refused, as a fixed word: ``locked``, ``csrf``.
        client_address: The IP address of the client; masked as the settings say.
        error: The exception that refused.
        metadata: Further facts.

    Returns:
        The event, or None when nothing listens.

    Raises:
        InvalidEvent: With the setting ``strict``, for an action or a user that is none; nothing otherwise.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture():
        ...     failed = auth("login_failed", username="ada@example.com", reason="locked")
        ...     began = auth("login", ("user", 7), method="password")
        >>> failed.subject.label, failed.outcome, began.actor.id
        ('a…@example.com', 'failure', '7')
    """
    runtime = current_runtime()
    if runtime is None:
        return None
    try:
        return _told(
            action,
            user,
            actor=actor,
            subject=subject,
            username=username,
            facts={"method": method, "backend": backend, "reason": reason, "client_address": client_address},
            metadata=metadata,
            error=error,
        )
    except InvalidEvent:
        raise
    except Exception as problem:  # never into the application
        runtime.report("an event was lost", problem)
        return None


def denied(
    reason: str | None = None,
    *,
    status: int | None = None,
    subject: object = None,
    user: object = None,
    method: str | None = None,
    backend: str | None = None,
    error: BaseException | None = None,
    credentials: bool = False,
    ctx: Context | None = None,
) -> UniversalEvent | None:
    """Tell that the present request was refused, unless that was told: by the application, a hook, or its status.

    To be called by whatever sees a refusal, in any order: an exception, a signal, and at its end the response.

    Args:
        reason: A fixed word; what the status says when left out.
        status: The response's status; with any other than 401 and 403 nothing is told, nor with neither a status
            (an exception took the response's place) nor a reason.
        subject: What was asked for: `route_of` a request, or ``("permission", name)``.
        user: Who was refused; the present actor when left out.
        method: As for `auth`, and so are ``backend`` and ``error``.
        credentials: Whether credentials were shown that do not hold: that is a ``login_failed`` of nobody known.
        ctx: The context of the request, where it is not the current one.
    """
    if (status is not None or reason is None) and status not in REASONS:
        return None
    refusal = context.get_value(_REFUSAL, ctx)
    if isinstance(refusal, _Refusal) and refusal.told:
        return None
    facts = {"method": method, "backend": backend, "reason": reason or (status and REASONS[status])}
    action = "login_failed" if credentials else "permission_denied"
    return _told(action, user, subject=subject, facts=facts, error=error, ctx=ctx)


def refusable(ctx: Context | None = None) -> Context:
    """Return a context of a new request, of which it is told once that it was refused.

    Example:
        >>> from ezlogs.scope import Scope
        >>> from ezlogs.testing import capture
        >>> with capture() as captured, Scope(refusable()):
        ...     _ = denied("csrf"), denied(status=403)
        >>> [event.metadata["reason"] for event in captured.events]
        ['csrf']
    """
    return Context({**(context.get_current() if ctx is None else ctx), **refusal_anew()})


def refusal_anew() -> dict[str, object]:
    """Return what `refusable` puts into a context, by its key."""
    return {_REFUSAL: _Refusal()}


def route_of(method: str | None, route: str | None) -> Subject | None:
    """Return a route as what somebody was refused; None where none matched.

    Example:
        >>> route_of("POST", "/orders/{id}")
        Subject(type='route', id='POST /orders/{id}', label=None)
    """
    return Subject("route", f"{method} {route}" if method else route) if route else None


def scheme(authorization: object) -> str | None:
    """Return the scheme of an ``Authorization`` header, and nothing else of it; None for one that is not known.

    Example:
        >>> scheme("Bearer c2VjcmV0"), scheme("c2VjcmV0")
        ('bearer', None)
    """
    word = authorization.partition(" ")[0].lower() if isinstance(authorization, str) else ""
    return word if word in SCHEMES else None


def masked_name(typed: object) -> str | None:
    """Return what may be told of a name that was typed in, which can be a password typed into the wrong field.

    That is its first letter or digit, and the domain if it is an e-mail address; the length is not told.

    Example:
        >>> masked_name("ada@example.com"), masked_name("ada"), masked_name("P@ssw0rd"), masked_name("  ")
        ('a…@example.com', 'a…', 'P…', None)
    """
    if not issubclass(type(typed), str):
        return None
    name = str.strip(typed)  # type: ignore[arg-type]  # a text, whatever its class makes of `strip`
    if not name:
        return None
    local, at, domain = name.partition("@")
    first = name[0] if name[0].isalnum() else ""
    return f"{first}…@{domain}" if at and local and _is_domain(domain) else f"{first}…"


def _is_domain(text: str) -> bool:
    labels = text.split(".")
    return (
        len(text) <= 253
        and len(labels) > 1
        and _DOMAIN.issuperset(text)
        and all(label and not label.startswith("-") and not label.endswith("-") for label in labels)
        and labels[-1].isalpha()
        and len(labels[-1]) > 1
    )


def _told(
    action: str,
    user: object,
    *,
    facts: Mapping[str, object],
    actor: object = None,
    subject: object = None,
    username: object = None,
    metadata: object = None,
    error: BaseException | None = None,
    ctx: Context | None = None,
) -> UniversalEvent | None:
    if not listening(AUTH_SESSION):
        return None
    problems: list[str] = []
    failed = type(action) is str and action in _REFUSED
    outcome = "failure" if failed else "success"
    if action == "login_failed":
        if issubclass(type(user), str):
            user, username = None, user
        actor = ANONYMOUS if actor is None else actor
        subject = _first(subject, user, _typed(username))
    elif action in ("login", "logout"):
        actor = _first(actor, user)
        subject = _first(subject, user, _known(current_actor(ctx)))
    elif action == "password_changed":
        subject = _first(subject, user, _known(current_actor(ctx)))
    elif action == "permission_denied":
        actor = _first(actor, user)
    elif action in ACTIONS:
        actor, subject = _impersonation(action, _first(actor, current_actor(ctx)), user, problems)
    else:
        outcome = "unknown"
        problems.append(f"action {_shown(action)}: use {', '.join(ACTIONS[:-1])} or {ACTIONS[-1]}")
        actor, subject = _first(actor, user), _first(subject, user)
    if metadata is not None and not isinstance(metadata, Mapping):
        problems.append(f"metadata of type {type(metadata).__qualname__}: use a mapping")
        metadata = None
    _complain(problems)
    if failed and isinstance(refusal := context.get_value(_REFUSAL, ctx), _Refusal):
        refusal.told = True
    known = {name: value for name, value in facts.items() if value is not None}
    return record(
        AUTH_SESSION,
        action,
        actor=actor,
        subject=subject,
        metadata={**metadata, **known} if metadata else known,
        outcome=outcome,
        severity="warn" if failed else None,
        error=error,
        ctx=ctx,
    )


def _impersonation(action: str, actor: object, user: object, problems: list[str]) -> tuple[Actor, Subject | None]:
    who = party(Actor, "actor", actor, problems)
    if user is None:
        problems.append(f"{action}: missing 'user', who is impersonated")
        return who, None
    other = party(Subject, "subject", user, problems)
    return msgspec.structs.replace(who, on_behalf_of=type_and_id(other)), other


def _first(*values: object) -> object:
    return next((value for value in values if value is not None), None)


def _known(actor: Actor) -> Subject | None:
    is_person = actor.id is not None and actor.type != "system"
    return Subject(actor.type, actor.id, actor.label) if is_person else None


def _typed(username: object) -> Subject | None:
    runtime = current_runtime()
    if runtime is None or runtime.settings.login_names == "none":
        return None
    name = masked_name(username)
    return None if name is None else Subject("user", None, name)


def _shown(action: Any) -> str:
    return repr(action[:40]) if type(action) is str else f"of type {type(action).__qualname__}"


def _complain(problems: list[str]) -> None:
    runtime = current_runtime()
    if not problems or runtime is None:
        return
    problem = f"ezlogs.auth: {'; '.join(problems)}"
    if runtime.settings.strict:
        raise InvalidEvent(problem)
    runtime.ledger.note("invalid")
    runtime.warn_once(runtime.scrubber.text(problem, "event", []))
