"""Places: where journals are below a state directory, for people who look at all of them; what is unsafe is told."""

from __future__ import annotations

import os
from typing import NamedTuple

from ezlogs.journal.directory import Directory, UnusableDirectoryError, file_name


class Places(NamedTuple):
    """What there is below a state directory."""

    directories: list[Directory]
    """Of each service and collector, by name."""
    problems: list[str]
    """What was passed over, and why."""


def find_places(base: str) -> Places:
    """Return where journals are; nothing where the state directory is not there.

    Args:
        base: From `state_directory`.

    Example:
        >>> find_places("/nowhere/at/all")
        Places(directories=[], problems=[])
    """
    found = Places([], [])
    root = Directory(base)
    for name in _names(root, found.problems):
        if file_name(name) == name:
            service = root.below(name)
            for collector in _names(service, found.problems):
                place = service.below(collector)
                if opens(place, found.problems):
                    found.directories.append(place)
    return found


def _names(directory: Directory, problems: list[str]) -> list[str]:
    return [name for name in directory.entries() if not name.startswith(".")] if opens(directory, problems) else []


def opens(directory: Directory, problems: list[str]) -> bool:
    """Return whether a directory is there, safe and readable. Where it is there and is not usable, say why."""
    try:
        with directory.opened() as descriptor:
            os.listdir(descriptor)
    except FileNotFoundError:
        return False
    except UnusableDirectoryError as problem:
        problems.append(str(problem))
        return False
    except OSError as problem:
        problems.append(f"{directory.path}: {problem.strerror}")
        return False
    return True
