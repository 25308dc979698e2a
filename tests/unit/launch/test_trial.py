"""Runs of unittest and of Django's tests send nothing, unless they are asked to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ezlogs.launch.trial import runs_tests

TESTS = """
import unittest
import ezlogs

ezlogs.configure(endpoint="http://127.0.0.1:9", instrument="none", durability="memory")


class Test(unittest.TestCase):
    def test_sending(self):
        ezlogs.event("order.action", "placed")
        print(ezlogs.health().get("sending"))
        ezlogs.shutdown()
"""


@pytest.mark.parametrize(
    ("asked", "told"),
    [(None, "off in this test run"), ("", "off in this test run"), ("0", "off in this test run"), ("true", "None")],
)
def test_unittest_sends_nothing_unless_it_is_asked_to(tmp_path: Path, asked: str | None, told: str) -> None:
    """Whoever configures ezlogs, and before any test."""
    (tmp_path / "test_shop.py").write_text(TESTS)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("EZLOGS_", "_EZLOGS_"))}
    environ |= {} if asked is None else {"EZLOGS_TESTS_SEND": asked}
    environ["EZLOGS_SHUTDOWN_TIMEOUT"] = "0.1"
    command = [sys.executable, "-W", "ignore", "-m", "unittest", "test_shop"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{told}\n"
    assert "unknown setting" not in done.stderr


@pytest.mark.parametrize(
    ("command", "is_one"),
    [
        ("-m unittest discover", True),
        ("-m unittest.mock", False),
        ("-m django test shop", True),
        ("-m django migrate", False),
        ("-m django", False),
        ("-m", False),
        ("manage.py test", True),
        ("/srv/shop/manage.py test --keepdb", True),
        ("/usr/bin/django-admin test", True),
        ("manage.py test_mail", False),
        ("manage.py", False),
        ("app.py test", False),
        ("-W error -X dev -u manage.py test", True),
        ("-c manage.py", False),
        ("", False),
    ],
)
def test_a_command_that_runs_tests_is_known_by_its_arguments(command: str, is_one: bool) -> None:
    """Of the interpreter's own options those are passed over."""
    assert runs_tests(["python", *command.split()]) is is_one
