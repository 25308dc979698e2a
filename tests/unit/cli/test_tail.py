"""`ezlogs tail`, run as a user runs it: stories of a running endpoint and of the disk, as they happen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from click.testing import CliRunner, Result
from tests.unit.exchange.test_exchange import placed

from ezlogs.cli.app import app
from ezlogs.cli.tail import _moments
from ezlogs.dev import feed
from ezlogs.dev.receiver import Receiver
from ezlogs.exchange.writing import requests
from ezlogs.privacy import Scrubber


def ezlogs(*arguments: str | Path) -> Result:
    """Run ``ezlogs tail``."""
    return CliRunner().invoke(app, ["tail", *map(str, arguments)], env={"COLUMNS": "100"})


def send(receiver: Receiver, number: int) -> None:
    """Send an event of an order."""
    [batch] = requests([placed(number)], Scrubber())
    sent = Request(f"{receiver.endpoint}/v1/traces", batch.body, {"Content-Type": "application/x-protobuf"})
    build_opener(ProxyHandler({})).open(sent, timeout=30).close()


def port_of(receiver: Receiver) -> str:
    """Return the port of a receiver."""
    return receiver.endpoint.rpartition(":")[2]


def test_what_is_there_is_told_at_once(tmp_path: Path) -> None:
    """As trees, or a document a line; nothing at all is an error that says where was looked."""
    with Receiver() as receiver:
        send(receiver, 1)
        here = ("--once", "--port", port_of(receiver), "--dir", tmp_path)
        told, document = ezlogs(*here), json.loads(ezlogs(*here, "--json").stdout)
    assert told.stdout.splitlines()[0] == "Order 1 was placed"
    assert document["title"] == "Order 1 was placed"
    assert document["news"] == [document["events"][0]["event_id"]]
    nothing = ezlogs("--once", "--port", "1", "--dir", tmp_path)
    assert nothing.exit_code == 1
    assert f"there is no story in what waits in {tmp_path}; no ezlogs dev is on port 1" in nothing.stderr


def test_a_story_is_told_when_it_happens_until_it_is_interrupted(tmp_path: Path) -> None:
    """What was there before is not told without being asked for."""
    with Receiver() as receiver:
        send(receiver, 1)
        command = [sys.executable, "-m", "ezlogs.cli", "tail", "--port", port_of(receiver), "--dir", str(tmp_path)]
        environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tail:
            try:
                assert tail.stderr is not None
                assert tail.stdout is not None
                assert tail.stderr.readline().startswith("watching the ezlogs dev on port")
                send(receiver, 2)
                first = tail.stdout.readline()
                tail.send_signal(signal.SIGINT)
                tail.communicate(timeout=30)
            finally:
                tail.kill()
    assert first in ("Order 2 was placed\n", "Order 1 was placed\n")
    assert tail.returncode == 0


@pytest.mark.timeout(30)
@pytest.mark.parametrize("line", range(1, 16))
def test_an_interrupt_is_heeded_whenever_it_comes(line: int) -> None:
    """At each line of what waits for it, there and in `threading`: nothing that the handler needs may be taken."""
    before, passed = signal.getsignal(signal.SIGINT), 0

    def interrupt(frame: FrameType, event: str, _arg: object) -> Any:
        nonlocal passed
        if frame.f_code.co_filename not in {_moments.__code__.co_filename, threading.__file__}:
            return None
        if event == "line" and signal.getsignal(signal.SIGINT) is not before:
            passed += 1
            if passed == line:
                signal.raise_signal(signal.SIGINT)
        return interrupt

    traced = sys.gettrace()
    sys.settrace(interrupt)
    try:
        moments = list(_moments())
    finally:
        sys.settrace(traced)
    assert len(moments) <= 1


def test_a_feed_goes_on_where_it_was(tmp_path: Path) -> None:
    """Each event comes once; a wrong place is refused; who is not there says nothing."""
    with Receiver() as receiver:
        send(receiver, 1)
        first = feed.ask(receiver.endpoint)
        assert first is not None
        send(receiver, 2)
        second = feed.ask(receiver.endpoint, first.after)
        assert second is not None
        assert [told.event.subject for told in second.told] == [placed(2).event.subject]
        assert feed.ask(receiver.endpoint, second.after) == feed.Fed((), second.after)
        with pytest.raises(HTTPError) as wrong:
            build_opener(ProxyHandler({})).open(f"{receiver.endpoint}{feed.PATH}?after=soon", timeout=30)
        wrong.value.close()
        assert wrong.value.code == 400
        assert feed.ask(receiver.endpoint, "soon") is None
    assert feed.ask(receiver.endpoint) is None
