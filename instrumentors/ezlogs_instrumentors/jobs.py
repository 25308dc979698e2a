"""What the instrumentors of job systems have in common: hooks around their methods, and the text beside a job."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from functools import wraps
from multiprocessing import current_process
from threading import current_thread
from typing import Any, Protocol, TypeVar

import msgspec

from ezlogs.emit import guarded
from ezlogs_instrumentors.hooks import Hooks

MAX_LENGTH = 8192
"""Characters that are read at most."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Leaving(Protocol):
    """What is left when a call ends: an attempt."""

    def close(self) -> None:
        """Leave it."""


A = TypeVar("A", bound=Leaving)


def packed(headers: Mapping[str, str], **more: object) -> str:
    """Return the headers of a job, and what else there is to know of it, as one text.

    Example:
        >>> packed({"ezlogs": "{}"}, attempt=2)
        '{"ezlogs":"{}","attempt":2}'
    """
    return msgspec.json.encode({**headers, **more}).decode()


def unpacked(text: object) -> dict[str, Any]:
    """Return what was `packed`; nothing for a text that is not ours, is damaged or too long. Never raises.

    Example:
        >>> unpacked('{"ezlogs":"{}","attempt":2}'), unpacked(b"[1]"), unpacked(None)
        ({'ezlogs': '{}', 'attempt': 2}, {}, {})
    """
    if not isinstance(text, (str, bytes)) or len(text) > MAX_LENGTH:
        return {}
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}


def attempt_in(carried: Mapping[str, Any]) -> int:
    """Return which run of the job a message is for, counted from 1."""
    number = carried.get("attempt")
    return number if type(number) is int and 0 < number < 2**31 else 1


def worker_name() -> str:
    """Return a name for the worker, where its framework gives it none: its host, and its process or thread."""
    process, thread = current_process().name, current_thread().name
    return f"{thread if process == 'MainProcess' else process}@{socket.gethostname()}"


def before(hooks: Hooks, owner: Any, name: str, see: Callable[..., object]) -> None:
    """See each call of a method before it is made; what ``see`` raises never reaches the application."""
    see = guarded(see)

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            if hooks.active:
                see(*args, **kwargs)
            return original(*args, **kwargs)

        return call

    hooks.replace(owner, name, make)


def sending(hooks: Hooks, owner: Any, name: str, unless: Callable[[Any], object] = lambda _: False) -> None:
    """Have what each call of a method sends be told as failed where the call raises.

    Args:
        hooks: What takes it back.
        owner: The class.
        name: The method.
        unless: Called with the method's instance; whether this one runs jobs where they are sent.
    """

    from ezlogs.trackers.job import Sending

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def call(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
            if not hooks.active or unless(instance):
                return original(instance, *args, **kwargs)
            with Sending():
                return original(instance, *args, **kwargs)

        return call

    hooks.replace(owner, name, make)


def around(
    hooks: Hooks,
    owner: Any,
    name: str,
    begin: Callable[..., A | None],
    end: Callable[[A, Any, BaseException | None], object],
) -> None:
    """Have each call of a method be an attempt.

    Args:
        hooks: What takes it back.
        owner: The class or module.
        name: The method.
        begin: Called with the method's arguments; returns the attempt, or None where there is none to tell.
        end: Called with the attempt, what was returned and what was raised. The attempt is closed after it.
    """
    begin, end = guarded(begin), guarded(end)

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            attempt = begin(*args, **kwargs) if hooks.active else None
            if attempt is None:
                return original(*args, **kwargs)
            try:
                result = original(*args, **kwargs)
            except BaseException as error:
                end(attempt, None, error)
                raise
            else:
                end(attempt, result, None)
                return result
            finally:
                guarded(attempt.close)()

        return call

    hooks.replace(owner, name, make)
