"""The nearest known word is told where there is one, and nobody waits for it."""

from __future__ import annotations

import sys
import threading

import pytest

from ezlogs.forks import OWN_LOADING
from ezlogs.nearest import nearest


def test_the_nearest_word_is_told_if_any_is_near() -> None:
    """By its spelling."""
    assert nearest("enpoint", ["endpoint", "enabled"]) == "endpoint"
    assert nearest("colour", ["endpoint", "enabled"]) is None


def test_nobody_waits_while_another_thread_loads_something() -> None:
    """It may wait, in its turn, for whom a signal handler interrupts."""
    loading, done = threading.Event(), threading.Event()

    def load() -> None:
        with OWN_LOADING:
            loading.set()
            done.wait(20)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        assert loading.wait(20)
        assert nearest("enpoint", ["endpoint"]) is None
    finally:
        done.set()
        thread.join()
    assert nearest("enpoint", ["endpoint"]) == "endpoint"


def test_who_interrupts_its_loading_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is half loaded then; the lock is free again."""
    monkeypatch.setitem(sys.modules, "difflib", None)
    assert nearest("enpoint", ["endpoint"]) is None
    monkeypatch.undo()
    assert nearest("enpoint", ["endpoint"]) == "endpoint"
