"""Recovery: what a dead process left is put together as it would have been delivered, each thing once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezlogs.journal import Directory, Ending, Found, Journal, Kind, Receipt, adopt
from ezlogs.journal.files import Segments
from ezlogs.journal.filesystems import Writing
from ezlogs.journal.record import Record, body_of, record_of, whole
from ezlogs.journal.segment import encode_header
from ezlogs.journal.story import found_in

from .conftest import end_without_closing, left_in

MakeJournal = Callable[..., Journal]


def left(journal: Journal, directory: Directory) -> list[tuple[str, str, str, list[str]]]:
    """Return kind, ending, id and the ids of the events of what is left."""
    end_without_closing(journal)
    return [told(item) for item in left_in(directory)]


def told(item: Found) -> tuple[str, str, str, list[str]]:
    """Return what a test compares."""
    events = [event.item_id.decode() for event in item.events]
    return Kind(item.kind).name, item.ending.value, item.item_id.decode(), events


def test_a_span_comes_with_its_events(make_journal: MakeJournal, directory: Directory) -> None:
    """When its end is there, that is what is delivered; others' events stay theirs."""
    journal = make_journal()
    journal.append(Kind.SPAN_OPEN, b"span", b"")
    journal.append(Kind.EVENT, b"first", b"", owner=b"span")
    journal.append(Kind.EVENT, b"other", b"", owner=b"elsewhere")
    journal.append(Kind.EVENT, b"second", b"", owner=b"span")
    journal.append(Kind.EVENT, b"loose", b"")
    journal.append(Kind.SPAN_CLOSE, b"span", b"")
    assert left(journal, directory) == [
        ("EVENT", "complete", "loose", []),
        ("SPAN_CLOSE", "complete", "span", ["first", "second"]),
        ("EVENT", "complete", "other", []),
    ]


def test_a_span_that_never_ended_is_interrupted(make_journal: MakeJournal, directory: Directory) -> None:
    """It comes with the events it had."""
    journal = make_journal()
    journal.append(Kind.SPAN_OPEN, b"span", b"")
    journal.append(Kind.EVENT, b"first", b"", owner=b"span")
    assert left(journal, directory) == [("SPAN_OPEN", "interrupted", "span", ["first"])]


@pytest.mark.parametrize("acknowledged", [True, False])
def test_what_was_delivered_leaves_nothing_open(
    make_journal: MakeJournal, directory: Directory, acknowledged: bool
) -> None:
    """Also when the process died before it acknowledged the opening."""
    journal = make_journal()
    opened = journal.append(Kind.SPAN_OPEN, b"span", b"")
    event = journal.append(Kind.EVENT, b"event", b"", owner=b"span")
    closed = journal.append(Kind.SPAN_CLOSE, b"span", b"")
    scope = journal.append(Kind.SCOPE_OPEN, b"scope", b"")
    ended = journal.append(Kind.EVENT, b"scope", b"")
    journal.ack([opened, scope] if acknowledged else [])
    journal.ack([event, closed, ended])
    journal._mark_acks()
    assert left(journal, directory) == []


def test_a_scope_that_never_ended_is_interrupted(make_journal: MakeJournal, directory: Directory) -> None:
    """One that did is the event of the same id."""
    journal = make_journal()
    journal.append(Kind.SCOPE_OPEN, b"open", b"")
    journal.append(Kind.SCOPE_OPEN, b"ended", b"")
    journal.append(Kind.EVENT, b"ended", b"")
    assert left(journal, directory) == [
        ("EVENT", "complete", "ended", []),
        ("SCOPE_OPEN", "interrupted", "open", []),
    ]


def test_work_that_never_ended_is_on_its_span(make_journal: MakeJournal, directory: Directory) -> None:
    """Each is what it would be alone; of the two there is one record, to be acknowledged once."""
    journal = make_journal()
    journal.append(Kind.WORK_OPEN, b"span", whole(b"of span", b"of work"), owner=b"work")
    journal.append(Kind.EVENT, b"first", b"", owner=b"span")
    end_without_closing(journal)
    (item,) = left_in(directory)
    assert told(item) == ("SPAN_OPEN", "interrupted", "span", ["first", "work"])
    assert (item.payload, item.owner) == (b"of span", b"")
    work = item.events[-1]
    assert (Kind(work.kind), work.ending) == (Kind.SCOPE_OPEN, Ending.INTERRUPTED)
    assert (work.payload, work.owner, work.receipts) == (b"of work", b"", ())
    assert len(set(item.receipts)) == len(item.receipts) == 2


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        ("event", [("SPAN_OPEN", "interrupted", "span", ["work"])]),
        ("span", [("SPAN_CLOSE", "complete", "span", []), ("SCOPE_OPEN", "interrupted", "work", [])]),
        ("event, span", [("SPAN_CLOSE", "complete", "span", ["work"])]),
        ("span, event", [("SPAN_CLOSE", "complete", "span", []), ("EVENT", "complete", "work", [])]),
        ("note", [("SPAN_OPEN", "interrupted", "span", []), ("SCOPE_OPEN", "interrupted", "work", [])]),
        ("note, event", [("SPAN_OPEN", "interrupted", "span", ["work"])]),
    ],
)
def test_of_work_that_ended_nothing_is_told_twice(
    make_journal: MakeJournal, directory: Directory, ended: str, expected: list[object]
) -> None:
    """Whichever of span and event the process came to; a later note takes the place of the first."""
    journal = make_journal()
    journal.append(Kind.WORK_OPEN, b"span", whole(b"of span", b"of work"), owner=b"work")
    for what in ended.split(", "):
        if what == "note":
            journal.append(Kind.SCOPE_OPEN, b"work", b"later")
        elif what == "span":
            journal.append(Kind.SPAN_CLOSE, b"span", b"")
        else:
            journal.append(Kind.EVENT, b"work", b"", owner=b"span" if ended != "span, event" else b"")
    assert left(journal, directory) == expected


def test_a_copy_of_how_work_began_tells_nothing_that_is_known(tmp_path: Path) -> None:
    """A record is moved out of an old segment: behind the end of what it began, or behind a later note."""

    class Moved:
        def __init__(self, *records: tuple[int, bytes, bytes]) -> None:
            self.all = [
                Record(kind & ~MOVED, 1, item_id, owner, 0, whole(b"span", b"work"), at, at + 1, False, kind >= MOVED)
                for at, (kind, item_id, owner) in enumerate(records)
            ]
            self.given_up: list[int] = []

        def records(self) -> Iterator[tuple[int, Record, bytes]]:
            return ((record.offset, record, b"") for record in self.all)

        def moved(self) -> Iterable[Record]:
            return (record for record in self.all if record.moved)

        def at(self, positions: Sequence[int]) -> Iterator[tuple[int, Record, bytes]]:
            return ((at, self.all[at], b"") for at in positions)

        def overtaken(self, position: int) -> None:
            self.given_up.append(position)

    begun, copy = (Kind.WORK_OPEN, b"span", b"work"), (Kind.WORK_OPEN | MOVED, b"span", b"work")
    source = Moved(begun, (Kind.SPAN_CLOSE, b"span", b""), (Kind.EVENT, b"work", b""), copy)
    assert [told(item) for item in found_in(source)] == [
        ("SPAN_CLOSE", "complete", "span", []),
        ("EVENT", "complete", "work", []),
    ]
    assert source.given_up == [0, 3]
    source = Moved(begun, (Kind.SCOPE_OPEN, b"work", b""), copy)
    assert [told(item) for item in found_in(source)] == [
        ("SCOPE_OPEN", "interrupted", "work", []),
        ("SPAN_OPEN", "interrupted", "span", []),
    ]
    assert source.given_up == [0]


def test_prepared_rows_follow_their_verdict(make_journal: MakeJournal, directory: Directory) -> None:
    """Committed, gone, or unknown."""
    journal = make_journal()
    for transaction in (b"kept", b"undone", b"lost"):
        for row in (b" 1", b" 2"):
            journal.append(Kind.PREPARED, transaction + row, b"", owner=transaction)
    journal.append(Kind.ROLLED_BACK, b"undone", b"")
    journal.append(Kind.COMMITTED, b"kept", b"")
    journal.append(Kind.COMMITTED, b"of nothing", b"")
    assert left(journal, directory) == [
        ("PREPARED", "committed", "kept 1", []),
        ("PREPARED", "committed", "kept 2", []),
        ("PREPARED", "unknown", "lost 1", []),
        ("PREPARED", "unknown", "lost 2", []),
    ]


def test_an_adopter_that_stops_leaves_the_rest_to_the_next(make_journal: MakeJournal, directory: Directory) -> None:
    """What it acknowledged is not found again; what it did not is."""
    journal = make_journal()
    for index in range(50):
        journal.append(Kind.EVENT, str(index).encode(), bytes(500))
        journal.prepare()
    journal.append(Kind.SPAN_OPEN, b"span", b"")
    journal.append(Kind.EVENT, b"riding", b"", owner=b"span")
    journal.prepare()
    end_without_closing(journal)
    abandoned = adopt(directory)
    assert abandoned is not None
    assert abandoned.name == os.path.basename(str(journal.health()["directory"]))
    for item, _ in zip(abandoned.found(), range(20), strict=False):
        abandoned.ack(item.receipts)
    assert not abandoned.close()
    files = len(os.listdir(str(journal.health()["directory"])))
    rest = left_in(directory)
    assert [told(item)[2:] for item in rest] == [*((str(index), []) for index in range(20, 50)), ("span", ["riding"])]
    assert files < 10, "segments that are done with go while the others wait"
    assert directory.entries() == []


def write_home(
    directory: Directory, name: str, segments: list[list[bytes]], *, moved: set[int] = frozenset()
) -> Directory:  # type: ignore[assignment]
    """Write the home of a dead process, record by record."""
    home = directory.below(name)
    with home.opened(create=True):
        (Path(home.path) / "alive").write_bytes(b"")
        for serial, bodies in enumerate(segments, 1):
            header = bytearray(encode_header(1, 2, 3, 77, b"resource"))
            header[10] = serial in moved
            content = bytes(header) + b"".join(record_of(body, 77) for body in bodies)
            (Path(home.path) / f"{serial:08x}.journal").write_bytes(content + bytes(100))
    return home


NOW = 1 << 62


def body(kind: int, item_id: bytes, owner: bytes = b"") -> bytes:
    """Return the body of a record without a payload."""
    return body_of(kind, item_id, b"", 1, owner=owner, timestamp=NOW)


MOVED = 0x80


def test_what_was_moved_is_found_once(directory: Directory) -> None:
    """The process died after it had copied a record and before it could say so."""
    first = [body(Kind.EVENT, b"event"), body(Kind.SPAN_OPEN, b"span"), body(Kind.PREPARED, b"row", b"transaction")]
    second = [body(Kind.SPAN_CLOSE, b"span"), body(Kind.COMMITTED, b"transaction")]
    copies = [
        body(Kind.EVENT | MOVED, b"event"),
        body(Kind.SPAN_OPEN | MOVED, b"span"),
        body(Kind.PREPARED | MOVED, b"row", b"transaction"),
    ]
    write_home(directory, "1-dead", [first, second, copies], moved={3})
    assert [told(item) for item in left_in(directory)] == [
        ("SPAN_CLOSE", "complete", "span", []),
        ("EVENT", "complete", "event", []),
        ("PREPARED", "committed", "row", []),
    ]
    assert directory.entries() == []


def test_records_of_an_unknown_kind_are_counted(directory: Directory) -> None:
    """They are not delivered, and keep nothing else from it."""
    write_home(directory, "1-dead", [[body(99, b"what"), body(Kind.EVENT, b"event")]])
    abandoned = adopt(directory)
    assert abandoned is not None
    found = list(abandoned.found())
    assert [told(item)[2] for item in found] == ["event"]
    assert abandoned.counts == {"unknown": 1}
    abandoned.ack(found[0].receipts)
    assert abandoned.close()


def test_a_torn_segment_is_read_up_to_where_it_is_torn(directory: Directory) -> None:
    """And the one after it is read too."""
    home = write_home(
        directory, "1-dead", [[body(Kind.EVENT, b"first"), body(Kind.EVENT, b"torn")], [body(Kind.EVENT, b"second")]]
    )
    path = Path(home.path) / "00000001.journal"
    path.write_bytes(path.read_bytes()[: -100 - 3] + bytes(103))
    abandoned = adopt(directory)
    assert abandoned is not None
    found = list(abandoned.found())
    assert [told(item)[2] for item in found] == ["first", "second"]
    assert abandoned.counts == {"torn": 1}
    abandoned.close()


def test_what_became_unreadable_meanwhile_is_counted(directory: Directory) -> None:
    """A disk may fail between two looks at a file."""
    home = write_home(directory, "1-dead", [[body(Kind.SPAN_OPEN, b"span"), body(Kind.EVENT, b"event")]])
    segments = Segments(home, oldest=0, writable=False)
    found = found_in(segments)
    assert next(found).item_id == b"event"
    os.truncate(Path(home.path) / "00000001.journal", 60)
    assert list(found) == []
    assert segments.counts["unreadable"] == 1


def test_files_larger_than_any_segment_are_not_read(directory: Directory) -> None:
    """They would fill the memory of the process that adopts them."""
    home = write_home(directory, "1-dead", [[body(Kind.EVENT, b"event")]])
    os.truncate(Path(home.path) / "00000001.journal", 1 << 40)
    assert adopt(directory) is None
    assert directory.entries() == []


kinds = st.sampled_from([*Kind, *(kind | MOVED for kind in Kind), 0, 99])
ids = st.sampled_from([b"", b"a", b"b", b"c"])
bodies = st.builds(body, kinds, ids, ids)


@given(st.lists(st.lists(bodies, max_size=8), max_size=4), st.sets(st.integers(1, 4)), st.data())
def test_any_records_in_any_order_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, segments: list[list[bytes]], moved: set[int], data: st.DataObject
) -> None:
    """With any damage; whatever is waiting and can be read is found at most once, and acknowledged it is gone."""
    directory = Directory(str(tmp_path_factory.mktemp("state")), "shop")
    home = write_home(directory, "1-dead", segments, moved=moved)
    for path in sorted(Path(home.path).glob("*.journal")):
        content = bytearray(path.read_bytes())
        for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=2)):
            content[at] ^= data.draw(st.integers(0, 255))
        path.write_bytes(content)
    abandoned = adopt(directory)
    if abandoned is None:
        return
    found = list(abandoned.found())
    receipts = [receipt for item in found for receipt in item.receipts]
    assert len(receipts) == len(set(receipts))
    abandoned.ack(receipts)
    abandoned.close()
    assert left_in(directory) == []


def test_what_a_living_process_has_is_not_adopted(make_journal: MakeJournal, directory: Directory) -> None:
    """Neither its own, nor that of another."""
    journal = make_journal(how=Writing.MAPPED)
    receipt: Receipt = journal.append(Kind.EVENT, b"id", b"")
    assert receipt
    assert adopt(directory) is None
    assert journal.append(Kind.EVENT, b"id", b""), "asking must not let go of the lock"
    assert Ending("interrupted") is Ending.INTERRUPTED


def test_segments_that_cannot_be_read_are_passed_over(
    make_journal: MakeJournal, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are shown as far as they can be; their files stay where nobody adopts them."""
    home = write_home(directory, "1-dead", [[body(Kind.EVENT, b"first")], [body(Kind.EVENT, b"second")]])
    path = Path(home.path) / "00000001.journal"
    content = path.read_bytes()
    path.write_bytes(b"damaged")
    assert [item.item_id for item in found_in(Segments(home, oldest=0, writable=False))] == [b"second"]
    path.write_bytes(content)
    segments = Segments(home, oldest=0, writable=True)
    found = list(found_in(segments))
    segments.finish([*found[1].receipts, 99 << 32, *found[0].receipts])
    assert home.entries() == ["alive"]
