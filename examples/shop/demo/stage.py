"""The stage: the real processes and servers that the demo needs, all on loopback, all ended when it ends."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from asyncio import WriteTransport
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic, sleep
from typing import cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

PROJECT = Path(__file__).parents[1]
SCRIPTS = Path(sys.executable).parent
START_TIMEOUT, STOP_TIMEOUT = 30.0, 15.0
FOREIGN = ("OTEL_", "EZLOGS_", "SHOP_", "DJANGO_", "CELERY_")


class StageError(Exception):
    """Something that the demo needs did not come up or did not end; the text says what, and its last words."""


def free_port() -> int:
    """Return a TCP port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process of the shop: the user's, without settings meant for other programs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    path = os.pathsep.join((str(SCRIPTS), kept.get("PATH", os.defpath)))
    return {**kept, "PATH": path, "NO_PROXY": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1", **own}


def run(*command: str, env: Mapping[str, str]) -> None:
    """Run a command of the shop to its end."""
    done = subprocess.run(command, cwd=PROJECT, env=dict(env), capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise StageError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


class Process:
    """A process of the shop, its output in a file; it and its children end together.

    Args:
        name: What it is called.
        command: What is run, in the shop's folder.
        env: Its whole environment.
        log: Where its output goes.
        ending: The signal that asks it to finish what it does and end.
    """

    def __init__(
        self, name: str, command: tuple[str, ...], *, env: Mapping[str, str], log: Path, ending: signal.Signals
    ) -> None:
        self.name = name
        self.log = log
        self._ending = ending
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the demo, which ends its processes in order
            )

    def wait_until(self, condition: Callable[[], object], what: str, timeout: float = START_TIMEOUT) -> None:
        """Wait until a condition holds that the process is to bring about.

        Raises:
            StageError: With the process's last words, when it ends before, or takes longer than ``timeout`` seconds.
        """
        deadline = monotonic() + timeout
        while not condition():
            if self._process.poll() is not None:
                raise StageError(f"{self.name} ended by itself:\n{self._last_words()}")
            if monotonic() > deadline:
                raise StageError(f"{what}: not within {timeout:.0f} s\n{self._last_words()}")
            sleep(0.02)

    def said(self, words: str) -> bool:
        """Return whether the process has written something to its output."""
        return words in self.log.read_text(errors="replace")

    def stop(self) -> None:
        """Ask the process to end, and wait; raise `StageError` when it has to be killed."""
        try:
            if self._process.poll() is None:
                self._process.send_signal(self._ending)
                self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise StageError(f"{self.name} did not end in {STOP_TIMEOUT:.0f} s:\n{self._last_words()}") from None
        finally:
            self.kill()

    def kill(self) -> None:
        """End the process and all its children at once, if they still run."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _last_words(self) -> str:
        """Return the end of the process's output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])


class Postbox:
    """A mail server that hangs up on the first deliveries to some addresses.

    Args:
        refusals: How many deliveries to refuse, by address.
    """

    def __init__(self, refusals: Mapping[str, int]) -> None:
        self.received: list[str] = []
        """The recipients of the mails that were accepted."""
        self.refused = 0
        self._refusals = dict(refusals)
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._controller.port)

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        """Take a mail, or hang up."""
        recipients = [str(address) for address in envelope.rcpt_tos]
        if any(self._refusals.get(address) for address in recipients):
            for address in recipients:
                self._refusals[address] -= 1
            self.refused += 1
            cast(WriteTransport, server.transport).abort()
            return "421 Hung up"
        self.received += recipients
        return "250 OK"

    @contextmanager
    def open(self) -> Iterator[Postbox]:
        """Take mails until the ``with`` block ends."""
        self._controller.start()
        try:
            yield self
        finally:
            self._controller.stop()


@contextmanager
def workshop(*, keep: bool) -> Iterator[Path]:
    """Make a folder for database, messages, logs and reports; it is removed in the end unless it is to be kept."""
    folder = Path(mkdtemp(prefix="ezlogs-shop-"))
    (folder / "health").mkdir()
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
