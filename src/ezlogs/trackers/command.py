"""Commands: what was run in a terminal, as one event for each run, and as the beginning of a story."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from opentelemetry import context, trace
from opentelemetry.context import Context

from ezlogs.correlation import current, valid_id
from ezlogs.emit import guarded
from ezlogs.event import Actor, Outcome, Subject
from ezlogs.expressions import expression
from ezlogs.origin import started_in
from ezlogs.scope import outside
from ezlogs.trackers.work import StoryOfItsOwn, exit_code_of, outcome_of, with_facts

MAX_OPTIONS = 64
_OPTION = expression(r"--[A-Za-z][A-Za-z0-9_-]{0,63}(?=$|=)|-[A-Za-z]")


class Command(StoryOfItsOwn):
    """A run of a command. Made by `command`."""

    exit_code: int | None = None
    """The exit status, where the application knows it better: else 0 at the block's end, and ``SystemExit``'s."""

    def __init__(self, name: str, argv: Sequence[str], metadata: Mapping[str, object] | None, *, nested: bool) -> None:
        super().__init__(
            "cli.command", name, Actor("cli", os_user()), subject=Subject("command", name), metadata=metadata
        )
        self._argv = argv
        self._nested = nested

    def _around(self) -> Context:
        self.exit_code = None
        ctx = context.get_current()
        if self._nested:
            return self._beginning(ctx if current(ctx) is not None else started_in(ctx))
        if _in_local_span(ctx) and not _in_story(ctx):  # somebody's span for the whole command: that is the hop
            return self._acting(ctx)
        return self._beginning(self._acting(started_in(outside(ctx))))

    @guarded
    def _leave(self, error: BaseException | None, duration: float) -> None:
        if self.exit_code is None and (error is None or isinstance(error, SystemExit)):
            self.exit_code = 0 if error is None else exit_code_of(error)
        if self._span is not None and self.exit_code is not None:
            self._span.set_attribute("process.exit.code", self.exit_code)
        super()._leave(error, duration)

    def _outcome(self, error: BaseException | None) -> Outcome:
        return "failure" if error is None and self.exit_code else outcome_of(error)

    def _facts(self) -> Mapping[str, object] | None:
        return with_facts(self._metadata, options=option_names(self._argv) or None, exit_code=self.exit_code)


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
        argv: The arguments, such as ``sys.argv[1:]``. Only the names of options are told, never a value.
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


def os_user() -> str | None:
    """Return the operating system's user as the environment names it, else by number; looked up nowhere.

    `getpass.getuser` would ask the user database, which can be in the network.
    """
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if user := valid_id(os.environ.get(name)):
            return user
    return str(os.getuid()) if hasattr(os, "getuid") else None


def _in_story(ctx: Context) -> bool:
    return current(trace.set_span_in_context(trace.INVALID_SPAN, ctx)) is not None


def _in_local_span(ctx: Context) -> bool:
    span = trace.get_current_span(ctx).get_span_context()
    return span.is_valid and not span.is_remote
