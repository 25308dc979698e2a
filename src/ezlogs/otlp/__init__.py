"""The wire: from spans and events to bytes, and from bytes to an OTLP collector."""

from ezlogs.otlp.encode import (
    EventLike,
    ResourceGroup,
    ScopeGroup,
    SpanLike,
    encode_event,
    encode_request,
    encode_resource,
    encode_scope,
    encode_span,
)
from ezlogs.otlp.http import Delivered, HttpTransport, Rejected, Retry

__all__ = [
    "Delivered",
    "EventLike",
    "HttpTransport",
    "Rejected",
    "ResourceGroup",
    "Retry",
    "ScopeGroup",
    "SpanLike",
    "encode_event",
    "encode_request",
    "encode_resource",
    "encode_scope",
    "encode_span",
]
