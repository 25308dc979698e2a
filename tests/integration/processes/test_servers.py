"""Web servers with several processes: started, recycled, reloaded and ended, none of their events is lost."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ezlogs.dev.receiver import Receiver

from .running import DEADLINE, PROGRAMS, Hung, Service, answer

MakeService = Callable[..., Service]

UVICORN = "uvicorn_worker.UvicornWorker"
WORKERS = ["sync", "gthread", "gevent", "asgi", UVICORN]
"""Classes of gunicorn's workers."""
LAUNCH = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
"""The command ``opentelemetry-instrument``."""
UWSGI = shutil.which("uwsgi")
EXECUTE = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"
"""Becomes another program."""


def gunicorn(service: Service, port: int, worker: str, *options: str, **environ: str) -> subprocess.Popen[bytes]:
    """Start gunicorn with two workers, and ask it until both have answered: a younger one is deaf to signals."""
    app = "web:asgi" if worker in ("asgi", UVICORN) else "web:wsgi"
    bound = ("--bind", f"127.0.0.1:{port}", "--workers", "2", "--worker-class", worker, "--no-control-socket")
    process = service.start("-m", "gunicorn", app, *bound, *options, environ=environ)
    ask_until(service, port, 2)
    return process


def ask_until(service: Service, port: int, number: int) -> None:
    """Ask until so many processes have answered."""

    def enough() -> bool:
        answer(port)
        said = service.said()
        return len({process for process, word in said if word == "served"}) >= number

    service.reaches(enough)


def stop(service: Service, process: subprocess.Popen[bytes], status: int = 0) -> None:
    """End a server as an operator does."""
    process.terminate()
    assert process.wait(DEADLINE) == status, service.log()


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["", "preload"])
@pytest.mark.parametrize("worker", WORKERS)
def test_gunicorn_s_workers_lose_nothing(
    make_service: MakeService, receiver: Receiver, free_port: int, worker: str, options: tuple[str, ...]
) -> None:
    """Whether they load the application, or are forked from a process that has emitted and is connected."""
    service = make_service(receiver, instrument="ezlogs")
    process = gunicorn(service, free_port, worker, *options, EAGER="1")
    stop(service, process)
    assert not service.missing(), service.described()
    assert set(service.settle()) >= service.emitted()
    if worker != UVICORN:  # that one ends by a signal, and may not come to write down what it has delivered
        assert set(service.arrived().values()) == {1}


@pytest.mark.parametrize("worker", WORKERS)
def test_gunicorn_s_workers_need_no_disk_to_end(
    make_service: MakeService, receiver: Receiver, free_port: int, worker: str
) -> None:
    """They deliver before they have ended."""
    service = make_service(receiver, instrument="ezlogs", durability="memory")
    stop(service, gunicorn(service, free_port, worker))
    assert not service.missing(), service.described()
    assert set(service.arrived().values()) == {1}


@pytest.mark.parametrize("worker", ["sync", "gthread", UVICORN])
def test_gunicorn_s_workers_may_come_and_go(
    make_service: MakeService, receiver: Receiver, free_port: int, worker: str
) -> None:
    """Each after five requests, and all of them when it is told to reload."""
    service = make_service(receiver, instrument="ezlogs")
    process = gunicorn(service, free_port, worker, "--max-requests", "5")
    with ThreadPoolExecutor(2) as clients:
        assert set(clients.map(answer, [free_port] * 30)) == {b"ok"}
        ask_until(service, free_port, 3)
        process.send_signal(signal.SIGHUP)
        ask_until(service, free_port, len(service.workers()) + 2)
    stop(service, process)
    assert set(service.settle()) >= service.emitted()
    if worker != UVICORN:
        assert set(service.arrived().values()) == {1}


def test_gunicorn_s_workers_leave_what_they_cannot_deliver(
    make_service: MakeService, closed: Receiver, free_port: int
) -> None:
    """To the next process of the service."""
    service = make_service(closed)
    process = gunicorn(service, free_port, "sync", "--preload")
    stop(service, process)
    closed.start()
    assert set(service.settle().values()) == {1}


def test_gunicorn_s_workers_wait_for_no_collector_that_hangs(
    make_service: MakeService, hung: Hung, free_port: int
) -> None:
    """They end within a second, and not as those that gunicorn has to kill after half a minute."""
    service = make_service(hung, timeout=60, shutdown_timeout=1)
    process = gunicorn(service, free_port, "sync", "--graceful-timeout", "120")
    stop(service, process)
    hung.cured()
    assert set(service.settle()) >= service.emitted()


@pytest.mark.parametrize("durability", ["process", "memory"])
@pytest.mark.parametrize("workers", [1, 2])
def test_uvicorn_s_processes_lose_nothing(
    make_service: MakeService, receiver: Receiver, free_port: int, workers: int, durability: str
) -> None:
    """Though they end by the signal that asked them to, when they have answered and closed."""
    service = make_service(receiver, instrument="ezlogs", durability=durability)
    process = service.start("-m", "uvicorn", "web:asgi", "--port", free_port, "--workers", workers)
    ask_until(service, free_port, workers)
    stop(service, process, -15 if workers == 1 else 0)
    assert not service.missing(), service.described()
    if durability == "process":
        assert set(service.settle()) >= service.emitted()


def test_uvicorn_goes_on_with_another_process_when_a_file_changes(
    make_service: MakeService, receiver: Receiver, free_port: int
) -> None:
    """What the first one had not delivered the second one does, while it runs."""
    service = make_service(receiver, flush_interval=60)
    program = service.home / "reloaded.py"
    program.write_text((PROGRAMS / "web.py").read_text())
    options = ("--app-dir", service.home, "--port", free_port, "--reload", "--reload-delay", "0.05")
    process = service.start("-m", "uvicorn", "reloaded:asgi", *options)
    ask_until(service, free_port, 1)
    first = service.emitted()
    program.write_text(program.read_text() + "\n# changed\n")
    ask_until(service, free_port, 2)
    service.reaches(lambda: not first - service.arrived().keys())
    stop(service, process)
    assert set(service.settle()) >= service.emitted()


def uwsgi(service: Service, port: int, *options: str) -> subprocess.Popen[bytes]:
    """Start uWSGI with two workers, from a process that has emitted, and ask it until both have answered."""
    bound = ("--http-socket", f"127.0.0.1:{port}", "--module", "web:wsgi", "--processes", "2")
    ending = ("--master", "--die-on-term", "--worker-reload-mercy", "5")  # a worker that is just born is deaf
    process = service.start("-c", EXECUTE, UWSGI, *bound, *ending, *options, environ={"EAGER": "1"})
    ask_until(service, port, 2)
    return process


@pytest.mark.skipif(UWSGI is None, reason="needs the program uwsgi")
@pytest.mark.parametrize(
    "options", [(), ("--lazy-apps",), ("--max-requests", "5"), ("--enable-threads",)], ids=" ".join
)
def test_uwsgi_s_workers_lose_nothing(
    make_service: MakeService, receiver: Receiver, free_port: int, options: tuple[str, ...]
) -> None:
    """Which are forked by C code, or load the application; one that is busy when it is ended runs nothing at exit."""
    service = make_service(receiver, instrument="ezlogs")
    process = uwsgi(service, free_port, *options)
    come_and_go = "--max-requests" in options
    ask_until(service, free_port, 3 if come_and_go else 2)
    stop(service, process)
    assert set(service.settle()) >= service.emitted()
    if not come_and_go:  # one that is just born may be killed, when it has delivered what another left
        assert set(service.arrived().values()) == {1}


@pytest.mark.skipif(UWSGI is None, reason="needs the program uwsgi")
@pytest.mark.parametrize(
    "options", [("--enable-threads",), ("--enable-threads", "--py-call-osafterfork")], ids=" ".join
)
def test_uwsgi_s_workers_deliver_by_themselves(
    make_service: MakeService, receiver: Receiver, free_port: int, options: tuple[str, ...]
) -> None:
    """Though the threads of the process that they were forked from are not theirs; no two give the same ids."""
    service = make_service(receiver, durability="memory", flush_interval=0.05)
    process = uwsgi(service, free_port, *options)
    service.reaches(lambda: not service.missing())
    stop(service, process)
    assert set(service.arrived().values()) == {1}
    assert len({event_id[-16:] for event_id in service.emitted()}) == len(service.emitted())


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_servers_that_opentelemetry_launches_lose_nothing(
    make_service: MakeService, receiver: Receiver, free_port: int, server: str
) -> None:
    """Where the first process starts ezlogs, and each of the others too, or is forked from it."""
    service = make_service(receiver, instrument="ezlogs", durability="memory")
    arguments = {
        "gunicorn": ("web:wsgi", "--bind", f"127.0.0.1:{free_port}", "--no-control-socket"),
        "uvicorn": ("web:asgi", "--port", free_port),
    }[server]
    command = Path(sys.executable).with_name(server)
    process = service.start("-c", LAUNCH, command, *arguments, "--workers", "2")
    ask_until(service, free_port, 2)
    stop(service, process)
    assert not service.missing(), service.described()
    assert set(service.arrived().values()) == {1}
