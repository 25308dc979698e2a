"""Passwords on command lines, and options of other programs that only look like it."""

from __future__ import annotations

import pytest

from ezlogs.privacy import Scrubber
from ezlogs.privacy.commands import secret_words

COMMANDS = (
    ("mysql -u root -phunter2X shop", "mysql -u root -p[redacted] shop"),
    ("/usr/bin/mysqldump -uroot '-phunter2X' db", "/usr/bin/mysqldump -uroot '-p[redacted]' db"),
    ("curl -s -u bob:hunter2X https://x.test", "curl -s -u bob:[redacted] https://x.test"),
    ('curl --user "bob:hunter2X" https://x.test', 'curl --user "bob:[redacted]" https://x.test'),
    ("sshpass -p hunter2X ssh bob@h", "sshpass -p [redacted] ssh bob@h"),
    ("redis-cli -h r -a hunter2X ping", "redis-cli -h r -a [redacted] ping"),
    ("docker login -u bob -p hunter2X reg.test", "docker login -u bob -p [redacted] reg.test"),
    ("htpasswd -b f bob hunter2X && ls", "htpasswd -b f bob [redacted] && ls"),
    ("rabbitmqctl add_user bob hunter2X", "rabbitmqctl add_user bob [redacted]"),
    ("$ cd x\n$ ldapsearch -w hunter2X -D cn=x\nok", "$ cd x\n$ ldapsearch -w [redacted] -D cn=x\nok"),
    ("smbclient -U bob%hunter2X //h/s", "smbclient -U bob%[redacted] //h/s"),
    ("7z x -phunter2X a.7z", "7z x -p[redacted] a.7z"),
    ("AUTH hunter2X", "AUTH [redacted]"),
    ("AUTH default hunter2X", "AUTH default [redacted]"),
)


@pytest.mark.parametrize(("line", "clean"), COMMANDS)
def test_a_password_on_a_command_line_goes(line: str, clean: str) -> None:
    """And nothing but it, once."""
    found: list[str] = []
    assert Scrubber().text(line, "line", found) == clean
    assert "line: command_line" in found
    assert Scrubber().text(clean, "line", []) == clean


@pytest.mark.parametrize(
    "line",
    [
        "mysql -u root -p shop",
        "docker run -p 8080:80 nginx",
        "docker run -d --name db -p 127.0.0.1:5432:5432 postgres | tee log",
        "curl -u $USER https://x.test",
        "redis-cli -h redis -p 6379 ping; ssh -a host",
        "unzip -p archive.zip readme.txt",
        "auth failed",
        "AUTH required",
        "the mysql -command",
    ],
)
def test_other_options_stay(line: str) -> None:
    """Ports, names, and options of the next command."""
    assert Scrubber().text(line, "line", []) == line


def test_a_command_in_pieces_is_one_too() -> None:
    """As processes tell their arguments."""
    assert list(secret_words(["mysql", "-px", "|", "cat", "-py"])) == [(1, 2)]
    found: list[str] = []
    given = {"process.command_args": ["mysql", "-phunter2X", "--silent"]}
    assert Scrubber().attributes(given, found) == {"process.command_args": ["mysql", "-p[redacted]", "--silent"]}
    assert found == ["process.command_args[1]: command_line"]
