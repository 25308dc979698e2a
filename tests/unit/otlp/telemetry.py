"""Whatever spans and log records the SDK can hold, and the form in which the official encoder is to be given them.

That form differs from what was given only where the official encoder fails, and ours is documented to do better.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar

from hypothesis import Phase, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from ezlogs.otlp import (
    ResourceGroup,
    encode_log_record,
    encode_request,
    encode_resource,
    encode_scope,
    encode_span,
)

_T = TypeVar("_T")

as_found = settings(phases=[Phase.explicit, Phase.reuse, Phase.generate])
"""For properties of whole batches: to make one smaller takes longer than a test may."""

TEXT = st.text(max_size=200) | st.text(st.characters(categories=["Cs", "Lu"]), max_size=5)
KEYS = st.text(max_size=150)
INTEGERS = st.integers() | st.integers(-(2**70), 2**70)
SCALARS = st.none() | TEXT | st.booleans() | INTEGERS | st.floats() | st.binary(max_size=200)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
ATTRIBUTES = st.dictionaries(KEYS, VALUES, max_size=6)
NANOSECONDS = st.integers(0, 2**64 - 1)
SCHEMAS = st.sampled_from(["", "https://opentelemetry.io/schemas/1.30.0"])
TRACE_STATES = st.dictionaries(
    st.sampled_from(["a", "vendor", "t@v"]), st.from_regex(r"[!-+\--<>-~]{1,20}", fullmatch=True)
).map(lambda members: TraceState([*members.items()]))
CONTEXTS = st.builds(
    SpanContext,
    trace_id=st.integers(1, 2**128 - 1),
    span_id=st.integers(1, 2**64 - 1),
    is_remote=st.booleans(),
    trace_flags=st.integers(0, 255).map(TraceFlags),
    trace_state=TRACE_STATES,
)
STATUSES = (
    st.builds(Status)
    | st.builds(Status, st.just(StatusCode.OK))
    | st.builds(Status, st.just(StatusCode.ERROR), st.none() | TEXT)
)
RESOURCES = st.builds(Resource, ATTRIBUTES, SCHEMAS)
SCOPES = st.none() | st.builds(InstrumentationScope, TEXT, st.none() | TEXT, st.none() | SCHEMAS, ATTRIBUTES)
LIMITS = st.none() | st.integers(0, 3)


def limited(attributes: dict[str, Any], limit: int | None) -> BoundedAttributes:
    """Return attributes as the SDK keeps them, some of them dropped."""
    return BoundedAttributes(limit, attributes)


def limited_list(items: list[Any], limit: int | None) -> BoundedList:
    """Return items as the SDK keeps them, some of them dropped."""
    kept = BoundedList(limit)
    kept.extend(items)
    return kept


LIMITED = st.builds(limited, ATTRIBUTES, LIMITS)
EVENTS = st.builds(Event, TEXT, LIMITED, NANOSECONDS)
LINKS = st.builds(Link, CONTEXTS, st.none() | LIMITED)


@st.composite
def spans(draw: st.DrawFn) -> list[ReadableSpan]:
    """Spans of the SDK in two resources and two scopes."""
    resources, scopes = draw(st.tuples(RESOURCES, RESOURCES)), draw(st.tuples(SCOPES, SCOPES))
    one_span = st.builds(
        ReadableSpan,
        name=TEXT,
        context=CONTEXTS,
        parent=st.none() | CONTEXTS,
        resource=st.sampled_from(resources),
        attributes=st.none() | ATTRIBUTES | LIMITED,
        events=st.builds(limited_list, st.lists(EVENTS, max_size=3), LIMITS),
        links=st.builds(limited_list, st.lists(LINKS, max_size=3), LIMITS),
        kind=st.sampled_from(SpanKind),
        status=STATUSES,
        start_time=st.none() | NANOSECONDS,
        end_time=st.none() | NANOSECONDS,
        instrumentation_scope=st.sampled_from(scopes),
    )
    return draw(st.lists(one_span, max_size=4))


def log_record(span: SpanContext, **fields: Any) -> LogRecord:
    """Return a log record made under a span."""
    return LogRecord(context=trace.set_span_in_context(NonRecordingSpan(span)), **fields)


@st.composite
def log_records(draw: st.DrawFn) -> list[ReadableLogRecord]:
    """Log records of the SDK in two resources and two scopes."""
    resources, scopes = draw(st.tuples(RESOURCES, RESOURCES)), draw(st.tuples(SCOPES, SCOPES))
    one_record = st.builds(
        ReadableLogRecord,
        st.builds(
            log_record,
            st.just(trace.INVALID_SPAN_CONTEXT) | CONTEXTS,
            timestamp=st.none() | NANOSECONDS,
            observed_timestamp=st.none() | NANOSECONDS,
            severity_number=st.none() | st.sampled_from(SeverityNumber),
            severity_text=st.none() | TEXT,
            body=VALUES,
            attributes=ATTRIBUTES | LIMITED,
            event_name=st.none() | TEXT,
        ),
        st.sampled_from(resources),
        st.sampled_from(scopes),
    )
    return draw(st.lists(one_record, max_size=4))


def encoded_spans(spans: Sequence[ReadableSpan]) -> bytes:
    """Encode spans in the order in which the official encoder groups them."""
    return encode_request(_grouped([(span.resource, span.instrumentation_scope, encode_span(span)) for span in spans]))


def encoded_logs(records: Sequence[ReadableLogRecord]) -> bytes:
    """The same for log records."""
    return encode_request(
        _grouped([(record.resource, record.instrumentation_scope, encoded_log(record)) for record in records])
    )


def encoded_log(readable: ReadableLogRecord) -> bytes:
    """Encode a log record of the SDK."""
    record = readable.log_record
    return encode_log_record(
        record.timestamp,
        record.severity_number.value if record.severity_number else 0,
        record.severity_text,
        record.body,
        record.attributes,
        readable.dropped_attributes,
        record.trace_flags or 0,
        record.trace_id or 0,
        record.span_id or 0,
        record.observed_timestamp,
        record.event_name,
    )


def _grouped(items: Sequence[tuple[Resource, InstrumentationScope | None, bytes]]) -> list[ResourceGroup]:
    groups: dict[Resource, dict[InstrumentationScope | None, list[bytes]]] = {}
    for resource, scope, item in items:
        groups.setdefault(resource, {}).setdefault(scope, []).append(item)
    return [
        (
            encode_resource(resource.attributes),
            resource.schema_url,
            [
                (
                    encode_scope(scope.name, scope.version, scope.attributes) if scope else b"",
                    (scope.schema_url or "") if scope else "",
                    encoded,
                )
                for scope, encoded in scopes.items()
            ],
        )
        for resource, scopes in groups.items()
    ]


class Pairs(Mapping[Any, Any]):
    """Attributes of which two may have one key: two broken texts may be the same one when they are mended."""

    def __init__(self, pairs: list[tuple[Any, Any]]) -> None:
        self._pairs = pairs

    def __getitem__(self, key: Any) -> Any:
        return dict(self._pairs)[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(dict(self._pairs))

    def __len__(self) -> int:
        return len(self._pairs)

    def items(self) -> Any:
        """Return all pairs."""
        return self._pairs


def as_documented(value: Any) -> Any:
    """Return a value in the form in which it is documented to be sent.

    Lone surrogates become question marks, and integers that 64 bits do not hold become text. Everything else is sent as
    it is.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, Mapping):
        return Pairs([(as_documented(key), as_documented(item)) for key, item in value.items()])
    if isinstance(value, (list, tuple)):
        return [as_documented(item) for item in value]
    return value


class Documented:
    """Something of the SDK's, in the form in which it is documented to be sent."""

    def __init__(self, original: Any, **instead: Any) -> None:
        self.__dict__.update(instead)
        self._original = original

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._original, name)
        return value if isinstance(value, int) else as_documented(value)  # a time or a count, of 64 bits without a sign


class _Sources:
    """Resources and scopes in that form: equal ones are one, as for who groups by them."""

    def __init__(self) -> None:
        self._made: dict[Hashable, Any] = {}

    def __call__(self, original: _T) -> _T:
        if original is None:
            return original
        return self._made.setdefault((type(original), original), Documented(original))  # type: ignore[no-any-return]  # it looks alike


def documented_spans(spans: Sequence[ReadableSpan]) -> list[Any]:
    """Return spans in the form in which they are documented to be sent."""
    sources = _Sources()
    return [
        Documented(
            span,
            resource=sources(span.resource),
            instrumentation_scope=sources(span.instrumentation_scope),
            get_span_context=span.get_span_context,
            parent=span.parent,
            kind=span.kind,
            status=Documented(span.status, status_code=span.status.status_code),
            events=[Documented(event) for event in span.events],
            links=[Documented(link, context=link.context) for link in span.links],
        )
        for span in spans
    ]


def documented_logs(records: Sequence[ReadableLogRecord]) -> list[Any]:
    """Return log records in that form."""
    sources = _Sources()
    return [
        SimpleNamespace(
            log_record=Documented(
                readable.log_record,
                body=as_documented(readable.log_record.body),
                severity_number=readable.log_record.severity_number,
                trace_id=readable.log_record.trace_id,
                span_id=readable.log_record.span_id,
            ),
            resource=sources(readable.resource),
            instrumentation_scope=sources(readable.instrumentation_scope),
            dropped_attributes=readable.dropped_attributes,
        )
        for readable in records
    ]
