"""Django's management commands, as ``manage.py`` runs them and as ``call_command`` does: an event for each.

Each is called ``manage.py`` and its name, whatever the script is called. What Django itself calls to make, fill and
empty the databases of tests is not told.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from types import FrameType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from ezlogs.emit import guarded, tracking
from ezlogs.trackers.command import Command, harmless, plain, wanted_options
from ezlogs.trackers.command_line import CommandLine, called
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.tracebacks import without_frames_of

OURS = frozenset({__name__})
"""The module whose frames no traceback shows."""

PROGRAM = "manage.py"
OF_TESTS = ("django.test", "django.db.backends")
"""The packages whose commands prepare tests."""

MOST_FRAMES = 10
"""How far away a command may be from the call of it."""

_names: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
"""What the commands are called that were loaded by their names; their classes may be defined anywhere."""


def attach(hooks: Hooks, module: ModuleType) -> None:
    """Tell of commands."""
    hooks.replace(module.BaseCommand, "run_from_argv", lambda original: _running(hooks, original))
    hooks.replace(module.BaseCommand, "execute", lambda original: _executing(hooks, original))


def attach_to_loading(hooks: Hooks, module: ModuleType) -> None:
    """See under which name a command is loaded."""
    hooks.after(module, "load_command_class", _loaded)


def attach_to_reloading(hooks: Hooks, module: ModuleType) -> None:
    """See when a process only starts another one again and again, which runs the command."""

    def make(original: Callable[[], Any]) -> Callable[[], Any]:
        @wraps(original)
        def restart() -> Any:
            line = CommandLine.current()
            if hooks.active and line is not None:
                line.withdraw()
            return original()

        return restart

    hooks.replace(module, "restart_with_reloader", make)


def _running(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def run_from_argv(command: Any, argv: Any) -> Any:
        line = _started(command, argv) if hooks.active else None
        if line is None:
            return original(command, argv)
        try:
            result = original(command, argv)
        except BaseException as error:
            line.end(error)
            without_frames_of(error, OURS)
            raise
        line.end()
        return result

    return run_from_argv


def _executing(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def execute(command: Any, /, *args: Any, **options: Any) -> Any:
        if not hooks.active:
            return original(command, *args, **options)
        line = CommandLine.current()
        if line is None or line.of is not command or line.running:
            made = _called(command, options)
            try:
                result = original(command, *args, **options)
            except BaseException as error:
                _left(made, error)
                without_frames_of(error, OURS)
                raise
            _left(made)
            return result
        _reached(line, options)
        try:
            result = original(command, *args, **options)
        except BaseException as error:
            line.failed(error)
            raise
        finally:
            line.running = False
        line.failed(None)
        return result

    return execute


@guarded
def _loaded(_app: object, command: Any, name: str) -> None:
    _names[command] = name


@guarded
def _started(command: Any, argv: Any) -> CommandLine | None:
    if not tracking():
        return None
    line = CommandLine(argv[2:], of=command)
    line.path = (PROGRAM, argv[1])
    return line


@guarded
def _reached(line: CommandLine, options: dict[str, Any]) -> None:
    line.running = True
    line.know_options((), _values(options))
    line.came_to(line.path, last=True)


@guarded
def _called(command: Any, options: dict[str, Any]) -> Command | None:
    if _prepares_tests():
        return None
    values = _values(options)
    made = called((PROGRAM, _names.get(command) or type(command).__module__.rpartition(".")[2]))
    if made is not None:
        made.know(values)
    return made


@guarded
def _left(made: Command | None, error: BaseException | None = None) -> None:
    if made is None:
        return
    try:
        if _is_command_error(error):
            made.exit_code = getattr(error, "returncode", None)  # what a shell would have seen
    finally:
        made.__exit__(None if error is None else type(error), error, None)


def _is_command_error(error: BaseException | None) -> bool:
    return any(
        kind.__name__ == "CommandError" and kind.__module__.startswith("django.") for kind in type(error).__mro__
    )


def _values(options: dict[str, Any]) -> dict[str, object]:
    """Return the values of those options that are to be told."""
    wanted = wanted_options()
    told = {name: harmless(options[name]) for name in options if wanted and plain(name) in wanted}
    return {f"option.{plain(name)}": value for name, value in told.items() if value is not None}


def _prepares_tests() -> bool:
    """Return whether it is Django's own machinery for tests that has called `call_command`."""
    frame: FrameType | None = sys._getframe(1)
    for _ in range(MOST_FRAMES):
        if frame is None or frame.f_code.co_name == "call_command":
            break
        frame = frame.f_back
    caller = frame.f_back if frame is not None else None
    module = caller.f_globals.get("__name__", "") if caller is not None else ""
    return any(module == package or module.startswith(f"{package}.") for package in OF_TESTS)
