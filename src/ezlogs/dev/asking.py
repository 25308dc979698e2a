"""How other commands of `ezlogs` ask a running `ezlogs dev`: over HTTP, whatever proxies there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http.client import HTTPException
from typing import Any, Final, TypeVar
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import msgspec

from ezlogs.event import InvalidEvent, UniversalEvent
from ezlogs.story import Told

T = TypeVar("T")

TIMEOUT: Final = 5.0
"""Seconds."""

NOBODY: Final = (URLError, OSError, HTTPException, msgspec.MsgspecError, InvalidEvent, KeyError)
"""What is raised where nobody answers, or somebody else."""


def asked(endpoint: str, path: str, parameters: Mapping[str, str], kind: type[T]) -> T:
    """Return what an endpoint answers.

    Args:
        endpoint: Its base address, such as ``http://127.0.0.1:4318``.
        path: Such as ``/feed``.
        parameters: Of the query.
        kind: What the answer is.

    Raises:
        Exception: One of `NOBODY`.
    """
    with build_opener(ProxyHandler({})).open(f"{endpoint}{path}?{urlencode(parameters)}", timeout=TIMEOUT) as response:
        return msgspec.json.decode(response.read(), type=kind)


def told_in(events: Iterable[Mapping[str, Any]]) -> tuple[Told, ...]:
    """Return the events in an answer, each with its service.

    Args:
        events: As they were in the answer.

    Raises:
        Exception: One of `NOBODY`.
    """
    return tuple(
        Told(UniversalEvent.from_json(msgspec.json.encode(one["event"])), str(one["service"])) for one in events
    )
