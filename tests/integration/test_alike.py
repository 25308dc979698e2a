"""Rows that are alike and a real collector: each comes once, after its commit, however many came together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import ezlogs
from ezlogs.dev.receiver import Receiver
from ezlogs.launch.health import balance
from ezlogs.settings.table import Sampling
from ezlogs.trackers.data import Field, ModelPolicy, Row, Transaction, moment, observe
from ezlogs.trackers.data.alike import Alike, AlikeRow, Columns, form_of

from .orders import UseProvider, start

COLUMNS = Columns(["id", "total"], [False, True], [True, False], [False, False], [False, False], {})


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for journals; ezlogs has ended when the test has."""
    monkeypatch.setenv("EZLOGS_STATE_DIR", str(tmp_path / "state"))
    yield tmp_path / "state"
    ezlogs.shutdown()


def made(row: AlikeRow) -> Row:
    """Make a row like any other."""
    at = row.alike.at._replace(timestamp=row.timestamp)
    key, total = row.values
    return observe("order", "create", id=str(key), fields=[Field("total", after=total)], at=at)


def prepared(number: int) -> Transaction:
    """A transaction that wrote some rows and is about to be committed."""
    transaction, at = Transaction("default"), moment()
    story = transaction.story(at.correlation, at.context)
    alike = Alike("order", "create", at, story, dict, 0, lambda values: str(values[0]), made)
    transaction.begin(alike)
    form = form_of(COLUMNS, ModelPolicy(), (), (int, int))
    room = transaction.room()
    assert form is not None
    assert room is not None
    for key in range(number):
        room.append(AlikeRow(alike, form, at.timestamp + key, (), (key, 7), (), None, transaction.mark, None))
    transaction.prepare()
    return transaction


def told(receiver: Receiver) -> list[tuple[str, str]]:
    """Which rows were told, in their order, and with which outcome; each event came once."""
    found = [event.attributes for span in receiver.spans for event in span.events]
    ids = [attributes["ezlogs.event.id"] for attributes in found]
    assert len(ids) == len(set(ids)), "an event came twice"
    found.sort(key=lambda attributes: attributes["ezlogs.sequence"])
    rows = [one for one in found if one["ezlogs.action"] == "order.create"]
    return [(one["ezlogs.subject.id"], one["ezlogs.outcome"]) for one in rows]


def accounts() -> tuple[int, object]:
    """By how much the counts are wrong, and how many events were emitted."""
    health = ezlogs.health()
    return balance(health), health["emitted"]


def test_they_come_once_their_transaction_is_committed(receiver: Receiver, use_provider: UseProvider) -> None:
    """Not before; and then they are gone from the journal."""
    use_provider()
    start(receiver, durability="process")
    transaction = prepared(250)
    assert accounts() == (0, 0)
    assert ezlogs.flush(10)
    assert told(receiver) == []
    transaction.commit()
    assert accounts() == (0, 250)
    assert ezlogs.flush(10)
    assert told(receiver) == [(str(key), "success") for key in range(250)]
    assert accounts() == (0, 250)
    assert all(len(span.events) <= 100 for span in receiver.spans)
    ezlogs.shutdown()
    assert not [name for _, _, names in os.walk(os.environ["EZLOGS_STATE_DIR"]) for name in names if "journal" in name]


def test_nothing_comes_of_what_was_rolled_back(receiver: Receiver, use_provider: UseProvider) -> None:
    """But word of that."""
    use_provider()
    start(receiver, durability="process")
    prepared(3).rollback()
    assert ezlogs.flush(10)
    assert told(receiver) == []
    assert accounts()[0] == 0


def test_a_commit_whose_answer_was_lost_makes_them_unknown(receiver: Receiver, use_provider: UseProvider) -> None:
    """Each under the id that it was journaled with."""
    use_provider()
    start(receiver, durability="process")
    prepared(3).lose()
    assert ezlogs.flush(10)
    assert told(receiver) == [(str(key), "unknown") for key in range(3)]
    assert accounts()[0] == 0


@pytest.mark.parametrize(
    "facts",
    [
        {"carrier": "log"},
        {"carrier": "both"},
        {"sampling": Sampling(always_events=("data.*",), sample_rate=0.0)},
        {"durability": "memory"},
    ],
)
def test_where_each_is_looked_at_they_are_told_one_by_one(
    receiver: Receiver, use_provider: UseProvider, facts: dict[str, object]
) -> None:
    """Logs, samplers and processes without a journal take single events."""
    use_provider()
    start(receiver, **{"durability": "process", **facts})  # type: ignore[arg-type]  # settings
    prepared(3).commit()
    assert ezlogs.flush(10)
    assert accounts()[0] == 0
    assert len(receiver.logs) == (3 if "carrier" in facts else 0)
    if facts.get("carrier") != "log":
        assert told(receiver) == [(str(key), "success") for key in range(3)]
