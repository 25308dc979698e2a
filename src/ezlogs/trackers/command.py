"""Commands: what was run in a terminal, as one event for each run, and as the beginning of a story."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from enum import Enum
from pathlib import PurePath

from opentelemetry import context, trace
from opentelemetry.context import Context

from ezlogs.correlation import current, valid_id
from ezlogs.emit import guarded
from ezlogs.event import Actor, Outcome, Subject, failure_of
from ezlogs.expressions import expression
from ezlogs.facts import Failure
from ezlogs.opening import closed
from ezlogs.origin import started_in
from ezlogs.runtime import current_runtime
from ezlogs.scope import outside
from ezlogs.trackers.error import unhandled
from ezlogs.trackers.work import StoryOfItsOwn, exit_code_of, outcome_of, with_facts

CLI_COMMAND = "cli.command"
MAX_OPTIONS = 64
_OPTION = expression(r"--[A-Za-z][A-Za-z0-9_-]{0,63}(?=$|=)|-[A-Za-z]")


class Command(StoryOfItsOwn):
    """A run of a command. Made by `command`."""

    exit_code: int | None = None
    """The exit status, where the application knows it better: else 0 at the block's end, and ``SystemExit``'s."""

    without_message = False
    """Whether an error is told by its type alone, as its message would repeat arguments."""

    _withdrawn = False
    _began_at = 0

    spanned = False
    """Whether the span that is current when it begins is its own, also inside a caller's story."""

    def __init__(self, name: str, argv: Sequence[str], metadata: Mapping[str, object] | None, *, nested: bool) -> None:
        super().__init__(
            CLI_COMMAND, name, Actor("cli", os_user()), subject=Subject("command", name), metadata=metadata
        )
        self._argv = argv
        self._nested = nested
        self._further: dict[str, object] = {}

    @guarded
    def rename(self, name: str) -> None:
        """Go on under another name: only now is it known what was run."""
        self.action, self._subject = name, Subject("command", name)
        if self._span is not None:
            self._span.update_name(name)
        self._note(self._began_at)

    def know(self, facts: Mapping[str, object]) -> None:
        """Tell further facts at the end, in this run alone."""
        self._further.update(facts)

    @guarded
    def withdraw(self) -> None:
        """Tell nothing after all: this process only minds the one that does the work. Its span ends now."""
        self._withdrawn = True
        self._finish(self._span, None)
        self._span = None
        closed(self.event_id)

    def _around(self) -> Context:
        self.exit_code, self.without_message, self._withdrawn, self._further = None, False, False, {}
        ctx = context.get_current()
        if self._nested and self.spanned and _in_local_span(ctx):
            return ctx
        if self._nested:
            return self._beginning(ctx if current(ctx) is not None else started_in(ctx))
        if _in_local_span(ctx) and not in_story(ctx):  # somebody's span for the whole command: that is the hop
            return self._acting(ctx)
        return self._beginning(self._acting(started_in(outside(ctx))))

    def _note(self, began_at: int) -> None:
        self._began_at = began_at
        super()._note(began_at)

    @guarded
    def _leave(self, error: BaseException | None, duration: float) -> None:
        if self._withdrawn:
            return
        if self.exit_code is None:  # else the program itself has made something of the error
            unhandled(error, self.event_type, self.context)
        if self.exit_code is None and (error is None or isinstance(error, SystemExit)):
            self.exit_code = 0 if error is None else exit_code_of(error)
        if self._span is not None and self.exit_code is not None:
            self._span.set_attribute("process.exit.code", self.exit_code)
        super()._leave(error, duration)

    def _outcome(self, error: BaseException | None) -> Outcome:
        return "failure" if error is None and self.exit_code else outcome_of(error)

    def _cause(self, error: BaseException | None) -> BaseException | Failure | None:
        return Failure(failure_of(error).type) if error is not None and self.without_message else error

    def _facts(self) -> Mapping[str, object] | None:
        facts = {"options": option_names(self._argv) or None, **option_values(self._argv), **self._further}
        return with_facts(self._metadata, **facts, exit_code=self.exit_code)


def command(
    name: str,
    *,
    argv: Sequence[str] = (),
    metadata: Mapping[str, object] | None = None,
    nested: bool = False,
) -> Command:
    """Run a ``with`` or ``async with`` block, or each call of a function, as a command.

    It begins a story of its own, or goes on with the one that its process was started in (``TRACEPARENT`` and
    ``BAGGAGE`` in its environment); the operating system's user acts. ``SystemExit`` ends it as its code says, an
    exception as a failure, Ctrl-C with the outcome ``unknown``.

    Args:
        name: What was run, without arguments: ``manage.py migrate``.
        argv: The arguments, such as ``sys.argv[1:]``. Only the names of options are told, and the values of those that
            the setting ``command_options`` names where they are written as ``--name=value``.
        metadata: Further facts.
        nested: Whether it runs inside its caller, as a function would, and keeps the caller's story and actor.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture() as captured, command("import-orders", argv=["--dry-run", "--token=hunter2", "orders.csv"]):
        ...     pass
        >>> captured.events[0].metadata["options"], captured.events[0].metadata["exit_code"]
        (('--dry-run', '--token'), 0)
    """
    return Command(name, argv, metadata, nested=nested)


def option_names(argv: Iterable[object]) -> tuple[str, ...]:
    """Return the names of the options in a command line's arguments, each once, and no value of any.

    Of a group of short options only the first is told: the rest could be its value, as in ``-psecret``.

    Example:
        >>> option_names(["orders.csv", "--token=hunter2", "-psecret", "-5", "--", "--not-an-option"])
        ('--token', '-p')
    """
    found: dict[str, None] = {}
    for argument in argv:
        if argument == "--" or len(found) >= MAX_OPTIONS:
            break
        if isinstance(argument, str) and (option := _OPTION.match(argument)):
            found[option[0]] = None
    return tuple(found)


def option_values(argv: Iterable[object]) -> dict[str, object]:
    """Return the values, written as ``--name=value``, of the options that the setting ``command_options`` names.

    What follows an option as an argument of its own could be anything: only the program knows whose it is.
    """
    wanted = wanted_options()
    found: dict[str, object] = {}
    for argument in argv if wanted else ():
        if argument == "--":
            break
        if isinstance(argument, str) and argument.startswith("--"):
            name, given, value = argument[2:].partition("=")
            if given and plain(name) in wanted:
                found[f"option.{plain(name)}"] = value
    return found


def wanted_options() -> frozenset[str]:
    """Return the options whose values are told, each as `plain` names it."""
    runtime = current_runtime()
    return frozenset(map(plain, runtime.settings.command_options)) if runtime is not None else frozenset()


def plain(name: str) -> str:
    """Return an option's name as it is told with a value.

    Example:
        >>> plain("--dry-run"), plain("dry_run")
        ('dry_run', 'dry_run')
    """
    return name.lstrip("-").replace("-", "_")


def harmless(value: object) -> object:
    """Return an option's value as it is told; None for what is no plain value, such as a file that was opened.

    Example:
        >>> from pathlib import Path
        >>> harmless([Path("orders.csv"), 5]), harmless(open)
        (('orders.csv', 5), None)
    """
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return tuple(known for item in value if (known := harmless(item)) is not None)
    return None


def os_user() -> str | None:
    """Return the operating system's user as the environment names it, else by number; looked up nowhere.

    `getpass.getuser` would ask the user database, which can be in the network.
    """
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if user := valid_id(os.environ.get(name)):
            return user
    return str(os.getuid()) if hasattr(os, "getuid") else None


def in_story(ctx: Context) -> bool:
    """Return whether a context is in a story of ezlogs', and not only in somebody's span."""
    return current(trace.set_span_in_context(trace.INVALID_SPAN, ctx)) is not None


def _in_local_span(ctx: Context) -> bool:
    span = trace.get_current_span(ctx).get_span_context()
    return span.is_valid and not span.is_remote
