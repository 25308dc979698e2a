"""OTLP/protobuf encoder for log records, which is what events are in OpenTelemetry's logs signal.

Field numbers follow ``logs/v1/logs.proto``. Resources, scopes and the request around them are those of
`ezlogs.otlp.encode`: the two signals nest alike.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

from ezlogs.otlp.values import (
    VARINTS,
    Remembered,
    any_value_field,
    append_attributes,
    count_field,
    heads,
    optional_text_field,
    text_field,
    time_field,
)

LOG_RECORD_HEADS = heads(b"\x32")

_EVENT_NAMES: Remembered[str, bytes] = Remembered(lambda name: text_field(b"\x62", name))

_FLAGS = struct.Struct("<cI").pack


def encode_log_record(  # noqa: PLR0917  # the fields of the message, in their order on the wire
    time_unix_nano: int | None,
    severity_number: int = 0,
    severity_text: str | None = None,
    body: object = None,
    attributes: Mapping[str, Any] | None = None,
    dropped: int = 0,
    flags: int = 0,
    trace_id: int = 0,
    span_id: int = 0,
    observed_time_unix_nano: int | None = None,
    event_name: str | None = None,
    more: Iterable[bytes] = (),
) -> bytes:
    """Encode one log record.

    Args:
        time_unix_nano: When it happened, nanoseconds since 1970; what is no such number is sent as 0: unknown.
        severity_number: 1 to 24, see OpenTelemetry's logs data model; 0 for none.
        severity_text: The severity in the words of its source, if there are any.
        body: The message; any value that OTLP knows, None for none. One without an OTLP form is left out.
        attributes: Values of any type that OTLP knows; others are left out and counted.
        dropped: How many attributes had been dropped before.
        flags: The W3C trace flags of the span that it was made under.
        trace_id: The trace of that span; 0 for none.
        span_id: That span's id; 0 for none.
        observed_time_unix_nano: When OpenTelemetry learnt of it, nanoseconds since 1970.
        event_name: What kind of event it is; None for a log record that is no event.
        more: Further attributes, encoded under `LOG_RECORD_HEADS`.

    Returns:
        The body of ``opentelemetry.proto.logs.v1.LogRecord``, without the length in front.

    Example:
        >>> encode_log_record(0, event_name="order.action")
        b'*\\x00b\\x0corder.action'
    """
    parts: list[bytes] = []
    if time_unix_nano:
        parts.append(time_field(b"\x09", time_unix_nano))
    if severity_number:
        parts += (b"\x10", VARINTS[severity_number])
    parts += (optional_text_field(b"\x1a", severity_text), any_value_field(b"\x2a", body))
    if dropped := dropped + append_attributes(parts, LOG_RECORD_HEADS, attributes):
        parts.append(count_field(b"\x38", dropped))
    if flags:
        parts.append(_FLAGS(b"\x45", flags))
    if trace_id:
        parts += (b"\x4a\x10", trace_id.to_bytes(16, "big"))
    if span_id:
        parts += (b"\x52\x08", span_id.to_bytes(8, "big"))
    if observed_time_unix_nano:
        parts.append(time_field(b"\x59", observed_time_unix_nano))
    if event_name:
        parts.append(_EVENT_NAMES[event_name])
    parts += more
    return b"".join(parts)
