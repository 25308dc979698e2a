"""Test runs: whether this process runs tests, and so sends nothing unless somebody asks for it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Final

from ezlogs.settings.table import TESTS_SEND

_TAKE_A_VALUE: Final = frozenset({"-W", "-X", "--check-hash-based-pycs"})
"""The interpreter's options whose value is an argument of its own."""


def sends_nothing(environ: Mapping[str, str]) -> bool:
    """Return whether events are made and not sent: in pytest as its plugin has it, in unittest unless asked for.

    Args:
        environ: The environment, whose ``EZLOGS_TESTS_SEND`` asks for it.
    """
    plugin = sys.modules.get("ezlogs_pytest")
    if plugin is not None:
        return not plugin.sending
    return runs_tests(sys.orig_argv) and environ.get(TESTS_SEND, "").strip().lower() not in {"1", "true", "yes", "on"}


def runs_tests(command: Sequence[str]) -> bool:
    """Return whether a command is one of unittest, or the tests of Django.

    What it runs is not known by other means when ezlogs starts before it does.

    Args:
        command: The interpreter and its arguments.

    Example:
        >>> [runs_tests(["python", *told.split()]) for told in ("-X dev manage.py test shop", "manage.py migrate")]
        [True, False]
        >>> [runs_tests(["python", *told.split()]) for told in ("-m unittest", "-m shop unittest")]
        [True, False]
    """
    arguments = iter(command[1:])
    for argument in arguments:
        if argument in _TAKE_A_VALUE:
            next(arguments, None)
        elif argument == "-m":
            program = next(arguments, "")
            return program == "unittest" or (program == "django" and next(arguments, "") == "test")
        elif not argument.startswith("-"):
            return PurePath(argument).name in {"manage.py", "django-admin"} and next(arguments, "") == "test"
    return False
