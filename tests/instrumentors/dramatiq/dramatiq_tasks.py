"""Actors for Dramatiq's own workers, on Redis or RabbitMQ."""

from __future__ import annotations

import os
import signal
import time
from functools import partial

import dramatiq
from dramatiq.middleware import AsyncIO, CurrentMessage, GroupCallbacks, Interrupt
from tests.instrumentors.working import instrumented, leak, seen

from ezlogs_instrumentors.dramatiq import DramatiqInstrumentor

instrumented(DramatiqInstrumentor)

QUEUE = "default"
if "JOBS_RABBITMQ" in os.environ:
    from dramatiq.brokers.rabbitmq import RabbitmqBroker

    QUEUE = f"ezlogs-{os.environ['JOBS_NAME']}"
    broker = RabbitmqBroker(url=os.environ["JOBS_RABBITMQ"])
else:
    from dramatiq.brokers.redis import RedisBroker

    broker = RedisBroker(url=os.environ["JOBS_REDIS"], namespace=os.environ["JOBS_NAME"], heartbeat_timeout=1000)
actor = partial(dramatiq.actor, queue_name=QUEUE)
if "JOBS_REDIS" in os.environ:
    from dramatiq.rate_limits.backends import RedisBackend as Counting

    broker.add_middleware(GroupCallbacks(Counting(url=os.environ["JOBS_REDIS"])))
broker.add_middleware(CurrentMessage())
broker.add_middleware(AsyncIO())
dramatiq.set_broker(broker)
if "JOBS_ABORT" in os.environ:
    from dramatiq_abort import Abortable
    from dramatiq_abort.backends import RedisBackend

    broker.add_middleware(Abortable(backend=RedisBackend.from_url(os.environ["JOBS_ABORT"])))


@actor
def plain(secret="hunter2"):
    """Tell where it runs."""
    seen()


@actor
async def awaiting():
    """Tell where it runs, in an event loop."""
    seen()


@actor
def outer():
    """Enqueue another job."""
    plain.send()


@actor
def passing(number):
    """Give something to the next actor of a pipeline."""
    return number + 1


@actor(max_retries=3, min_backoff=100, max_backoff=200)
def flaky(failures):
    """Fail a number of times, then succeed."""
    seen()
    if CurrentMessage.get_current_message().options.get("retries", 0) < failures:
        raise TimeoutError("the mail server is away")


@actor(max_retries=1, min_backoff=100, max_backoff=200)
def doomed():
    """Fail until the retries are used up."""
    raise TimeoutError("still away")


@actor(throws=LookupError)
def broken():
    """Fail as foreseen."""
    raise LookupError("no such order")


@actor(max_age=1)
def aged():
    """Never run: it waited for too long."""


@actor(max_retries=3, min_backoff=100, max_backoff=200)
def endless():
    """Be under way until somebody aborts it."""
    seen()
    while True:
        time.sleep(0.01)


class Abort(Interrupt):
    """What somebody raises in the thread that works."""


@actor(throws=Abort)
def aborted():
    """Be stopped by somebody else."""
    raise Abort("no longer wanted")


@actor
def killed():
    """Die as by the kernel's out-of-memory killer."""
    os.kill(os.getpid(), signal.SIGKILL)


@actor
def leaking():
    """Attach a context and forget about it."""
    leak()
