"""Tracebacks that show the application's frames alone, for whoever prints them."""

from __future__ import annotations

from types import TracebackType


def without_frames_of(error: BaseException, modules: frozenset[str]) -> None:
    """Take the frames of some modules out of an error's traceback, before it is raised further.

    Python 3.10 puts back the frame that raises it further.

    Args:
        error: The error; its traceback is changed in place.
        modules: The names of the modules.

    Example:
        >>> try:
        ...     raise ValueError
        ... except ValueError as error:
        ...     without_frames_of(error, frozenset({__name__}))
        ...     print(error.__traceback__)
        None
    """
    first: TracebackType | None = None
    last: TracebackType | None = None
    here = error.__traceback__
    while here is not None:
        if here.tb_frame.f_globals.get("__name__") not in modules:
            if last is None:
                first = here
            elif last.tb_next is not here:
                last.tb_next = here
            last = here
        here = here.tb_next
    if last is not None and last.tb_next is not None:
        last.tb_next = None
    error.__traceback__ = first
