"""Flask's reloader: the program is started again with each change, and each request is told once."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.request import urlopen

import pytest

PROGRAM = """
import json
import flask
from ezlogs.testing import capture
from ezlogs_instrumentors.flask import FlaskInstrumentor

FlaskInstrumentor().instrument()
begun = capture()
captured = begun.__enter__()


def create_app():
    app = flask.Flask("reloaded")
    app.add_url_rule("/<word>", view_func=lambda word: WORD, endpoint="word")
    app.add_url_rule("/told", view_func=lambda: json.dumps([told.action for told in captured.events]), endpoint="told")
    return app


if __name__ == "__main__":
    create_app().run(port=0, use_reloader=True, use_debugger=True, reloader_type="stat", reloader_interval=0.1)
"""


def until(ready: Callable[[], Any]) -> Any:
    """Return what is there as soon as it is."""
    deadline = monotonic() + 120
    while not (found := ready()):
        assert monotonic() < deadline
        sleep(0.02)
    return found


@pytest.mark.timeout(180)  # it starts a program twice, on a machine that may be busy
@pytest.mark.skipif(sys.platform == "win32", reason="ends a group of processes")
def test_a_program_that_is_reloaded_tells_each_request_once(tmp_path: Path) -> None:
    """In whichever of its processes answers."""
    program, log = tmp_path / "program.py", tmp_path / "log"
    program.write_text(f"WORD = 'first'\n{PROGRAM}")
    environ = {**os.environ, "FLASK_RUN_FROM_CLI": ""}  # which Flask sets where its command runs, as in other tests
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, str(program)],
            stdout=output,
            stderr=output,
            cwd=tmp_path,
            start_new_session=True,
            env=environ,
        )

    def get(path: str) -> str:
        try:
            with urlopen(until(address) + path, timeout=30) as response:
                return str(response.read().decode())
        except (OSError, HTTPException):  # between one process and the next
            return ""

    def address() -> str | None:
        found = re.findall(r"Running on (http://\S+)", log.read_text())
        return found[-1] if found else None

    try:
        assert until(lambda: get("/hello")) == "first"
        assert json.loads(until(lambda: get("/told"))) == ["GET /{word}"]
        program.write_text(f"WORD = 'the second'\n{PROGRAM}")
        os.utime(program, (2_000_000_000, 2_000_000_000))
        until(lambda: get("/hello") == "the second")
        told = json.loads(until(lambda: get("/told")))
        assert set(told) == {"GET /{word}"}
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
