"""Children of multiprocessing: what is done at their end, past which they run no exit handlers."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from multiprocessing import util
from multiprocessing.connection import Connection
from typing import Any

import pytest

from ezlogs.launch.children import AtTheEndOfChildren


@pytest.fixture
def said() -> list[str]:
    """What was done."""
    return []


@pytest.fixture
def at_the_end(said: list[str]) -> AtTheEndOfChildren:
    """Says what it does."""
    return AtTheEndOfChildren(end=lambda: said.append("end"), drain=lambda: said.append("drain"))


def finish(registered: list[Any]) -> None:
    """Do what was registered for the end of a child."""
    for callback, priority in registered:
        assert priority < 0, "it is not the last"
        callback()


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was registered for the end of this process, as if it were a child."""
    found: list[Any] = []
    monkeypatch.setattr(util, "Finalize", lambda _, callback, exitpriority: found.append((callback, exitpriority)))
    return found


def test_where_nobody_has_loaded_multiprocessing_there_are_no_children(
    at_the_end: AtTheEndOfChildren, registered: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it loaded for that."""
    monkeypatch.delitem(sys.modules, "multiprocessing.util")
    at_the_end.heed()
    assert "multiprocessing.util" not in sys.modules
    assert not registered


def test_a_process_that_is_no_child_has_exit_handlers(at_the_end: AtTheEndOfChildren, registered: list[Any]) -> None:
    """But its children will do it."""
    at_the_end.heed()
    assert not registered
    util._run_after_forkers()
    assert [callback.__self__ for callback, _ in registered].count(at_the_end) == 1


def test_a_child_is_done_with_at_its_end(
    at_the_end: AtTheEndOfChildren, registered: list[Any], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If that was heeded when its own work had begun."""
    monkeypatch.setattr(multiprocessing.process, "parent_process", lambda: "a parent")
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.current_thread()])
    at_the_end.heed()
    finish(registered)
    assert said == ["end"]


def test_a_child_whose_threads_go_on_is_not_done_with(
    at_the_end: AtTheEndOfChildren, registered: list[Any], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they emit goes on its way, too."""
    monkeypatch.setattr(multiprocessing.process, "parent_process", lambda: "a parent")
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.current_thread(), threading.Thread()])
    at_the_end.heed()
    finish(registered)
    assert said == ["drain"]


def child(writer: Connection) -> None:
    """Heed the end of a real child, and send what is done at it."""
    AtTheEndOfChildren(end=lambda: writer.send("end"), drain=lambda: writer.send("drain")).heed()


@pytest.mark.parametrize("method", ["fork"])
def test_a_real_child_does_it(method: str) -> None:
    """Right before it ends."""
    context = multiprocessing.get_context(method)
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(writer,))
    process.start()
    assert reader.poll(30)
    assert reader.recv() == "end"
    process.join(30)
    reader.close()
    writer.close()
