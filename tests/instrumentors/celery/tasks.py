"""A Celery application for the tests, with a broker of files or one that is named; its events are JSON lines."""

from __future__ import annotations

import json
import os
import signal
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import msgspec
from celery import Celery, shared_task
from celery.exceptions import Ignore, Reject
from celery.signals import worker_process_init
from examples.shop import files_broker  # noqa: F401  # makes files:// known, whose messages appear whole
from kombu import Exchange, Queue
from opentelemetry import context, trace

import ezlogs
from ezlogs.emit import record
from ezlogs.runtime import Runtime, install
from ezlogs.settings import load
from ezlogs_instrumentors.celery import CeleryInstrumentor

HOME = Path(os.environ.get("JOBS_HOME", "."))


def _with_any_redis():
    """Let kombu take the redis-py that there is: it wants a newer one than arq does, and both work."""
    from kombu.transport import redis

    def _get_client(channel):
        return partial(redis.PrefixedStrictRedis, global_keyprefix=channel.global_keyprefix)

    redis.Channel._get_client = _get_client


if find_spec("redis"):
    _with_any_redis()


class JsonLines:
    """A carrier that appends each event to a file, in the process that emitted it."""

    opens_spans = True
    notes_openings = "JOBS_JOURNAL" in os.environ

    def opened(self, event, ctx):
        """Write what a killed process leaves."""
        facts = msgspec.to_builtins(event.facts) | {"metadata": dict(event.metadata), "pid": os.getpid()}
        self._write(facts | {"event_type": f"opened.{event.event_type}"})

    def awaited(self, event_id, note):
        """Have it noted at once."""
        note(True)

    def closed(self, event_id):
        """Its event is told."""

    def carry(self, event, ctx):
        """Write an event."""
        self._write(msgspec.to_builtins(event.facts) | {"metadata": dict(event.metadata), "pid": os.getpid()})

    def flush(self, timeout):
        """Write that everything is to be delivered."""
        self._write({"event_type": "test.flush", "pid": os.getpid(), "timeout": timeout})
        return True

    def shutdown(self, timeout):
        """Write that this is the end."""
        self._write({"event_type": "test.shutdown", "pid": os.getpid(), "timeout": timeout})

    def forget(self):
        """Nothing is held."""

    def health(self):
        """Nothing is held."""
        return {}

    @staticmethod
    def _write(fact):
        line = json.dumps(fact, default=str) + "\n"
        descriptor = os.open(HOME / "events.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line.encode())
        os.close(descriptor)


def make_app(home: Path = HOME, broker: str | None = os.environ.get("JOBS_BROKER")) -> Celery:
    """Return an application whose broker is a directory, or at a URL; there its queue is of that directory's name."""
    for name in ("queue", "control", "results"):
        (home / name).mkdir(exist_ok=True)
    app = Celery("tasks")
    app.conf.update(
        result_backend=(home / "results").as_uri(),
        broker_url="files://",
        broker_transport_options={
            "data_folder_in": str(home / "queue"),
            "data_folder_out": str(home / "queue"),
            "control_folder": str(home / "control"),
            "polling_interval": 0.05,
        },
        worker_hijack_root_logger=False,
        worker_lost_wait=1,
        beat_schedule={"close-day": {"task": "plain", "schedule": 1.0}},
        broker_connection_retry_on_startup=False,
    )
    if broker is not None:
        name = f"ezlogs-{home.name}"
        queue = Queue(name, Exchange(name, auto_delete=True), name, expires=300)
        app.conf.update(broker_url=broker, task_queues=[queue], task_default_queue=name, worker_prefetch_multiplier=1)
        app.conf.broker_transport_options = {}
        if broker.startswith("redis"):
            options = {"global_keyprefix": name, "visibility_timeout": 60}
            app.conf.update(broker_transport_options=options, result_backend=broker)
    return app


@shared_task(name="plain")
def plain():
    """Tell where it runs."""
    record("probe.action", "seen", metadata={"span": f"{trace.get_current_span().get_span_context().trace_id:032x}"})


@shared_task(name="outer")
def outer():
    """Enqueue another job."""
    plain.delay()


@shared_task(name="flaky", bind=True, max_retries=3)
def flaky(self, failures):
    """Fail a number of times, then succeed."""
    record("probe.action", "tried")
    if self.request.retries < failures:
        try:
            raise TimeoutError("the mail server is away")
        except TimeoutError as error:
            raise self.retry(exc=error, countdown=0.1) from error


@shared_task(name="doomed", bind=True, max_retries=1)
def doomed(self):
    """Fail until the retries are used up."""
    try:
        raise TimeoutError("still away")
    except TimeoutError as error:
        raise self.retry(exc=error, countdown=0.1) from error


@shared_task(name="broken")
def broken():
    """Fail without a retry."""
    raise LookupError("no such order")


@shared_task(name="ignoring")
def ignoring():
    """Ask Celery to forget about it."""
    raise Ignore()


@shared_task(name="rejecting")
def rejecting():
    """Refuse the message."""
    raise Reject("not for me", requeue=False)


@shared_task(name="killed")
def killed():
    """Die as by the kernel's out-of-memory killer."""
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task(name="leaking")
def leaking():
    """Attach a context and forget about it."""
    ezlogs.actor(type="user", id="intruder")
    context.attach(context.set_value("left", "behind"))


@shared_task(name="replaced", bind=True)
def replaced(self):
    """Put another task in its own place."""
    raise self.replace(plain.si())


@shared_task(name="slow")
def slow(seconds=30):
    """Take its time, told to have begun."""
    record("probe.action", "began")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.05)


@shared_task(name="limited", time_limit=3)  # it must have begun by then
def limited():
    """Take more time than it is given."""
    record("probe.action", "began")
    time.sleep(30)


@shared_task(name="softly", soft_time_limit=2)
def softly():
    """Take more time than it is given, and be told so."""
    time.sleep(30)


def _die_once(self):
    """Die the first time."""
    record("probe.action", "began")
    marker = HOME / f"{self.request.id}.died"
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


@shared_task(name="sturdy", bind=True, acks_late=True, reject_on_worker_lost=True)
def sturdy(self):
    """Die the first time, and have the message go back to the broker."""
    _die_once(self)


@shared_task(name="stuck", bind=True, acks_late=True, max_retries=3)
def stuck(self, name):
    """Be under way until the worker is killed, then fail, then succeed."""
    record("probe.action", "began")
    marker = HOME / f"{name}.stuck"
    if not marker.exists():
        marker.touch()
        time.sleep(30)
    if not self.request.retries:
        raise self.retry(exc=TimeoutError("away"), countdown=0)


@shared_task(name="repeated", bind=True, acks_late=True, retry_on_worker_lost=True, default_retry_delay=0)
def repeated(self):
    """Die the first time, and be retried by the worker's main process."""
    _die_once(self)


@shared_task(name="auto", bind=True, autoretry_for=(TimeoutError,), retry_kwargs={"countdown": 0.1})
def auto(self):
    """Fail once, and be retried without asking for it."""
    if not self.request.retries:
        raise TimeoutError("away")


@shared_task(name="mourning")
def mourning(job_id):
    """Follow from a task that failed."""
    return job_id


@shared_task(name="add")
def add(one, other):
    """Add."""
    return one + other


@shared_task(name="total")
def total(numbers):
    """Sum up."""
    return sum(numbers)


if "JOBS_HOME" in os.environ:  # in the worker
    app = make_app()
    install(Runtime(load({}, {"strict": True}).settings, JsonLines()))
    CeleryInstrumentor().instrument()

    if "JOBS_CONTRIB" in os.environ:
        from opentelemetry.instrumentation.celery import CeleryInstrumentor as Contrib
        from opentelemetry.sdk.trace import TracerProvider

        trace.set_tracer_provider(TracerProvider())

        @worker_process_init.connect(weak=False)
        def instrument_as_contrib_documents(**_):
            """Instrument in each worker process, after ezlogs."""
            Contrib().instrument(use_span_links=os.environ["JOBS_CONTRIB"] == "links")
