"""Flows in whatever keeps values under keys for a while: Redis, and the caches of Django."""

from __future__ import annotations

from typing import Protocol

from ezlogs.flows.store import StoreUnavailableError

PREFIX = "ezlogs:flow:"


class Keys(Protocol):
    """Values under keys."""

    def add(self, key: str, value: str, seconds: int) -> bool:
        """Put a value where there is none, and return whether it was put; of several who do so one is the first."""

    def put(self, key: str, value: str, seconds: int) -> None:
        """Put a value."""

    def get(self, key: str) -> str | None:
        """Return a value, or None."""

    def delete(self, key: str) -> None:
        """Remove a value, if there is one."""

    def close(self) -> None:
        """Close what is open."""


class KeyedStore:
    """A `FlowStore` over keys: a flow that is open has a second one, which is there but once.

    Args:
        keys: Where.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def remember(self, flow: str, story: str, seconds: float) -> None:
        """Keep where a flow began, unless it is open already."""
        key, whole = PREFIX + flow, max(1, round(seconds))
        if self._keys.add(f"{key}:open", story, whole) or self._keys.get(f"{key}:open") == story:
            self._keys.put(key, story, whole)  # again, if what came in between has failed

    def find(self, flow: str) -> str | None:
        """Return the story that a flow began in, or None."""
        return self._keys.get(PREFIX + flow)

    def end(self, flow: str, story: str) -> None:
        """Take note that a flow has ended, if it is this story that it began in."""
        key = f"{PREFIX}{flow}:open"
        if self._keys.get(key) == story:
            self._keys.delete(key)

    def forget(self, flow: str) -> None:
        """Keep nothing of a flow any longer."""
        self._keys.delete(PREFIX + flow)
        self._keys.delete(f"{PREFIX}{flow}:open")

    def close(self) -> None:
        """Close what is open; the next use opens it anew."""
        self._keys.close()


def redis_store(url: str) -> KeyedStore:
    """Return a store in a Redis, or in what speaks as it does.

    Args:
        url: Such as ``redis://cache:6379/3``, ``rediss://`` or ``unix://``.

    Raises:
        StoreUnavailableError: redis-py is not installed.
    """
    return KeyedStore(_Redis(url))


def django_store(alias: str = "default") -> KeyedStore:
    """Return a store in one of Django's caches.

    Args:
        alias: Its name in the setting ``CACHES``.

    Raises:
        StoreUnavailableError: Django is not installed, or has no cache of that name.
    """
    return KeyedStore(_DjangoCache(alias))


class _Redis:
    def __init__(self, url: str) -> None:
        try:
            import redis
        except ImportError:
            raise StoreUnavailableError("redis-py is not there: pip install 'ezlogs-opentelemetry[redis]'") from None
        self._redis = redis.Redis.from_url(url, socket_timeout=2, decode_responses=True)

    def add(self, key: str, value: str, seconds: int) -> bool:
        return bool(self._redis.set(key, value, nx=True, ex=seconds))

    def put(self, key: str, value: str, seconds: int) -> None:
        self._redis.set(key, value, ex=seconds)

    def get(self, key: str) -> str | None:
        found = self._redis.get(key)
        return found if isinstance(found, str) else None

    def delete(self, key: str) -> None:
        self._redis.delete(key)

    def close(self) -> None:
        self._redis.close()


class _DjangoCache:
    def __init__(self, alias: str) -> None:
        try:
            from django.core.cache import InvalidCacheBackendError, caches
        except ImportError:
            raise StoreUnavailableError("Django is not there") from None
        try:
            self._cache = caches[alias]
        except InvalidCacheBackendError:
            raise StoreUnavailableError(f"Django has no cache {alias!r} that works") from None

    def add(self, key: str, value: str, seconds: int) -> bool:
        return bool(self._cache.add(key, value, seconds))

    def put(self, key: str, value: str, seconds: int) -> None:
        self._cache.set(key, value, seconds)

    def get(self, key: str) -> str | None:
        found = self._cache.get(key)
        return found if isinstance(found, str) else None

    def delete(self, key: str) -> None:
        self._cache.delete(key)

    def close(self) -> None:
        """Close it, and the connections to databases that it may have opened: nobody else does so in this thread."""
        from django.db import connections

        self._cache.close()
        connections.close_all()
