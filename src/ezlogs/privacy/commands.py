"""Passwords on command lines, behind options that only their program knows: ``mysql -px``, ``curl -u bob:x``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Final, NamedTuple

import msgspec

from ezlogs.expressions import expression
from ezlogs.privacy.rule import REDACTED, Clue, Span


class _Password(NamedTuple):
    """Where a program takes a password.

    Attributes:
        after: Options and subcommands whose next word it is.
        glued: Options that it is written right behind.
        with_name: Options whose next word is a name, a mark and the password.
        last: Options and subcommands of whose words it is the last.
    """

    after: tuple[str, ...] = ()
    glued: tuple[str, ...] = ()
    with_name: tuple[str, ...] = ()
    last: tuple[str, ...] = ()


#: By what a command begins with: a program, or a program and what it is to do.
_PASSWORDS: Final = {
    command: password
    for commands, password in {
        "mysql mysqldump mysqladmin mysqlimport mysqlshow mysqlcheck mariadb mariadb-dump": _Password(glued=("-p",)),
        "curl": _Password(with_name=("-u", "--user", "-U", "--proxy-user")),
        "redis-cli valkey-cli": _Password(after=("-a", "--pass")),
        "mongo mongosh mongodump mongorestore mongoexport mongoimport cqlsh": _Password(after=("-p",)),
        "docker+login podman+login nerdctl+login az+login helm+registry": _Password(after=("-p",)),
        "ldapsearch ldapmodify ldapadd ldapdelete ldapwhoami ldappasswd": _Password(after=("-w",)),
        "sqlcmd bcp mosquitto_pub mosquitto_sub ipmitool": _Password(after=("-P",)),
        "7z 7za zip unzip": _Password(after=("-P",), glued=("-p", "-P")),
        "smbclient rpcclient etcdctl lftp": _Password(with_name=("-U", "-u", "--user")),
        "sshpass": _Password(after=("-p",), glued=("-p",)),
        "plink pscp psftp": _Password(after=("-pw",)),
        "ssh-keygen": _Password(after=("-N", "-P")),
        "snmpwalk snmpget": _Password(after=("-A", "-X")),
        "htpasswd": _Password(last=("-b", "-nb", "-cb", "-bc", "-nbB", "-bB", "-Bb", "-cbB")),
        "rabbitmqctl": _Password(last=("add_user", "change_password", "authenticate_user")),
        "vault+login": _Password(last=("login",)),
    }.items()
    for command in commands.split()
}
_PROGRAMS: Final = frozenset(command.partition("+")[0] for command in _PASSWORDS)

_WORD: Final = expression(r"""(?:[^\s"']|"[^"\n]{0,256}"|'[^'\n]{0,256}'|["'])+""")
_SEPARATORS: Final = frozenset(("|", "||", "&&", ";", "&"))
_BETWEEN_NAME_AND_PASSWORD: Final = expression("[:%,]")
#: AUTH x, as clients of Redis say it.
_AUTH: Final = expression(r"""\A(?:AUTH (?:\S{1,64} )?|auth )(?P<value>(?=\S{0,64}\d)[^\s"']{4,128})\Z""")
_QUOTES: Final = "\"'"


def secret_words(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield which words of a command line hold a password, and where in them it begins.

    Args:
        words: A command line in pieces; programs may be paths.

    Example:
        >>> list(secret_words(["/usr/bin/mysql", "-phunter2", "shop"])), list(secret_words(["curl", "-u", "bob:x1"]))
        ([(1, 2)], [(2, 4)])
    """
    password = _Password()
    for position, word in enumerate(words):
        before = words[position - 1] if position else ""
        program = word.rpartition("/")[2]
        if program in _PROGRAMS:
            next_word = words[position + 1] if position + 1 < len(words) else ""
            password = _PASSWORDS.get(program) or _PASSWORDS.get(f"{program}+{next_word}") or _Password()
        elif word in _SEPARATORS or before.endswith(";"):
            password = _Password()
        elif before in password.after and not word.startswith("-"):
            yield position, 0
        elif before in password.with_name and (mark := _BETWEEN_NAME_AND_PASSWORD.search(word)) is not None:
            yield position, mark.end()
        elif before in password.last:
            yield _end_of_command(words, position) - 1, 0
        else:
            for option in password.glued:
                if word.startswith(option) and word != option:
                    yield position, len(option)


def _end_of_command(words: Sequence[str], position: int) -> int:
    return next((end for end in range(position, len(words)) if words[end] in _SEPARATORS), len(words))


class CommandLines(msgspec.Struct, frozen=True):
    """The passwords that known programs take, in any text that holds a command line."""

    name: ClassVar[str] = "command_line"
    clues: ClassVar[tuple[Clue, ...]] = (*(command.replace("+", " ") for command in _PASSWORDS), "auth")

    def find(self, text: str) -> Iterator[Span]:
        """See :meth:`ezlogs.privacy.rule.Rule.find`."""
        said = _AUTH.match(text)
        if said is not None:
            yield said.span("value")
        start = 0
        for line in text.splitlines(keepends=True):
            places = [match.span() for match in _WORD.finditer(text, start, start + len(line))]
            words = [text[first:end].strip(_QUOTES) for first, end in places]
            for position, at in secret_words(words):
                first, end = places[position]
                while text[first] in _QUOTES and first < end - 1:
                    first, end = first + 1, end - 1
                value = text[first + at : end]
                if value.strip(_QUOTES) not in ("", REDACTED):
                    yield first + at, end
            start += len(line)
