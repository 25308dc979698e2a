"""Directories: where journals are, and who else may write there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ezlogs.journal import directory as module
from ezlogs.journal.directory import (
    Directory,
    UnusableDirectoryError,
    endpoint_name,
    file_name,
    journal_directories,
    journal_directory,
    state_directory,
)

ENDPOINT = "http://user:secret@collector:4318"


def test_the_directory_is_its_users_alone(tmp_path: Path) -> None:
    """Each part that ezlogs makes is 0700, whatever the umask is."""
    before = os.umask(0)
    try:
        made = journal_directory("shop", ENDPOINT, {"EZLOGS_STATE_DIR": str(tmp_path / "state")})
    finally:
        os.umask(before)
    for path in (tmp_path / "state" / "shop", Path(made.path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert "secret" not in made.path


def test_a_directory_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    """It is the user's own: what was opened by a mistake is closed."""
    (tmp_path / "shop").mkdir(mode=0o755)
    journal_directory("shop", ENDPOINT, {"EZLOGS_STATE_DIR": str(tmp_path)})
    assert stat.S_IMODE((tmp_path / "shop").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_directory_that_others_may_change_is_refused(tmp_path: Path, mode: int) -> None:
    """Who could write there before may have left something."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop").chmod(mode)
    with pytest.raises(UnusableDirectoryError, match="others than its owner may change shop"):
        journal_directory("shop", ENDPOINT, {"EZLOGS_STATE_DIR": str(tmp_path)})


def test_a_link_is_refused(tmp_path: Path) -> None:
    """A link leads where somebody else wants."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "shop").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnusableDirectoryError, match=r"shop in .* is a link or a file"):
        journal_directory("shop", ENDPOINT, {"EZLOGS_STATE_DIR": str(tmp_path)})
    assert not list((tmp_path / "elsewhere").iterdir())


def test_what_was_found_once_is_looked_at_again(tmp_path: Path) -> None:
    """Opened in one go as long as it is the same and its user's alone, and refused like any other when it is not."""
    directory = Directory(str(tmp_path), "shop", "collector")
    with directory.opened(create=True):
        pass
    with directory.opened() as descriptor:
        assert os.path.samestat(os.fstat(descriptor), os.stat(directory.path))
    os.chmod(directory.path, 0o755)
    with directory.opened():
        assert stat.S_IMODE(os.stat(directory.path).st_mode) == 0o700, "it is closed to others again"
    os.chmod(directory.path, 0o777)
    with pytest.raises(UnusableDirectoryError, match="others"), directory.opened():
        pass
    os.rename(directory.path, tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError), directory.opened():
        pass
    os.symlink(tmp_path / "elsewhere", directory.path)
    with pytest.raises(UnusableDirectoryError, match="is a link"), directory.opened():
        pass


def test_another_users_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where this process could write there."""
    (tmp_path / "shop").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(UnusableDirectoryError, match=r"shop in .* belongs to another user"):
        journal_directory("shop", ENDPOINT, {"EZLOGS_STATE_DIR": str(tmp_path)})


def test_a_base_that_everybody_may_change_is_refused_unless_it_is_sticky(tmp_path: Path) -> None:
    """In /tmp nobody can replace another one's directory; without its sticky bit anybody can."""
    tmp_path.chmod(0o777)
    with pytest.raises(UnusableDirectoryError, match="everybody may change"):
        journal_directory("shop", ENDPOINT, {"EZLOGS_STATE_DIR": str(tmp_path)})
    tmp_path.chmod(0o1777)
    assert journal_directory("shop", ENDPOINT, {"EZLOGS_STATE_DIR": str(tmp_path)}).entries() == []


def test_a_volume_of_a_group_is_a_base(tmp_path: Path) -> None:
    """Orchestrators hand out volumes that a group may write to; what is in them is the user's alone."""
    tmp_path.chmod(0o775)
    assert journal_directory("shop", ENDPOINT, {"EZLOGS_STATE_DIR": str(tmp_path)}).entries() == []


def test_what_cannot_be_made_is_said(tmp_path: Path) -> None:
    """The caller goes on without a journal, and says why."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableDirectoryError, match="cannot be used: Not a directory"):
        journal_directory("shop", ENDPOINT, {"EZLOGS_STATE_DIR": str(tmp_path / "file" / "state")})


def test_a_directory_that_is_not_writable_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one on a read-only file system."""
    monkeypatch.setattr(os, "access", lambda *_args, **_named: False)
    with pytest.raises(UnusableDirectoryError, match="is not writable"):
        journal_directory("shop", ENDPOINT, {"EZLOGS_STATE_DIR": str(tmp_path)})


def test_a_platform_without_locks_or_room_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS cannot reserve room, Windows cannot lock."""
    monkeypatch.delattr(os, "posix_fallocate")
    with pytest.raises(UnusableDirectoryError, match="this platform"):
        journal_directory("shop", ENDPOINT, {"EZLOGS_STATE_DIR": str(tmp_path)})
    monkeypatch.undo()
    monkeypatch.setitem(__import__("sys").modules, "fcntl", None)
    assert not module.supported()


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({"EZLOGS_STATE_DIR": "/var/lib/shop", "HOME": "/home/ada"}, "linux", "/var/lib/shop"),
        ({"XDG_STATE_HOME": "/state", "HOME": "/home/ada"}, "linux", "/state/ezlogs"),
        ({"XDG_STATE_HOME": "not/absolute", "HOME": "/home/ada"}, "linux", "/home/ada/.local/state/ezlogs"),
        ({"HOME": "/home/ada"}, "linux", "/home/ada/.local/state/ezlogs"),
        ({"HOME": "/Users/ada"}, "darwin", "/Users/ada/Library/Application Support/ezlogs"),
    ],
)
def test_the_state_directory_is_named_or_the_platforms(environ: dict[str, str], platform: str, expected: str) -> None:
    """The variable first, then what the platform has."""
    assert state_directory(environ, platform) == expected


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Users that only run a service have none, and a root that runs as them would make it."""
    home = tmp_path / "nobody"
    with pytest.raises(UnusableDirectoryError, match="there is no home directory"):
        journal_directory("shop", "http://collector", {"HOME": str(home)}, "linux")
    assert not home.exists()
    home.mkdir()
    assert journal_directory("shop", "http://collector", {"HOME": str(home)}, "linux").path.startswith(str(home))


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "relative"}])
def test_without_a_home_there_is_no_state_directory(environ: dict[str, str]) -> None:
    """Then waiting telemetry is kept in memory."""
    with pytest.raises(UnusableDirectoryError, match="neither EZLOGS_STATE_DIR nor HOME"):
        state_directory(environ, "linux")


@pytest.mark.parametrize("name", ["", ".", "..", "../../etc", "a/b", "a\0b", "Süßwaren", "x" * 300, "\ud800"])
def test_any_service_name_is_a_safe_and_distinct_name(name: str) -> None:
    """It stays inside its directory, and is a name that stays as it is."""
    safe = file_name(name)
    assert os.path.basename(safe) == safe
    assert safe.isascii()
    assert 0 < len(safe) <= 64
    assert not safe.startswith(".")
    assert file_name(safe) == safe
    assert file_name(name + "!") != safe


def test_all_directories_are_found(tmp_path: Path) -> None:
    """Of each service, for each of its collectors."""
    environ = {"EZLOGS_STATE_DIR": str(tmp_path)}
    assert journal_directories(environ) == []
    for service in ("shop", "mail"):
        journal_directory(service, ENDPOINT, environ)
    (tmp_path / ".hidden").mkdir()
    assert [found.names for found in journal_directories(environ)] == [
        ("mail", endpoint_name(ENDPOINT)),
        ("shop", endpoint_name(ENDPOINT)),
    ]


def test_a_directory_that_is_not_there_has_no_entries(tmp_path: Path) -> None:
    """Nothing was journaled yet."""
    assert Directory(str(tmp_path), "shop").entries() == []
