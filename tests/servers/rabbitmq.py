"""A RabbitMQ: of the environment, or started from Debian's programs, heard on loopback alone."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.servers.base import directory, ending, programs, unprivileged

URL = "EZLOGS_TEST_RABBITMQ_URL"
"""The variable that names a server to use in place of our own, as ``amqp://user:password@host:port/vhost``.

The tests make queues in it whose names begin with ``ezlogs``, and leave what cannot be removed to expire.
"""

_START = 'echo $$ > pid; epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 & exec "$0"'
"""Starts Erlang's port mapper and the server in one group of processes, which ends as one.

A server that finds no port mapper would start one by itself: a daemon that outlives it.
"""


@contextmanager
def rabbitmq_server() -> Iterator[str]:
    """Give the URL of a RabbitMQ, or skip the test and say what it would need."""
    pytest.importorskip("amqp", reason="no py-amqp: the tests on RabbitMQ are left out")
    if given := os.environ.get(URL):
        yield given
        return
    program = programs("rabbitmq-server", Path("/usr/sbin"))
    binaries = Path("/usr/lib/rabbitmq/bin")  # what is on the path always runs in the system's own directory
    if program is None or not (binaries / "rabbitmq-server").exists() or programs("epmd", Path("/usr/bin")) is None:
        pytest.skip(f"no RabbitMQ: install its server (Debian: rabbitmq-server) or set {URL}")
    user = unprivileged("RabbitMQ", "rabbitmq", "nobody")
    with (
        directory(user, "ezrabbit-") as home,
        ending(user, home, "sh", "-c", 'kill -KILL -"$(cat "$0")"', home / "pid"),
        _free_ports(3) as (port, distribution, mapper),
    ):
        (home / "plugins").write_text("[].\n")
        (home / "rabbitmq.conf").write_text("num_acceptors.tcp = 2\nheartbeat = 0\n")
        environ = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(mapper),
            "RABBITMQ_NODENAME": f"ezlogs{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none",
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_LOG_BASE": str(home),
            "RABBITMQ_CONF_ENV_FILE": str(home / "none"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        }
        with (home / "log").open("w") as log:
            process = subprocess.Popen(
                ["sh", "-c", _START, str(binaries / "rabbitmq-server")],
                user=user,
                cwd=home,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait(process, port, home / "log")
            yield f"amqp://guest:guest@127.0.0.1:{port}/%2F"
        finally:
            os.killpg(process.pid, 9)
            process.wait(60)


@contextmanager
def _free_ports(number: int) -> Iterator[list[int]]:
    """Give ports on which nobody listens."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        ports = [listener.getsockname()[1] for listener in listeners]
    yield ports


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until it takes connections; from its first word on, for its port is open before that."""
    import amqp

    deadline = time.monotonic() + 180
    while True:
        try:
            with amqp.Connection(f"127.0.0.1:{port}", connect_timeout=5, read_timeout=5):
                return
        except (OSError, amqp.AMQPError):
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"rabbitmq-server: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)
