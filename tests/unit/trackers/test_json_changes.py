"""Differences inside documents: exact paths, within bounds, and nothing in a path that is data itself."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from ezlogs.trackers import json_changes
from ezlogs.trackers.json_changes import MAX_COMPARED, MAX_DEPTH, MAX_PATHS, differences, same

names = st.sampled_from(["a", "b", "theme", "Size_2"])
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)


def patched(before, found):
    """Apply differences to a document, as somebody would who reads them."""
    document = {"": json.loads(json.dumps(before))}
    for path, old, new in found:
        *parents, name = ("", *path)
        place = document
        for parent in parents:
            place = place[int(parent) if isinstance(place, list) else parent]
        key = int(name) if isinstance(place, list) else name
        if old is UNSET:
            assert key not in place
        else:
            assert same(place[key], old)
        if new is UNSET:
            del place[key]
        else:
            place[key] = new
    return document[""]


@given(before=documents, after=documents)
def test_differences_are_all_there_is_between_two_documents(before, after):
    """Whoever has the one and the differences has the other; there are none between equals."""
    found = differences(before, after)
    assert same(patched(before, found), after)
    assert (found == []) is same(before, after)
    assert len(found) <= MAX_PATHS
    assert all(len(path) <= MAX_DEPTH for path, _, _ in found)


def test_keys_that_appear_and_vanish_have_one_side():
    """Which is not the same as a null."""
    assert differences({"a": None, "b": 1}, {"b": 1, "c": None}) == [(("a",), None, UNSET), (("c",), UNSET, None)]


def test_items_are_compared_by_position_in_lists_of_one_length():
    """A list that grew or shrank is told as a whole."""
    assert differences({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}) == [(("a", "1", "b"), 2, 3)]
    assert differences([1], [1, 2]) == [((), [1], [1, 2])]


def test_true_is_not_one():
    """As Python would have it."""
    assert differences({"a": True}, {"a": 1}) == [(("a",), True, 1)]
    assert differences([[True]], [[1]]) == [(("0", "0"), True, 1)]
    assert differences({"a": 1}, {"a": 1.0}) == []
    assert not same([1], {"a": 1})


@pytest.mark.parametrize("key", ["ada@example.com", "4111 1111 1111 1111", "", "a.b", "x" * 65])
def test_keys_that_may_be_data_are_in_no_path(key):
    """The document is told as a change of what they are in."""
    before, after = {"sizes": {key: 1}}, {"sizes": {key: 2}}
    assert differences(before, after) == [(("sizes",), {key: 1}, {key: 2})]


def test_what_differs_deep_down_is_told_above():
    """Paths have an end."""
    before = after = 1
    for _ in range(MAX_DEPTH + 2):
        before, after = {"a": before}, {"a": after + 1 if isinstance(after, int) else after}
    ((path, old, new),) = differences(before, after)
    assert path == ("a",) * MAX_DEPTH
    assert (old, new) == ({"a": {"a": 1}}, {"a": {"a": 2}})


def test_many_differences_are_told_by_the_keys_at_the_top():
    """And more than that as one."""
    many = {f"k{n}": n for n in range(MAX_PATHS + 1)}
    none = dict.fromkeys(many, -1)
    assert differences({"a": many, "b": 1}, {"a": none, "b": 2}) == [(("a",), many, none), (("b",), 1, 2)]
    assert differences(many, none) == [((), many, none)]


def test_a_large_document_is_told_as_a_whole():
    """Looking costs no more than so much."""
    before, after = [[0] * 100] * (MAX_COMPARED // 50), [[1] * 100] * (MAX_COMPARED // 50)
    assert differences(before, after) == [((), before, after)]


def test_looking_has_an_end(monkeypatch):
    """Also where what was looked at differed less than there are paths."""
    monkeypatch.setattr(json_changes, "MAX_COMPARED", 3)
    before, after = {"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}
    assert differences(before, after) == [((), before, after)]


def test_a_document_deeper_than_python_is_told_as_a_whole():
    """Nothing is raised."""
    before: object = 1
    after: object = 2
    for _ in range(100_000):
        before, after = [before], [after]
    try:
        found = differences(before, after)
    finally:
        while isinstance(before, list) and isinstance(after, list):  # freed level by level
            before, after = before[0], after[0]
    assert len(found) == 1
    assert found[0][0] == ()
