"""Mail: each attempt to hand a message over for delivery, as one event that names no person and no subject line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import parseaddr
from hashlib import sha256

from ezlogs.emit import record
from ezlogs.event import Failure, Subject, UniversalEvent, failure_of

MAX_DOMAINS = 50
_HEADERS_READ = 64 * 1024
_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r?\n[ \t]+)?(\S+)", re.IGNORECASE | re.MULTILINE)
_DOMAIN = re.compile(r"[\w-]+(\.[\w-]+)*")

DELIVERY = "email.delivery"


def delivered(
    recipients: Iterable[str],
    message: str | bytes,
    *,
    backend: str,
    duration: float | None = None,
    refused: int = 0,
    code: int | None = None,
    error: BaseException | None = None,
) -> UniversalEvent | None:
    """Emit the ``email.delivery`` event of one message and one attempt.

    Addresses, subject lines and the server's words stay out of it: of the recipients their number and domains are
    told, of an error its type, of the message a hash of its Message-ID, which is equal for all its attempts.

    Args:
        recipients: The addresses of the envelope.
        message: The message as it is sent.
        backend: What delivers it, such as ``smtp``.
        duration: Seconds that the attempt took.
        refused: How many of the recipients the server refused.
        code: The server's reply code of a refusal (RFC 5321, section 4.2).
        error: What ended the attempt; ``None`` when at least one recipient was accepted.

    Returns:
        The event, or None when nothing listens.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture() as captured:
        ...     _ = delivered(["ada@example.com"], b"Subject: Hi", backend="smtp")
        >>> captured.events[0].action, dict(captured.events[0].metadata)["domains"]
        ('message.sent', ('example.com',))
    """
    addresses = list(recipients)
    size = len(message.encode(errors="surrogateescape")) if isinstance(message, str) else len(message)
    metadata: dict[str, object] = {
        "backend": backend,
        "recipients": len(addresses),
        "domains": domains(addresses),
        "size": size,
    }
    if refused:
        metadata["refused"] = refused
    if code is not None:
        metadata["smtp_code"] = code
    return record(
        DELIVERY,
        "message.sent" if error is None else "message.failed",
        subject=Subject("email", message_key(message)),
        metadata=metadata,
        outcome="success" if error is None else "failure",
        duration=duration,
        error=None if error is None else Failure(failure_of(error).type),
    )


def domains(addresses: Iterable[str]) -> list[str]:
    """Return the distinct domains of addresses, sorted, at most `MAX_DOMAINS`.

    Example:
        >>> domains(["Ada <ada@Example.com>", "bob@example.com", "root"])
        ['example.com']
    """
    found = {parseaddr(address)[1].rpartition("@")[2].lower() for address in addresses if "@" in address}
    return sorted(domain for domain in found if _DOMAIN.fullmatch(domain))[:MAX_DOMAINS]


def message_key(message: str | bytes) -> str | None:
    """Return 32 hex digits that stand for the Message-ID of a message (RFC 5322, section 3.6.4), None without one."""
    start = message[:_HEADERS_READ]
    head = start.encode(errors="replace") if isinstance(start, str) else bytes(start)
    found = _MESSAGE_ID.search(re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0])
    return sha256(found[1]).hexdigest()[:32] if found else None
