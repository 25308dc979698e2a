"""Tasks for Huey, and its consumer as a program: ``huey_tasks.py thread|process``; on Redis or SQLite."""

from __future__ import annotations

import os
import signal
import sys

from huey import RedisHuey, SqliteHuey
from huey.exceptions import CancelExecution, RetryTask
from huey.serializer import Serializer, SignedSerializer
from tests.instrumentors.working import instrumented, leak, seen

from ezlogs_instrumentors.huey import HueyInstrumentor

instrumented(HueyInstrumentor)

if "JOBS_REDIS" in os.environ:
    huey = RedisHuey(os.environ["JOBS_NAME"], url=os.environ["JOBS_REDIS"], serializer=SignedSerializer("secret"))
else:
    packing = Serializer(compression=True)
    huey = SqliteHuey(os.environ["JOBS_NAME"], filename=os.environ["JOBS_FILE"], serializer=packing)


@huey.task()
def plain(secret="hunter2"):
    """Tell where it runs."""
    seen()
    return "done"


@huey.task()
def outer():
    """Enqueue another job."""
    plain()


@huey.task(retries=2)
def flaky(failures, tried=[]):  # noqa: B006  # what a consumer of one worker has seen
    """Fail a number of times, then succeed."""
    seen()
    tried.append(failures)
    if len(tried) <= failures:
        raise TimeoutError("the mail server is away")


@huey.task(retries=2, retry_delay=1)
def slowly(tried=[]):  # noqa: B006  # likewise
    """Fail once, and wait a second."""
    tried.append(1)
    if len(tried) == 1:
        raise TimeoutError("the mail server is away")


@huey.task(retries=1)
def doomed():
    """Fail until the retries are used up."""
    raise TimeoutError("still away")


@huey.task()
def broken():
    """Fail without a retry."""
    raise LookupError("no such order")


@huey.task()
def asking(tried=[]):  # noqa: B006  # likewise
    """Ask for another attempt."""
    tried.append(1)
    if len(tried) == 1:
        raise RetryTask(delay=0)


@huey.task()
def canceling():
    """Give up."""
    raise CancelExecution(retry=False)


@huey.task()
@huey.lock_task("only-one")
def locked():
    """Run while nobody else does."""


@huey.task()
def killed():
    """Die as by the kernel's out-of-memory killer."""
    os.kill(os.getpid(), signal.SIGKILL)


@huey.task()
def leaking():
    """Attach a context and forget about it."""
    leak()


@huey.task()
def joining(results):
    """Take what the others returned."""
    seen()


@huey.periodic_task(lambda when: when.year > 1)
def every_minute():
    """Be due."""
    seen()


if __name__ == "__main__":
    import logging

    import huey_tasks

    logging.basicConfig(level=logging.WARNING)
    consumer = huey_tasks.huey.create_consumer(
        workers=1,
        worker_type=sys.argv[1],
        periodic="periodic" in sys.argv,
        initial_delay=0.05,
        max_delay=0.05,
        scheduler_interval=1,
    )
    consumer.run()
