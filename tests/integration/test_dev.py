"""`ezlogs dev -- COMMAND`: a program is instrumented, and the page shows its stories and figures."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import urllib3

PROGRAM = """
import ezlogs, time
with ezlogs.actor("user", 7, "Ada"), ezlogs.flow("checkout", 1):
    ezlogs.event("order.action", "placed", subject=("order", 42))
    for item in range(1_000):  # latencies are told from the first collection on
        ezlogs.event("item.action", "packed", subject=("item", item))
        time.sleep(0.1)
"""


def test_a_program_is_on_the_page_with_its_figures(tmp_path: Path) -> None:
    """Its story is there, under the service's name and in its own words; so is how it delivers; Ctrl-C ends both."""
    program = tmp_path / "shop.py"
    program.write_text(PROGRAM)
    (tmp_path / "shop_words.py").write_text(
        "import ezlogs\nezlogs.phrase('order.placed', '{actor} bought order {subject.id}')\n"
    )
    # A job in the background inherits an ignored SIGINT; a person's terminal does not.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    command = [sys.executable, "-c", heed + "from ezlogs.cli import main; main()", "dev"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "EZLOGS_"))}
    environ |= {"EZLOGS_STATE_DIR": str(tmp_path), "PYTHONUNBUFFERED": "1", "COLUMNS": "200", "no_proxy": "127.0.0.1"}
    environ["OTEL_SERVICE_NAME"] = "shop"
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    options = ["--port", "0", "--grpc-port", "0", "--store", str(tmp_path / "dev.db"), "--phrases", "shop_words"]
    with subprocess.Popen(
        [*command, *options, "--", sys.executable, str(program)],
        env=environ,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stderr is not None
            said = next(line for line in process.stderr if "the page is at" in line)
            found = re.search(r"http://127\.0\.0\.1:\d+", said)
            assert found is not None
            page = found[0]
            (story,) = until(page + "/api/stories", lambda told: told["total"] == 1)["stories"]
            assert (story["title"], story["services"]) == ("Ada bought order 42", ["shop"])
            told = until(page + "/api/performance", lambda told: told["losses"] and len(told["latencies"]) == 2)
            assert [(one["service"], one["result"]) for one in told["losses"]] == [("shop", "delivered")]
            assert {"ezlogs.queue.bytes", "ezlogs.breaker.state"} <= set(told["series"])
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            assert process.wait(30) is not None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert (tmp_path / "dev.db").stat().st_size > 0


def until(address: str, suffices: Callable[[Any], object]) -> Any:
    """Ask until the answer suffices, and return it."""
    pool, deadline = urllib3.PoolManager(retries=False), time.monotonic() + 45
    while True:
        answer = json.loads(pool.request("GET", address).data)
        if suffices(answer):
            return answer
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)
