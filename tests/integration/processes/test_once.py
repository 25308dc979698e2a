"""What one process has delivered no other one delivers."""

from __future__ import annotations

from collections.abc import Callable

from ezlogs.dev.receiver import Receiver

from .running import DEADLINE, Service

MakeService = Callable[..., Service]


def test_what_was_flushed_is_not_delivered_again(make_service: MakeService, receiver: Receiver) -> None:
    """Though its process ends without a word as soon as ``flush()`` has said that all of it went out."""
    service = make_service(receiver)
    assert service.start("plain.py", "flushed", "_exit").wait(DEADLINE) == 4, service.log()
    assert not service.missing()
    assert set(service.settle().values()) == {1}
