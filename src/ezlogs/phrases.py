"""How an application wants its events to be told in stories."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, overload

from ezlogs.event import UniversalEvent
from ezlogs.story.registry import Phrases

T = TypeVar("T", bound=Callable[[UniversalEvent], str | None])

registered = Phrases()
"""The phrases of this process. Only words for people: nothing that is sent depends on them."""


@overload
def phrase(kind: str, template: str, *, outcome: str = "success") -> None: ...


@overload
def phrase(kind: str, template: None = None, *, outcome: str = "success") -> Callable[[T], T]: ...


def phrase(kind: str, template: str | None = None, *, outcome: str = "success") -> Callable[[T], T] | None:
    """Say how a kind of event is told: by a template, or as a decorator by what a function returns for an event.

    A template is a sentence without its full stop. In braces stand ``actor`` and ``subject``, which are told by name,
    or one of their parts (``subject.id``, ``.type``, ``.label``); ``action``, ``duration``, and values of metadata and
    changes as ``metadata.total`` and ``changes.status``. What a function returns is such a template; None leaves the
    event to the usual words.

    Debug mode uses the phrases of its process, and `ezlogs story`, `tail` and `dev` those of the modules that
    ``--phrases`` names.

    Args:
        kind: An action such as ``order.create``; the first part of an event type and an action, such as
            ``order.placed``; or a whole event type and an action, such as ``order.action placed``.
        template: The template; a function follows when left out.
        outcome: How the events ended that it is for.

    Raises:
        ValueError: The template has something in braces that no event has.

    Example:
        >>> import ezlogs
        >>> ezlogs.phrase("parcel.shipped", "{actor} sent {subject.id} off by {metadata.carrier}")
        >>> @ezlogs.phrase("parcel.returned")
        ... def returned(event):
        ...     return "{actor} did not want it" if event.metadata.get("refused") else None
    """
    if template is not None:
        registered.add(kind, template, outcome)
        return None

    def register(function: T) -> T:
        registered.add(kind, function, outcome)
        return function

    return register
