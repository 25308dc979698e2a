"""What needs a process of its own: Django's admin and test cases, and a second interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ezlogs.dev.receiver import Receiver

from .serving import DEADLINE, PROGRAMS

COLLECTOR = "EZLOGS_ENDPOINT"


def run(program: str, home: Path, **environ: str) -> str:
    """Run a program to its end; return what it printed."""
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / program)],
        env={**os.environ, "EZLOGS_STATE_DIR": str(home), **environ},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_admin_and_the_pages_of_the_rest_framework(tmp_path: Path) -> None:
    """Who logs in, looks and changes something acts; what the project tests in its own ways is told once."""
    found = json.loads(run("django_admin.py", tmp_path))
    assert found["used"] == [
        ["http.request", "GET /admin/", "anonymous", "success"],
        ["auth.session", "login_failed", "anonymous", "failure"],
        ["data.validation", "admin_authentication_form.invalid", "anonymous", "failure"],
        ["http.request", "POST /admin/login/", "anonymous", "success"],
        ["auth.session", "login", "user", "success"],
        ["data.change", "user.update", "user", "success"],
        ["http.request", "POST /admin/login/", "user", "success"],
        ["http.request", "GET /admin/auth/user/", "user", "success"],
        ["data.change", "group.create", "user", "success"],
        ["http.request", "POST /admin/auth/group/add/", "user", "success"],
        ["http.request", "GET /admin/auth/group/{object_id}/change/", "user", "success"],
        ["auth.session", "logout", "user", "success"],
        ["http.request", "POST /admin/logout/", "anonymous", "success"],
        ["http.request", "GET /api/groups/", "anonymous", "success"],
        ["data.change", "group.update", "anonymous", "success"],
        ["http.request", "PUT /api/groups/{pk}/", "anonymous", "success"],
        ["http.request", "GET /accounts/reset/{uidb64}/{token}/", "anonymous", "success"],
    ]
    assert found["tested"] == ["GET /api/groups/"] * 3
    assert found["leaked"] == []


def test_privacy_has_the_last_word_on_what_is_allowed(tmp_path: Path) -> None:
    """Parameters and fields that settings name, messages of exceptions, and the path."""
    printed = run("allowed.py", tmp_path)
    span, events = json.loads(printed)
    request = events["http.request"]
    parameters = {"password": "[redacted]", "email": "[redacted]", "page": "2", "token": "[redacted]"}
    assert json.loads(request["ezlogs.metadata.parameters"]) == parameters
    body = {"pwd": "[redacted]", "card": "[redacted]", "note": "mail [redacted]", "size": 3}
    assert json.loads(request["ezlogs.metadata.body"]) == body
    assert (span["url.path"], request["ezlogs.subject.id"]) == ("/orders/[redacted]", "[redacted]")
    assert request["error.type"] == "LookupError"
    assert not [secret for secret in ("hunter2secret", "ada@example.com", "4111111111111111") if secret in printed]


@pytest.mark.skipif(
    find_spec("_xxsubinterpreters") is None or sys.version_info >= (3, 12),
    reason="the private module that makes interpreters is another one in this Python",
)
def test_a_second_interpreter_tells_its_own(tmp_path: Path, receiver: Receiver) -> None:
    """And does no harm to the first one."""
    assert run("interpreters.py", tmp_path, **{COLLECTOR: receiver.endpoint}) == "both ended\n"
    told = [event.attributes["ezlogs.action"] for span in receiver.spans for event in span.events]
    assert sorted(told) == ["GET /orders/{order}", "goes on", "seen"]
