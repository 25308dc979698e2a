"""uWSGI's forks, without uWSGI: its modules are there as far as its documentation says. With it: test_servers."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from ezlogs import forks
from ezlogs.forks import free_locks, lock_for_loading
from ezlogs.launch.uwsgi import heed_forks


@pytest.fixture
def uwsgi(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module that there is inside of uWSGI; its decorators cannot be imported, as without a master process."""
    made = ModuleType("uwsgi")
    made.worker_id = lambda: 0  # type: ignore[attr-defined]  # of a module that is made here
    monkeypatch.setitem(sys.modules, "uwsgi", made)
    monkeypatch.setitem(sys.modules, "uwsgidecorators", None)  # type: ignore[arg-type]  # its import fails
    yield made
    forks.will_be_by_c = False


def in_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be another process from now on."""
    monkeypatch.setattr("ezlogs.launch.uwsgi.os.getpid", lambda: -1)


def decorators(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """Have the decorators imported; return what they call in a worker."""
    chain: list[Callable[[], object]] = []
    module = ModuleType("uwsgidecorators")
    module.postfork = chain.append  # type: ignore[attr-defined]  # of a module that is made here
    monkeypatch.setitem(sys.modules, "uwsgidecorators", module)
    return chain


def test_outside_of_uwsgi_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody forks like that."""
    monkeypatch.delitem(sys.modules, "uwsgi", raising=False)
    heed_forks(pytest.fail)


def test_with_the_decorators_it_is_one_of_those_that_are_called(
    uwsgi: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hook itself is theirs."""
    called: list[str] = []
    chain = decorators(monkeypatch)
    heed_forks(lambda: called.append("ezlogs"))
    assert not hasattr(uwsgi, "post_fork_hook")
    [ours] = chain
    assert forks.will_be_by_c
    in_a_worker(monkeypatch)
    ours()
    assert not forks.will_be_by_c
    assert called == ["ezlogs"]


@pytest.mark.parametrize("hooked", [False, True])
def test_without_a_master_it_is_the_hook_and_calls_the_one_before(
    uwsgi: ModuleType, monkeypatch: pytest.MonkeyPatch, hooked: bool
) -> None:
    """Which the application has set."""
    called: list[str] = []
    if hooked:
        uwsgi.post_fork_hook = lambda: called.append("the application's")  # type: ignore[attr-defined]  # as its documentation says
    heed_forks(lambda: called.append("ezlogs"))
    in_a_worker(monkeypatch)
    uwsgi.post_fork_hook()
    assert called == ["ezlogs", "the application's"][: 1 + hooked]


def test_a_process_that_is_its_own_worker_forgets_nothing(uwsgi: ModuleType) -> None:
    """It calls the hook, and was not forked; from then on it has threads."""
    heed_forks(pytest.fail)
    uwsgi.post_fork_hook()
    assert not forks.will_be_by_c


def test_a_worker_that_loads_the_application_may_have_threads_at_once(uwsgi: ModuleType) -> None:
    """Nobody is forked from it."""
    uwsgi.worker_id = lambda: 1  # type: ignore[attr-defined]  # as its documentation says
    heed_forks(int)
    assert not forks.will_be_by_c


def test_locks_that_a_thread_of_the_parent_held_are_free(uwsgi: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not there to let go of them."""
    lock, held, over = lock_for_loading(), threading.Event(), threading.Event()

    def hold() -> None:
        lock.acquire()
        held.set()
        over.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(20)
    assert not lock.acquire(blocking=False)
    heed_forks(int)
    in_a_worker(monkeypatch)
    uwsgi.post_fork_hook()
    assert lock.acquire(blocking=False)
    lock.release()
    over.set()
    thread.join()


def test_where_locks_cannot_be_freed_they_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with other Pythons."""
    monkeypatch.setattr("ezlogs.forks._locks", [object()])
    free_locks()
