"""Runs of programs of click: the hooks that follow one from ``main`` to the command that it comes to, and its end.

A run is all that ``main`` does; a program whose class has another ``main`` is told from the first group or command that
it invokes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded, tracking
from ezlogs.trackers.command import Command, harmless, plain, wanted_options
from ezlogs.trackers.command_line import CommandLine, Path, called
from ezlogs.trackers.work import exit_code_of
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.tracebacks import without_frames_of

CONTRIB = "opentelemetry.instrumentation.click"
OWN = "ezlogs.cli."
"""Where the commands of ezlogs itself are, which never tell of themselves."""

OURS = frozenset({__name__})
"""The module whose frames no traceback shows."""

MODULE = "python -m "
CHAINED = "*"
"""What click calls the subcommand of a group that runs several of them."""


def attach(hooks: Hooks, module: ModuleType) -> None:
    """Hook a click."""
    runs = _Runs(hooks, module)
    hooks.replace(_maker(module.Command, "make_context"), "make_context", runs.reading)
    hooks.replace(module.Command, "invoke", runs.reaching)
    hooks.replace(module.Context, "invoke", runs.calling)
    if module.__name__ == "click.core":  # of typer's click nothing is used but what typer builds on
        hooks.replace(_maker(module.Command, "main"), "main", runs.running)
        hooks.replace(_maker(module.Group, "invoke"), "invoke", runs.leading)


def _maker(kind: type, name: str) -> type:
    """Return the class that has a method itself: before click 8.2, commands and groups inherit most of theirs."""
    return next(base for base in kind.__mro__ if name in vars(base))


def attach_to_typer(hooks: Hooks, module: ModuleType) -> None:
    """Hook typer, whose commands have another ``main``, on top of its click."""
    runs = _Runs(hooks, module)
    hooks.replace(module.TyperCommand, "main", runs.running)
    hooks.replace(module.TyperGroup, "main", runs.running)


class _Runs:
    """The hooks of one click. Each calls what it hooks exactly once, whatever becomes of the run."""

    def __init__(self, hooks: Hooks, core: ModuleType) -> None:
        self._hooks = hooks
        self._core = core

    def running(self, main: Callable[..., Any]) -> Callable[..., Any]:
        """Hook ``Command.main``: a run."""

        @wraps(main)
        def call(program: Any, /, *args: Any, **kwargs: Any) -> Any:
            line = self._started(program)
            if line is None:
                return main(program, *args, **kwargs)
            with _Run(line):
                return main(program, *args, **kwargs)

        return call

    def leading(self, invoke: Callable[..., Any]) -> Callable[..., Any]:
        """Hook ``Group.invoke``, which calls `reaching` for the group, and then for what it leads to."""

        @wraps(invoke)
        def call(group: Any, ctx: Any) -> Any:
            line, new = self._joined(ctx), None
            if line is None:
                line = new = self._started(ctx.find_root().command, ctx.find_root())
            if line is None:
                return invoke(group, ctx)
            with _Run(line) if new else _Part(line):
                return invoke(group, ctx)

        return call

    def reaching(self, invoke: Callable[..., Any]) -> Callable[..., Any]:
        """Hook ``Command.invoke``: the program has come to a group or to a command."""

        @wraps(invoke)
        def call(reached: Any, ctx: Any) -> Any:
            line, new = self._joined(ctx), None
            if line is None:
                line = new = self._started(ctx.find_root().command, ctx.find_root())
            if line is None:
                return invoke(reached, ctx)
            if line.running:  # it is called by a command that is being run, such as a prompt for commands
                with _Called(self._nested(ctx)):
                    return invoke(reached, ctx)
            self._reached(line, ctx)
            with _Run(line) if new else _Part(line):
                line.running = ctx.invoked_subcommand is None
                return invoke(reached, ctx)

        return call

    def calling(self, invoke: Callable[..., Any]) -> Callable[..., Any]:
        """Hook ``Context.invoke``: a command calls another; or one begins in the span that contrib has opened."""

        @wraps(invoke)
        def call(ctx: Any, /, *args: Any, **kwargs: Any) -> Any:
            if args and isinstance(args[0], self._core.Command):
                with _Called(self._nested(ctx, args[0])):
                    return invoke(ctx, *args, **kwargs)
            line = self._joined(ctx)
            if line is None or line.awaited is not ctx:
                return invoke(ctx, *args, **kwargs)
            with _Part(line, tell=bool(_begin(line, ctx))):
                return invoke(ctx, *args, **kwargs)

        return call

    def reading(self, make_context: Callable[..., Any]) -> Callable[..., Any]:
        """Hook ``Command.make_context``: arguments are read, and may be refused."""

        @wraps(make_context)
        def call(command: Any, /, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
            line = CommandLine.current() if self._hooks.active else None
            if line is None or line.of is not (None if parent is None else parent.find_root()):
                return make_context(command, info_name, args, parent=parent, **extra)
            _read(line, info_name, command, parent)
            with _Part(line):
                ctx = make_context(command, info_name, args, parent=parent, **extra)
            line.of = ctx.find_root()
            return ctx

        return call

    @guarded
    def _started(self, program: Any, root: object = None) -> CommandLine | None:
        """Return a new run, where one is to be told."""
        own = getattr(getattr(program, "callback", None), "__module__", None) or ""
        if not self._hooks.active or own.startswith(OWN) or not tracking():
            return None
        return CommandLine(of=root)

    @guarded
    def _joined(self, ctx: Any) -> CommandLine | None:
        """Return the run that a context of click's belongs to."""
        line = CommandLine.current() if self._hooks.active else None
        return line if line is not None and line.of is ctx.find_root() else None

    @guarded
    def _reached(self, line: CommandLine, ctx: Any) -> None:
        last = ctx.invoked_subcommand is None
        line.know_options(*_options(ctx))
        by_contrib = self._is_beside_contrib()
        if by_contrib and _is_chain(ctx):
            line.came_to(_path(ctx), last=last, surely=True)  # around the spans of all its commands
        elif by_contrib and not last:
            line.path = _path(ctx)  # only the command that it leads to has a span
        elif by_contrib and type(ctx.command) is self._core.Command and not (ctx.parent and _is_chain(ctx.parent)):
            line.awaited = ctx
        else:
            line.came_to(_path(ctx), last=last)

    def _is_beside_contrib(self) -> bool:
        """Return whether spans may be opened for commands; whoever has imported that could also have taken it back."""
        return CONTRIB in sys.modules and self._core.__name__ == "click.core"

    @guarded
    def _nested(self, ctx: Any, other: Any = None) -> Command | None:
        """Begin a command that another one calls: ``other``, or what a context of its own was made for."""
        if not self._hooks.active or (other is None and ctx.invoked_subcommand is not None):
            return None
        path = _path(ctx)
        return called(path if other is None else (path[0], _word(other.name, other)))


class _Run:
    """A whole run, which ends with the block."""

    def __init__(self, line: CommandLine) -> None:
        self._line = line

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is None:
            self._line.end()
            return
        cause, exit_code, _ = _seen(error)
        self._line.end(cause, exit_code=exit_code)
        without_frames_of(error, OURS)


class _Part:
    """A part of a run: what it raised is noted, for ``main`` to make an exit code of, or told at once."""

    def __init__(self, line: CommandLine, *, tell: bool = False) -> None:
        self._line = line
        self._tell = tell
        self._running = line.running

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        line = self._line
        line.running = self._running
        cause, exit_code, without_message = (None, None, False) if error is None else _seen(error)
        line.failed(cause, without_message=without_message)
        if self._tell:
            line.tell(cause, exit_code=exit_code)
        if error is not None:
            without_frames_of(error, OURS)


class _Called:
    """A command that another one calls."""

    def __init__(self, made: Command | None) -> None:
        self._made = made

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        cause = error
        if (made := self._made) is not None:
            if error is not None:
                cause, made.exit_code, made.without_message = _seen(error)
            made.__exit__(None if cause is None else type(cause), cause, None)
        if error is not None:
            without_frames_of(error, OURS)


def _is_chain(ctx: Any) -> bool:
    return bool(getattr(ctx.command, "chain", False))


@guarded
def _begin(line: CommandLine, ctx: Any) -> bool:
    """Begin where contrib's span is open, if it has opened one; return that."""
    spanned, line.awaited = line.spanned, None
    line.came_to(_path(ctx), last=True, spanned=spanned)
    return spanned


@guarded
def _read(line: CommandLine, info_name: object, command: Any, parent: Any) -> None:
    """Note of which command arguments are read, which may fail before it is reached."""
    word = _word(info_name, command, program=parent is None)
    line.path = (word,) if parent is None else (*_path(parent, alone=True), word)


def _seen(error: BaseException) -> tuple[BaseException, int | None, bool]:
    return _ending(error) or (error, None, True)


@guarded
def _ending(error: BaseException) -> tuple[BaseException, int | None, bool]:
    """Return what an error of click's stands for, its exit status, and whether its message may repeat arguments."""
    names = _kinds(error)
    if "Abort" in names:
        interrupt = error.__context__
        return (interrupt, 1, False) if isinstance(interrupt, KeyboardInterrupt) else (error, 1, False)
    exit_code = getattr(error, "exit_code", None) if names else None
    if "Exit" in names:
        return SystemExit(exit_code), exit_code, False
    if isinstance(error, SystemExit):
        return error, exit_code_of(error), False
    return error, exit_code, "UsageError" in names


def _kinds(error: BaseException) -> set[str]:
    """Return which of click's or typer's exceptions an error is."""
    return {kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith(("click.", "typer."))}


def _path(ctx: Any, *, alone: bool = False) -> Path:
    """Return the names that lead to a context, and to the subcommand that its group will invoke."""
    words: list[str] = []
    here = ctx
    while here is not None:
        if here.parent is None or here.info_name is not None:
            words.insert(0, _word(here.info_name, here.command, program=here.parent is None))
        here = here.parent
    if not alone and ctx.invoked_subcommand not in (None, CHAINED):
        words.append(ctx.invoked_subcommand)
    return tuple(words)


def _word(info_name: object, command: Any, *, program: bool = False) -> str:
    """Return a program's or a command's name as one word; ``shop`` of ``python -m shop`` too."""
    name = str(info_name or command.name or "command")
    if program:
        name = os.path.basename(name.removeprefix(MODULE)).removesuffix(".exe")
    return "-".join(name.split()) or "command"


def _options(ctx: Any) -> tuple[list[str], dict[str, object]]:
    """Return the names of the options that were given, and the values of those that are to be told."""
    wanted, names, values = wanted_options(), [], {}
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name)
        if parameter.param_type_name != "option" or source is None or source.name != "COMMANDLINE":
            continue
        names.append(max(parameter.opts, key=len))
        called = {plain(name) for name in (*parameter.opts, *parameter.secondary_opts)} & wanted
        value = harmless(ctx.params.get(parameter.name)) if called else None
        if value is not None and not getattr(parameter, "hide_input", False):
            values[f"option.{min(called)}"] = value
    return names, values
