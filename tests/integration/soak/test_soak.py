"""Stories of requests, rows, jobs and mails, interleaved in processes that fail and are killed: all are told, whole."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.instrumentors import postbox
from tests.servers import redis_server

from ezlogs.dev.receiver import Receiver
from ezlogs.story import stories, told

from .comparing import Comparison
from .driving import shop
from .programs.brokers import FILES

ORDERS = int(os.environ.get("EZLOGS_SOAK", "1000"))
"""How many stories; ``make soak`` tells three times as many."""

PATIENCE = 120 + ORDERS


@contextmanager
def broker() -> Iterator[tuple[str, str | None]]:
    """Give the URL of a broker, and why it is no Redis if it is none."""
    running = redis_server()
    try:
        server = running.__enter__()
    except pytest.skip.Exception as reason:
        yield FILES, str(reason)
        return
    try:
        yield server.empty(), None
    finally:
        running.__exit__(None, None, None)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes to kill in /proc")
@pytest.mark.timeout(4 * PATIENCE)
def test_stories_are_whole_whatever_was_killed(tmp_path: Path) -> None:
    """One story for each order, with one root, no orphan, nothing of another's, and exactly the attempts there were."""
    with (
        broker() as (url, no_redis),
        postbox.running() as mails,
        Receiver() as receiver,
        shop(tmp_path, url, receiver, mails.port, PATIENCE) as running,
    ):
        running.serve(ORDERS)
        running.close()
        running.settle()
        truth, kills = running.truth(), running.kills
        events = told(receiver.spans)
        (tmp_path / "told").write_bytes(b"\n".join(one.event.to_json() for one in events))
        compared = Comparison(stories(events), truth)
        report = [f"{number:>8}  {kind}" for kind, number in compared.seen.items()]
        own = sum(fact["fact"] == "killed" for fact in truth)
        print(f"{ORDERS} orders, {kills} processes killed from outside, {own} by themselves", *report, sep="\n")
        if compared.faults:
            pytest.fail("\n".join([f"{len(compared.faults)} faults", *compared.faults[:40], running.described()]))
        assert kills + own, "nothing was killed: there was nothing to prove"
        assert len(mails.messages) >= sum(fact["fact"] == "mailed" and fact["outcome"] == "success" for fact in truth)
    if no_redis is not None:
        pytest.skip(f"all held, but over a broker of files, which loses what a killed worker has taken: {no_redis}")
