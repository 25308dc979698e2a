"""Finding and reading the files of settings: the one module of settings that touches the file system.

``ezlogs.toml`` and the nearest ``pyproject.toml`` with a ``[tool.ezlogs]`` table are looked for in the working
directory and above it. The search ends at the root of a repository, and before the home directory and the root of
the file system, so that a program never takes over what happens to lie about on a machine. Nor does it look where
everybody may write, as in ``/tmp``: whoever puts a file there would decide where events go.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ezlogs.settings.configfile import ConfigFile, Files
from ezlogs.settings.problem import Problem, in_environment
from ezlogs.settings.table import CONFIG_FILE

OWN_FILE: Final = "ezlogs.toml"
PROJECT_FILE: Final = "pyproject.toml"
PROJECT_TABLE: Final = ("tool", "ezlogs")

LARGEST: Final = 1024 * 1024
"""Bytes of a file of settings, at most."""

_REPOSITORIES = (".git", ".hg", ".svn")


def find_files(environ: Mapping[str, str]) -> Files:
    """Find and read the files of settings. Never raises: what cannot be read is a problem.

    Args:
        environ: The environment. ``EZLOGS_CONFIG_FILE`` names a file to read in place of an ``ezlogs.toml``, or a
            ``pyproject.toml`` in place of both; it must be there. ``HOME`` ends the search.

    Example:
        >>> files = find_files({"EZLOGS_CONFIG_FILE": "/no/such/file"})
        >>> print(*files.problems)
        EZLOGS_CONFIG_FILE in the environment: '/no/such/file': No such file or directory
    """
    found: list[ConfigFile] = []
    problems: list[Problem] = []
    try:
        folders = list(_folders(environ))
    except OSError:  # the working directory was removed, or is out of reach
        folders = []
    named = environ.get(CONFIG_FILE, "").strip()
    own = Path(named) if named else next(_all(folders, OWN_FILE), None)
    project = next(filter(_speaks_of_ezlogs, _all(folders, PROJECT_FILE)), None)
    if own and own.name == PROJECT_FILE:
        project = None
    for path in filter(None, (project, own)):
        name = _shown(path)
        try:
            text = _read(path)
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            source = (in_environment(CONFIG_FILE), repr(name)) if path == own and named else (name, "")
            problems.append(Problem(*source, reason))
        else:
            table = PROJECT_TABLE if path.name == PROJECT_FILE else ()
            found.append(ConfigFile(name, text, str(path.parent), table))
    return Files(tuple(found), tuple(problems))


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    """The folders in which to look, the nearest first."""
    here = Path.cwd()
    home = environ.get("HOME") or environ.get("USERPROFILE") or here.anchor
    ends = {Path(here.anchor), Path(os.path.realpath(home))}
    for folder in (here, *here.parents):
        if folder in ends and folder != here:
            return
        if not _anybody_may_write(folder):
            yield folder
        if any(os.path.exists(folder / name) for name in _REPOSITORIES):
            return


def _anybody_may_write(folder: Path) -> bool:
    return os.name == "posix" and bool(folder.stat().st_mode & stat.S_IWOTH)


def _all(folders: list[Path], name: str) -> Iterator[Path]:
    return (path for folder in folders if os.path.isfile(path := folder / name))


def _speaks_of_ezlogs(path: Path) -> bool:
    """Tell whether a ``pyproject.toml`` has settings for us; any other, however broken, is none of our business."""
    try:
        return ".".join(PROJECT_TABLE) in _read(path)
    except (OSError, ValueError):
        return False


def _read(path: Path) -> str:
    """Return the text of a file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no text, is too large, or is no file.
    """
    if path.exists() and not path.is_file():  # reading a pipe or a device may never end
        raise ValueError("not a file")
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"larger than {LARGEST // 1024} KiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 (byte {error.start})") from None


def _shown(path: Path) -> str:
    """Return a path as the reader would type it: relative where that is shorter."""
    try:
        return min(str(path), os.path.relpath(path), key=len)
    except (OSError, ValueError):  # the working directory was removed, or is on another drive
        return str(path)
