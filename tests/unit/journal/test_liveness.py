"""Liveness: who lives is known by a lock, which this process takes once and loses only with its life."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ezlogs.journal import Directory, UnusableDirectoryError
from ezlogs.journal import lock as lock_module
from ezlogs.journal.liveness import adopt_home, found_home, homes, tidy
from ezlogs.journal.lock import take

from .conftest import in_a_fork


def test_a_home_is_locked_from_the_start_and_until_it_is_released(directory: Directory) -> None:
    """For this process and for any other."""
    home = found_home(directory)
    (place,) = homes(directory)
    assert home.name.startswith(f"{os.getpid()}-")
    assert home.held()
    assert adopt_home(place) is None
    assert not in_a_fork(lambda: adopt_home(place))
    assert home.held()
    home.release()
    assert not home.held()
    assert in_a_fork(lambda: adopt_home(place))
    adopted = adopt_home(place)
    assert adopted is not None
    assert adopted.remove()
    assert directory.entries() == []


def test_a_fork_holds_nothing_and_takes_nothing_from_its_parent(directory: Directory) -> None:
    """Not when it releases what it inherited, nor when it ends."""
    home = found_home(directory)
    (place,) = homes(directory)
    assert in_a_fork(lambda: not home.held())
    assert in_a_fork(lambda: home.release() is None)
    assert not in_a_fork(lambda: adopt_home(place))
    home.remove()


def test_a_fork_need_not_wait_for_what_a_thread_of_its_parent_held(directory: Directory) -> None:
    """A guard that was taken when the fork happened stays taken in it."""
    home = found_home(directory)
    with lock_module._held.guard:
        assert in_a_fork(lambda: home.release() is None and found_home(directory).held())
    home.remove()


def test_a_lock_whose_file_was_closed_is_not_held(directory: Directory) -> None:
    """And its descriptor may be another file by now, which is not closed for it."""
    home = found_home(directory)
    descriptor = home._lock._descriptor
    os.close(descriptor)
    assert not home.held()
    with open(os.devnull) as other:
        os.dup2(other.fileno(), descriptor)
        assert not home.held()
        home.release()
        os.fstat(descriptor)  # raises if it is closed
        if other.fileno() != descriptor:
            os.close(descriptor)


def test_a_file_that_was_removed_meanwhile_is_not_taken(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who held it has delivered everything, and removed it between the opening and the locking."""
    home = found_home(directory)
    home.release()
    (place,) = homes(directory)
    real = fcntl.lockf

    def locked(descriptor: int, how: int) -> None:
        os.unlink(os.path.join(place.path, "alive"))
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "lockf", locked)
    assert adopt_home(place) is None


def test_a_file_that_was_replaced_meanwhile_is_not_taken(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is locked then is not what others see."""
    found_home(directory).release()
    (place,) = homes(directory)
    real = fcntl.lockf

    def locked(descriptor: int, how: int) -> None:
        os.unlink(os.path.join(place.path, "alive"))
        Path(place.path, "alive").write_text("")
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "lockf", locked)
    assert adopt_home(place) is None


def test_a_link_is_not_locked(directory: Directory, tmp_path: Path) -> None:
    """It could be any file of the user's."""
    found_home(directory).release()
    (place,) = homes(directory)
    os.unlink(os.path.join(place.path, "alive"))
    (tmp_path / "precious").write_text("")
    os.symlink(tmp_path / "precious", os.path.join(place.path, "alive"))
    assert adopt_home(place) is None


def test_without_locks_there_is_no_home(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could say who lives; nothing is left that looks like a home."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    with monkeypatch.context() as without:
        without.setattr(fcntl, "lockf", refuse)
        with pytest.raises(UnusableDirectoryError, match="has no locks: No locks available"):
            found_home(directory)
    assert homes(directory) == []

    def busy(*_: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "busy")

    with monkeypatch.context() as without:
        without.setattr(fcntl, "lockf", busy)
        with pytest.raises(UnusableDirectoryError, match="locks that do not work"):
            found_home(directory)
    assert homes(directory) == []


def test_a_home_that_cannot_get_its_name_is_released(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is removed by whoever comes later."""

    def refuse(*_args: object, **_named: object) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as broken:
        broken.setattr(os, "rename", refuse)
        with pytest.raises(OSError, match="broken"):
            found_home(directory)
    held = len(lock_module._held.keys)
    assert homes(directory) == []
    (unborn,) = directory.entries()
    tidy(directory)
    assert directory.entries() == [unborn], "it may be in the making"
    os.utime(os.path.join(directory.path, unborn), (time.time() - 3600,) * 2)
    tidy(directory)
    assert directory.entries() == []
    assert len(lock_module._held.keys) == held


def test_a_home_that_was_never_locked_is_removed_too(directory: Directory) -> None:
    """Its process died between two calls."""
    with directory.below(".new-dead").opened(create=True):
        pass
    os.utime(os.path.join(directory.path, ".new-dead"), (0, 0))
    with directory.below(".new-alive").opened(create=True) as within:
        lock = take("alive", within=within, create=True)
    assert lock is not None
    os.utime(os.path.join(directory.path, ".new-alive"), (0, 0))
    tidy(directory)
    assert directory.entries() == [".new-alive"]
    lock.release()


def test_a_home_with_segments_is_not_removed(directory: Directory) -> None:
    """It is released, and others may adopt it."""
    home = found_home(directory)
    Path(home.directory.path, "00000001.journal").write_text("")
    assert not home.remove()
    assert not home.held()
    assert adopt_home(home.directory) is not None


def test_a_home_that_is_gone_cannot_be_removed_again(directory: Directory) -> None:
    """Whoever removed it did what was wanted."""
    home = found_home(directory)
    shutil.rmtree(home.directory.path)
    assert not home.remove()
    assert not home.held()


def test_everything_can_be_imported_where_nothing_can_be_locked() -> None:
    """On Windows ezlogs works, without a journal."""
    program = (
        "import sys, os; sys.modules['fcntl'] = None; del os.posix_fallocate\n"
        "from ezlogs.journal import UnusableDirectoryError, journal_directory, spool\n"
        "try: journal_directory('shop', 'http://collector:4318', {'EZLOGS_STATE_DIR': '.'})\n"
        "except UnusableDirectoryError as problem: print(problem)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "this platform cannot reserve room for files, or lock them\n"
