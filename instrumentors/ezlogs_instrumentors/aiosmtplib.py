"""aiosmtplib: an event for each message that ``SMTP.sendmail`` (and so ``send_message`` and ``send``) hands over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial, wraps
from time import perf_counter
from types import MappingProxyType, ModuleType
from typing import Any

from ezlogs.emit import guarded, tracking
from ezlogs.trackers import mail
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks


class AiosmtplibInstrumentor(HookingInstrumentor):
    """Tells of e-mail sent through aiosmtplib, FastAPI-Mail included."""

    package = "aiosmtplib"
    versions = ("aiosmtplib >= 2",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return MappingProxyType(
            {"aiosmtplib.smtp": _attach, "aiosmtplib.api": _attach_to_send, "aiosmtplib": _attach_to_send}
        )


def _attach(hooks: Hooks, smtp: ModuleType) -> None:
    def telling(sendmail: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(sendmail)
        async def call(*args: Any, **kwargs: Any) -> Any:
            if not hooks.active or not tracking(mail.DELIVERY):
                return await sendmail(*args, **kwargs)
            event_id = _begin(args, kwargs)
            begin = perf_counter()
            try:
                result = await sendmail(*args, **kwargs)
            except BaseException as error:
                _tell(args, kwargs, perf_counter() - begin, _refusals(error), error, event_id=event_id)
                raise
            _tell(args, kwargs, perf_counter() - begin, _codes(result), event_id=event_id)
            return result

        return call

    hooks.replace(smtp.SMTP, "sendmail", telling)


def _attach_to_send(hooks: Hooks, module: ModuleType) -> None:
    """See messages that never came so far, because nobody answered."""
    hooks.replace(module, "send", partial(_sending, hooks))


def _sending(hooks: Hooks, send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(send)
    async def call(message: Any, /, *args: Any, **kwargs: Any) -> Any:
        if not hooks.active or not tracking(mail.DELIVERY):
            return await send(message, *args, **kwargs)
        with mail.Delivering("smtp") as delivering:
            try:
                return await send(message, *args, **kwargs)
            except BaseException as error:
                _tell_unsent(delivering, message, kwargs, error)
                raise

    return call


@guarded
def _tell_unsent(delivering: mail.Delivering, message: Any, kwargs: dict[str, Any], error: BaseException) -> None:
    recipients = kwargs.get("recipients")
    if recipients is None and not isinstance(message, (str, bytes)):
        headers = [message.get_all(name, []) for name in ("to", "cc", "bcc")]
        recipients = mail.addresses([str(header) for found in headers for header in found])
    written = message if isinstance(message, (str, bytes)) else message.as_bytes()
    delivering.tell([recipients] if isinstance(recipients, str) else recipients or (), written, error=error)


@guarded
def _begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """Take note that a call begins, unless it is one that cannot be, or whose recipients can be looked at only once."""
    call = _call(args, kwargs)
    if not isinstance(call.get("recipients"), (str, list, tuple)) or not isinstance(call.get("message"), (str, bytes)):
        return None
    return mail.attempted(call["recipients"], call["message"], backend="smtp")


def _call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``sendmail(self, sender, recipients, message, ...)``."""
    return {**dict(zip(("self", "sender", "recipients", "message"), args, strict=False)), **kwargs}


def _recipients(call: dict[str, Any]) -> list[str]:
    found = call["recipients"]
    return [found] if isinstance(found, str) else list(found)


@guarded
def _tell(
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    duration: float,
    refused: list[int] | None,
    error: BaseException | None = None,
    *,
    event_id: str | None,
) -> None:
    """Emit the event of a call."""
    call = _call(args, kwargs)
    codes = refused or []
    mail.delivered(
        _recipients(call),
        call["message"],
        backend="smtp",
        duration=duration,
        refused=len(codes),
        code=max(codes, default=None) if error is None or codes else getattr(error, "code", None),
        error=error,
        event_id=event_id,
    )


@guarded
def _codes(result: Any) -> list[int]:
    """Return the reply codes of the recipients that were refused, of ``(errors, response)``."""
    return [code for code, _ in result[0].values()]


@guarded
def _refusals(error: BaseException) -> list[int]:
    """Return the reply codes in an ``SMTPRecipientsRefused``."""
    recipients = getattr(error, "recipients", None)
    return [one.code for one in recipients] if isinstance(recipients, list) else []
