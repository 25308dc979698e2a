"""Actors for Dramatiq's own workers, on Redis."""

from __future__ import annotations

import os
import signal

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO, CurrentMessage, Interrupt
from tests.instrumentors.working import instrumented, leak, seen

from ezlogs_instrumentors.dramatiq import DramatiqInstrumentor

instrumented(DramatiqInstrumentor)

broker = RedisBroker(url=os.environ["JOBS_REDIS"], namespace=os.environ["JOBS_NAME"], heartbeat_timeout=1000)
broker.add_middleware(CurrentMessage())
broker.add_middleware(AsyncIO())
dramatiq.set_broker(broker)


@dramatiq.actor
def plain(secret="hunter2"):
    """Tell where it runs."""
    seen()


@dramatiq.actor
async def awaiting():
    """Tell where it runs, in an event loop."""
    seen()


@dramatiq.actor
def outer():
    """Enqueue another job."""
    plain.send()


@dramatiq.actor
def passing(number):
    """Give something to the next actor of a pipeline."""
    return number + 1


@dramatiq.actor(max_retries=3, min_backoff=100, max_backoff=200)
def flaky(failures):
    """Fail a number of times, then succeed."""
    seen()
    if CurrentMessage.get_current_message().options.get("retries", 0) < failures:
        raise TimeoutError("the mail server is away")


@dramatiq.actor(max_retries=1, min_backoff=100, max_backoff=200)
def doomed():
    """Fail until the retries are used up."""
    raise TimeoutError("still away")


@dramatiq.actor(throws=LookupError)
def broken():
    """Fail as foreseen."""
    raise LookupError("no such order")


@dramatiq.actor(max_age=1)
def aged():
    """Never run: it waited for too long."""


class Abort(Interrupt):
    """What somebody raises in the thread that works."""


@dramatiq.actor(throws=Abort)
def aborted():
    """Be stopped by somebody else."""
    raise Abort("no longer wanted")


@dramatiq.actor
def killed():
    """Die as by the kernel's out-of-memory killer."""
    os.kill(os.getpid(), signal.SIGKILL)


@dramatiq.actor
def leaking():
    """Attach a context and forget about it."""
    leak()
