"""The hooks that the instrumentors of job systems share."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.jobs import MAX_LENGTH, around, attempt_in, before, unpacked


def test_a_call_is_an_attempt_however_it_ends() -> None:
    """What it returns or raises is seen, and reaches the caller; the attempt is closed."""
    seen: list[Any] = []

    class Worker:
        def run(self, error: Exception | None) -> str:
            """Raise, or return."""
            seen.append("runs")
            if error:
                raise error
            return "done"

    hooks = Hooks()
    attempt = SimpleNamespace(close=lambda: seen.append("closed"))
    around(hooks, Worker, "run", lambda worker, error: attempt, lambda attempt, *end: seen.append(end))
    before(hooks, Worker, "run", lambda worker, error: seen.append("before"))
    error = TimeoutError()
    run = Worker.run
    assert Worker().run(None) == "done"
    with pytest.raises(TimeoutError):
        Worker().run(error)
    assert seen == ["before", "runs", ("done", None), "closed", "before", "runs", (None, error), "closed"]
    hooks.undo()
    assert run(Worker(), None) == "done"
    assert seen[8:] == ["runs"]


def test_what_is_not_ours_is_nothing() -> None:
    """Too long, no mapping, no number."""
    assert unpacked("{" * (MAX_LENGTH + 1)) == unpacked("[" * MAX_LENGTH) == unpacked(b"\xff") == {}
    assert [attempt_in({"attempt": number}) for number in (3, "3", True, 0, -1, 2**40)] == [3, 1, 1, 1, 1, 1]
