"""Records: whole ones come back as they were, and nothing else comes back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ezlogs.journal.record import DONE, STATE_AT, Kind, body_of, read_records, record_of

SALT = 77

ids = st.binary(max_size=255)
written = st.builds(
    lambda kind, item_id, payload, priority, owner, timestamp: record_of(
        body_of(kind, item_id, payload, priority, owner=owner, timestamp=timestamp), SALT
    ),
    st.sampled_from(Kind),
    ids,
    st.binary(max_size=300),
    st.integers(0, 3),
    ids,
    st.integers(-(1 << 63), (1 << 63) - 1),
)


def offsets(data: bytes, salt: int = SALT) -> list[int]:
    """Return where the records begin that are read."""
    return [record.offset for record in read_records(data, 0, salt)]


@given(
    st.tuples(st.sampled_from(Kind), st.integers(0, 255), ids, ids, st.integers(0, 1 << 62), st.binary(max_size=500))
)
def test_a_record_is_read_as_it_was_written(fields: tuple[Kind, int, bytes, bytes, int, bytes]) -> None:
    """Every field comes back."""
    kind, priority, item_id, owner, timestamp, payload = fields
    data = record_of(body_of(kind, item_id, payload, priority, owner=owner, timestamp=timestamp), SALT)
    (record,) = read_records(data + bytes(40), 0, SALT)
    assert record[:6] == fields
    assert (record.offset, record.end, record.done, record.moved) == (0, len(data), False, False)


@given(st.lists(written, max_size=5), st.binary(max_size=200))
def test_what_follows_whole_records_is_cut(records: list[bytes], garbage: bytes) -> None:
    """Whole records before garbage are read, and the garbage is not: a chance of one in four thousand million aside."""
    data = b"".join(records)
    assert offsets(data + garbage) == offsets(data)
    assert len(offsets(data)) == len(records)


@given(st.lists(written, min_size=1, max_size=5), st.data())
def test_a_torn_tail_is_cut(records: list[bytes], data: st.DataObject) -> None:
    """However much of the last record is missing, the others are read and it is not."""
    whole = b"".join(records[:-1])
    kept = data.draw(st.integers(0, len(records[-1]) - 1))
    assert offsets(whole + records[-1][:kept]) == offsets(whole)
    assert offsets(whole + records[-1][:kept] + bytes(500)) == offsets(whole) or not any(records[-1][kept:])


@given(st.lists(written, min_size=1, max_size=5), st.data())
def test_a_flipped_bit_ends_the_reading(records: list[bytes], data: st.DataObject) -> None:
    """A record is read up to the one that was damaged; a damaged state counts as waiting."""
    damaged = data.draw(st.integers(0, len(records) - 1))
    at = data.draw(st.integers(0, len(records[damaged]) - 1))
    spoilt = bytearray(b"".join(records))
    start = sum(map(len, records[:damaged]))
    spoilt[start + at] ^= 1 << data.draw(st.integers(0, 7))
    expected = offsets(b"".join(records[:damaged]))
    found = offsets(bytes(spoilt))
    if STATE_AT <= at < STATE_AT + 4:
        assert found == offsets(b"".join(records))
    else:
        assert found == expected


@given(st.binary(max_size=2000), st.integers(0, 3000), st.integers(0, (1 << 32) - 1))
def test_garbage_is_no_record(garbage: bytes, offset: int, salt: int) -> None:
    """Reading never fails and never goes on for ever."""
    assert list(read_records(garbage, offset, salt)) == []


def test_a_record_of_another_segment_is_not_read() -> None:
    """A payload that looks like a record, or a block of an old file, has another salt."""
    assert offsets(record_of(body_of(Kind.EVENT, b"id", b"payload", 1), SALT), SALT + 1) == []


def test_room_without_a_record_reads_as_its_end() -> None:
    """Zeros are no record, whatever their salt."""
    assert offsets(bytes(4096)) == []


def test_an_acknowledged_record_says_so() -> None:
    """The state is one byte outside the check."""
    data = bytearray(record_of(body_of(Kind.EVENT, b"id", b"payload", 1), SALT))
    data[STATE_AT] = DONE
    assert [record.done for record in read_records(bytes(data), 0, SALT)] == [True]


def test_sizes_that_contradict_each_other_are_no_record() -> None:
    """Also where the check is right, which then is no accident."""
    body = bytearray(body_of(Kind.EVENT, b"id", b"payload", 1))
    body[6] = 200  # the size of the id
    assert offsets(record_of(bytes(body), SALT)) == []
