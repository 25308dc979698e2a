"""Celery's pools: of ten tasks, each of which emits an event and a span, none is lost - one process each included."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from celery import Celery

from ezlogs.dev.receiver import Receiver

from .programs.broker import make_app
from .running import DEADLINE, Service

MakeService = Callable[..., Service]

TASKS = 10


POOLS = {"prefork": ["--max-tasks-per-child=1"], "threads": [], "solo": [], "gevent": []}


class Worker:
    """A worker, for which the tasks are enqueued.

    Args:
        service: Whose process it is.
        pool: A name of `POOLS`.
    """

    def __init__(self, service: Service, pool: str) -> None:
        self.service = service
        app: Celery = make_app(service.home)
        for number in range(TASKS):
            app.send_task("work", [number])
        app.close()
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING")
        chosen = (f"--pool={pool}", "--concurrency=2", *POOLS[pool])
        self.process = service.start("-m", "celery", "--app=jobs", "worker", *quiet, *chosen)

    def works(self) -> None:
        """Wait until it has done its tasks, and tell it to end as an operator does."""
        self.service.reaches(lambda: sum(word.startswith("done") for _, word in self.service.said()) == TASKS)
        self.process.terminate()

    def ends(self) -> None:
        """Wait until it has ended."""
        assert self.process.wait(DEADLINE) == 0, self.service.log()
        assert len(self.service.emitted()) == TASKS


@pytest.mark.parametrize("durability", ["process", "memory"])
def test_no_task_s_event_or_span_is_lost(make_service: MakeService, durability: str) -> None:
    """In any pool: each arrives once, before the worker has ended."""
    with ExitStack() as receivers:
        workers = {}
        for pool in POOLS:
            receiver = receivers.enter_context(Receiver())
            workers[pool] = Worker(make_service(receiver, instrument="celery", durability=durability), pool)
        for worker in workers.values():
            worker.works()
        for pool, worker in workers.items():
            worker.ends()
            service = worker.service
            spans = sorted(span.name for span in service.receiver.spans if span.name.startswith("task "))
            assert spans == [f"task {number}" for number in range(TASKS)], (pool, service.log())
            assert not service.missing(), (pool, service.described())
            assert len(service.workers()) == (TASKS if pool == "prefork" else 1)
            if durability == "process":
                service.settle()
            assert set(service.arrived().values()) == {1}, pool


def test_what_processes_of_one_task_cannot_deliver_the_next_process_does(
    make_service: MakeService, closed: Receiver
) -> None:
    """All of them ended while the collector was away."""
    worker = Worker(make_service(closed, instrument="celery"), "prefork")
    worker.works()
    worker.ends()
    closed.start()
    assert set(worker.service.settle().values()) == {1}


def test_what_ran_when_the_whole_worker_was_killed_is_told_as_interrupted(
    make_service: MakeService, closed: Receiver
) -> None:
    """Nobody was left to tell of the attempt: the next process does, under the id that the attempt's events name."""
    service = make_service(closed, instrument="celery")
    app: Celery = make_app(service.home)
    app.send_task("hang")
    app.close()
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING")
    process = service.start("-m", "celery", "--app=jobs", "worker", *quiet, "--pool=prefork", "--concurrency=1")
    service.reaches(lambda: any(word == "hanging" for _, word in service.said()))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(DEADLINE)
    closed.start()
    service.settle()

    told = {
        str(event.attributes["ezlogs.action"]): event.attributes
        for span in closed.spans
        for event in span.events
        if "ezlogs.action" in event.attributes
    }
    interrupted = told["hang.interrupted"]
    assert interrupted["ezlogs.outcome"] == "unknown"
    assert told["sent"]["ezlogs.parent_event.id"] == interrupted["ezlogs.event.id"]
