"""Where events wait for a collector: on a disk that outlives the process, the container, the machine - or in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Final

from ezlogs.doctor.finding import Finding
from ezlogs.journal.directory import UnusableDirectoryError, state_directory
from ezlogs.journal.filesystems import Writing, filesystem, writing_of
from ezlogs.settings import Loaded

_ADVICE: Final = "give it a volume, and name that by EZLOGS_STATE_DIR"
_PASSING: Final = {
    "overlay": "the layer of a container, and goes with it",
    "aufs": "the layer of a container, and goes with it",
    "tmpfs": "memory, and goes with the machine or the container",
    "ramfs": "memory, and goes with the machine",
}


def journal(
    loaded: Loaded, environ: Mapping[str, str], platform: str, mounts: str = "/proc/self/mounts"
) -> Iterator[Finding]:
    """Tell where what waits is kept, and what it outlives there.

    Args:
        loaded: The settings.
        environ: The environment.
        platform: As `sys.platform` names it.
        mounts: The table of what is mounted where.
    """
    settings = loaded.settings
    if not settings.enabled or not (loaded.explicit("endpoint") or loaded.explicit("durability")):
        return
    if settings.durability == "memory":
        yield Finding("note", "", "what waits is in memory, and a killed process takes it along (durability = memory)")
        return
    try:
        place = state_directory({**environ, "EZLOGS_STATE_DIR": settings.state_dir or ""}, platform)
    except UnusableDirectoryError as problem:
        yield Finding("warning", "", f"what waits is in memory: {problem}", "name a directory by EZLOGS_STATE_DIR")
        return
    there = _nearest(place)
    if there != place and not os.access(there, os.W_OK | os.X_OK):
        yield Finding("warning", place, f"cannot be made, {there} is not writable: what waits is in memory", _ADVICE)
        return
    if there == place and not os.access(place, os.W_OK | os.X_OK):
        yield Finding("warning", place, "is not writable: what waits is in memory", _ADVICE)
        return
    kind = filesystem(os.path.realpath(there), mounts)
    if kind in _PASSING:
        yield Finding("warning", place, f"what waits is kept there, which is {_PASSING[kind]}", _ADVICE)
    elif writing_of(kind) is Writing.LATER:
        text = f"what waits is kept there, on a file system in the network ({kind}): not before a call returns"
        yield Finding("warning", place, text, _ADVICE)
    else:
        yield Finding("fine", place, "what waits is kept there, and outlives the process")


def _nearest(path: str) -> str:
    """Return the longest part of a path that is there."""
    while not os.path.isdir(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path
