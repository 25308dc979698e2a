"""FastAPI-Mail: the template of a message, and messages that never come as far as aiosmtplib."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from types import MappingProxyType, ModuleType
from typing import Any

from ezlogs.emit import guarded, tracking
from ezlogs.trackers import mail
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks


class FastapiMailInstrumentor(HookingInstrumentor):
    """Tells of e-mail sent through FastAPI-Mail, beside aiosmtplib's instrumentor, which tells more of what it sees."""

    package = "fastapi_mail"
    versions = ("fastapi-mail >= 1.4",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return MappingProxyType({"fastapi_mail.fastmail": _attach})


def _attach(hooks: Hooks, fastmail: ModuleType) -> None:
    def telling(send_message: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(send_message)
        async def call(sender: Any, /, message: Any, *args: Any, **kwargs: Any) -> Any:
            if not hooks.active or not tracking(mail.DELIVERY):
                return await send_message(sender, message, *args, **kwargs)
            with mail.Delivering(_backend(sender) or "smtp", template=_template(args, kwargs)) as delivering:
                try:
                    result = await send_message(sender, message, *args, **kwargs)
                except BaseException as error:
                    _tell(delivering, message, error)
                    raise
                _tell(delivering, message)
                return result

        return call

    hooks.replace(fastmail.FastMail, "send_message", telling)


@guarded
def _backend(sender: Any) -> str:
    return "suppressed" if sender.config.SUPPRESS_SEND else "smtp"


def _template(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
    """Return the template of ``send_message(message, template_name=None, html_template=None, ...)``."""
    names = (*args[:1], kwargs.get("template_name"), kwargs.get("html_template"), kwargs.get("plain_template"))
    return next((name for name in names if isinstance(name, str) and name), None)


@guarded
def _tell(delivering: mail.Delivering, message: Any, error: BaseException | None = None) -> None:
    people = [one for field in ("recipients", "cc", "bcc") for one in getattr(message, field, None) or ()]
    delivering.tell([str(getattr(one, "email", one)) for one in people], error=error)
