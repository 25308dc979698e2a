"""Broken pipes: an error where they are written to, and no signal afterwards, whatever the application does with it."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator

import pytest

from ezlogs.delivery.broken_pipes import survived

pytestmark = pytest.mark.skipif(not hasattr(signal, "sigtimedwait"), reason="the system cannot take a signal back")


@pytest.fixture(autouse=True)
def deadly() -> Iterator[None]:
    """SIGPIPE ends this process, if it comes."""
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGPIPE, before)


def write() -> None:
    """Write to a pipe that is broken."""
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours, pytest.raises(BrokenPipeError):
        ours.send(b"request")


def test_a_broken_pipe_is_an_error_alone() -> None:
    """And again, after the signal was let through."""
    for _ in range(2):
        with survived():
            write()
        assert signal.SIGPIPE not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_who_blocks_the_signal_goes_on_doing_so() -> None:
    """It is the application's to take back."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
    try:
        with survived():
            write()
        assert signal.SIGPIPE in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        assert signal.sigtimedwait({signal.SIGPIPE}, 0) is not None
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPIPE})
