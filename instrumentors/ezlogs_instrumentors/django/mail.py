"""Django's mail: whatever its backend is, each message and attempt is told, once."""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message
from functools import wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded, tracking
from ezlogs.event import Outcome
from ezlogs.trackers import mail
from ezlogs_instrumentors.hooks import Hooks

QUEUES = ("djcelery_email", "mailer", "post_office", "django_mail_queue", "django_rq_email_backend")
"""Packages whose backends put messages into a queue; what sends them later uses another backend, which tells."""

_DJANGO = "django.core.mail.backends."
_REFUSED = frozenset({"rejected", "invalid", "failed"})
"""Of Anymail's statuses of a recipient."""


def attach(hooks: Hooks, django_mail: ModuleType) -> None:
    """See the class of each backend that Django makes."""

    def seeing(get_connection: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(get_connection)
        def call(*args: Any, **kwargs: Any) -> Any:
            backend = get_connection(*args, **kwargs)
            if hooks.active:
                _hook(hooks, type(backend))
            return backend

        return call

    hooks.replace(django_mail, "get_connection", seeing)


def attach_to_messages(hooks: Hooks, messages: ModuleType) -> None:
    """See what a backend writes, which nobody else keeps."""
    hooks.after(messages.EmailMessage, "message", _written)


def _written(message: object, mime: object, *_: object, **__: object) -> None:
    delivering = mail.delivering()
    if delivering is not None and delivering.backend != "smtp":
        delivering.written[id(message)] = mime


def attach_to_backends(hooks: Hooks, base: ModuleType) -> None:
    """See the class of each backend that the application makes itself."""
    hooks.after(base.BaseEmailBackend, "__init__", lambda backend, *_, **__: _hook(hooks, type(backend)))


@guarded
def _hook(hooks: Hooks, backend: type) -> None:
    if backend.__module__.partition(".")[0] in QUEUES:
        return
    for kind in backend.__mro__:
        sending = vars(kind).get("send_messages")
        if sending is not None:
            if not hasattr(sending, "_ezlogs"):
                hooks.replace(kind, "send_messages", lambda original: _telling(hooks, original))
            return


def _telling(hooks: Hooks, send_messages: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(send_messages)
    def call(backend: Any, /, messages: Any, *args: Any, **kwargs: Any) -> Any:
        if not hooks.active or not tracking(mail.DELIVERY) or not isinstance(messages, (list, tuple)):
            return send_messages(backend, messages, *args, **kwargs)
        with mail.Delivering(_name(backend), template=_template(messages)) as delivering:
            try:
                sent = send_messages(backend, messages, *args, **kwargs)
            except BaseException as error:
                _tell(delivering, messages, 0, error)
                raise
            _tell(delivering, messages, sent)
            return sent

    call._ezlogs = True  # type: ignore[attr-defined]  # so that it is hooked once
    return call


def _name(backend: object) -> str:
    """Return ``locmem`` of Django's own, what Anymail calls its provider, or where the class is."""
    module = type(backend).__module__
    if module.startswith(_DJANGO):
        return module[len(_DJANGO) :]
    provider = getattr(backend, "esp_name", None)
    return provider if isinstance(provider, str) else module


def _template(messages: Any) -> str | None:
    """Return the template of a message that has a name for it, as those of Anymail and of templating packages do."""
    found = {_template_of(message) for message in messages}
    return found.pop() if len(found) == 1 else None


def _template_of(message: object) -> str | None:
    held = getattr(message, "__dict__", {})
    names = (held.get(name) for name in ("template_id", "template_name"))
    return next((name for name in names if isinstance(name, str) and name), None)


@guarded
def _tell(delivering: mail.Delivering, messages: Any, sent: object, error: BaseException | None = None) -> None:
    if delivering.told:
        return
    known = [message for message in messages if message.recipients()]
    whole = len(known) == 1 or delivering.backend == "smtp"  # which has told before what it has sent
    for message in known:
        refused, recipients = _refused(message), mail.addresses(message.recipients())
        outcome: Outcome | None = None
        if error is None and (sent == 0 or len(recipients) == refused):
            outcome = "failure"
        elif not whole and (error is not None or sent != len(known)):
            outcome = "unknown"
        delivering.told = False
        written = delivering.written.get(id(message))
        delivering.tell(
            recipients,
            written.as_bytes() if isinstance(written, Message) else None,
            template=_template_of(message),
            refused=refused,
            message_id=_provider_id(message),
            outcome=outcome,
            error=error,
        )


def _provider_id(message: object) -> str | None:
    """Return what Anymail's provider calls a message, if it has one name for it."""
    found = getattr(getattr(message, "__dict__", {}).get("anymail_status"), "message_id", None)
    return found if isinstance(found, str) else None


def _refused(message: object) -> int:
    """Return how many recipients Anymail's provider refused."""
    status = getattr(message, "__dict__", {}).get("anymail_status")
    recipients = getattr(status, "recipients", None)
    if not isinstance(recipients, dict):
        return 0
    return sum(getattr(one, "status", None) in _REFUSED for one in recipients.values())
