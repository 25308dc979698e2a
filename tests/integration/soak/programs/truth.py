"""What really happened, written down by the application itself: a line of JSON each, however its process ends."""

from __future__ import annotations

import json
import os
import random
import signal
import time

KILLS, FAILURES = (float(os.environ[name]) for name in ("SOAK_KILLS", "SOAK_FAILURES"))
"""How likely it is at each dangerous moment that the process is killed, or that it raises."""

_dice = random.SystemRandom()  # forks throw others than their parents do


class MishapError(Exception):
    """What goes wrong now and then."""


def write(fact: str, **told: object) -> None:
    """Write down that something happened, on a line of its own, though another's may have been torn by a kill."""
    line = "\n" + json.dumps({"fact": fact, "pid": os.getpid(), "at": time.time(), **told}) + "\n"
    descriptor = os.open(os.environ["SOAK_TRUTH"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def danger() -> None:
    """Survive, raise, or be killed."""
    thrown = _dice.random()
    if thrown < KILLS:
        write("killed")
        os.kill(os.getpid(), signal.SIGKILL)
    if thrown < KILLS + FAILURES:
        raise MishapError


def chosen(*words: str) -> str:
    """Return one of them."""
    return _dice.choice(words)
