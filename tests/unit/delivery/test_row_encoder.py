"""Rows that are alike are encoded at once as they would be one by one: each as an event, scrubbed and encoded."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import timezone
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace
from opentelemetry.context import Context
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanContext, TraceFlags

from ezlogs.correlation import Correlation
from ezlogs.delivery.batch import ROWS, SpanEncoder
from ezlogs.delivery.event_encoder import EventEncoder
from ezlogs.delivery.row_encoder import MOST, RowEncoder
from ezlogs.delivery.sealed_rows import SealedRows, make_rows_unknown, opened_rows
from ezlogs.event import Actor, UniversalEvent
from ezlogs.ids import event_id, tails
from ezlogs.otlp import EVENT_HEADS
from ezlogs.otlp.values import append_attributes
from ezlogs.privacy import Scrubber
from ezlogs.privacy.rule import Pattern
from ezlogs.snapshot import Pairs
from ezlogs.testing import capture
from ezlogs.trackers.data import Field, ModelPolicy, Moment, Row, emit, observe
from ezlogs.trackers.data.alike import Alike, AlikeRow, Columns, form_of
from ezlogs.wire import scrubbed_attributes

NAMES = ["id", "state", "total", "note", "password", "owner", "placed_at", "vip"]
STATES = {"new": "New", "paid": "Paid", 7: "Seven"}
UNDER = SpanContext(0xA1, 0xB2, False, TraceFlags(TraceFlags.SAMPLED))

odd_texts = st.sampled_from(["ada@example.com", "4111 1111 1111 1111", "Zürich", "", "w" * 255, "2026-01-01", "7" * 12])
numbers = st.integers(-300, 300) | st.integers() | st.sampled_from([4111111111111111, 10**13, -(10**13), 2**63, 127])
moments = (
    st.datetimes()
    | st.datetimes(timezones=st.timezones() | st.just(timezone.utc))
    | st.dates()
    | st.times()
    | st.timedeltas()
)
decimals = st.decimals(allow_nan=True, allow_infinity=True).filter(lambda number: not number.is_snan())
values = (
    st.none()
    | st.booleans()
    | numbers
    | st.floats()
    | decimals
    | st.sampled_from(["new", "paid", "gone"])
    | st.from_regex(r"[a-z]{1,8}", fullmatch=True)
    | odd_texts
    | moments
    | st.uuids()
    | st.binary(max_size=8)
    | st.just(UNSET)
)
keys = st.integers(-5, 10**10) | st.sampled_from(["a-key", "ada@example.com", None]) | st.uuids()
policies = st.builds(
    ModelPolicy,
    changes=st.sampled_from(["safe", "safe", "full", "names", "none"]),
    include=st.none() | st.frozensets(st.sampled_from(NAMES)),
    hidden=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["exclude", "mask", "hash"]), max_size=2),
)
flags = st.lists(st.booleans(), min_size=len(NAMES), max_size=len(NAMES))
columns = st.builds(
    lambda harmless, secret: Columns(
        NAMES, [False] + [True] * (len(NAMES) - 1), harmless, secret, [True] * len(NAMES), {"state": STATES}
    ),
    flags,
    st.just([False] * len(NAMES)) | flags,
)


@st.composite
def rows(draw: st.DrawFn) -> tuple[Columns, ModelPolicy, list[list[Any]], list[Any]]:
    """Values of a few rows, with those of one before."""
    number = len(NAMES) - 1
    after = draw(st.lists(st.tuples(keys, *[values] * number).map(list), min_size=1, max_size=4))
    is_same, others = (
        draw(st.lists(st.booleans(), min_size=number, max_size=number)),
        draw(st.tuples(*[values] * number)),
    )
    before = [was if same else other for was, same, other in zip(after[0][1:], is_same, others, strict=True)]
    return draw(columns), draw(policies), after, [after[0][0], *before]


def plain_row(columns: Columns, policy: ModelPolicy, row: AlikeRow) -> Row | None:
    """The plain way: each field is looked at, and a row made of those that were changed."""
    fields = []
    for at, name in enumerate(columns.names):
        before, after = row.before[at] if row.before else UNSET, row.values[at]
        if not columns.written[at] or after is UNSET or (not row.before and after is None):
            continue
        if before is not UNSET and (before is after or before == after):
            continue
        fields.append(Field(name, before, after, columns.harmless[at], columns.secret[at]))
    if row.before and (not fields or policy.leaves_out(fields)):
        return None
    at = row.alike.at._replace(timestamp=row.timestamp)
    key = row.alike.key_of(row.values)
    made = observe("order", row.alike.verb, id=key, fields=fields, metadata=row.alike.where(), at=at, policy=policy)
    called = [
        (change.field, (STATES.get(change.before), STATES.get(change.after)))
        for change in made.changes
        if change.field == "state" and not (change.before is UNSET and change.after is UNSET)
    ]
    if called:
        made.metadata["choices"] = Pairs(called)
    return made


def key_of(values: Sequence[Any]) -> str | None:
    """Return a key as text."""
    return None if values[0] is None else str(values[0])


def alike(columns: Columns, policy: ModelPolicy, verb: str, where: Callable[[], dict[str, object]]) -> Alike:
    """What rows have in common."""
    story = Correlation(correlation_id="0af7651916cd43dd8448eb211c80319c", transaction_id="txn_1")
    moment = Moment(1, Actor("user", "7", "Ada"), story, Context(), "safe")
    return Alike("order", verb, moment, story, where, 0, key_of, partial(plain_row, columns, policy))


def where() -> dict[str, object]:
    """Return where orders are."""
    return {"table": "shop_order", "database": "default", "verbose_name": "order"}


def written(
    columns: Columns, policy: ModelPolicy, all_after: Sequence[Sequence[Any]], before: Sequence[Any] = ()
) -> list[AlikeRow]:
    """Rows that are alike, as far as their forms say all that is told of them."""
    what = alike(columns, policy, "update" if before else "create", where)
    found = []
    for number, after in enumerate(all_after):
        was = before if not number else ()
        changed = [one != other for one, other in zip(after, was, strict=False)]
        if before and not was:
            break
        form = form_of(columns, policy, (), tuple(map(type, after)), tuple(map(type, was)), changed)
        if form is None or any(after[at] is was[at] for at in form.floats if was):
            continue
        row = AlikeRow(what, form, 10**18 + number, was, tuple(after), NAMES, None, None, None)
        if form.is_told:
            found.append(row)
        else:
            assert row.row() is None, "a row is left out of which something is to be told"
    return found


def plain_event(scrubber: Scrubber, row: AlikeRow, tail: int) -> bytes:
    """The plain way again, all of it: the row as an event, scrubbed and encoded."""
    made = row.row()
    assert made is not None
    taken: list[UniversalEvent] = []
    with capture(strict=False):
        emit(made, event_id=event_id(row.timestamp, tail), into=lambda event, _: taken.append(event))
    attributes = scrubbed_attributes(taken[0], scrubber)
    attributes["ezlogs.sequence"] = tail & 0xFFFF_FFFF
    parts: list[bytes] = []
    append_attributes(parts, EVENT_HEADS, attributes)
    return b"".join(parts)


def attributes_of(event: bytes | Span.Event) -> dict[str, Any]:
    """Return the attributes of an encoded event, by key."""
    read = event if isinstance(event, Span.Event) else Span.Event.FromString(event)
    found = {pair.key: pair.value.SerializeToString(deterministic=True) for pair in read.attributes}
    assert len(found) == len(read.attributes), "a key is there twice"
    return found


def compare(scrubber: Scrubber, some: Sequence[AlikeRow]) -> int:
    """Compare what the encoder makes of rows with the plain way; return how many it left to that."""
    encoder, counter = RowEncoder(EventEncoder(scrubber, EVENT_HEADS), ROWS), tails()
    left, seen = 0, list[AlikeRow]()
    for encoded in encoder.encoded(some, counter.__next__, lambda _: True):
        seen += encoded.rows
        if not encoded.tails:
            left += len(encoded.rows)
            continue
        span = Span.FromString(encoded.body)
        for event, tail, row in zip(span.events, encoded.tails, encoded.rows, strict=True):
            assert (event.name, event.time_unix_nano) == (ROWS, row.timestamp)
            assert attributes_of(event) == attributes_of(plain_event(scrubber, row, tail))
    assert seen == list(some), "each of them, in their order"
    return left


@pytest.mark.timeout(300)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows())
def test_rows_are_encoded_as_one_by_one(drawn: tuple[Columns, ModelPolicy, list[list[Any]], list[Any]]) -> None:
    """Whatever is in them, whatever the policy says: or they are left to the plain way."""
    columns, policy, after, before = drawn
    scrubber = Scrubber()
    scrubber.search()
    compare(scrubber, written(columns, policy, after))
    compare(scrubber, written(columns, policy, after, before))


@pytest.mark.parametrize("changes", ["safe", "full"])
def test_usual_rows_are_left_to_nobody(changes: Any) -> None:
    """Or nothing was gained."""
    columns = Columns(
        NAMES, [False] + [True] * 7, [True, True] + [False] * 6, [False] * 8, [True] * 8, {"state": STATES}
    )
    after = [[number, "new", number / 4, f"note {number % 5}", "x", None, True, number] for number in range(150)]
    assert compare(Scrubber(), written(columns, ModelPolicy(changes=changes), after)) == 0


def test_further_rules_are_shown_every_value() -> None:
    """Also those that would hold nothing by their form."""
    prices = Pattern("price", (), re.compile(r"12\.50"))
    scrubber = Scrubber(further=lambda: [prices])
    columns = Columns(NAMES, [False] + [True] * 7, [True] * 8, [False] * 8, [True] * 8, {"state": STATES})
    some = written(
        columns, ModelPolicy(), [[1, "new", Decimal(price), "n", "p", 3, 4, True] for price in ("12.50", "1")]
    )
    assert compare(scrubber, some) == 1


def test_more_rows_than_a_span_takes_are_several() -> None:
    """No more than a span's limit allows in one."""
    columns = Columns(NAMES, [False] + [True] * 7, [True] * 8, [False] * 8, [True] * 8, {"state": STATES})
    some = written(columns, ModelPolicy(), [[number, "new", 1, "n", "p", 2, 3, True] for number in range(MOST + 5)])
    encoder = RowEncoder(EventEncoder(Scrubber(), EVENT_HEADS), ROWS)
    numbers = [len(encoded.tails) for encoded in encoder.encoded(some, tails().__next__, lambda _: True)]
    assert numbers == [MOST, 5]


def test_rows_of_several_kinds_and_contexts_keep_their_order() -> None:
    """What is told in one go is of one context; what is unlike the others stands where it was."""
    columns = Columns(NAMES, [False] + [True] * 7, [True] * 8, [False] * 8, [True] * 8, {"state": STATES})
    some = [
        written(columns, ModelPolicy(), [[number, state, total, "n", "p", 2, 3, True]])[0]
        for number, (state, total) in enumerate([("new", 1), ("paid", None), ("new", 1.5), ("ada@example.com", 2)] * 4)
    ]
    here, there = Context(), Context({"there": "too"})
    for number, row in enumerate(some):
        row.alike.at = row.alike.at._replace(context=here if number < 6 else there)
    rows: list[Any] = [*some[:2], "another", *some[2:]]
    encoder = RowEncoder(EventEncoder(Scrubber(), EVENT_HEADS), ROWS)
    found = list(encoder.encoded(rows, tails().__next__, lambda _: True))
    assert [row for encoded in found for row in encoded.rows] == rows
    assert [len(encoded.tails) for encoded in found] == [2, 0, 1, 0, 2, 1, 0, 3, 0, 3, 0]
    told = list(encoder.encoded(rows, tails().__next__, lambda ctx: ctx is here))
    assert [len(encoded.tails) for encoded in told if encoded.tails] == [2, 1, 2]


def sealed(number: int) -> SealedRows:
    """Some rows as they are handed over."""
    columns = Columns(NAMES, [False] + [True] * 7, [True] * 8, [False] * 8, [True] * 8, {"state": STATES})
    some = written(columns, ModelPolicy(), [[at, "new", 1, "n", "p", 2, 3, True] for at in range(number)])
    spans = SpanEncoder(Scrubber())
    (encoded,) = spans.rows.encoded(some, tails().__next__, lambda _: True)
    return spans.seal_rows(encoded.body, some, UNDER)


def outcomes(some: SealedRows) -> set[bytes]:
    """Return the outcomes of rows."""
    return {attributes_of(event)["ezlogs.outcome"] for event in Span.FromString(some.body).events}


def test_rows_are_read_again_as_they_were_journaled() -> None:
    """With their number, their times and where they belong; and nobody says that they came about who does not know."""
    some = sealed(3)
    again = opened_rows(some.head() + some.body)
    assert (again.body, again.number, again.timestamp, again.last) == (some.body, 3, some.timestamp, some.last)
    assert (again.trace_id, again.span_id, again.event_type) == (some.trace_id, some.span_id, ROWS)
    make_rows_unknown(again, "interrupted")
    assert outcomes(again) != outcomes(some)
    assert len(outcomes(again)) == 1
    assert opened_rows(again.head() + again.body).number == 3


@pytest.mark.parametrize("body", [b"", b"\x5a", b"\x08\x01"])
def test_what_are_no_rows_is_refused(body: bytes) -> None:
    """As any payload that another version, or nobody, has written."""
    with pytest.raises((ValueError, IndexError)):
        opened_rows(sealed(1).head() + body)


def test_rows_that_are_encoded_already_interrupt_nobody() -> None:
    """As many as one request takes are put together in one stretch: each pause is a wait for the interpreter."""
    pauses = list[int]()
    some = [replace(sealed(2), number=100) for _ in range(18)]
    batch = SpanEncoder(Scrubber()).batch(some, Resource({}), lambda: pauses.append(1))
    assert (batch.records, pauses) == (18, [])
