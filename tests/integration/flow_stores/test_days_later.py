"""A flow that begins in one process, and is gone on with days later in another: two stories, shown together."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from rich.console import Console
from tests.servers import Redis

from ezlogs.cli.story import drawn
from ezlogs.dev.receiver import Receiver
from ezlogs.story import linked, stories, together, told

PROGRAMS = Path(__file__).parent / "programs"
DAY = 86_400

Run = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A local OTLP endpoint."""
    with Receiver() as running:
        yield running


@pytest.fixture
def environ(receiver: Receiver, tmp_path: Path) -> dict[str, str]:
    """What the processes have in common."""
    return {
        **os.environ,
        "EZLOGS_ENDPOINT": receiver.endpoint,
        "EZLOGS_STATE_DIR": str(tmp_path / "state"),
        "EZLOGS_SERVICE_NAME": "shop",
        "EZLOGS_FLOW_WAIT": "10",
        "PYTHONPATH": os.pathsep.join([str(PROGRAMS), *filter(None, sys.path)]),
    }


def answered(path: str, environ: dict[str, str]) -> str:
    """Start the shop, ask it once, and return its answer when it has ended."""
    with subprocess.Popen(
        [sys.executable, str(PROGRAMS / "serves.py")], env=environ, stdout=subprocess.PIPE, text=True
    ) as shop:
        try:
            assert shop.stdout is not None
            connection = HTTPConnection("127.0.0.1", int(shop.stdout.readline()), timeout=50)
            connection.request("POST", path)
            answer = connection.getresponse().read().decode()
            connection.close()
            assert shop.wait(50) == 0
        finally:
            shop.kill()
    return answer


@pytest.mark.parametrize("kind", ["sqlite", "redis", "django"])
def test_a_webhook_of_days_later_is_linked_with_the_story_that_began_the_flow(
    kind: str, receiver: Receiver, environ: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Its own story stays what it is, and whoever reads one of them is shown both."""
    if kind == "sqlite":
        environ |= {"EZLOGS_FLOW_STORE": "serves:later_store", "FLOWS": str(tmp_path / "flows.db")}
    elif kind == "redis":
        environ |= {"EZLOGS_FLOW_STORE": request.getfixturevalue("redis").empty()}
    else:
        environ |= {"EZLOGS_FLOW_STORE": "django", "DJANGO_CACHE": str(tmp_path / "cache")}
    began = answered("/orders/42", environ)
    if kind == "redis":
        _two_days_pass(request.getfixturevalue("redis"))
    found = answered("/webhook/42", {**environ, "DAYS": "2"})
    other = answered("/webhook/43", {**environ, "DAYS": "2"})

    assert found == began
    assert other == "None"
    first, second, third = stories(told(receiver.spans))
    assert first.correlation_id == began
    assert second.correlation_id != began
    assert linked(second) == (began,)
    assert {event.correlation.flow_id for event in second.events if event.event_type == "payment.action"} == {
        "order:42"
    }
    assert [len(story.roots) for story in (first, second, third)] == [1, 1, 1]
    pairs = together([first, second, third])
    assert [[story.correlation_id for story in pair] for pair in pairs] == [
        [first.correlation_id, second.correlation_id],
        [third.correlation_id],
    ]
    console = Console(width=200)
    with console.capture() as shown:
        console.print(drawn(second, pairs[0]))
    assert f"Goes on from: {first.title} ({began[:8]})." in shown.get()


def test_what_is_too_old_is_not_found(environ: dict[str, str], tmp_path: Path) -> None:
    """The setting says how long a flow is kept."""
    environ |= {"EZLOGS_FLOW_STORE": "serves:later_store", "FLOWS": str(tmp_path / "flows.db"), "EZLOGS_FLOW_DAYS": "2"}
    began = answered("/orders/42", environ)
    assert answered("/webhook/42", {**environ, "DAYS": "1.9"}) == began
    assert answered("/webhook/42", {**environ, "DAYS": "2.1"}) == "None"


def test_a_coroutine_waits_and_its_loop_does_not(receiver: Receiver, environ: dict[str, str], tmp_path: Path) -> None:
    """It goes on with the flow as any other does."""
    environ |= {"EZLOGS_FLOW_STORE": f"sqlite:///{tmp_path / 'flows.db'}"}
    began = answered("/orders/42", environ)
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / "hears.py")],
        env=environ,
        capture_output=True,
        check=False,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["order:42", began]
    assert [len(group) for group in together(stories(told(receiver.spans)))] == [2]


def _two_days_pass(server: Redis) -> None:
    import redis

    with redis.Redis.from_url(server.url) as connection:
        for key in connection.scan_iter():
            connection.expire(key, connection.ttl(key) - 2 * DAY)
