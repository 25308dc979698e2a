"""Flask-Mail: messages that never come as far as smtplib, because nobody answers or sending is suppressed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType, ModuleType
from typing import Any

from ezlogs.emit import guarded, tracking
from ezlogs.trackers import mail
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks


class FlaskMailInstrumentor(HookingInstrumentor):
    """Tells of e-mail sent through Flask-Mail, beside smtplib's instrumentor, which tells more of what it sees."""

    package = "flask_mail"
    versions = ("flask-mail >= 0.9.1",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return MappingProxyType({"flask_mail": _attach})


def _attach(hooks: Hooks, flask_mail: ModuleType) -> None:
    def connected(send: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(send)
        def call(connection: Any, /, message: Any, *args: Any, **kwargs: Any) -> Any:
            backend = "suppressed" if getattr(connection, "host", None) is None else "smtp"
            return _telling(hooks, backend, message, send, connection, message, *args, **kwargs)

        return call

    def alone(send: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(send)
        def call(mixin: Any, /, message: Any, *args: Any, **kwargs: Any) -> Any:
            return _telling(hooks, "smtp", message, send, mixin, message, *args, **kwargs)

        return call

    hooks.replace(flask_mail.Connection, "send", connected)
    for kind in flask_mail.Mail.__mro__:
        if "send" in vars(kind):
            hooks.replace(kind, "send", alone)


def _telling(hooks: Hooks, backend: str, message: Any, send: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    if not hooks.active or not tracking(mail.DELIVERY):
        return send(*args, **kwargs)
    with mail.Delivering(backend) as delivering:
        try:
            result = send(*args, **kwargs)
        except BaseException as error:
            _tell(delivering, message, error)
            raise
        _tell(delivering, message)
        return result


@guarded
def _tell(delivering: mail.Delivering, message: Any, error: BaseException | None = None) -> None:
    if not delivering.told:
        written = message.as_bytes() if error is None else None
        delivering.tell(mail.addresses(message.send_to), written, error=error)
