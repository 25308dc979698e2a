"""The gRPC transport in processes: loaded late, at the interpreter's end, under gevent, and through forks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import grpc
import pytest

from ezlogs.otlp import Delivered, Retry
from ezlogs.otlp.forking import CallGate

from .collectors import Misbehaving, drain
from .grpc_collectors import GrpcCollector, Transports


def test_importing_the_package_loads_no_grpc() -> None:
    """Nor does making a transport: only the first request needs it."""
    code = (
        "import sys, ezlogs, ezlogs.otlp, ezlogs.delivery.pipeline\n"
        "from ezlogs.otlp.grpc import GrpcTransport\n"
        "GrpcTransport('http://127.0.0.1:9', signal='logs', headers={}, timeout=1, compression='gzip')\n"
        "print('grpc' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "False"


AT_EXIT = """
import atexit, sys
from ezlogs.otlp.grpc import GrpcTransport

transport = GrpcTransport(sys.argv[1], signal="traces", headers={}, timeout=5.0, compression="none")
if sys.argv[2] == "used before":
    transport.send(b"before")
atexit.register(lambda: print(transport.send(b"at exit")))
"""


@pytest.mark.parametrize("used", ["used before", "not used"])
def test_a_request_can_be_sent_while_the_interpreter_ends(grpc_collector: GrpcCollector, used: str) -> None:
    """When no thread can start any more."""
    done = subprocess.run(
        [sys.executable, "-c", AT_EXIT, grpc_collector.url, used],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.strip() == str(Delivered())
    assert [call.body for call in grpc_collector.calls].count(b"at exit") == 1


IN_GEVENT = """
from gevent import monkey; monkey.patch_all()
import sys, threading, time
from ezlogs.otlp.grpc import GrpcTransport

ticks = 0
def tick():
    global ticks
    while True:
        ticks += 1
        time.sleep(0.01)
threading.Thread(target=tick, daemon=True).start()
transport = GrpcTransport(sys.argv[1], signal="traces", headers={}, timeout=1.0, compression="none")
thread = threading.Thread(target=transport.send, args=(b"x",))
thread.start()
thread.join()
print(ticks)
"""


def test_other_greenlets_go_on_during_a_call(misbehaving: Callable[..., Misbehaving]) -> None:
    """Under gevent, where a thread is a greenlet, a collector that hangs must not stop the application."""
    pytest.importorskip("gevent", reason="needs gevent")
    server = misbehaving(drain)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IN_GEVENT, f"http://127.0.0.1:{server.port}"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert int(done.stdout) > 10


requires_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

FORKING = """
import multiprocessing, os, sys, threading, time
from ezlogs.otlp import Delivered
from ezlogs.otlp.grpc import GrpcTransport

url, told, how = sys.argv[1:]
transport = GrpcTransport(url, signal="traces", headers={}, timeout=5.0, compression="none")
results = []
stopping = False

def work():  # as a worker's thread does, all the time
    while not stopping:
        results.append(transport.send(b"parent"))

def child():
    if told == "forget":
        transport.forget()
    sent = []
    thread = threading.Thread(target=lambda: sent.append(transport.send(b"child")), daemon=True)
    thread.start()
    thread.join(20)
    transport.close()
    return 0 if sent == [Delivered()] else 3

worker = threading.Thread(target=work)
worker.start()
while not results:
    time.sleep(0.01)
statuses = []
for _ in range(5):
    pid = os.fork()
    if not pid:
        status = child()
        sys.stdout.flush()
        if how == "exit":
            os._exit(status)
        sys.exit(status)
    statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
stopping = True
worker.join()
results.append(transport.send(b"last"))
transport.close()
print(statuses, all(isinstance(result, Delivered) or "cut short by a fork" in result.reason for result in results))
print(results[-1])
"""


@requires_fork
@pytest.mark.parametrize(("told", "how"), [("forget", "exit"), ("not told", "exit"), ("forget", "end")])
@pytest.mark.parametrize("support", [None, "1"])
def test_a_forked_child_opens_its_own_channel(
    grpc_collector: GrpcCollector, told: str, how: str, support: str | None
) -> None:
    """Though the parent sends without a break; and the parent's channel survives."""
    environment = {name: value for name, value in os.environ.items() if name != "GRPC_ENABLE_FORK_SUPPORT"}
    if support:
        environment["GRPC_ENABLE_FORK_SUPPORT"] = support
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, grpc_collector.url, told, how],
        check=True,
        capture_output=True,
        text=True,
        timeout=50,
        env=environment,
    )
    assert done.stdout.splitlines() == ["[0, 0, 0, 0, 0] True", str(Delivered())]
    assert sum(call.body == b"child" for call in grpc_collector.calls) == 5


HANGING = """
import os, sys, threading, time
from ezlogs.otlp.grpc import GrpcTransport

hanging, answering = (
    GrpcTransport(url, signal="traces", headers={}, timeout=30.0, compression="none") for url in sys.argv[1:]
)
answering.send(b"first")
results = []
thread = threading.Thread(target=lambda: results.append(hanging.send(b"parent")))
thread.start()
time.sleep(0.5)
begun = time.monotonic()
pid = os.fork()
if not pid:
    os._exit(0 if str(answering.send(b"child")).startswith("Delivered") else 1)
took = time.monotonic() - begun
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), took < 30 / 10, results)
"""


@requires_fork
def test_a_fork_does_not_wait_for_a_collector_that_hangs(
    grpc_collector: GrpcCollector, misbehaving: Callable[..., Misbehaving]
) -> None:
    """The call is cut short, to be made again; the child can send elsewhere."""
    server = misbehaving(drain)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HANGING, f"http://127.0.0.1:{server.port}", grpc_collector.url],
        check=True,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.stdout.strip() == f"0 True [{Retry('the request was cut short by a fork')}]"


WITHOUT_SUPPORT = """
import os, sys
from ezlogs.otlp.grpc import GrpcTransport

transport = GrpcTransport(sys.argv[1], signal="traces", headers={}, timeout=5.0, compression="none")
print(transport.send(b"parent"), flush=True)
pid = os.fork()
if not pid:
    print(transport.send(b"child").reason, flush=True)
    os._exit(0)
os.waitpid(pid, 0)
"""


@requires_fork
def test_where_grpc_was_told_not_to_outlive_a_fork_it_is_not_tried(grpc_collector: GrpcCollector) -> None:
    """It would hang; the reason says what to do."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_SUPPORT, grpc_collector.url],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "false"},
    )
    assert done.stdout.splitlines() == [
        str(Delivered()),
        "gRPC was told not to outlive a fork: unset GRPC_ENABLE_FORK_SUPPORT, or use http/protobuf",
    ]


def test_where_grpc_itself_hangs_the_caller_does_not(grpc_collector: GrpcCollector, grpc_transport: Transports) -> None:
    """As it may in a child: the call is given up a second after its own timeout, and made again."""

    class Hanging:
        cancelled = False

        def future(self, body: bytes, **options: object) -> Hanging:
            return self

        def result(self, timeout: float) -> bytes:
            raise grpc.FutureTimeoutError

        def cancel(self) -> None:
            self.cancelled = True

    hanging = Hanging()
    sender = grpc_transport(grpc_collector.url, timeout=2.0)
    sender.send(b"1")
    assert sender._channel is not None
    sender._channel = sender._channel._replace(export=hanging)
    assert sender.send(b"2") == Retry("gRPC itself did not answer within 2 s")
    assert hanging.cancelled


def test_where_the_process_forks_without_end_nothing_is_sent(
    grpc_collector: GrpcCollector, grpc_transport: Transports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request is kept for the time after."""
    gate = CallGate()
    monkeypatch.setattr("ezlogs.otlp.grpc._gate", gate)
    gate.before_fork()
    assert grpc_transport(grpc_collector.url, timeout=0.02).send(b"x") == Retry("the process forks without end")
    gate.after_fork()
    assert grpc_transport(grpc_collector.url).send(b"x") == Delivered()


def test_a_transport_that_was_never_used_has_nothing_to_forget(grpc_transport: Transports) -> None:
    """As in most children of most servers."""
    grpc_transport("http://127.0.0.1:9").forget()


def test_a_channel_of_a_parent_is_neither_used_nor_closed(
    grpc_collector: GrpcCollector, grpc_transport: Transports
) -> None:
    """Told by its process, whether or not anybody said that there was a fork."""
    sender = grpc_transport(grpc_collector.url)
    sender.send(b"1")
    assert sender._channel is not None
    of_parent = sender._channel._replace(pid=-1)
    sender._channel = of_parent
    sender.close()
    assert of_parent.export(b"still open", timeout=5) == b""
    sender._channel = of_parent
    assert sender.send(b"2") == Delivered()
    assert sender._channel.channel is not of_parent.channel
    of_parent.channel.close()
