"""The encoder agrees with OpenTelemetry's own on everything that both can express, and loses nothing else silently."""

from __future__ import annotations

import enum
import itertools
from collections import UserDict, UserList
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common._internal import _encode_attributes
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceState

from ezlogs.otlp import (
    encode_event,
    encode_request,
    encode_resource,
    encode_scope,
    encode_span,
    event_head,
    event_parts,
)

from .telemetry import VALUES, as_documented, as_found, documented_spans, encoded_spans, spans


def parsed_event(attributes: dict[Any, Any], dropped: int = 0) -> SpanMessage.Event:
    """Encode an event and read it back with the official protobuf."""
    return SpanMessage.Event.FromString(encode_event("order.action", 1, attributes, dropped))


def only_value(attributes: dict[Any, Any]) -> Any:
    """Return the ``AnyValue`` that an event's only attribute became."""
    (attribute,) = parsed_event(attributes).attributes
    return attribute.value


@as_found
@given(spans())
def test_it_agrees_with_the_official_encoder(spans: list[ReadableSpan]) -> None:
    """Whatever the SDK can hold arrives as the official encoder would have sent it.

    Compared as the bytes that the official protobuf makes of either, in which NaN equals NaN.
    """
    sent = ExportTraceServiceRequest.FromString(encoded_spans(spans))
    assert sent.SerializeToString() == encode_spans(documented_spans(spans)).SerializeToString()


@given(VALUES)
def test_any_value_agrees_with_the_official_encoder(value: object) -> None:
    """Also where the SDK has not looked at it first."""
    sent = ResourceMessage.FromString(encode_resource({"key": value}))
    assert sent.dropped_attributes_count == 0
    expected = ResourceMessage(attributes=_encode_attributes({"key": as_documented(value)}))
    assert sent.SerializeToString() == expected.SerializeToString()


def test_spans_that_were_recorded_come_out_byte_for_byte_as_the_official_encoder_writes_them() -> None:
    """Spans of a real tracer, with limits that drop attributes, events and links, give the very same bytes."""
    exporter = InMemorySpanExporter()
    limits = SpanLimits(max_events=2, max_links=1, max_span_attributes=2, max_event_attributes=1, max_link_attributes=1)
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), span_limits=limits)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("shop", "1.0", "https://opentelemetry.io/schemas/1.30.0", {"team": "orders"})
    remote = SpanContext(2**127, 2**63, is_remote=True, trace_state=TraceState([("vendor", "1")]))
    links = [Link(remote, {"a": 1, "b": 2}), Link(remote)]
    with tracer.start_as_current_span("POST /orders", kind=SpanKind.SERVER, links=links) as parent:
        parent.set_attributes({"a": "1", "b": ["x", "y"], "c": 2.5})
        for number in range(4):
            parent.add_event("order.action", {"number": number, "text": "ü" * number})
        with tracer.start_as_current_span("INSERT") as child:
            child.set_status(StatusCode.ERROR, "duplicate key")

    spans = exporter.get_finished_spans()
    assert encoded_spans(spans) == encode_spans(spans).SerializeToString()


def test_events_encoded_earlier_follow_the_spans_own() -> None:
    """Bodies handed over with a span are sent after the events that it holds."""
    span = ReadableSpan("s", SpanContext(1, 2, False), events=[Event("own", {}, 1)])
    sent = SpanMessage.FromString(encode_span(span, [encode_event("ours", 2, {"n": 1})]))
    assert [event.name for event in sent.events] == ["own", "ours"]
    assert sent.events[1].attributes[0].value.int_value == 1


def test_a_body_can_be_extended() -> None:
    """Two bodies of events in a row are one event with the fields of both: what is known later is appended."""
    later = encode_event("order.action", 7, {"outcome": "success"})
    event = SpanMessage.Event.FromString(encode_event("order.action", 7, {"action": "placed"}) + later)
    assert [attribute.key for attribute in event.attributes] == ["action", "outcome"]


def test_an_absent_scope_is_sent_as_an_empty_one() -> None:
    """A span without an instrumentation scope still has a scope message, as the official encoder sends it."""
    span = ReadableSpan("s", SpanContext(1, 2, False), resource=Resource({}))
    ours = encode_request([(encode_resource({}), "", [(b"", "", [encode_span(span)])])])
    assert ExportTraceServiceRequest.FromString(ours) == encode_spans([span])


def test_nothing_to_send_is_an_empty_request() -> None:
    """A request without groups is the empty message."""
    assert encode_request([]) == b""


def test_the_same_key_serves_values_of_every_size_and_type() -> None:
    """What is remembered about a key never leaks from one size or type of value into another."""
    values: list[Any] = ["", "a", "a" * 63, "a" * 64, "a" * 127, "a" * 128, "ü" * 9000, 5, True, 0.5, None, b"x", ["x"]]
    for value, again in itertools.product(values, repeat=2):
        sent = parsed_event({"key": value, "other": again}).attributes
        expected = encode_spans([ReadableSpan("", SpanContext(1, 1, False), attributes={"key": value, "other": again})])
        assert list(sent) == list(expected.resource_spans[0].scope_spans[0].spans[0].attributes)


def test_keys_without_end_are_sent_correctly() -> None:
    """More keys than are remembered, and keys too long to be remembered, arrive all the same."""
    keys = [f"key.{number}" for number in range(2000)] + ["k" * 127, "k" * 128, "k" * 20_000]
    assert [attribute.key for attribute in parsed_event(dict.fromkeys(keys, "v")).attributes] == keys


def test_keys_without_end_are_not_kept() -> None:
    """An application that makes up a new key each time does not fill the memory."""
    from ezlogs.otlp import encode

    for number in range(3000):
        encode_event("order.action", 1, {f"made.up.{number}": "v"})
    assert len(encode.EVENT_HEADS.texts) <= 512


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**40])
def test_integers_beyond_64_bits_are_sent_as_text(number: int) -> None:
    """An integer that OTLP cannot hold arrives with all of its digits."""
    assert only_value({"n": number}).string_value == str(number)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), -1, 0, 127, 128, 16383, 16384])
def test_integers_of_64_bits_are_sent_as_numbers(number: int) -> None:
    """An integer up to the limits of 64 bits arrives as it is, and is there even when it is zero."""
    value = only_value({"n": number})
    assert (value.WhichOneof("value"), value.int_value) == ("int_value", number)


def test_not_a_number_stays_not_a_number() -> None:
    """NaN and the infinities are doubles like any other."""
    values = only_value({"n": [float("nan"), float("inf"), float("-inf")]}).array_value.values
    assert [str(value.double_value) for value in values] == ["nan", "inf", "-inf"]


def test_lone_surrogates_are_replaced() -> None:
    """Text that is not Unicode is readable but for the broken characters, in names, keys and values alike."""
    event = SpanMessage.Event.FromString(
        encode_event("na\ud800me", 1, {"ke\udc80y": "va\ud800lue", "list": ["\udfff", {"\ud800": "\ud800"}]})
    )
    first, second = event.attributes
    assert (event.name, first.key, first.value.string_value) == ("na?me", "ke?y", "va?lue")
    text, mapping = second.value.array_value.values
    assert (text.string_value, mapping.kvlist_value.values[0].key) == ("?", "?")


class Colour(str, enum.Enum):
    """An enumeration whose members are texts."""

    RED = "red"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Colour.RED, "red"),
        (enum.IntEnum("Size", {"BIG": 7}).BIG, 7),  # type: ignore[attr-defined]  # made on the spot
        (type("Celsius", (float,), {})(21.5), 21.5),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"ab"), b"ab"),
        (range(3), [0, 1, 2]),
        (UserList(["a"]), ["a"]),
        (UserDict({"a": 1}), {"a": 1}),
        ({1: "one"}, {"1": "one"}),
    ],
)
def test_relatives_of_the_known_types_are_sent_as_those(value: object, plain: object) -> None:
    """A subclass, or another kind of sequence, mapping or bytes, arrives as the plain type."""
    assert only_value({"v": value}) == only_value({"v": plain})


class Unwilling:
    """A sequence that fails when it is read."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> object:
        raise RuntimeError("no")


Sequence.register(Unwilling)


def nested(levels: int) -> object:
    """Return a list in a list in a list."""
    value: object = "bottom"
    for _ in range(levels):
        value = [value]
    return value


def endless() -> list[object]:
    """Return a list that holds itself."""
    value: list[object] = []
    value.append(value)
    return value


@pytest.mark.parametrize("value", [object(), {1, 2}, [object()], {"a": object()}, Unwilling(), endless(), nested(25)])
def test_a_value_that_otlp_cannot_hold_is_left_out_and_counted(value: object) -> None:
    """One impossible attribute costs neither the others nor the knowledge that it was there."""
    event = parsed_event({"before": 1, "impossible": value, "after": 2}, dropped=3)
    assert [attribute.key for attribute in event.attributes] == ["before", "after"]
    assert event.dropped_attributes_count == 4


def test_a_key_that_is_no_text_is_sent_as_text() -> None:
    """A mapping of numbers arrives under their digits, whatever keys were seen before."""
    event = parsed_event({"1": "text", 1: "number", None: "nothing"})
    assert [attribute.key for attribute in event.attributes] == ["1", "1", "None"]


def test_values_nested_as_deeply_as_readers_accept_are_sent() -> None:
    """The deepest value that is sent passes the recursion limit of the official protobuf, maps included."""
    value: object = "bottom"
    for _ in range(24):
        value = {"k": value}
    event = encode_event("order.action", 1, {"deep": value, "list": nested(24)})
    span = ReadableSpan("s", SpanContext(1, 2, False))
    body = encode_request([(b"", "", [(b"", "", [encode_span(span, [event])])])])
    sent = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans[0].events[0]
    assert len(sent.attributes) == 2


def test_what_is_left_out_of_a_resource_scope_or_link_is_counted_too() -> None:
    """The count is there for each message that has attributes."""
    assert ResourceMessage.FromString(encode_resource({"bad": object()})).dropped_attributes_count == 1
    scope = encode_request([(b"", "", [(encode_scope("s", None, {"bad": object()}), "", [])])])
    sent = ExportTraceServiceRequest.FromString(scope).resource_spans[0].scope_spans[0].scope
    assert (sent.name, sent.dropped_attributes_count) == ("s", 1)
    bad: Any = {"bad": object()}
    link: Any = SimpleNamespace(context=SpanContext(1, 2, False), attributes=bad, dropped_attributes=1)
    span = ReadableSpan("s", SpanContext(1, 2, False), links=[link], attributes=bad)
    message = SpanMessage.FromString(encode_span(span))
    assert (message.links[0].dropped_attributes_count, message.dropped_attributes_count) == (2, 1)


@pytest.mark.parametrize("time", [None, -1, 1.5, 2**64, "now"])
def test_a_time_that_is_none_is_sent_as_missing(time: Any) -> None:
    """A timestamp that is no nanoseconds since 1970 costs the timestamp, not the event."""
    event = SpanMessage.Event.FromString(encode_event("order.action", time, {"a": "b"}))
    assert (event.time_unix_nano, event.name, len(event.attributes)) == (0, "order.action", 1)


def test_a_name_that_is_no_text_is_sent_as_text() -> None:
    """Names are not checked by the SDK, so a number may come."""
    assert SpanMessage.Event.FromString(encode_event(404, 1, {})).name == "404"  # type: ignore[arg-type]  # the point


def test_a_huge_count_stays_within_the_field() -> None:
    """The count of dropped attributes has 32 bits on the wire."""
    assert parsed_event({}, dropped=2**40).dropped_attributes_count == 2**32 - 1


def test_attributes_may_be_absent() -> None:
    """None stands for no attributes."""
    assert encode_event("e", 1, None) == encode_event("e", 1, {})
    assert encode_resource(None) == b""


def test_attributes_may_be_any_mapping() -> None:
    """A mapping that cannot be copied is read as it is."""

    class Fixed(UserDict[str, object]):
        copy = None  # type: ignore[assignment]  # a mapping is not bound to have it

    assert encode_event("e", 1, Fixed({"a": "b"})) == encode_event("e", 1, {"a": "b"})


@given(st.text(), st.integers() | st.floats())
def test_the_head_of_an_event_is_its_parts_together(name: str, time_unix_nano: Any) -> None:
    """In one text of bytes, for whoever has its attributes encoded already."""
    assert event_head(name, time_unix_nano) == b"".join(event_parts(name, time_unix_nano))
