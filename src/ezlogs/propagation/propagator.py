"""The propagator ``ezlogs``: a story's ids in a header of their own, where W3C baggage is not wanted or gets lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry import baggage
from opentelemetry.context import Context, get_current
from opentelemetry.propagators.textmap import Getter, Setter, TextMapPropagator, default_getter, default_setter

from ezlogs.correlation import BAGGAGE_MEMBERS, Correlation, current
from ezlogs.propagation.header import HEADER, read, written
from ezlogs.sampling.root import travelling


class EzlogsPropagator(TextMapPropagator):
    """Carries the same ids as baggage does, in the header `HEADER`: ``OTEL_PROPAGATORS=tracecontext,ezlogs``.

    Neither who acts nor the application's own baggage travels in it. What arrives is found where the ids of baggage
    are, so a scope of ezlogs that is already in the context stays what it is.

    Example:
        >>> from ezlogs.correlation import placed
        >>> headers = {}
        >>> EzlogsPropagator().inject(headers, placed(Correlation(correlation_id="story-1", parent_event_id="evt_1")))
        >>> headers
        {'ezlogs': '{"v":1,"correlation_id":"story-1","parent_event_id":"evt_1"}'}
        >>> current(EzlogsPropagator().extract(headers)).parent_event_id
        'evt_1'
    """

    def extract(self, carrier: Any, context: Context | None = None, getter: Getter[Any] = default_getter) -> Context:
        """Return a context with the ids of the header; the same context where there is none, or no usable one."""
        ctx = Context() if context is None else context
        lines = getter.get(carrier, HEADER)
        header = read(lines[0]) if lines else None
        if header is None:
            return ctx
        for field, name in BAGGAGE_MEMBERS.items():
            value = getattr(header, field)
            ctx = baggage.remove_baggage(name, ctx) if value is None else baggage.set_baggage(name, value, ctx)
        return ctx

    def inject(self, carrier: Any, context: Context | None = None, setter: Setter[Any] = default_setter) -> None:
        """Write the header of the context's story; nothing outside any story, and never over that of a job."""
        correlation = current(context)
        if correlation is None or _is_jobs(carrier):
            return
        correlation = travelling(correlation, get_current() if context is None else context)
        ids = {field: getattr(correlation, field) for field in BAGGAGE_MEMBERS}
        text = written(Correlation(**ids))
        if text is not None:
            setter.set(carrier, HEADER, text)

    @property
    def fields(self) -> set[str]:
        """The names of the headers that are written."""
        return {HEADER}


def _is_jobs(carrier: object) -> bool:
    """Return whether a message has its header already: its story goes on with the event that enqueued it."""
    sent = read(carrier.get(HEADER)) if isinstance(carrier, Mapping) else None
    return sent is not None and sent.at is not None
