"""Surroundings that are short of something, or odd: files, threads, memory, names of hosts, addresses, exits."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.orders import UseProvider, eventually
from tests.unit.otlp.collectors import Collector, Request, break_off, respond, unused_port

import ezlogs
from ezlogs.launch.health import balance

from .faulty import PROGRAMS, Faulty, emit, flushed, start


class Situation:
    """A program in some situation, and what became of its events."""

    def __init__(self, name: str, collector: Faulty, folder: Path, **named: object) -> None:
        self._environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("COVERAGE", "OTEL_", "EZLOGS_"))},
            **{f"EZLOGS_{key.upper()}": str(value) for key, value in named.items()},
            "EZLOGS_ENDPOINT": collector.url,
            "EZLOGS_SERVICE_NAME": "shop",
            "EZLOGS_INSTRUMENT": "none",
            "EZLOGS_STATE_DIR": str(folder / "state"),
            "REPORT": str(folder / "report"),
        }
        self._collector = collector
        self._report = folder / "report"
        program = str(PROGRAMS / "short_of.py")
        self.ended = subprocess.run(
            [sys.executable, program, name], env=self._environ, capture_output=True, text=True, check=False, timeout=50
        )
        self.told: list[dict[str, Any]] = [json.loads(line) for line in self.ended.stdout.splitlines()]

    @property
    def emitted(self) -> set[str]:
        """The ids of what it emitted."""
        return set(self._report.read_text().split())

    def arrived(self) -> set[str]:
        """The ids of what arrived of that."""
        return self.emitted & self._collector.arrived().keys()

    def arrives_later(self) -> bool:
        """Have other processes of the service look for what is lacking; return whether all of it has arrived."""
        waiting = "import ezlogs, sys; ezlogs.configure(); sys.stdin.read()"
        with subprocess.Popen([sys.executable, "-c", waiting], env=self._environ, stdin=subprocess.PIPE) as heir:
            end = time.monotonic() + 30
            while self.emitted != self.arrived() and time.monotonic() < end:
                time.sleep(0.02)
            assert heir.stdin is not None
            heir.stdin.close()
        return self.emitted == self.arrived()


@pytest.mark.parametrize(
    "name",
    ["files_at_the_start", "files_for_a_while", "threads", "threads_for_a_while", "memory", "closed", "signals"],
)
@pytest.mark.parametrize("durability", ["process", "memory"])
def test_what_is_lacking_for_a_while_costs_nothing(
    collector: Faulty, tmp_path: Path, name: str, durability: str
) -> None:
    """Nothing is raised, all is delivered, and the health can be asked for at any moment."""
    if name == "memory" and not Path("/proc/self/statm").exists():
        pytest.skip("the system does not say how much memory a process has")
    seen = Situation(name, collector, tmp_path, durability=durability)
    assert seen.ended.returncode == 0, seen.ended.stderr
    assert "Traceback" not in seen.ended.stderr
    assert [balance(told) for told in seen.told] == [0] * len(seen.told)
    assert (seen.told[-1]["lost"], seen.told[-1]["pending"]) == ({}, 0)
    assert len(seen.emitted) >= 40
    assert seen.arrived() == seen.emitted


def test_what_is_lacking_to_the_end_is_delivered_by_the_next(collector: Faulty, tmp_path: Path) -> None:
    """No file, and so no connection: the journal was there before; a health that cannot know all tells the rest."""
    seen = Situation("files", collector, tmp_path)
    assert seen.ended.returncode == 0, seen.ended.stderr
    assert "Traceback" not in seen.ended.stderr
    assert seen.told[-1]["pending"] == 200
    assert "Too many open files" in json.dumps(seen.told[-1]["journal"])
    assert seen.arrives_later()


@pytest.mark.parametrize(
    ("name", "status"), [("exits", 0), ("term", 7), ("shut_down_by_a_signal", 4)], ids=["atexit", "SIGTERM", "SIGALRM"]
)
def test_an_end_that_the_application_has_chosen_delivers(
    collector: Faulty, tmp_path: Path, name: str, status: int
) -> None:
    """With the status that it would have had."""
    seen = Situation(name, collector, tmp_path, durability="memory")
    assert seen.ended.returncode == status, seen.ended.stderr
    assert seen.emitted
    assert seen.arrived() == seen.emitted


@pytest.mark.parametrize(("name", "status"), [("term_at_once", 7), ("forks", 0)])
def test_ends_on_the_spot_lose_nothing(collector: Faulty, tmp_path: Path, name: str, status: int) -> None:
    """The next process of the service delivers."""
    seen = Situation(name, collector, tmp_path)
    assert seen.ended.returncode == status, seen.ended.stderr
    assert seen.arrives_later()


EMITTING = """
import os, sys, ezlogs
ezlogs.configure()
print(os.getpid(), *(ezlogs.event("order.action", "placed").event_id for _ in range(50)), flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare, of util-linux")
def test_processes_that_all_have_the_number_one(collector: Faulty, tmp_path: Path) -> None:
    """As in containers: what the dead one left is adopted, what the living one has is not."""
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("COVERAGE", "OTEL_", "EZLOGS_"))},
        "EZLOGS_ENDPOINT": collector.url,
        "EZLOGS_SERVICE_NAME": "shop",
        "EZLOGS_INSTRUMENT": "none",
        "EZLOGS_STATE_DIR": str(tmp_path / "state"),
    }
    # The child of unshare is process 1, and ends when this one does.
    command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", EMITTING]

    def run() -> tuple[subprocess.Popen[str], list[str]]:
        process = subprocess.Popen(
            command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        said = process.stdout.readline().split()
        if not said:
            _, errors = process.communicate(timeout=10)
            if "unshare failed" in errors:
                pytest.skip(f"no processes of their own numbers can be had here: {errors.strip()}")
        assert said[0] == "1"
        return process, said[1:]

    collector.fail(trouble=break_off)
    (first, of_first), (second, of_second) = run(), run()
    with first, second:
        first.kill()
        first.wait(10)
        collector.heal()
        eventually(lambda: collector.arrived().keys() >= {*of_first, *of_second}, 30)
        second.communicate(timeout=30)
    assert second.returncode == 0
    assert collector.arrived() == Counter([*of_first, *of_second])


class OnIpv6(Collector):
    """A collector at ``::1``."""

    def __init__(self) -> None:
        try:
            self._of_six = socket.create_server(("::1", 0), family=socket.AF_INET6)
        except OSError as problem:
            pytest.skip(f"there is no IPv6 here: {problem}")
        super().__init__()

    def _accept(self) -> None:
        self._listener.close()
        self._listener = self._of_six
        super()._accept()


@pytest.fixture
def six() -> Iterator[OnIpv6]:
    """A collector at ``::1``."""
    made = OnIpv6()
    yield made
    made.close()


@pytest.mark.parametrize("host", ["[::1]", "localhost"])
def test_a_collector_on_ipv6(six: OnIpv6, use_provider: UseProvider, host: str) -> None:
    """By its address, or by a name that first leads elsewhere."""
    if host == "localhost" and "::1" not in {str(info[4][0]) for info in socket.getaddrinfo("localhost", 80)}:
        pytest.skip("localhost is no address of IPv6 here")
    use_provider()
    port = six._of_six.getsockname()[1]
    ezlogs.configure(endpoint=f"http://{host}:{port}", instrument="none")
    emit(10)
    told = flushed()
    assert (told["delivered"], told["lost"], balance(told)) == (10, {}, 0)


def test_a_name_that_nobody_knows_for_a_while(
    collector: Faulty, use_provider: UseProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events wait, and arrive when the name is known again, where it then leads to."""
    use_provider()
    known: list[str] = []
    resolve = socket.getaddrinfo

    def resolved(host: Any, *more: Any, **named: Any) -> Any:
        if host == "collector.test":
            if not known:
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            host = known[0]
        return resolve(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    monkeypatch.setenv("NO_PROXY", "collector.test")
    start(collector, endpoint=f"http://collector.test:{collector.port}/v1/traces")
    ids = emit(6)
    eventually(lambda: "Temporary failure in name resolution" in str(ezlogs.health()["last_problem"]))
    known.append("127.0.0.1")
    ids += emit(4)
    told = flushed()
    assert (told["delivered"], told["lost"], balance(told)) == (10, {}, 0)
    assert collector.arrived() == Counter(ids)


def whole(status: int, *headers: str, body: bytes = b"", version: str = "1.1") -> bytes:
    """An answer with just these headers."""
    return "\r\n".join([f"HTTP/{version} {status} Whatever", *headers, "", ""]).encode() + body


ANSWERS: dict[str, Callable[[Request], bytes]] = {
    "HTTP/1.0": lambda request: whole(200, "Content-Length: 0", version="1.0"),
    "in chunks": lambda request: whole(200, "Transfer-Encoding: chunked", body=b"2\r\n\x0a\x00\r\n0\r\n\r\n"),
    "to be continued": lambda request: whole(100) + respond(200),
    "twice": lambda request: respond(200) + respond(200),
    "and something else": lambda request: respond(200) + b"garbage" * 10,
    "with no content": lambda request: whole(204),
    "and goodbye": lambda request: respond(200, Connection="close"),
}
"""How else "I have it" may be said; connections stay open after it, but for those that say that they don't."""


@pytest.mark.parametrize("said", ANSWERS)
def test_whichever_way_a_collector_says_that_it_has_it(use_provider: UseProvider, collector: Faulty, said: str) -> None:
    """Each event is sent once, on whatever connections."""
    use_provider()
    taken: list[Request] = []

    def answer(request: Request) -> bytes:
        taken.append(request)
        return ANSWERS[said](request)

    collector.fail(answer=answer)
    start(collector, max_batch_size=5, timeout=5)
    for _ in range(4):
        emit(10)
        ezlogs.flush(3)
    told = ezlogs.health()
    assert (told["delivered"], told["lost"], balance(told)) == (40, {}, 0), told
    assert len({request.body for request in taken}) == len(taken)


def in_the_body(connection: socket.socket) -> None:
    """Read a little of a large body, and reset."""
    connection.recv(1000)
    break_off(connection)


def before_the_body(connection: socket.socket) -> None:
    """Answer before the body has come, as an overloaded gateway does, and close."""
    connection.sendall(respond(503, Connection="close"))
    connection.shutdown(socket.SHUT_WR)
    time.sleep(0.05)


def closed_half_way(connection: socket.socket) -> None:
    """Close one way, read no more, then reset."""
    connection.shutdown(socket.SHUT_WR)
    time.sleep(0.05)
    break_off(connection)


@pytest.mark.parametrize("trouble", [in_the_body, before_the_body, closed_half_way])
def test_trouble_in_the_middle_of_large_requests_costs_nothing(
    collector: Faulty, use_provider: UseProvider, trouble: Callable[[socket.socket], None]
) -> None:
    """Which the system has not taken over from the process yet."""
    use_provider()
    collector.fail(trouble=trouble)
    start(collector, durability="memory")
    ids = emit(30, metadata={f"part_{at}": "words of a text " * 2000 for at in range(10)})
    eventually(lambda: collector.troubled > 1)
    collector.heal()
    told = flushed()
    assert (told["lost"], told["delivered"], balance(told)) == ({}, 30, 0)
    assert collector.arrived() == Counter(ids)


DEADLY = """
import os, signal, socket, sys
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
import ezlogs
from ezlogs.otlp.http import HttpTransport
from ezlogs.otlp import Delivered, Retry
tries = []
def send(self, body):
    tries.append(body)
    if len(tries) > 3:
        return Delivered()
    ours, theirs = socket.socketpair()
    theirs.close()
    try:
        ours.send(b"request")
    except BrokenPipeError:
        return Retry("broken pipe")
HttpTransport.send = send
ezlogs.configure(endpoint="http://127.0.0.1:9", instrument="none", durability="memory", flush_interval=0.05)
for _ in range(20):
    ezlogs.event("order.action", "placed")
print(ezlogs.flush(20), ezlogs.health()["delivered"], flush=True)
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set(), flush=True)
os.close(1)
reading, writing = os.pipe()
os.close(reading)
os.write(writing, b"now")
"""


@pytest.mark.skipif(not hasattr(signal, "sigtimedwait"), reason="the system cannot take a signal back")
def test_a_broken_pipe_to_the_collector_ends_no_tool_in_a_pipeline() -> None:
    """Which wants to end when what it writes to has: it still does."""
    ended = subprocess.run([sys.executable, "-c", DEADLY], capture_output=True, text=True, check=False, timeout=50)
    assert ended.stdout.split() == ["True", "20", "True"], ended.stderr
    assert ended.returncode == -signal.SIGPIPE


def test_a_collector_that_comes_late_is_found(use_provider: UseProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where everything is started at once."""
    use_provider()
    port = unused_port()
    ezlogs.configure(endpoint=f"http://127.0.0.1:{port}", instrument="none", durability="memory", flush_interval=0.05)
    emit(10)
    eventually(lambda: bool(ezlogs.health()["last_problem"]))
    create = socket.create_server
    with monkeypatch.context() as there:
        there.setattr(socket, "create_server", lambda address: create(("127.0.0.1", port)))
        late = Collector()
    try:
        told = flushed()
        assert (told["delivered"], told["lost"], balance(told)) == (10, {}, 0)
    finally:
        ezlogs.shutdown()
        late.close()
