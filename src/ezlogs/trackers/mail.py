"""Mail: each attempt to hand a message over for delivery, as one event that names no person and no subject line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from contextvars import ContextVar, Token
from email.utils import getaddresses, parseaddr
from hashlib import sha256
from time import perf_counter, time_ns
from types import TracebackType

from ezlogs.correlation import begun
from ezlogs.emit import guarded, record
from ezlogs.event import Failure, Outcome, Subject, UniversalEvent, failure_of
from ezlogs.ids import new_event_id
from ezlogs.opening import closed, opened
from ezlogs.otel_compat import current_context
from ezlogs.privacy.policy import hashed
from ezlogs.runtime import current_runtime
from ezlogs.trackers.work import outcome_of

MAX_DOMAINS = 50
MAX_HASHES = 50
_HEADERS_READ = 64 * 1024
_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r?\n[ \t]+)?(\S+)", re.IGNORECASE | re.MULTILINE)
_DOMAIN = re.compile(r"[\w-]+(\.[\w-]+)*")

DELIVERY = "email.delivery"
_VERBS = {"success": "sent", "failure": "failed", "unknown": "interrupted"}


_around: ContextVar[Delivering | None] = ContextVar("ezlogs_mail", default=None)


class Delivering:
    """A library's own attempt to deliver, which may or may not use another that is instrumented as well.

    As a ``with`` block around the library's code: what is `delivered` inside it is told there, by who knows most, with
    the template that is named here. `tell` tells what nobody has told.

    Args:
        backend: What delivers, such as ``locmem``.
        template: What the message was made from, if that is known.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture() as captured, Delivering("outer", template="receipt.html") as delivering:
        ...     _ = delivered(["ada@example.com"], b"Subject: Hi", backend="smtp")
        ...     delivering.tell(["ada@example.com"])
        >>> [(event.metadata["backend"], event.metadata["template"]) for event in captured.events]
        [('smtp', 'receipt.html')]
    """

    def __init__(self, backend: str, *, template: str | None = None) -> None:
        self.backend = backend
        self.template = template
        self.told = False
        """Whether something was told meanwhile."""
        self.written: dict[int, object] = {}
        """What was written of each message, by the id of the object that it was written from."""
        self._outer: Delivering | None = None
        self._tokens: list[Token[Delivering | None]] = []
        self._began = perf_counter()

    def __enter__(self) -> Delivering:
        self._outer = _around.get()
        self._tokens.append(_around.set(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        if self._tokens:
            with suppress(ValueError):  # another task closes the coroutine
                _around.reset(self._tokens.pop())

    @guarded
    def tell(
        self,
        recipients: Iterable[str],
        message: str | bytes | None = None,
        *,
        template: str | None = None,
        refused: int = 0,
        message_id: str | None = None,
        outcome: Outcome | None = None,
        error: BaseException | None = None,
    ) -> None:
        """Tell an attempt, unless it was told inside; several messages are told after one another.

        Args:
            recipients: The addresses of the envelope; this and what follows as for `delivered`.
            message: The message, if somebody has written it.
            outcome: How the attempt ended, where that is not to be seen from the error.
        """
        self._leave()
        if self.told:
            return
        delivered(
            recipients,
            message,
            backend=self.backend,
            duration=perf_counter() - self._began,
            refused=refused,
            template=template or self.template,
            message_id=message_id,
            outcome=outcome,
            error=error,
        )


def delivering() -> Delivering | None:
    """Return the attempt to deliver that is under way, if one is."""
    return _around.get()


def delivered(
    recipients: Iterable[str],
    message: str | bytes | None,
    *,
    backend: str,
    duration: float | None = None,
    refused: int = 0,
    code: int | None = None,
    template: str | None = None,
    message_id: str | None = None,
    outcome: Outcome | None = None,
    error: BaseException | None = None,
    event_id: str | None = None,
) -> UniversalEvent | None:
    """Emit the ``email.delivery`` event of one message and one attempt.

    Addresses, subject lines and the server's words stay out of it: of the recipients their number and domains are
    told, and with the setting ``hash_key`` a keyed hash of each address; of an error its type; of the message a hash of
    its Message-ID, which is equal for all its attempts.

    Args:
        recipients: The addresses of the envelope.
        message: The message as it is sent; None where nobody knows it.
        backend: What delivers it, such as ``smtp``.
        duration: Seconds that the attempt took.
        refused: How many of the recipients the server refused.
        code: The server's reply code of a refusal (RFC 5321, section 4.2).
        template: What the message was made from, such as ``mails/receipt.html``.
        message_id: What a provider calls the message, where it has no Message-ID of its own.
        outcome: How the attempt ended, where that is not to be seen from the error.
        error: What ended the attempt; ``None`` when at least one recipient was accepted.
        event_id: Of the event, where the attempt was `attempted`.

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
    around = _around.get()
    while around is not None:
        around.told = True
        template = template or around.template
        around = around._outer
    metadata = _known(addresses, message, backend, template)
    if refused:
        metadata["refused"] = refused
    if code is not None:
        metadata["smtp_code"] = code
    outcome = outcome or outcome_of(error)
    event = record(
        DELIVERY,
        f"message.{_VERBS[outcome]}",
        subject=_subject(message, message_id),
        metadata=metadata,
        outcome=outcome,
        duration=duration,
        error=None if error is None else Failure(failure_of(error).type),
        event_id=event_id,
    )
    if event_id is not None:
        closed(event_id)
    return event


@guarded
def attempted(recipients: Collection[str] | str, message: str | bytes | None, *, backend: str) -> str | None:
    """Begin to hand a message over: if the process is killed meanwhile, the attempt is told as interrupted.

    Args:
        recipients: The addresses of the envelope; this and what follows as for `delivered`.
        message: The message as it is sent.
        backend: What delivers it.

    Returns:
        The id of the event of the attempt, to be given to `delivered` when it has ended; None where nothing outlives
        the process.
    """
    runtime = current_runtime()
    if runtime is None or runtime.carrier is None or not runtime.carrier.notes_openings:
        return None
    began_at, ctx = time_ns(), current_context()
    event_id = new_event_id(began_at)
    around, template = _around.get(), None
    while around is not None:
        template, around = template or around.template, around._outer
    opened(
        DELIVERY,
        f"message.{_VERBS['unknown']}",
        event_id=event_id,
        correlation=begun(ctx),
        ctx=ctx,
        subject=_subject(message, None),
        metadata=_known([recipients] if isinstance(recipients, str) else list(recipients), message, backend, template),
        timestamp=began_at,
    )
    return event_id


def _known(addresses: list[str], message: str | bytes | None, backend: str, template: str | None) -> dict[str, object]:
    """Return what is known of a message before it is handed over."""
    known: dict[str, object] = {"backend": backend, "recipients": len(addresses), "domains": domains(addresses)}
    if hashes := _hashes(addresses):
        known["recipient_hashes"] = hashes
    if message is not None:
        known["size"] = len(message.encode(errors="surrogateescape")) if isinstance(message, str) else len(message)
    if template:
        known["template"] = template
    return known


def _hashes(addresses: list[str]) -> list[str]:
    """Return a keyed hash of each address, at most `MAX_HASHES`; none without a key."""
    runtime = current_runtime()
    key = None if runtime is None else runtime.settings.hash_key
    if key is None:
        return []
    return [hashed(parseaddr(address)[1] or address, key.encode()) for address in addresses[:MAX_HASHES]]


def _subject(message: str | bytes | None, message_id: str | None) -> Subject:
    key = None if message is None else message_key(message)
    if key is None and message_id:
        key = sha256(message_id.encode(errors="replace")).hexdigest()[:32]
    return Subject("email", key)


def domains(addresses: Iterable[str]) -> list[str]:
    """Return the distinct domains of addresses, sorted, at most `MAX_DOMAINS`.

    Example:
        >>> domains(["Ada <ada@Example.com>", "bob@example.com", "root"])
        ['example.com']
    """
    found = {parseaddr(address)[1].rpartition("@")[2].lower() for address in addresses if "@" in address}
    return sorted(domain for domain in found if _DOMAIN.fullmatch(domain))[:MAX_DOMAINS]


def addresses(headers: Iterable[object]) -> list[str]:
    """Return the addresses in header fields and pairs of name and address.

    Example:
        >>> addresses(["Ada <ada@example.com>, bob@example.com", ("Eve", "eve@a.test")])
        ['ada@example.com', 'bob@example.com', 'eve@a.test']
    """
    texts = [str(one[1]) if isinstance(one, tuple) and len(one) == 2 else str(one) for one in headers]
    return [address for _, address in getaddresses(texts) if address]


def message_key(message: str | bytes) -> str | None:
    """Return 32 hex digits that stand for the Message-ID of a message (RFC 5322, section 3.6.4), None without one."""
    start = message[:_HEADERS_READ]
    head = start.encode(errors="replace") if isinstance(start, str) else bytes(start)
    found = _MESSAGE_ID.search(re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0])
    return sha256(found[1]).hexdigest()[:32] if found else None
