"""Jobs for arq, and its worker as a program: ``arq_tasks.py queue``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from arq import Retry, Worker, cron, func
from arq.connections import RedisSettings
from tests.instrumentors.working import instrumented, leak, seen

from ezlogs_instrumentors.arq import ArqInstrumentor

instrumented(ArqInstrumentor)


def settings():
    """Say where the test's Redis is."""
    url = os.environ["JOBS_REDIS"]
    if url.startswith("unix://"):
        return RedisSettings(unix_socket_path=url.removeprefix("unix://"))
    return RedisSettings.from_dsn(url)


async def plain(ctx, secret="hunter2"):
    """Tell where it runs."""
    seen()


async def outer(ctx):
    """Enqueue another job."""
    await ctx["redis"].enqueue_job("plain", _queue_name=sys.argv[1])


async def flaky(ctx, failures):
    """Ask for another attempt a number of times, then succeed."""
    seen()
    if ctx["job_try"] <= failures:
        try:
            raise TimeoutError("the mail server is away")
        except TimeoutError as error:
            raise Retry(defer=0.2) from error


async def broken(ctx):
    """Fail without a retry."""
    raise LookupError("no such order")


async def slow(ctx):
    """Take too long."""
    await asyncio.sleep(30)


async def killed(ctx):
    """Die as by the kernel's out-of-memory killer."""
    os.kill(os.getpid(), signal.SIGKILL)


async def leaking(ctx):
    """Attach a context and forget about it."""
    leak()


async def tick(ctx):
    """Be due."""
    seen()


FUNCTIONS = [
    plain,
    outer,
    func(flaky, max_tries=3),
    broken,
    func(slow, name="slow", timeout=0.2),
    func(slow, name="aborted"),
    killed,
    leaking,
]

if __name__ == "__main__":
    worker = Worker(
        FUNCTIONS,
        queue_name=sys.argv[1],
        redis_settings=settings(),
        cron_jobs=[cron(tick, second=set(range(60)))] if "cron" in sys.argv else None,
        poll_delay=0.05,
        allow_abort_jobs=True,
        max_jobs=1 if "one" in sys.argv else 10,
    )
    worker.run()
