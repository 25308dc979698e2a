"""Finding and reading files of settings on a real disk: where the search goes, where it ends, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ezlogs.settings import load
from ezlogs.settings.files import LARGEST, find_files

PROJECT = "[tool.ezlogs]\nservice_name = 'project'\n"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory three folders below the root of a repository."""
    folder = tmp_path / "repository" / "services" / "shop"
    folder.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    monkeypatch.chdir(folder)
    return folder


def found(**environ: str) -> list[str]:
    """The names of the files that are found."""
    return [file.name for file in find_files(environ).found]


def problems(**environ: str) -> list[str]:
    """What is said about files that cannot be read."""
    return [str(problem) for problem in find_files(environ).problems]


def test_files_are_found_from_the_working_directory_upward(app: Path) -> None:
    """The nearest of each kind counts, the weaker first."""
    assert found() == []
    (app.parents[1] / "pyproject.toml").write_text(PROJECT)
    (app.parent / "ezlogs.toml").write_text("")
    assert found() == [os.path.join("..", "..", "pyproject.toml"), os.path.join("..", "ezlogs.toml")]
    (app / "ezlogs.toml").write_text("")
    assert found()[1] == "ezlogs.toml"


def test_a_project_file_that_does_not_speak_of_ezlogs_is_passed_over(app: Path) -> None:
    """A package within a project need not repeat its settings, and may be broken without our saying so."""
    (app.parent / "pyproject.toml").write_text(PROJECT)
    (app / "pyproject.toml").write_text("dependencies = [ezlogs\n")
    assert load({}, files=find_files({})).settings.service_name == "project"
    (app / "pyproject.toml").write_bytes(b"\xff tool.ezlogs")
    assert (found(), problems()) == ([os.path.join("..", "pyproject.toml")], [])


def test_the_search_ends_at_the_root_of_a_repository(app: Path) -> None:
    """What lies beside it belongs to something else."""
    (app.parents[2] / "ezlogs.toml").write_text("")
    assert found() == []
    (app.parents[1] / "ezlogs.toml").write_text("")
    assert len(found()) == 1


@pytest.mark.parametrize("variable", ["HOME", "USERPROFILE"])
def test_the_search_ends_before_the_home_directory(app: Path, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the program runs there."""
    (app.parent / "ezlogs.toml").write_text("")
    assert found(**{variable: str(app.parent)}) == []
    monkeypatch.chdir(app.parent)
    assert found(**{variable: str(app.parent)}) == ["ezlogs.toml"]


def test_the_search_ends_before_the_root_of_the_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is looked for there by a program that runs elsewhere; nothing is found, and nothing fails."""
    monkeypatch.chdir("/usr/bin")
    assert (found(), problems()) == ([], [])
    monkeypatch.chdir("/")
    assert (found(), problems()) == ([], [])


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_where_everybody_may_write_nothing_is_taken_over(app: Path) -> None:
    """Whoever can put a file into such a folder could decide where events go."""
    (app / "ezlogs.toml").write_text("")
    app.chmod(0o777)
    assert found() == []
    assert found(EZLOGS_CONFIG_FILE="ezlogs.toml") == ["ezlogs.toml"]


def test_a_named_file_takes_the_place_of_the_nearest(app: Path, tmp_path: Path) -> None:
    """EZLOGS_CONFIG_FILE names it, with any name; the project's file still counts, but weaker."""
    (app / "pyproject.toml").write_text(PROJECT)
    (app / "ezlogs.toml").write_text("service_name = 'nearest'")
    named = tmp_path / "production.toml"
    named.write_text("service_name = 'named'")
    files = find_files({"EZLOGS_CONFIG_FILE": f" {named} "})
    assert len(files.found) == 2
    assert load({}, files=files).settings.service_name == "named"
    named.write_text("timeout = 5")
    assert load({}, files=find_files({"EZLOGS_CONFIG_FILE": str(named)})).settings.service_name == "project"


def test_a_project_file_can_be_named(app: Path) -> None:
    """It is read as one, in place of all that would be found."""
    (app / "pyproject.toml").write_text(PROJECT)
    (app / "ezlogs.toml").write_text("service_name = 'nearest'")
    files = find_files({"EZLOGS_CONFIG_FILE": "pyproject.toml"})
    assert [file.name for file in files.found] == ["pyproject.toml"]
    assert load({}, files=files).settings.service_name == "project"


def test_a_named_file_must_be_there(app: Path) -> None:
    """Otherwise the program would run with settings that nobody meant."""
    assert problems(EZLOGS_CONFIG_FILE="missing.toml") == [
        "EZLOGS_CONFIG_FILE in the environment: 'missing.toml': No such file or directory"
    ]
    assert problems(EZLOGS_CONFIG_FILE="  ") == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"#" * (LARGEST + 1), "larger than 1024 KiB"),
        (b"service_name = 'caf\xe9'", "not UTF-8 (byte 19)"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_problem(app: Path, content: bytes, reason: str) -> None:
    """It is named, and left out."""
    (app / "ezlogs.toml").write_bytes(content)
    assert (found(), problems()) == ([], [f"ezlogs.toml: {reason}"])
    assert problems(EZLOGS_CONFIG_FILE="ezlogs.toml") == [
        f"EZLOGS_CONFIG_FILE in the environment: 'ezlogs.toml': {reason}"
    ]


def test_a_byte_order_mark_is_no_text(app: Path) -> None:
    """Editors on Windows write it."""
    (app / "ezlogs.toml").write_bytes(b"\xef\xbb\xbfservice_name = 'shop'")
    assert load({}, files=find_files({})).settings.service_name == "shop"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_file_is_not_opened(app: Path) -> None:
    """Reading a pipe that nobody writes to would never end."""
    os.mkfifo(app / "ezlogs.toml")
    assert found() == []
    assert problems(EZLOGS_CONFIG_FILE="ezlogs.toml") == [
        "EZLOGS_CONFIG_FILE in the environment: 'ezlogs.toml': not a file"
    ]


@pytest.mark.skipif(os.name != "posix", reason="a working directory cannot be removed elsewhere")
def test_a_working_directory_that_was_removed_has_no_files(app: Path, tmp_path: Path) -> None:
    """A named file is read all the same."""
    named = tmp_path / "ezlogs.toml"
    named.write_text("")
    app.rmdir()
    assert (found(), problems()) == ([], [])
    assert found(EZLOGS_CONFIG_FILE=str(named)) == [str(named)]
