"""The shop's jobs: `reserve` writes a row and enqueues `receipt`, which sends a mail. Any of it may go wrong."""

from __future__ import annotations

import os
import smtplib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from brokers import options
from celery import Celery, signals
from truth import MishapError, chosen, danger, write

import ezlogs

app = Celery("jobs")
app.conf.update(
    **options(os.environ["SOAK_BROKER"], Path(os.environ["SOAK_HOME"])),
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_lost_wait=1,
)


@signals.task_received.connect(weak=False)
def received(request: Any, **_: Any) -> None:
    """Write down that a worker has taken a message, in its main process."""
    write("received", job=request.id, task=request.name, attempt=request.request_dict["retries"] + 1)


@signals.task_prerun.connect(weak=False)
def about(task: Any, task_id: str, args: Any, **_: Any) -> None:
    """Write down that an attempt is about to begin, before anybody else knows."""
    write("about", job=task_id, task=task.name, attempt=task.request.retries + 1, order=args[0])


ezlogs.configure()


@signals.task_postrun.connect(weak=False)
def done(task: Any, task_id: str, args: Any, state: str, **_: Any) -> None:
    """Write down that an attempt has ended for everybody."""
    write("done", job=task_id, task=task.name, attempt=task.request.retries + 1, order=args[0], state=state)


@contextmanager
def attempted(task: Any, order: int) -> Iterator[str]:
    """Write down what becomes of an attempt, and tell of it by an event of the application's own."""
    token = uuid.uuid4().hex
    known = {"job": task.request.id, "task": task.name, "attempt": task.request.retries + 1, "order": order}
    write("start", **known, token=token)
    ezlogs.event("shop.action", "attempting", subject=("order", order), metadata={"mark": token})
    write("told", token=token, order=order)
    try:
        yield token
    except (MishapError, smtplib.SMTPException) as error:
        write("raised", **known, token=token)
        raise task.retry(exc=error, countdown=float(chosen("0", "0.2", "1"))) from error
    write("returned", **known, token=token)


@app.task(bind=True, name="reserve", max_retries=6)
def reserve(self: Any, order: int) -> None:
    """Keep what an order wants."""
    from store import Reservation, save

    with attempted(self, order) as token:
        danger()
        write("saving", order=order, row=f"{order}-{token}")
        save(Reservation(id=f"{order}-{token}", order_id=order))
        write("saved", order=order, row=f"{order}-{token}")
        danger()
        enqueue(receipt, order)
        danger()


@app.task(bind=True, name="receipt", max_retries=6)
def receipt(self: Any, order: int) -> None:
    """Send a mail about it."""
    with attempted(self, order) as token:
        danger()
        message = EmailMessage()
        message["Message-ID"] = f"<{order}.{token}@shop.test>"
        message["Subject"] = f"Order {order}"
        message.set_content("Thank you.")
        wanted = chosen("ada@shop.test", "ada@shop.test", "eve@refused.test", "bob@busy.test")
        write("mailing", order=order, message=message["Message-ID"])
        try:
            with smtplib.SMTP("127.0.0.1", int(os.environ["SOAK_SMTP"]), timeout=60) as server:
                refused = server.sendmail("shop@shop.test", ["box@shop.test", wanted], message.as_bytes())
        except smtplib.SMTPException:
            write("mailed", order=order, message=message["Message-ID"], outcome="failure")
            raise
        write("mailed", order=order, message=message["Message-ID"], outcome="success", refused=len(refused))
        danger()


def enqueue(task: Any, order: int) -> None:
    """Enqueue a job, and write down that it was."""
    job = str(uuid.uuid4())
    write("enqueuing", job=job, task=task.name, order=order)
    task.apply_async((order,), task_id=job)
    write("enqueued", job=job, task=task.name, order=order)
