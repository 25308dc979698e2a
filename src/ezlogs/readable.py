"""Readable spans: the public face of the OpenTelemetry SDK's spans, which privacy scrubs and the wire encodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext, SpanKind, StatusCode


class EventLike(Protocol):
    """The public face of the OpenTelemetry SDK's ``Event``."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def timestamp(self) -> int:
        """Nanoseconds since 1970."""

    @property
    def attributes(self) -> Mapping[str, Any] | None:
        """Its attributes."""

    @property
    def dropped_attributes(self) -> int:
        """How many attributes the SDK's limits cost."""


class LinkLike(Protocol):
    """The public face of OpenTelemetry's ``Link``."""

    @property
    def context(self) -> SpanContext:
        """The span it leads to."""

    @property
    def attributes(self) -> Mapping[str, Any] | None:
        """Its attributes."""

    @property
    def dropped_attributes(self) -> int:
        """How many attributes the SDK's limits cost."""


class StatusLike(Protocol):
    """The public face of OpenTelemetry's ``Status``."""

    @property
    def status_code(self) -> StatusCode:
        """Unset, ok or error."""

    @property
    def description(self) -> str | None:
        """Why, where it is an error; often an exception's message."""


class SpanLike(Protocol):
    """The public face of the OpenTelemetry SDK's ``ReadableSpan``."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def context(self) -> SpanContext:
        """Its identity."""

    @property
    def parent(self) -> SpanContext | None:
        """Its parent's identity."""

    @property
    def kind(self) -> SpanKind:
        """Server, client, producer, consumer or internal."""

    @property
    def start_time(self) -> int | None:
        """Nanoseconds since 1970."""

    @property
    def end_time(self) -> int | None:
        """Nanoseconds since 1970; ``None`` while it runs."""

    @property
    def attributes(self) -> Mapping[str, Any] | None:
        """Its attributes."""

    @property
    def events(self) -> Sequence[EventLike]:
        """What happened in it."""

    @property
    def links(self) -> Sequence[LinkLike]:
        """The spans it refers to."""

    @property
    def status(self) -> StatusLike:
        """How it ended."""

    @property
    def resource(self) -> Any:
        """The service that made it."""

    @property
    def instrumentation_scope(self) -> Any:
        """The library that made it."""

    @property
    def dropped_attributes(self) -> int:
        """How many attributes the SDK's limits cost."""

    @property
    def dropped_events(self) -> int:
        """How many events the SDK's limits cost."""

    @property
    def dropped_links(self) -> int:
        """How many links the SDK's limits cost."""
