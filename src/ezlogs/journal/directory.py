"""Directories: where journals are, and that nobody else can write there.

Each directory of ezlogs' own is opened through the one above it, never through a link, and used only if it belongs to
this user and no one else may enter it.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from random import Random
from typing import Final

from ezlogs.expressions import expression

_OWN: Final = 0o700
_LONGEST_NAME: Final = 64
_UNSAFE: Final = expression(r"[^A-Za-z0-9._-]")


class UnusableDirectoryError(Exception):
    """There is no directory for a journal; the text says why, for people."""


class Directory:
    """The directory of one service and one collector: a base, and below it names of ezlogs' own.

    Args:
        base: What the state directory is; anyone's, but not open to everybody.
        names: What is below it, each in the one before.
    """

    def __init__(self, base: str, *names: str) -> None:
        self.base = base
        self.names = names
        self._found: tuple[int, int] | None = None
        """Which one it was found to be: its device and inode."""

    @property
    def path(self) -> str:
        """The whole path, to be shown and to be matched."""
        return os.path.join(self.base, *self.names)

    def below(self, name: str) -> Directory:
        """Return a directory in this one."""
        return Directory(self.base, *self.names, name)

    @contextmanager
    def opened(self, *, create: bool = False) -> Iterator[int]:
        """Open the directory for a moment, as a file descriptor for other calls to start from.

        Args:
            create: Whether to make what is missing.

        Raises:
            UnusableDirectoryError: It is not safe.
            OSError: It is not there, or cannot be made.
        """
        descriptor = None if create else self._opened_again()
        if descriptor is None:
            descriptor = self._walked_to(create)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _opened_again(self) -> int | None:
        """Open it as the one that it was found to be; None where it has to be looked at from its base on.

        Each call of the system has a thread wait for the interpreter: the walk has three for each name.
        """
        if self._found is None:
            return None
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        status = os.fstat(descriptor)
        is_private = status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == _OWN
        if is_private and (status.st_dev, status.st_ino) == self._found:
            return descriptor
        os.close(descriptor)
        return None

    def _walked_to(self, create: bool) -> int:
        descriptor = self._open_base(create)
        try:
            for name in self.names:
                inner = _open_inside(descriptor, name, self.path, create)
                os.close(descriptor)
                descriptor = inner
            status = os.fstat(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._found = (status.st_dev, status.st_ino) if self.names else None  # a base is anybody's
        return descriptor

    def entries(self) -> list[str]:
        """Return the names in the directory, sorted; none if it is not there.

        Raises:
            UnusableDirectoryError: It is not safe.
        """
        try:
            with self.opened() as descriptor:
                return sorted(os.listdir(descriptor))
        except OSError:
            return []

    def _open_base(self, create: bool) -> int:
        if create:
            os.makedirs(self.base, _OWN, exist_ok=True)
        descriptor = os.open(self.base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        mode = os.fstat(descriptor).st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            os.close(descriptor)
            raise UnusableDirectoryError(f"everybody may change {self.base}")
        return descriptor


def _open_inside(parent: int, name: str, path: str, create: bool) -> int:
    if create:
        with suppress(FileExistsError):
            os.mkdir(name, _OWN, dir_fd=parent)
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except NotADirectoryError:
        raise UnusableDirectoryError(f"{name} in {path} is a link or a file, not a directory") from None
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid():
            raise UnusableDirectoryError(f"{name} in {path} belongs to another user")
        if status.st_mode & 0o022:
            raise UnusableDirectoryError(f"others than its owner may change {name} in {path}")
        if stat.S_IMODE(status.st_mode) != _OWN:
            os.fchmod(descriptor, _OWN)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def journal_directory(
    service_name: str, endpoint: str, environ: Mapping[str, str] = os.environ, platform: str = sys.platform
) -> Directory:
    """Return the directory of a service and its collector, made and checked.

    Args:
        service_name: The resource attribute service.name.
        endpoint: Where its telemetry goes. Only a hash of it is a name on disk.
        environ: ``EZLOGS_STATE_DIR``, or what the platform has: ``XDG_STATE_HOME``, ``HOME``.
        platform: As `sys.platform` names it.

    Raises:
        UnusableDirectoryError: There is none, and why.
    """
    if not supported():
        raise UnusableDirectoryError("this platform cannot reserve room for files, or lock them")
    base, home = state_directory(environ, platform), environ.get("HOME", "")
    if home and base.startswith(os.path.join(home, "")) and not os.path.isdir(home):
        raise UnusableDirectoryError(f"there is no home directory {home}")  # users of services have none
    directory = Directory(base, file_name(service_name), endpoint_name(endpoint))
    try:
        with directory.opened(create=True) as descriptor:
            if not os.access(".", os.W_OK | os.X_OK, dir_fd=descriptor):
                raise UnusableDirectoryError(f"{directory.path} is not writable")
    except OSError as problem:
        raise UnusableDirectoryError(f"{directory.path} cannot be used: {problem.strerror}") from problem
    return directory


def journal_directories(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> list[Directory]:
    """Return the directories of all services and collectors that there are.

    Raises:
        UnusableDirectoryError: There is no state directory, or something in it is not safe.
    """
    base = Directory(state_directory(environ, platform))
    services = [base.below(name) for name in base.entries() if file_name(name) == name]
    return [service.below(name) for service in services for name in service.entries()]


def state_directory(environ: Mapping[str, str], platform: str) -> str:
    """Return where ezlogs keeps what must outlive a process.

    Raises:
        UnusableDirectoryError: Nobody says where that is.

    Example:
        >>> state_directory({"EZLOGS_STATE_DIR": "/var/lib/shop"}, "linux")
        '/var/lib/shop'
        >>> state_directory({"HOME": "/home/ada"}, "linux")
        '/home/ada/.local/state/ezlogs'
    """
    if named := environ.get("EZLOGS_STATE_DIR"):
        return os.path.abspath(named)
    home = environ.get("HOME", "")
    if platform == "darwin" and os.path.isabs(home):
        return os.path.join(home, "Library", "Application Support", "ezlogs")
    state = environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(state):  # a relative one is invalid, says the XDG specification
        return os.path.join(state, "ezlogs")
    if os.path.isabs(home):
        return os.path.join(home, ".local", "state", "ezlogs")
    raise UnusableDirectoryError("neither EZLOGS_STATE_DIR nor HOME says where to keep a journal")


def file_name(text: str) -> str:
    """Return a text as a name of a file: itself where it can be one, else like it with a hash of the original.

    Example:
        >>> file_name("shop-api"), file_name("../etc")
        ('shop-api', '_._etc-dedf8be6')
    """
    safe = _UNSAFE.sub("_", text)[:_LONGEST_NAME]
    if safe.startswith("."):
        safe = "_" + safe[1:]
    if safe == text and safe:
        return safe
    return f"{safe[: _LONGEST_NAME - 9] or 'unnamed'}-{_digest(text)[:8]}"


def endpoint_name(endpoint: str) -> str:
    """Return the name of a collector's directory, which gives nothing of its address away."""
    return _digest(endpoint)


def _digest(text: str) -> str:
    """Return a text as 52 of its bits, alike in each process; ``hashlib`` would load OpenSSL, which takes long."""
    return f"{int(Random(text.encode('utf-8', 'surrogatepass')).random() * (1 << 52)):013x}"


def supported() -> bool:
    """Return whether this platform has what a journal needs."""
    try:
        import fcntl  # noqa: F401  # not on Windows
    except ImportError:
        return False
    return hasattr(os, "posix_fallocate")
