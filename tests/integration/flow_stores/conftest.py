"""Every kind of store, with the real thing behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.cache import CacheHandler
from tests.servers import Redis, redis_server

from ezlogs.flows import FlowStore
from ezlogs.flows.keyed import django_store, redis_store
from ezlogs.flows.memory import MemoryStore
from ezlogs.flows.sqlite import SqliteStore

KINDS = ("memory", "sqlite", "redis", "django_locmem", "django_file", "django_redis")


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    """A Redis; the test is skipped where there is none."""
    with redis_server() as server:
        yield server


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FlowStore]:
    """Each kind of store, empty."""
    kind: str = request.param
    if kind == "memory":
        yield MemoryStore()
    elif kind == "sqlite":
        made = SqliteStore(str(tmp_path / "flows.db"))
        yield made
        made.close()
    elif kind == "redis":
        made = redis_store(request.getfixturevalue("redis").empty())
        yield made
        made.close()
    else:
        request.getfixturevalue("django_caches")(kind)
        yield django_store("flows")


@pytest.fixture
def django_caches(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Give Django a cache called ``flows``, of some kind."""
    backends = {
        "django_locmem": ("locmem.LocMemCache", lambda: tmp_path.name),
        "django_file": ("filebased.FileBasedCache", lambda: str(tmp_path / "cache")),
        "django_redis": ("redis.RedisCache", lambda: request.getfixturevalue("redis").empty()),
    }

    def use(kind: str) -> None:
        name, location = backends[kind]
        given = {"BACKEND": f"django.core.cache.backends.{name}", "LOCATION": location()}
        monkeypatch.setattr("django.core.cache.caches", CacheHandler({"default": given, "flows": given}))

    return use
