"""`/healthz`: what the documentation says for each web framework does what it says, and the answer is right."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.otlp.collectors import Collector, respond

import ezlogs
from ezlogs.launch import health
from ezlogs.runtime import install

from .orders import UseProvider, place

PAGE = Path(__file__).parents[2] / "docs" / "health.md"

ASK = {
    "Django": """
import sys
from django.conf import settings
settings.configure(ROOT_URLCONF="example", ALLOWED_HOSTS=["*"], SECRET_KEY="x")
import django
django.setup()
from django.test import Client
def ask():
    answer = Client().get("/healthz")
    return answer.status_code, answer.json()
""",
    "Flask": """
from example import app
def ask():
    answer = app.test_client().get("/healthz")
    return answer.status_code, answer.json
""",
    "FastAPI": """
import asyncio, httpx
from example import app
def ask():
    async def get():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            return await client.get("/healthz")
    answer = asyncio.run(get())
    return answer.status_code, answer.json()
""",
}
"""How each framework is asked in its own process; `example` is what the documentation says."""

TELL = """
import functools, json
print(json.dumps(ask()))
ezlogs.readiness = functools.partial(ezlogs.readiness, required=True)
print(json.dumps(ask()))
"""


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that answers as a test wants."""
    made = Collector()
    yield made
    made.close()


@pytest.mark.parametrize("framework", ASK)
def test_what_the_documentation_says_works(framework: str, tmp_path: Path) -> None:
    """Ready by default, whatever ezlogs does; not ready where it must run and does not."""
    example = re.search(rf"^{framework}[^\n]*:\n\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert example is not None
    (tmp_path / "example.py").write_text(example[1])
    (tmp_path / "ask.py").write_text(f"import ezlogs\n{ASK[framework]}\n{TELL}")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "EZLOGS_"))}
    environ["EZLOGS_STATE_DIR"] = os.environ["EZLOGS_STATE_DIR"]
    done = subprocess.run(
        [sys.executable, "ask.py"], check=False, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    lenient, strict = map(json.loads, done.stdout.splitlines())
    told = {"running": False, "delivering": False, "pending": 0, "lost": {}, "problem": None}
    assert lenient == [200, {"ready": True, **told}]
    assert strict == [503, {"ready": False, **told}]


def both() -> list[Any]:
    """Whether the service is ready: by default, and where delivery is required."""
    return [ezlogs.readiness(required=required)["ready"] for required in (False, True)]


@pytest.mark.parametrize("carrier", ["span", "log"])
def test_a_collector_that_is_away_makes_nobody_unready_by_itself(
    collector: Collector, use_provider: UseProvider, carrier: str
) -> None:
    """Only who says so; and in the answer is nothing secret."""
    use_provider()
    secret = f"{collector.url}?key=hunter2"
    ezlogs.configure(endpoint=secret, carrier=carrier, instrument="none", flush_interval=0.05)
    assert both() == [True, True], "nothing was sent so far"
    collector.answer = lambda request: respond(503)
    place()
    assert not ezlogs.flush(0.3)
    assert both() == [True, False]
    told = ezlogs.readiness()
    assert (told["delivering"], told["pending"]) == (False, 1)
    assert "503" in str(told["problem"])
    assert "hunter2" not in json.dumps(told)
    assert "hunter2" not in json.dumps(ezlogs.health())
    collector.answer = lambda request: respond(200)
    assert ezlogs.flush()
    assert both() == [True, True]


def test_trouble_in_health_is_told_and_not_raised(
    collector: Collector, use_provider: UseProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service works all the same."""
    use_provider()
    ezlogs.configure(endpoint=collector.url, instrument="none")
    monkeypatch.setattr(health, "health", lambda: 1 / 0)
    told = ezlogs.readiness(required=True)
    assert told["ready"] is False
    assert told["problem"] == "ZeroDivisionError in ezlogs.health()"
    assert ezlogs.readiness()["ready"] is True


def test_an_open_circuit_breaker_delivers_nothing() -> None:
    """Its state is part of what is told, where there is one."""
    assert health._delivers({"breaker": {"state": "closed"}})
    assert not health._delivers({"breaker": {"state": "open"}})
    assert not health._delivers({"breaker": {"state": "half-open"}})


def test_where_ezlogs_is_switched_off_nothing_is_delivered() -> None:
    """And the service is ready, but where that is required."""
    ezlogs.configure(enabled=False)
    assert both() == [True, False]
    install(None)
