"""Event ids sort by time and are never repeated, whatever the application does to ``random`` or to its processes."""

import os
import random

from hypothesis import given
from hypothesis import strategies as st

from ezlogs.ids import new_event_id, new_span_id, new_trace_id

nanoseconds = st.integers(min_value=0, max_value=2**48 * 1_000_000 - 1)


@given(nanoseconds, nanoseconds)
def test_ids_sort_by_their_millisecond(one: int, other: int) -> None:
    """An event that happened in an earlier millisecond has the smaller id."""
    if one // 1_000_000 < other // 1_000_000:
        assert new_event_id(one) < new_event_id(other)


def test_an_event_id_is_a_prefixed_uuid_of_version_7() -> None:
    """The version and variant bits are those of RFC 9562."""
    digits = new_event_id().removeprefix("evt_")
    assert len(digits) == 32
    assert digits[12] == "7"
    assert digits[16] in "89ab"


def test_seeding_random_does_not_repeat_ids() -> None:
    """An application that seeds ``random`` for its own ends gets fresh ids all the same."""
    ids = set()
    for _ in range(20):
        random.seed(42)
        ids |= {new_event_id(1), f"{new_trace_id():032x}", f"{new_span_id():016x}"}
    assert len(ids) == 60


def test_a_forked_child_makes_ids_of_its_own() -> None:
    """Parent and child, forked from the same generator state, never make the same id."""
    new_event_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_event_id(1).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100).decode() != new_event_id(1)
