"""Transactions and a real collector: rows are journaled before the commit, counted and delivered after it, once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import ezlogs
from ezlogs.delivery.journaling import Journaling
from ezlogs.delivery.keeping import Keeper
from ezlogs.delivery.prepared import Preparation, Way
from ezlogs.dev.receiver import Receiver
from ezlogs.journal import Directory
from ezlogs.launch.health import balance
from ezlogs.runtime import Ledger
from ezlogs.trackers.data import Field, Transaction, observe

from .orders import UseProvider, eventually, start

PROGRAM = Path(__file__).parent / "programs" / "prepared_and_forked.py"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for journals; ezlogs has ended when the test has."""
    monkeypatch.setenv("EZLOGS_STATE_DIR", str(tmp_path / "state"))
    yield tmp_path / "state"
    ezlogs.shutdown()


def order(number: int) -> Any:
    """A row that was written."""
    return observe("order", "create", id=str(number), fields=[Field("total", None, 10 * number)])


def prepared(*numbers: int) -> Transaction:
    """A transaction that wrote some rows and is about to be committed."""
    transaction = Transaction("default")
    for number in numbers:
        transaction.add(order(number))
    transaction.prepare()
    return transaction


def told(receiver: Receiver) -> list[tuple[str, str]]:
    """Which rows were told, in their order, and with which outcome; each event came once."""
    records = [*(event for span in receiver.spans for event in span.events), *receiver.logs]
    found = [record.attributes for record in records if record.attributes.get("ezlogs.action") == "order.create"]
    ids = [attributes["ezlogs.event.id"] for attributes in found]
    assert len(ids) == len(set(ids)), "an event came twice"
    found.sort(key=lambda attributes: attributes["ezlogs.sequence"])
    return [(attributes["ezlogs.subject.id"], attributes["ezlogs.outcome"]) for attributes in found]


def waiting() -> object:
    """How many records of the journal nobody acknowledged; with the carrier ``log`` of its own journal."""
    health: Any = ezlogs.health()
    return health.get("logs", health)["journal"]["waiting"]


def accounts() -> tuple[int, object]:
    """By how much the counts are wrong, and how many events were emitted."""
    health = ezlogs.health()
    return balance(health), health["emitted"]


@pytest.mark.parametrize("carrier", ["span", "log"])
@pytest.mark.parametrize("on_a_span", [False, True], ids=["alone", "on a span"])
def test_rows_count_and_come_once_their_transaction_is_committed(
    receiver: Receiver, use_provider: UseProvider, carrier: str, on_a_span: bool
) -> None:
    """Not before; and then they are gone from the journal, with all that was said of them."""
    use_provider()
    start(receiver, durability="process", carrier=carrier)
    with trace.get_tracer("app").start_as_current_span("work") if on_a_span else trace.use_span(trace.INVALID_SPAN):
        transaction = prepared(1, 2)
        assert accounts() == (0, 0)
        assert ezlogs.flush(5)
        assert told(receiver) == []
        ezlogs.event("order.action", "placed")
        transaction.commit()
        assert accounts() == (0, 3)
    assert ezlogs.flush(5)
    assert sorted(told(receiver)) == [("1", "success"), ("2", "success")]
    assert accounts() == (0, 3)
    ezlogs.shutdown()
    assert not [name for _, _, names in os.walk(os.environ["EZLOGS_STATE_DIR"]) for name in names if "journal" in name]


def test_both_forms_are_prepared(receiver: Receiver, use_provider: UseProvider) -> None:
    """Each is in the journal of its own signal, and delivered once."""
    use_provider()
    start(receiver, durability="process", carrier="both")
    with trace.get_tracer("app").start_as_current_span("work"):
        transaction = prepared(1)
        assert accounts() == (0, 0)
        transaction.commit()
    prepared(2).rollback()
    assert ezlogs.flush(5)
    on_spans = [event.attributes["ezlogs.event.id"] for span in receiver.spans for event in span.events]
    logged = [log.attributes["ezlogs.event.id"] for log in receiver.logs]
    assert len(on_spans) == 2
    assert on_spans == logged
    assert accounts() == (0, 2)
    ezlogs.shutdown()
    assert not [name for _, _, names in os.walk(os.environ["EZLOGS_STATE_DIR"]) for name in names if "journal" in name]


@pytest.mark.parametrize("carrier", ["span", "log"])
def test_rows_are_prepared_beside_another_pipeline(receiver: Receiver, use_provider: UseProvider, carrier: str) -> None:
    """Which has the spans, and none of the rows."""
    exporter = InMemorySpanExporter()
    provider = use_provider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    start(receiver, durability="process", carrier=carrier)
    with trace.get_tracer("app").start_as_current_span("work") as span:
        transaction = prepared(1)
        assert waiting() == 1
        transaction.commit()
    assert ezlogs.flush(5)
    assert told(receiver) == [("1", "success")]
    under = f"{span.get_span_context().span_id:016x}"
    assert [span.parent_span_id for span in receiver.spans] + [log.span_id for log in receiver.logs] == [under]
    provider.force_flush()
    assert [span.events for span in exporter.get_finished_spans()] == [()]


def test_a_span_that_ended_before_the_commit_is_what_its_rows_are_under(
    receiver: Receiver, use_provider: UseProvider
) -> None:
    """They do not ride on it, but belong to it."""
    use_provider()
    start(receiver, durability="process")
    with trace.get_tracer("app").start_as_current_span("work") as span:
        transaction = prepared(1)
    transaction.commit()
    assert ezlogs.flush(5)
    (carrier,) = [span for span in receiver.spans if span.events]
    assert carrier.parent_span_id == f"{span.get_span_context().span_id:016x}"
    assert told(receiver) == [("1", "success")]


def test_what_is_rolled_back_never_counts(receiver: Receiver, use_provider: UseProvider) -> None:
    """It is told as one event, as ever, and leaves nothing in the journal."""
    use_provider()
    start(receiver, durability="process")
    prepared(1, 2, 3).rollback(OSError("gone"))
    assert accounts() == (0, 1)
    assert ezlogs.flush(5)
    assert told(receiver) == []
    ezlogs.shutdown()
    assert not [name for _, _, names in os.walk(os.environ["EZLOGS_STATE_DIR"]) for name in names if "journal" in name]


def test_what_happens_after_all_undoes_it(receiver: Receiver, use_provider: UseProvider) -> None:
    """Further rows, a savepoint that takes some back, a commit that was not sent: what was committed counts."""
    use_provider()
    start(receiver, durability="process")
    transaction = prepared(1)
    transaction.prepare()
    transaction.savepoint("a")
    transaction.add(order(2))
    transaction.prepare()
    transaction.rollback_to("a")
    transaction.add(order(3))
    transaction.prepare()
    transaction.withdraw()
    transaction.prepare()
    transaction.commit()
    assert ezlogs.flush(5)
    assert told(receiver) == [("1", "success"), ("3", "success")]
    assert accounts()[0] == 0


def test_a_lost_answer_makes_them_unknown(receiver: Receiver, use_provider: UseProvider) -> None:
    """Under the ids that were reserved: who comes after a crash delivers those."""
    use_provider()
    start(receiver, durability="process")
    transaction = prepared(1, 2)
    transaction.lose(ConnectionError("gone"))
    assert ezlogs.flush(5)
    assert told(receiver) == [("1", "unknown"), ("2", "unknown")]
    assert accounts() == (0, 3)


def test_sampling_decides_after_the_commit(receiver: Receiver, use_provider: UseProvider) -> None:
    """What is left out counts as that, and only if it was committed."""
    use_provider()
    start(receiver, durability="process", sample_rate=0.0, keep_errors=False)
    prepared(1).rollback()
    prepared(2).commit()
    assert ezlogs.flush(5)
    assert told(receiver) == []
    health = ezlogs.health()
    assert (health["sampled_out"], balance(health)) == (1, 0)


def test_sampling_may_keep_them_for_later(receiver: Receiver, use_provider: UseProvider) -> None:
    """As something fails in the request that they are of."""
    use_provider()
    start(receiver, durability="process", sample_rate=0.0)
    with ezlogs.CorrelationManager.start_request_context():
        prepared(1).commit()
        ezlogs.event("order.action", "packed", outcome="failure")
    assert ezlogs.flush(5)
    assert told(receiver) == [("1", "success")]
    assert accounts()[0] == 0


def test_what_waits_on_disk_only_is_read_from_there(receiver: Receiver, use_provider: UseProvider) -> None:
    """While a collector is away there is little room in memory; rows are under their spans, and not on them."""
    use_provider()
    away = Receiver(port=receiver_port())
    start(away, durability="process", max_queue_size=10, max_batch_size=5)
    for number in range(100):
        if number % 2:
            with trace.get_tracer("app").start_as_current_span("work"):
                prepared(number).commit()
        else:
            prepared(number).commit()
    ezlogs.flush(0.2)
    assert accounts() == (0, 100)
    with away:
        assert ezlogs.flush(20)
        assert sorted(told(away)) == sorted((str(number), "success") for number in range(100))
        work = {span.span_id for span in away.spans if span.name == "work"}
        carriers = [span for span in away.spans if span.events]
        assert not work & {span.span_id for span in carriers}
        assert sum(len(span.events) for span in carriers if span.parent_span_id in work) == 50
    assert accounts() == (0, 100)


def receiver_port() -> int:
    """One on which nobody listens yet."""
    with Receiver() as receiver:
        return int(receiver.endpoint.rpartition(":")[2])


def test_nothing_is_prepared_where_nothing_outlives_the_process(receiver: Receiver, use_provider: UseProvider) -> None:
    """With durability=memory, and where another pipeline has the events."""
    use_provider()
    start(receiver, durability="memory")
    transaction = prepared(1)
    assert transaction._prepared is None
    transaction.commit()
    assert ezlogs.flush(5)
    assert told(receiver) == [("1", "success")]


@pytest.mark.usefixtures("nobody_named_an_endpoint")
def test_nothing_is_prepared_for_another_pipeline(use_provider: UseProvider) -> None:
    """Whose guarantees hold then."""
    exporter = InMemorySpanExporter()
    use_provider().add_span_processor(BatchSpanProcessor(exporter))
    ezlogs.configure(durability="process", instrument="none")
    with trace.get_tracer("app").start_as_current_span("work"):
        transaction = prepared(1)
        assert transaction._prepared is None
        transaction.commit()
    assert accounts() == (0, 1)


@pytest.mark.usefixtures("nobody_named_an_endpoint")
def test_an_exporter_that_comes_before_the_commit_has_the_rows(use_provider: UseProvider) -> None:
    """And only that."""
    exporter = InMemorySpanExporter()
    provider = use_provider()
    ezlogs.configure(durability="process", instrument="none")
    with trace.get_tracer("app").start_as_current_span("work"):
        transaction = prepared(1)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        transaction.commit()
    provider.force_flush()
    carrier, span = exporter.get_finished_spans()
    assert [event.name for event in carrier.events] == ["data.change"]
    assert (carrier.parent, span.events) == (span.context, ())
    assert accounts() == (0, 1)


def test_ezlogs_may_end_before_the_transaction(receiver: Receiver, use_provider: UseProvider) -> None:
    """The next process tells its rows, as unknown: nobody was there to say more."""
    use_provider()
    start(receiver, durability="process")
    transaction = prepared(1)
    ezlogs.shutdown()
    transaction.commit()
    start(receiver, durability="process")
    ezlogs.event("order.action", "placed")
    eventually(lambda: told(receiver) == [("1", "unknown")])


def test_a_fork_between_the_two_delivers_once(receiver: Receiver, state: Path) -> None:
    """Whichever process goes on, the rows are the parent's; it says also what the child may have written afterwards."""
    environ = {**os.environ, "EZLOGS_STATE_DIR": str(state)}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), receiver.endpoint],
        env=environ,
        check=True,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert json.loads(done.stdout) == {"child": 0, "parent": [0, 3]}
    assert sorted(told(receiver)) == [("1", "success"), ("2", "success"), ("3", "success"), ("4", "success")]


class _Sealer:
    """Cannot seal."""

    def seal(self, event: object, under: object) -> Any:
        raise ValueError("no")


def test_what_cannot_be_journaled_goes_on_as_any_other(tmp_path: Path, captured: Any) -> None:
    """It is told after the commit all the same, and the loss of it, if it is one, counted then."""
    event = ezlogs.event("order.action", "placed")
    assert isinstance(event, ezlogs.UniversalEvent)
    journaling = Journaling(Directory(str(tmp_path), "shop"), resource(), cap=1 << 22, max_age=60)
    carried: list[object] = []
    way = Way(Keeper(journaling, _Sealer(), int), lambda ctx: None, fail, lambda event, ctx: carried.append(event))
    preparation = Preparation([way], Ledger())
    one = preparation.take(event, {})  # type: ignore[arg-type]  # nobody looks into it
    preparation.taken()
    preparation.commit()
    preparation.releasing()
    preparation.release(one)
    preparation.withdraw()
    preparation.replaced()
    journaling.close()
    assert carried == [event]
    assert not list(tmp_path.rglob("*.journal"))


def fail(*_: object) -> None:
    """Is not called."""
    pytest.fail("what is not journaled was delivered as if it were")


def resource() -> Any:
    """Of the shop."""
    from ezlogs.delivery.sealed import EncodedResource

    return EncodedResource(b"", "")
