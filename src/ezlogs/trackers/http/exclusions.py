"""Exclusions: requests that nobody asks about afterwards - health checks, static files, robots - and give no event."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from fnmatch import translate
from functools import lru_cache

from ezlogs.settings import Settings
from ezlogs.trackers.http.arrival import Arrival

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that ask for nothing to be done. Paths and agents exclude no other: anybody can call himself a robot."""


class Exclusions:
    """What is excluded in one framework, by some settings.

    Args:
        settings: ``excluded_paths``, ``excluded_agents`` and ``excluded_urls`` are read.
        framework: Whose variable ``OTEL_PYTHON_<FRAMEWORK>_EXCLUDED_URLS`` counts too.

    Source: OpenTelemetry Python Contrib, "Excluded URLs": regular expressions, searched for anywhere in the whole URL.

    Example:
        >>> from ezlogs.settings import Settings
        >>> from ezlogs.trackers.http import PlainArrival
        >>> exclusions = Exclusions(Settings(), "flask")
        >>> [exclusions.exclude(PlainArrival(*request, {})) for request in (("GET", "/healthz"), ("GET", "/orders"))]
        [True, False]
    """

    def __init__(self, settings: Settings, framework: str) -> None:
        self._paths = _globs(settings.excluded_paths)
        self._agents = _globs(tuple(pattern.lower() for pattern in settings.excluded_agents))
        of_framework = os.environ.get(f"OTEL_PYTHON_{framework.upper()}_EXCLUDED_URLS", "")
        self._urls = _expressions((*settings.excluded_urls, *filter(None, map(str.strip, of_framework.split(",")))))
        self._is_excluded_agent = lru_cache(maxsize=1024)(self._match_agent)

    def exclude(self, arrival: Arrival) -> bool:
        """Return whether a request gives no event."""
        if arrival.method in _SAFE:
            if self._paths is not None and self._paths.fullmatch(arrival.path.rstrip("/") or "/"):
                return True
            if self._agents is not None and self._is_excluded_agent(arrival.header("user-agent") or ""):
                return True
        if not self._urls:
            return False
        url = arrival.url()
        return any(pattern.search(url) for pattern in self._urls)

    def _match_agent(self, agent: str) -> bool:
        return self._agents is not None and self._agents.fullmatch(agent[:512].lower()) is not None


def _globs(patterns: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(translate, patterns))) if patterns else None


def _expressions(patterns: Sequence[str]) -> list[re.Pattern[str]]:
    usable = []
    for pattern in patterns:
        with suppress(re.error):  # of the framework's variable; those of the settings were checked when they were read
            usable.append(re.compile(pattern))
    return usable
