"""The wire: from spans, events and log records to bytes, and from bytes to an OTLP collector."""

from ezlogs.otlp.answer import TOO_LARGE, Delivered, Outcome, Rejected, Retry
from ezlogs.otlp.encode import (
    EVENT_HEADS,
    EVENT_OF_SPAN,
    BegunSpan,
    ResourceGroup,
    ScopeGroup,
    encode_begun_span,
    encode_event,
    encode_request,
    encode_resource,
    encode_scope,
    encode_span,
    encode_span_end,
    event_head,
    event_name,
    event_parts,
)
from ezlogs.otlp.http import HttpTransport
from ezlogs.otlp.logs import LOG_RECORD_HEADS, encode_log_record

__all__ = [
    "EVENT_HEADS",
    "EVENT_OF_SPAN",
    "LOG_RECORD_HEADS",
    "TOO_LARGE",
    "BegunSpan",
    "Delivered",
    "HttpTransport",
    "Outcome",
    "Rejected",
    "ResourceGroup",
    "Retry",
    "ScopeGroup",
    "encode_begun_span",
    "encode_event",
    "encode_log_record",
    "encode_request",
    "encode_resource",
    "encode_scope",
    "encode_span",
    "encode_span_end",
    "event_head",
    "event_name",
    "event_parts",
]
