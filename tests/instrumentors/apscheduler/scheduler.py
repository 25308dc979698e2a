"""A scheduler of APScheduler as a program: ``scheduler.py executor``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from datetime import datetime, timedelta, timezone

from apscheduler.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.schedulers.blocking import BlockingScheduler
from tests.instrumentors.working import instrumented, leak, seen

import ezlogs
from ezlogs_instrumentors.apscheduler import ApschedulerInstrumentor

instrumented(ApschedulerInstrumentor)


def close_day(secret):
    """Tell where it runs."""
    seen()
    leak()


async def awaiting():
    """Tell where it runs, in an event loop."""
    await asyncio.sleep(0)
    seen()


def broken():
    """Fail."""
    raise LookupError("no such order")


def slow():
    """Be under way when the next run is due."""
    time.sleep(1.5)


def killed():
    """Die as by the kernel's out-of-memory killer."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(kind):
    """Run until the end."""
    pool = ProcessPoolExecutor(2) if kind == "process" else ThreadPoolExecutor(2)
    if kind == "asyncio":
        scheduler = AsyncIOScheduler(timezone=timezone.utc)
        scheduler.add_job(awaiting, "interval", seconds=1)
    else:
        scheduler = BlockingScheduler(executors={"default": pool}, timezone=timezone.utc)
    now = datetime.now(timezone.utc)
    if kind == "killed":
        scheduler.add_job(killed, "date", run_date=now)
    else:
        scheduler.add_job(close_day, "interval", seconds=1, args=["hunter2"], id="close", max_instances=3)
        scheduler.add_job(broken, "interval", seconds=1, misfire_grace_time=None)  # however busy the machine is
        if kind == "thread":
            scheduler.add_job(slow, "interval", seconds=1, name="slowly")
        late = now - timedelta(seconds=30)
        scheduler.add_job(broken, "date", run_date=late, name="missed", misfire_grace_time=5)
        scheduler.add_job(broken, "date", run_date=late, name="late", misfire_grace_time=None)
    with ezlogs.actor("user", 7):  # whoever starts it is not who acts
        if kind != "asyncio":
            scheduler.start()
            return

        async def loop():
            scheduler.start()
            await asyncio.Event().wait()

        asyncio.run(loop())


if __name__ == "__main__":
    import scheduler

    scheduler.main(sys.argv[1])
