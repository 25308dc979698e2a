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
    begin = perf_counter()
    try:
        refused = sendmail(*args, **kwargs)
    except BaseException as error:
        _tell(args, kwargs, perf_counter() - begin, _refusals(error), error)
        raise
    _tell(args, kwargs, perf_counter() - begin, {address: code for address, (code, _) in refused.items()})
    return refused


@guarded
def _tell(
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    duration: float,
    refused: Mapping[str, int],
    error: BaseException | None = None,
) -> None:
    """Emit the event of a call of ``sendmail(from_addr, to_addrs, msg, ...)``."""
    call = {**dict(zip(("from_addr", "to_addrs", "msg"), args, strict=False)), **kwargs}
    recipients: str | Iterable[str] = call["to_addrs"]
    code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else max(refused.values(), default=None)
    mail.delivered(
        [recipients] if isinstance(recipients, str) else recipients,
        call["msg"],
        backend="smtp",
        duration=duration,
        refused=len(refused),
        code=code,
        error=error,
    )


def _refusals(error: BaseException) -> dict[str, int]:
    """Return the reply code of each address that the server refused."""
    if not isinstance(error, smtplib.SMTPRecipientsRefused):
        return {}
    return {address: code for address, (code, _) in error.recipients.items()}
