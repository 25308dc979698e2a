"""Dead letters: what was refused is on disk, whole or not at all, within bounds, and never in anybody's way."""

from __future__ import annotations

import os
import stat
import struct
import time
import zlib
from collections import Counter
from pathlib import Path

import pytest

from ezlogs.journal import Directory, UnusableDirectoryError
from ezlogs.journal.dead import NAME, DeadLetters, without_credentials
from ezlogs.journal.liveness import homes

ENDPOINT = "https://ada:hunter2@collector:4318/v1/traces?token=hunter2"


def put(dead: DeadLetters, body: bytes = b"body", **named: object) -> bool:
    """Keep a refused request."""
    given: dict[str, object] = {"reason": "no such tenant", "status": 404, "events": 3, **named}
    return dead.put("traces", ENDPOINT, body=body, **given)  # type: ignore[arg-type]  # as each test means them


def whole(about: bytes, body: bytes) -> bytes:
    """A letter that is whole, and says of itself what it likes."""
    rest = struct.pack("<III", len(about), 1, len(body)) + about + body
    return struct.pack("<8sHxxI", b"EZLOGSD\n", 1, zlib.crc32(rest)) + rest


def files(directory: Directory) -> list[Path]:
    """The files of the letters, the oldest first."""
    return sorted(Path(directory.path, NAME).iterdir())


def test_a_letter_comes_back_as_it_was_put(directory: Directory) -> None:
    """By another process too; the body byte for byte."""
    body = bytes(range(256)) * 5000
    assert put(DeadLetters(directory), body, at=7 * 10**17 + time.time_ns())
    (letter,) = DeadLetters(directory).letters()
    assert letter.body == body
    assert (letter.signal, letter.reason, letter.status, letter.events) == ("traces", "no such tenant", 404, 3)
    assert letter.at > 7 * 10**17
    assert DeadLetters(directory).remove(letter.name)
    assert not DeadLetters(directory).remove(letter.name)
    assert list(DeadLetters(directory).letters()) == []


def test_nothing_in_a_letter_names_credentials(directory: Directory) -> None:
    """Nor may anybody else read it."""
    put(DeadLetters(directory))
    (path,) = files(directory)
    assert b"hunter2" not in path.read_bytes()
    assert b"ada" not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert without_credentials("http://[nonsense@x") == ""


def test_letters_are_no_home_of_a_process(directory: Directory) -> None:
    """Whoever looks for what dead processes left passes them over."""
    put(DeadLetters(directory))
    assert homes(directory) == []


def test_the_oldest_go_when_there_is_no_room(directory: Directory) -> None:
    """Their events are counted; what can never fit is not kept."""
    dead = DeadLetters(directory, cap=2500)
    for number in range(5):
        assert put(dead, bytes([number]) * 900, at=time.time_ns() + number)
    assert [letter.body[0] for letter in dead.letters()] == [3, 4] or [letter.body[0] for letter in dead.letters()] == [
        2,
        3,
        4,
    ]
    left, size = dead.size()
    assert size <= 2500
    assert dead.counts["evicted"] == 3 * (5 - left)
    assert not put(dead, bytes(3000), events=5)
    assert dead.counts["too_large"] == 5
    assert dead.size() == (left, size)


def test_letters_that_are_too_old_go(directory: Directory) -> None:
    """When the next one is put."""
    dead = DeadLetters(directory, max_age=60)
    put(dead, at=time.time_ns() - 61 * 10**9)
    put(dead, b"new")
    assert [letter.body for letter in dead.letters()] == [b"new"]
    assert dead.health() == {
        "letters": 1,
        "bytes": files(directory)[0].stat().st_size,
        "put": 2,
        "expired": 3,
        "problem": None,
    }


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content + b"x",
        lambda content: content[:20],
        lambda content: b"X" + content[1:],
        lambda content: content[:-2] + b"XX",
        lambda content: content[:40] + b"\xff" + content[41:],
        lambda content: whole(b"[]", b"body"),
        lambda content: whole(b"{", b"body"),
    ],
)
def test_garbage_is_passed_over(directory: Directory, damage: object) -> None:
    """And told, and may be removed; the others are read."""
    dead = DeadLetters(directory)
    put(dead, b"first", at=time.time_ns())
    put(dead, b"second", at=time.time_ns() + 1)
    path = files(directory)[0]
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]  # a function
    problems: Counter[str] = Counter()
    assert [letter.body for letter in dead.letters(problems)] == [b"second"]
    assert problems == {"unreadable": 1}
    assert dead.unreadable() == [path.name]


def test_what_others_put_there_is_not_followed(directory: Directory, tmp_path: Path) -> None:
    """A link, a pipe, a directory with the name of a letter."""
    dead = DeadLetters(directory)
    put(dead)
    (folder,) = {path.parent for path in files(directory)}
    secret = tmp_path / "secret"
    secret.write_bytes(files(directory)[0].read_bytes())
    os.symlink(secret, folder / f"{time.time_ns():016x}-link.letter")
    os.mkfifo(folder / f"{time.time_ns():016x}-pipe.letter")
    os.mkdir(folder / f"{time.time_ns():016x}-folder.letter")
    problems: Counter[str] = Counter()
    assert len(list(dead.letters(problems))) == 1
    assert problems == {"unreadable": 3}
    assert put(dead)
    assert secret.exists()


def test_a_directory_that_others_may_change_is_not_used(directory: Directory) -> None:
    """Nothing is raised into the worker; it is counted, and told."""
    dead = DeadLetters(directory)
    put(dead)
    os.chmod(Path(directory.path, NAME), 0o777)
    assert not put(dead, events=4)
    assert dead.counts["not_kept"] == 4
    assert "others than its owner may change" in str(dead.problem)
    assert dead.size() == (0, 0)
    with pytest.raises(UnusableDirectoryError):
        list(dead.letters())


def test_a_full_disk_costs_the_letter_and_nothing_else(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No half of it is left behind."""

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    dead = DeadLetters(directory)
    monkeypatch.setattr(os, "write", full)
    assert not put(dead)
    monkeypatch.undo()
    assert files(directory) == []
    assert "No space left on device" in str(dead.problem)
    assert put(dead)
    assert dead.problem is None


def test_a_letter_of_a_later_version_is_left_to_it(directory: Directory) -> None:
    """It is told, and not called damaged."""
    dead = DeadLetters(directory)
    put(dead)
    (path,) = files(directory)
    content = bytearray(path.read_bytes())
    content[8] += 1
    path.write_bytes(content)
    problems: Counter[str] = Counter()
    assert list(dead.letters(problems)) == []
    assert problems == {"newer": 1}
    assert dead.unreadable() == []


def test_what_a_dead_process_was_making_goes_in_time(directory: Directory) -> None:
    """What a living one makes stays."""
    dead = DeadLetters(directory)
    put(dead)
    (folder,) = {path.parent for path in files(directory)}
    old, new = (folder / f"{at:016x}-1-ab.new" for at in (time.time_ns() - 10**12, time.time_ns()))
    old.touch()
    new.touch()
    put(dead)
    assert (old.exists(), new.exists()) == (False, True)


def test_processes_put_at_the_same_time(directory: Directory) -> None:
    """Each letter is whole, and together they stay within their bounds."""
    children = []
    for _ in range(3):
        if not (pid := os.fork()):
            answer = 1
            try:
                answer = int(not put_many(directory))
            finally:
                os._exit(answer)
        children.append(pid)
    assert put_many(directory)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0, 0]
    problems: Counter[str] = Counter()
    dead = DeadLetters(directory, cap=50_000)
    assert 30 <= len(list(dead.letters(problems))) <= 50
    assert not problems
    assert dead.size()[1] <= 50_000


def put_many(directory: Directory) -> bool:
    """Keep some requests; return whether all of them were."""
    dead = DeadLetters(directory, cap=50_000)
    return all(put(dead, os.urandom(1000)) for _ in range(50))


def test_what_is_no_letter_goes_first(directory: Directory) -> None:
    """Its name does not say when it was put; and what nobody can read is no loss of events."""
    dead = DeadLetters(directory)
    put(dead)
    (folder,) = {path.parent for path in files(directory)}
    (folder / "nonsense.letter").write_bytes(b"x")
    (folder / "notes.txt").write_bytes(b"x")
    put(dead)
    assert not (folder / "nonsense.letter").exists()
    assert (folder / "notes.txt").exists(), "it is not ours"
    assert dead.counts["expired"] == 0


def test_a_letter_that_goes_while_others_are_read_is_left_out(directory: Directory) -> None:
    """Another process has delivered it, or made room."""
    dead = DeadLetters(directory)
    put(dead, at=time.time_ns())
    put(dead, at=time.time_ns() + 1)
    letters = dead.letters()
    next(letters)
    files(directory)[1].unlink()
    assert list(letters) == []


def test_a_letter_says_only_what_is_a_number_in_numbers(directory: Directory) -> None:
    """Whatever is in its place."""
    dead = DeadLetters(directory)
    put(dead)
    files(directory)[0].write_bytes(whole(b'{"status":"x","reason":7}', b"body"))
    (letter,) = dead.letters()
    assert (letter.status, letter.reason, letter.at, letter.signal) == (0, "7", 0, "")
