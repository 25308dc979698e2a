"""The register: what becomes of flows where a store is slow, away, refused or hung, and after a fork."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opentelemetry import context

import ezlogs
from ezlogs.emit import is_suppressed
from ezlogs.flows import StoreUnavailableError
from ezlogs.flows.line import MOST_WAITING
from ezlogs.flows.memory import MemoryStore
from ezlogs.flows.opening import maker
from ezlogs.flows.register import Register, stored_name
from ezlogs.runtime import Runtime
from ezlogs.settings import load

DEADLINE = 20.0


class Store(MemoryStore):
    """A store that can be made to hang, or to be away."""

    def __init__(self) -> None:
        super().__init__()
        self.away: Exception | None = None
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.closed = False
        self.users: set[int] = set()
        self.suppressed: set[bool] = set()

    def _use(self) -> None:
        self.users.add(threading.get_ident())
        self.suppressed.add(is_suppressed(context.get_current()))
        self.goes_on.wait(DEADLINE)
        if self.away is not None:
            raise self.away

    def remember(self, flow: str, story: str, seconds: float) -> None:
        """Do as it is told, if it can."""
        self._use()
        super().remember(flow, story, seconds)

    def find(self, flow: str) -> str | None:
        """Do as it is told, if it can."""
        self._use()
        return super().find(flow)

    def close(self) -> None:
        """Take note, and fail."""
        self.closed = True
        raise OSError


Make = Callable[..., tuple[Register, Store, Runtime]]


@pytest.fixture
def make() -> Iterator[Make]:
    """Make registers, which end with the test."""
    registers: list[Register] = []

    def made(**settings: object) -> tuple[Register, Store, Runtime]:
        runtime, store = Runtime(load({}, {"flow_wait": 10, **settings}).settings), Store()
        registers.append(Register(runtime, lambda: store))
        return registers[-1], store, runtime

    yield made
    for register in registers:
        register.close(DEADLINE)


def counted(runtime: Runtime) -> dict[str, int]:
    """What was counted, without the emitted."""
    return {what: number for what, number in runtime.ledger.counts().items() if what.startswith("flow_store.")}


def until(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_one_thread_uses_the_store_and_nothing_it_does_is_instrumented(make: Make) -> None:
    """What was written is read, in the order in which it was asked for."""
    register, store, runtime = make()
    register.began("order:42", "story-1")
    assert register.find("order:42") == "story-1"
    register.ended("order:42", "story-1")
    register.began("order:42", "story-2")
    assert register.find("order:42") == "story-2"
    register.forget("order:42")
    assert register.find("order:42") is None
    assert len(store.users) == 1
    assert threading.get_ident() not in store.users
    assert store.suppressed == {True}
    assert counted(runtime) == {}


def test_a_store_that_hangs_is_waited_for_once(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Writing never waits; after one lookup that was too late nobody waits until it has answered."""
    register, store, runtime = make(flow_wait=0.05)
    store.goes_on.clear()
    register.began("order:42", "story-1")
    assert register.find("order:42") is None
    until(lambda: (register.find("order:42"), counted(runtime).get("flow_store.unavailable", 0))[1])
    assert counted(runtime)["flow_store.late"] >= 1
    assert "did not answer within 0.05 seconds" in caplog.text
    store.goes_on.set()
    until(lambda: register.find("order:42") == "story-1")


def test_a_store_that_is_away_loses_nothing_that_there_is_room_for(
    make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be written is written when it is back, in order; its error's text is nobody's affair."""
    monkeypatch.setattr("ezlogs.flows.line._PAUSES", (0.01,))
    register, store, runtime = make()
    store.away = ConnectionError("redis://:hunter2@cache")
    register.began("order:42", "story-1")
    until(lambda: counted(runtime).get("flow_store.failures", 0) > 2)
    register.began("order:43", "story-1")
    assert not register.flush(DEADLINE)
    store.away = None
    assert register.flush(DEADLINE)
    assert (register.find("order:42"), register.find("order:43")) == ("story-1", "story-1")
    assert "away, and will be tried again: ConnectionError" in caplog.text
    assert "hunter2" not in caplog.text
    assert store.closed


def test_nobody_waits_for_a_store_that_is_known_to_be_away(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """A lookup that fails answers at once, and so do those after it until the next try is due."""
    register, store, runtime = make()
    store.away = StoreUnavailableError("there is none")
    assert register.find("order:42") is None
    assert register.find("order:42") is None
    assert counted(runtime) == {"flow_store.failures": 1, "flow_store.unavailable": 2}
    assert "will be tried again: there is none" in caplog.text


def test_what_waits_is_bounded_and_what_is_lost_is_counted(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Before the thread, and after it."""
    register, store, runtime = make()
    store.goes_on.clear()
    for number in range(MOST_WAITING + 3):
        register.began(f"order:{number}", "story-1")
    assert counted(runtime)["flow_store.lost"] >= 1
    store.away = ConnectionError()
    store.goes_on.set()
    assert not register.flush(DEADLINE)
    for number in range(10):
        register.began(f"order:{number}", "story-2")
    register.close(DEADLINE)
    assert counted(runtime)["flow_store.lost"] == MOST_WAITING + 13
    assert "could not be kept" in caplog.text


def test_an_end_is_bounded_and_a_register_may_go_on_after_it(make: Make) -> None:
    """A process that ends waits a second at most; what comes after it has a thread of its own."""
    register, store, _ = make()
    register.close(0)
    assert register.flush(0)
    store.goes_on.clear()
    register.began("order:42", "story-1")
    assert not register.flush(0.01)
    began = time.monotonic()
    register.close(DEADLINE)
    assert time.monotonic() - began < DEADLINE / 2
    store.goes_on.set()
    register.began("order:43", "story-1")
    assert register.find("order:43") == "story-1"


def test_what_is_put_into_a_line_that_has_ended_has_another_thread(make: Make) -> None:
    """As by somebody who has looked for it just before."""
    register, *_ = make()
    line = register._ours()
    line.close(DEADLINE)
    line.put("remember", "order:42", "story-1", 60.0)
    assert register.find("order:42") == "story-1"


def test_a_thread_that_cannot_be_started_is_a_loss(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the interpreter's end."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    register, _, runtime = make()
    register.began("order:42", "story-1")
    assert register.find("order:42") is None
    assert counted(runtime) == {"flow_store.lost": 2}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_has_a_thread_of_its_own(make: Make, tmp_path: Path) -> None:
    """And finds what its parent wrote, in a store that others share."""
    store = maker(f"sqlite:///{tmp_path / 'flows.db'}")
    runtime = Runtime(load({}, {"flow_wait": 10}).settings)
    register = Register(runtime, store)
    register.began("order:42", "story-1")
    assert register.flush(DEADLINE)
    child = os.fork()
    if child == 0:
        found = register.find("order:42")
        register.began("order:43", "story-2")
        register.close(1)
        os._exit(0 if found == "story-1" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert register.find("order:43") == "story-2"
    register.close(DEADLINE)


def test_ids_in_a_store_say_nothing() -> None:
    """They are keyed if there is a key; without one a personal id is not there at all."""
    said: list[str] = []
    plain, keyed = stored_name("order:42", None, said.append), stored_name("order:42", "key", said.append)
    assert plain is not None
    assert keyed is not None
    assert plain != keyed
    assert {len(plain), len(keyed)} == {32}
    assert not said
    assert stored_name("signup:ada@example.com", None, said.append) is None
    assert len(said) == 1
    assert stored_name("signup:ada@example.com", "key", said.append)


def test_a_flow_with_a_personal_id_is_not_looked_for_without_a_key(make: Make) -> None:
    """Nor kept; with a key it is both."""
    register, store, _ = make()
    register.began("signup:ada@example.com", "story-1")
    assert register.find("signup:ada@example.com") is None
    assert not store.users
    register, store, _ = make(hash_key="a key")
    register.began("signup:ada@example.com", "story-1")
    assert register.find("signup:ada@example.com") == "story-1"


def test_what_a_store_says_is_not_believed_blindly(make: Make) -> None:
    """An id that nobody would accept from outside is none."""
    register, *_ = make()
    register.began("order:42", "<script>")
    assert register.find("order:42") is None


def test_a_coroutine_does_not_keep_its_loop_waiting(make: Make) -> None:
    """While a store hangs, others go on; then the lookup gives up."""
    register, store, runtime = make(flow_wait=0.2)
    store.goes_on.clear()

    async def main() -> int:
        turns = 0
        lookup = asyncio.ensure_future(register.find_async("order:42"))
        while not lookup.done():
            turns += 1
            await asyncio.sleep(0.001)
        assert lookup.result() is None
        return turns

    assert asyncio.run(main()) > 3
    assert counted(runtime) == {"flow_store.late": 1}
    store.goes_on.set()


def test_memory_answers_a_coroutine_at_once() -> None:
    """It needs no thread."""
    register = Register(Runtime(load({}).settings), None)
    register.began("order:42", "story-1")
    assert asyncio.run(register.find_async("order:42")) == "story-1"
    assert register.flush(0)
    register.close(0)


def test_a_store_of_the_application_s_own_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what makes it; what cannot be imported says so."""
    made = maker("ezlogs.flows.memory:MemoryStore")
    assert made is not None
    assert isinstance(made(), MemoryStore)
    for wrong in ("ezlogs.flows.memory:Nothing", "no_such_module:Store"):
        made = maker(wrong)
        assert made is not None
        with pytest.raises(StoreUnavailableError, match=f"{wrong} cannot be imported"):
            made()


def test_health_tells_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says nothing where there is nothing to say."""
    ezlogs.configure(instrument="none", endpoint="http://127.0.0.1:9", flow_store="no_such_module:Store")
    try:
        assert "flow_store" not in ezlogs.health()
        with ezlogs.flow("order", 42):
            pass
        assert not ezlogs.flush(0.5)
        assert ezlogs.health()["flow_store"] == {"failures": pytest.approx(1, abs=1)}
    finally:
        ezlogs.shutdown()
