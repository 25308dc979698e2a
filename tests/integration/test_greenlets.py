"""A real program under gevent, patched before ezlogs is there, after it, or not at all: stories, delivery, turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ezlogs.dev.receiver import Receiver

PROGRAM = Path(__file__).parent / "programs" / "greenlets.py"
COVERAGE = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}


@pytest.mark.parametrize("patched", ["before", "after", "never"])
def test_each_greenlet_tells_its_own_story_and_none_waits_for_delivery(patched: str) -> None:
    """Whatever work is handed to goes on in the request; events arrive; others have their turn all the while."""
    with Receiver() as receiver:
        done = subprocess.run(
            [sys.executable, str(PROGRAM), patched, receiver.endpoint],
            env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **COVERAGE},
            capture_output=True,
            check=False,
            text=True,
            timeout=50,
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout.splitlines()[-1])
        assert [set(one.values()) for one in told["told"]] == [{f"req-{number}"} for number in range(5)]
        assert told["outside"] is None
        assert told["flushed"]
        assert told["turns"] > 20
        assert sum(len(span.events) for span in receiver.spans) == 5
