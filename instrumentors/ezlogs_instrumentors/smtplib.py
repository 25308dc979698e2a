"""smtplib: an event for each message that ``SMTP.sendmail`` (and so ``send_message``) hands to a server."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Collection, Iterable, Mapping
from time import perf_counter
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # its file is exempt from typing
from opentelemetry.instrumentation.utils import unwrap
from wrapt import wrap_function_wrapper

from ezlogs.emit import guarded, tracking
from ezlogs.trackers import mail

Refusals = Mapping[str, tuple[int, bytes]]
"""What ``sendmail`` returns, and ``SMTPRecipientsRefused`` holds: the reply for each refused address."""


class SmtplibInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # as above
    """Tells of e-mail sent through the standard library, Django's SMTP backend included."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: smtplib is always there."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        wrap_function_wrapper(smtplib, "SMTP.sendmail", _sendmail)

    def _uninstrument(self, **kwargs: Any) -> None:
        unwrap(smtplib.SMTP, "sendmail")


def _sendmail(
    sendmail: Callable[..., Refusals], _smtp: smtplib.SMTP, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Refusals:
    if not tracking(mail.DELIVERY):
        return sendmail(*args, **kwargs)
    event_id = _begin(args, kwargs)
    begin = perf_counter()
    try:
        refused = sendmail(*args, **kwargs)
    except BaseException as error:
        _tell(args, kwargs, perf_counter() - begin, _refusals(error), error, event_id=event_id)
        raise
    codes = {address: code for address, (code, _) in refused.items()}
    _tell(args, kwargs, perf_counter() - begin, codes, event_id=event_id)
    return refused


@guarded
def _begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """Take note that a call begins, unless it is one that cannot be, or whose recipients can be looked at only once."""
    call = _call(args, kwargs)
    if not isinstance(call.get("to_addrs"), (str, list, tuple)) or not isinstance(call.get("msg"), (str, bytes)):
        return None
    return mail.attempted(call["to_addrs"], call["msg"], backend="smtp")


def _call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``sendmail(from_addr, to_addrs, msg, ...)``."""
    return {**dict(zip(("from_addr", "to_addrs", "msg"), args, strict=False)), **kwargs}


def _recipients(call: dict[str, Any]) -> Iterable[str]:
    found: str | Iterable[str] = call["to_addrs"]
    return [found] if isinstance(found, str) else found


@guarded
def _tell(
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    duration: float,
    refused: Mapping[str, int],
    error: BaseException | None = None,
    *,
    event_id: str | None,
) -> None:
    """Emit the event of a call."""
    call = _call(args, kwargs)
    code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else max(refused.values(), default=None)
    mail.delivered(
        _recipients(call),
        call["msg"],
        backend="smtp",
        duration=duration,
        refused=len(refused),
        code=code,
        error=error,
        event_id=event_id,
    )


def _refusals(error: BaseException) -> dict[str, int]:
    """Return the reply code of each address that the server refused."""
    if not isinstance(error, smtplib.SMTPRecipientsRefused):
        return {}
    return {address: code for address, (code, _) in error.recipients.items()}
