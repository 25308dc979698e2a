"""What every store of flows does alike, and what each does by itself."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.servers import Redis

from ezlogs.flows import FlowStore, StoreUnavailableError
from ezlogs.flows.keyed import PREFIX, django_store, redis_store
from ezlogs.flows.memory import MOST, MemoryStore
from ezlogs.flows.opening import maker
from ezlogs.flows.sqlite import SqliteStore

DAY = 86_400.0
PROGRAMS = Path(__file__).parent / "programs"


def test_what_was_remembered_is_found(store: FlowStore) -> None:
    """And nothing else."""
    store.remember("a", "story-1", DAY)
    assert (store.find("a"), store.find("b")) == ("story-1", None)


def test_the_first_beginning_of_an_open_flow_counts(store: FlowStore) -> None:
    """Whoever else begins it, and whoever else ends it."""
    store.remember("a", "story-1", DAY)
    store.remember("a", "story-2", DAY)
    store.end("a", "story-2")
    store.remember("a", "story-3", DAY)
    assert store.find("a") == "story-1"


def test_a_flow_that_has_ended_is_found_until_it_begins_anew(store: FlowStore) -> None:
    """A webhook comes after the end more often than before it."""
    store.remember("a", "story-1", DAY)
    store.end("a", "story-1")
    assert store.find("a") == "story-1"
    store.remember("a", "story-2", DAY)
    assert store.find("a") == "story-2"
    store.remember("a", "story-3", DAY)
    assert store.find("a") == "story-2"


def test_what_is_forgotten_is_gone(store: FlowStore) -> None:
    """Also as something that is open."""
    store.remember("a", "story-1", DAY)
    store.forget("a")
    store.forget("never-was")
    store.end("never-was", "story-1")
    assert store.find("a") is None
    store.remember("a", "story-2", DAY)
    assert store.find("a") == "story-2"


def test_flows_expire_in_memory_and_in_sqlite(tmp_path: Path) -> None:
    """An expired one is as if it had never been, though it was never ended."""
    now = [1_700_000_000.0]
    file = SqliteStore(str(tmp_path / "flows.db"), clock=lambda: now[0])
    for store in (MemoryStore(clock=lambda: now[0]), file):
        now[0] = 1_700_000_000.0
        store.remember("a", "story-1", 2 * DAY)
        now[0] += 2 * DAY - 1
        assert store.find("a") == "story-1"
        now[0] += 1
        assert store.find("a") is None
        store.remember("a", "story-2", 2 * DAY)
        assert store.find("a") == "story-2"
    file.close()


def test_flows_expire_in_redis(redis: Redis) -> None:
    """Both of their keys have a time to live, to the second."""
    import redis as library

    store = redis_store(redis.empty())
    store.remember("a", "story-1", 2 * DAY)
    with library.Redis.from_url(redis.url, decode_responses=True) as server:
        keys = sorted(server.keys())
        assert keys == [f"{PREFIX}a", f"{PREFIX}a:open"]
        assert all(2 * DAY - 60 < server.ttl(key) <= 2 * DAY for key in keys)
        assert {server.get(key) for key in keys} == {"story-1"}


def test_memory_is_bounded() -> None:
    """The earliest are forgotten; one that was begun anew is not early."""
    store = MemoryStore()
    store.remember("again", "story-1", DAY)
    store.end("again", "story-1")
    store.remember("first", "story-1", DAY)
    store.remember("again", "story-2", DAY)
    for number in range(MOST - 1):
        store.remember(str(number), "story", DAY)
    assert (store.find("first"), store.find("again")) == (None, "story-2")


def test_a_file_is_for_its_owner_alone_and_does_not_grow_for_ever(tmp_path: Path) -> None:
    """What has expired is removed when a process first writes, and now and then later."""
    now = [0.0]
    path = tmp_path / "flows.db"
    for story in ("story-1", "story-2"):
        store = SqliteStore(str(path), clock=lambda: now[0])
        store.remember(story, story, DAY)
        assert store._connection.execute("select count(*) from ezlogs_flows").fetchone() == (1,)
        store.close()
        now[0] += 2 * DAY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_cannot_be_had_says_why(django_caches: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that is not installed, a cache that is not set."""
    django_caches("django_locmem")
    with pytest.raises(StoreUnavailableError, match="no cache 'other'"):
        django_store("other")
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(StoreUnavailableError, match=r"ezlogs-opentelemetry\[redis\]"):
        redis_store("redis://127.0.0.1")
    monkeypatch.setitem(sys.modules, "django.core.cache", None)
    with pytest.raises(StoreUnavailableError, match="Django is not there"):
        django_store()


def test_a_setting_makes_its_store(redis: Redis, django_caches: Callable[[str], None], tmp_path: Path) -> None:
    """By whoever will use it."""
    django_caches("django_locmem")
    for name in (redis.empty(), "django", "django:flows", f"sqlite:///{tmp_path / 'flows.db'}"):
        make = maker(name)
        assert make is not None
        store = make()
        store.remember("a", "story-1", DAY)
        assert store.find("a") == "story-1"
        if "django" not in name:  # which would want settings
            store.close()


def test_a_table_of_django_s_is_a_store_whose_connection_is_closed(tmp_path: Path) -> None:
    """By the thread that opened it; the next use opens another. It needs a program of its own, with settings."""
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / "keeps_in_a_table.py"), str(tmp_path / "shop.db")],
        capture_output=True,
        check=False,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["story-1", "True", "story-1"]


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_of_many_processes_that_begin_a_flow_at_once_one_is_the_first(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """All of them find the same story, for each of many flows."""
    named = f"sqlite:///{tmp_path / 'flows.db'}" if kind == "sqlite" else request.getfixturevalue("redis").empty()
    racers = [
        subprocess.Popen(
            [sys.executable, str(PROGRAMS / "races.py"), named, f"story-{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "remembered\n"
    found = [racer.communicate("find\n", timeout=50)[0].split() for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 200
    assert set(found[0]) <= {"story-0", "story-1", "story-2"}
