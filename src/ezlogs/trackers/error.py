"""Errors: exceptions that nobody handled, as events with the place they came from, in the story that they broke.

Each is told once, where it leaves what the story is made of: a request, a job, a command, a thread, the program.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context

from ezlogs import runtime as process
from ezlogs.correlation import current
from ezlogs.emit import guarded, is_suppressed, record
from ezlogs.otel_compat import current_context
from ezlogs.party import Subject

if TYPE_CHECKING:
    from ezlogs.trackers.error_frames import Origin

SYSTEM_ERROR: Final = "system.error"
_MARK: Final = "__ezlogs_told__"
"""The attribute of an exception that was told: the story that it was told in."""


@guarded
def unhandled(error: BaseException | None, left: str, ctx: Context | None = None) -> None:
    """Tell of an exception that nobody handled; once, however many places of its story it leaves.

    What is no `Exception` - Ctrl-C, an exit, a cancelled task - is none.

    Args:
        error: The exception.
        left: What it left unhandled: a type of event, such as ``http.request``; or ``thread``, ``task``, ``program``.
        ctx: The context that it happened in; the current one when left out.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture() as captured:
        ...     try:
        ...         raise ValueError("order 42 has no items")
        ...     except ValueError as error:
        ...         unhandled(error, "program")
        >>> captured.events[0].action, captured.events[0].error.type, captured.events[0].metadata["left"]
        ('unhandled', 'ValueError', 'program')
    """
    if _is_wanted(error, ("unhandled", "logged")):
        _tell(error, "unhandled", {"left": left}, ctx)  # type: ignore[arg-type]  # an exception


@guarded
def logged(error: BaseException | None, logger: str) -> None:
    """Tell of an exception that the application logged as an error, where the setting ``errors`` asks for those.

    Args:
        error: The exception.
        logger: The name of the logger.
    """
    if _is_wanted(error, ("logged",)):
        _tell(error, "logged", {"logger": logger}, None)  # type: ignore[arg-type]  # an exception


def _is_wanted(error: BaseException | None, settings: Iterable[str]) -> bool:
    runtime = process.current
    return (
        runtime is not None
        and runtime.carrier is not None
        and runtime.settings.errors in settings
        and isinstance(error, Exception)
    )


def _tell(error: Exception, action: str, facts: dict[str, Any], ctx: Context | None) -> None:
    ctx = current_context() if ctx is None else ctx
    if is_suppressed(ctx) or _is_told(error, ctx):
        return
    from ezlogs.trackers.error_frames import origin_of  # here: most processes need it never, none while it starts

    origin = origin_of(error)
    record(
        SYSTEM_ERROR,
        action,
        subject=Subject("error", origin.fingerprint, _name(error, origin)),
        metadata={**facts, **_facts(origin)},
        outcome="failure",
        error=error,
        ctx=ctx,
    )


def _is_told(error: Exception, ctx: Context) -> bool:
    """Return whether an exception has been told in this story, and mark it as told.

    Outside of any story it is on its way out of one. One object that is raised again and again, in one story after
    the other, is told in each.
    """
    story = current(ctx)
    told = vars(error).get(_MARK)
    if told is not None and (story is None or told == story.correlation_id):
        return True
    vars(error)[_MARK] = story.correlation_id if story else ""
    return False


def _name(error: Exception, origin: Origin) -> str:
    kind = type(error).__qualname__
    return kind if origin.culprit is None else f"{kind} in {origin.culprit.place}"


def _facts(origin: Origin) -> dict[str, Any]:
    from ezlogs.trackers.error_frames import locals_of, shortened

    frames, left_out = shortened(origin.frames)
    facts: dict[str, Any] = {"frames": [frame.shown() for frame in frames]}
    if origin.culprit is not None:
        facts["place"] = origin.culprit.place
    if left_out:
        facts["frames_left_out"] = left_out
    if origin.causes:
        facts["causes"] = origin.causes
    runtime = process.current
    if runtime is not None and runtime.settings.error_locals:
        facts["locals"] = locals_of(origin.frames)
    return facts
