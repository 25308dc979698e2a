"""What a collector's answer means: the outcomes of a request, and what is read from the bytes that came back."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ezlogs.otlp.protobuf import bytes_of, fields, text_of

_LONGEST_MESSAGE = 200
_PAGES = frozenset({"text/html", "application/xhtml+xml"})


class Delivered(msgspec.Struct, frozen=True):
    """The collector has taken the request."""

    rejected: int = 0
    """Spans or log records of it that the collector refused, by its partial success."""
    message: str = ""
    """What it said about that."""


class Retry(msgspec.Struct, frozen=True):
    """Nothing was taken, and the same bytes may be sent again."""

    reason: str
    after: float | None = None
    """Seconds that the collector asked to wait."""


TOO_LARGE = 413
"""The status of a request that is refused for its size: half of it may pass."""


class Rejected(msgspec.Struct, frozen=True):
    """The collector will not take this request, however often it is sent."""

    reason: str
    status: int
    """The HTTP status, or over gRPC the one that stands for the code there; see `TOO_LARGE`."""


Outcome = Delivered | Retry | Rejected


def secrets(values: Iterable[str]) -> list[str]:
    """Return the texts that must not show, longest first: header values, and the credentials inside them."""
    words = [word for value in values for word in (value, *value.split()[1:])]
    return sorted({word for word in words if len(word) >= 4}, key=len, reverse=True)


def presentable(text: str, secrets: Iterable[str]) -> str:
    """Return a collector's words as one short printable line, without the values of our headers.

    >>> presentable("no such token:\\n hunter2", ["hunter2"])
    'no such token: [redacted]'
    """
    for secret in secrets:
        text = text.replace(secret, "[redacted]")
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= _LONGEST_MESSAGE else line[:_LONGEST_MESSAGE] + "..."


class _PartialSuccess(msgspec.Struct, rename="camel"):
    rejected_spans: int = 0
    rejected_log_records: int = 0
    error_message: str = ""


class _JsonAnswer(msgspec.Struct, rename="camel"):
    partial_success: _PartialSuccess | None = None
    message: str = ""


def partial_success(content_type: str, content: bytes) -> Delivered:
    """Read the response of either signal. One that makes no sense rejected nothing that we know of."""
    if _is_json(content_type):
        partial = _json_answer(content).partial_success or _PartialSuccess()
        return Delivered(max(0, partial.rejected_spans, partial.rejected_log_records), partial.error_message)
    partial_fields = fields(bytes_of(fields(content).get(1)))
    rejected = partial_fields.get(1)
    message = text_of(partial_fields.get(2))
    return Delivered(rejected if isinstance(rejected, int) and rejected < 1 << 63 else 0, message)


def is_page(content_type: str, content: bytes) -> bool:
    """Return whether an answer is a page for people, which no collector sends: a proxy's or a portal's.

    >>> is_page("text/html; charset=utf-8", b"<!doctype html><title>Sign in</title>"), is_page("text/html", b"")
    (True, False)
    """
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type in _PAGES and content.lstrip().removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def error_message(content_type: str, content: bytes) -> str:
    """Read what a collector says about a failure: a ``google.rpc.Status``, or the plain text of a proxy."""
    if _is_json(content_type):
        return _json_answer(content).message
    if content_type.startswith("text/plain"):
        return text_of(content)
    return text_of(fields(content).get(2))


def _is_json(content_type: str) -> bool:
    return content_type.lower().startswith("application/json")


def _json_answer(content: bytes) -> _JsonAnswer:
    try:
        return msgspec.json.decode(content, type=_JsonAnswer, strict=False)  # 64-bit numbers are texts in JSON
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _JsonAnswer()
