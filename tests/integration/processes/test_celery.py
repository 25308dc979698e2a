"""Celery's pools: of ten tasks, each of which emits an event and a span, none is lost - one process each included."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from celery import Celery

from ezlogs.dev.receiver import Receiver

from .programs.broker import make_app
from .running import DEADLINE, Service

MakeService = Callable[..., Service]

TASKS = 10


def work(service: Service, pool: str, *options: str) -> None:
    """Enqueue the tasks, have a worker do them, and end it as an operator does."""
    app: Celery = make_app(service.home)
    for number in range(TASKS):
        app.send_task("work", [number])
    app.close()
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING")
    worker = service.start(
        "-m", "celery", "--app=jobs", "worker", f"--pool={pool}", "--concurrency=2", *quiet, *options
    )
    service.reaches(lambda: sum(word.startswith("done") for _, word in service.said()) == TASKS)
    worker.terminate()
    assert worker.wait(DEADLINE) == 0, service.log()
    assert len(service.emitted()) == TASKS


def spans(receiver: Receiver) -> list[str]:
    """The names of the spans of the tasks that arrived."""
    return sorted(span.name for span in receiver.spans if span.name.startswith("task "))


@pytest.mark.parametrize("durability", ["process", "memory"])
@pytest.mark.parametrize(
    ("pool", "options"),
    [("prefork", ["--max-tasks-per-child=1"]), ("threads", []), ("solo", []), ("gevent", [])],
    ids=["prefork", "threads", "solo", "gevent"],
)
def test_no_task_s_event_or_span_is_lost(
    make_service: MakeService, receiver: Receiver, pool: str, options: list[str], durability: str
) -> None:
    """Each arrives once, before the worker has ended."""
    service = make_service(receiver, instrument="celery", durability=durability)
    work(service, pool, *options)
    assert spans(receiver) == [f"task {number}" for number in range(TASKS)], service.log()
    assert not service.missing(), service.described()
    if pool == "prefork":
        assert len(service.workers()) == TASKS
    if durability == "process":
        service.settle()
    assert set(service.arrived().values()) == {1}


def test_what_processes_of_one_task_cannot_deliver_the_next_process_does(
    make_service: MakeService, closed: Receiver
) -> None:
    """All of them ended while the collector was away."""
    service = make_service(closed, instrument="celery")
    work(service, "prefork", "--max-tasks-per-child=1")
    closed.start()
    assert set(service.settle().values()) == {1}
