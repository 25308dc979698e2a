"""The spool: what waits on disk, to be listed, shown and dropped by people."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from ezlogs.journal.directory import Directory, UnusableDirectoryError
from ezlogs.journal.files import Segments
from ezlogs.journal.liveness import Home, adopt_home, homes, is_segment
from ezlogs.journal.story import Found, found_in
from ezlogs.priority import Priority

_FOREVER: Final = -(1 << 62)


class Spooled(NamedTuple):
    """What one process has on disk."""

    service: str
    """The service's name, as a name of a file."""
    home: str
    """The process's name: its id and a random end."""
    living: bool
    pid: int | None
    """The process id, where a segment tells it."""
    segments: int
    size: int
    """Bytes on disk."""
    waiting: int
    """What is to be delivered: events, and spans, with their events, that are not there yet or were interrupted."""
    priorities: Mapping[str, int]
    oldest: int | None
    """Unix time in nanoseconds."""
    newest: int | None
    problems: Mapping[str, int]
    """Segments ``torn``, ``unreadable`` or of a ``newer`` version; records of an ``unknown`` kind."""


def list_spooled(directory: Directory) -> list[Spooled]:
    """Return what each process of one service and collector has on disk.

    Args:
        directory: From `journal_directory` or `journal_directories`.

    Raises:
        UnusableDirectoryError: The directory is not safe.
    """
    listed = []
    for home in homes(directory):
        try:
            listed.append(_spooled(directory, home))
        except (OSError, UnusableDirectoryError):  # delivered and removed while it was read, or nobody's home
            continue
    return listed


def show_spooled(directory: Directory, home: str | None = None) -> Iterator[Found]:
    """Yield what waits, without changing it; of a living process, what it has not delivered at this moment.

    Args:
        directory: From `journal_directory` or `journal_directories`.
        home: The name of one process's home; all of them when left out.

    Raises:
        UnusableDirectoryError: The directory is not safe.
    """
    for place in homes(directory):
        if home is None or place.names[-1] == home:
            try:
                yield from found_in(Segments(place, oldest=_FOREVER, writable=False))
            except (OSError, UnusableDirectoryError):
                continue


def drop_spooled(directory: Directory, home: str | None = None) -> int:
    """Remove what dead processes left, undelivered; return how many events and spans are lost by it.

    What belongs to a living process, or is of a later version of ezlogs, stays.

    Args:
        directory: From `journal_directory` or `journal_directories`.
        home: The name of one process's home; all of them when left out.

    Raises:
        UnusableDirectoryError: The directory is not safe.
    """
    dropped = 0
    for place in homes(directory):
        adopted = adopt_home(place) if home is None or place.names[-1] == home else None
        if adopted is not None:
            try:
                dropped += _drop(adopted, place)
            finally:
                adopted.remove()
    return dropped


def _drop(adopted: Home, place: Directory) -> int:
    segments = Segments(place, oldest=_FOREVER, writable=False)
    lost = sum(1 + len(found.events) for found in found_in(segments))
    with adopted.opened() as within:
        for name in os.listdir(within):
            if is_segment(name) and name not in segments.newer:
                os.unlink(name, dir_fd=within)
    return lost


def _spooled(directory: Directory, home: Directory) -> Spooled:
    with home.opened() as within:
        sizes = [os.stat(name, dir_fd=within).st_size for name in os.listdir(within) if is_segment(name)]
    adopted = adopt_home(home)
    if adopted is not None:
        adopted.release()
    segments = Segments(home, oldest=_FOREVER, writable=False)
    priorities: Counter[str] = Counter()
    times: list[int] = []
    for found in found_in(segments):
        for item in (found, *found.events):
            known = item.priority in Priority.__members__.values()
            priorities[Priority(item.priority).name.lower() if known else "unknown"] += 1
            times = [min([*times, item.timestamp]), max([*times, item.timestamp])]
    pids = [header.pid for header in segments.headers().values()]
    return Spooled(
        service=directory.names[0],
        home=home.names[-1],
        living=adopted is None,
        pid=pids[0] if pids else None,
        segments=len(sizes),
        size=sum(sizes),
        waiting=sum(priorities.values()),
        priorities=dict(priorities),
        oldest=times[0] if times else None,
        newest=times[-1] if times else None,
        problems=dict(segments.counts),
    )
