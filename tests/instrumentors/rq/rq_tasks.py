"""Jobs for RQ, and its worker as a program: ``rq_tasks.py worker-class queue``."""

from __future__ import annotations

import os
import signal
import sys

from rq import Queue, Retry, get_current_job
from tests.instrumentors.working import instrumented, leak, seen

from ezlogs_instrumentors.rq import RqInstrumentor

ACTIVE = instrumented(RqInstrumentor)


def connection():
    """Return a connection to the test's Redis."""
    from redis import Redis

    return Redis.from_url(os.environ["JOBS_REDIS"])


def plain(secret="hunter2"):
    """Tell where it runs."""
    seen()


def outer():
    """Enqueue another job."""
    queue = Queue(get_current_job().origin, connection=get_current_job().connection)
    queue.enqueue("rq_tasks.plain")


def flaky(failures):
    """Fail a number of times, then succeed; what it keeps in its meta is its own."""
    job = get_current_job()
    tried = job.meta.get("tried", 0) + 1
    job.meta["tried"] = tried
    job.save_meta()
    seen(tried=tried)
    if tried <= failures:
        raise TimeoutError("the mail server is away")


def asking(times):
    """Ask for another attempt by what is returned."""
    return Retry(max=times)


def broken():
    """Fail without a retry."""
    raise LookupError("no such order")


def killed():
    """Die as by the kernel's out-of-memory killer, the first time."""
    job = get_current_job()
    if not job.meta:
        job.meta["died"] = True
        job.save_meta()
        os.kill(os.getpid(), signal.SIGKILL)


def leaking():
    """Attach a context and forget about it."""
    leak()


if __name__ == "__main__":
    import logging

    import rq
    import rq_tasks  # noqa: F401  # as the module that the jobs name

    logging.basicConfig(level=logging.WARNING)
    kind = getattr(rq.worker, sys.argv[1])
    worker = kind([Queue(sys.argv[2], connection=connection())], connection=connection(), name=f"w-{sys.argv[2]}")
    worker.work(with_scheduler="scheduler" in sys.argv, logging_level="WARNING")
