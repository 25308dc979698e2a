"""Command lines: a program's run, told once, under the name of the command that its arguments lead to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar, Token
from fnmatch import fnmatchcase

from opentelemetry import context, trace

from ezlogs.emit import guarded, tracking
from ezlogs.runtime import current_runtime
from ezlogs.trackers.command import MAX_OPTIONS, Command, command, in_story
from ezlogs.trackers.work import exit_code_of

MAX_COMMANDS = 32
"""How many commands of a chain are told by name."""

Path = tuple[str, ...]
"""A program and the commands in it that lead to one: ``("shop", "import", "orders")``."""

_innermost: ContextVar[CommandLine | None] = ContextVar("ezlogs_command_line", default=None)


class CommandLine:
    """A run of a program. It begins nothing until it has come to a command, and an excluded one at no time.

    Made inside what is told already - a command, a request, a job - it is nested: it keeps that story and its actor.
    Belongs to the thread or task that made it, which has to `end` it.

    Args:
        argv: The arguments, as for `ezlogs.command`.
        of: What it is a run of, for who made it to know it again.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture() as captured:
        ...     line = CommandLine()
        ...     line.came_to(("shop", "import"), last=False)
        ...     line.came_to(("shop", "import", "orders"), last=True)
        ...     line.end(SystemExit(3))
        >>> captured.events[0].action, captured.events[0].metadata["exit_code"]
        ('shop import orders', 3)
    """

    def __init__(self, argv: Sequence[str] = (), of: object = None) -> None:
        self.argv = argv
        self.of = of
        self.path: Path = ()
        """As far as it has come."""
        self.command: Command | None = None
        """What is told; None before it has begun, and if it never will."""
        self.excluded = False
        self.told = False
        self.running = False
        """Whether a command that it came to is being run."""
        self.awaited: object = None
        """What it begins in, where somebody else opens the span."""
        self._error: BaseException | None = None
        self._without_message = False
        self._options: dict[str, None] = {}
        self._values: dict[str, object] = {}
        self._lasts: list[str] = []
        self._around = trace.get_current_span()
        self._token: Token[CommandLine | None] | None = _innermost.set(self)

    @staticmethod
    def current() -> CommandLine | None:
        """Return the run that the present moment is in."""
        return _innermost.get()

    @property
    def spanned(self) -> bool:
        """Whether somebody has opened a span in it, which is then its own."""
        return trace.get_current_span() is not self._around

    @guarded
    def came_to(self, path: Path, *, last: bool, spanned: bool = False, surely: bool = False) -> None:
        """Begin, or go on under another name.

        Args:
            path: The program and the commands so far.
            last: Whether no command follows in it.
            spanned: Whether the current span was made for it by somebody else; it is not to be left before it is told.
            surely: Whether to begin although it could still come to a command that is excluded.
        """
        self.path = path
        if self.told:
            return
        if last:
            self._lasts.append(path[-1])
        if self.command is not None:
            if self.command.action != (name := " ".join(path)):
                self.command.rename(name)
            return
        if last:
            self.excluded = self.excluded or is_excluded(path)
        surely = surely or last or not any(matches(path, pattern, begun=True) for pattern in excluded())
        if surely and not self.excluded:
            self._begin(spanned)

    def know_options(self, names: Iterable[str], values: Mapping[str, object]) -> None:
        """Tell the names of options that were given, and some of their values, at the end."""
        self._options.update(dict.fromkeys(names))
        self._values.update(values)

    def failed(self, error: BaseException | None, *, without_message: bool = False) -> None:
        """Note the error that is on its way out, which the program may turn into an exit code; None takes it back."""
        self._error, self._without_message = error, without_message

    @guarded
    def withdraw(self) -> None:
        """Tell nothing of it, and leave the story that it began: this process only minds the one that does the work."""
        self.excluded = True
        if self.command is not None:
            self.command.withdraw()
            self.command.__exit__(None, None, None)
            self.command = None

    @guarded
    def end(self, error: BaseException | None = None, *, exit_code: int | None = None) -> None:
        """Tell it, and leave it.

        Args:
            error: What left the program.
            exit_code: The exit status that an error stands for, where that is known of its kind.
        """
        if self._token is not None:
            token, self._token = self._token, None
            try:
                _innermost.reset(token)
            except ValueError:  # it began in another context
                _innermost.set(None)
        self.tell(error, exit_code=exit_code)

    @guarded
    def tell(self, error: BaseException | None = None, *, exit_code: int | None = None) -> None:
        """Tell it; also if it failed before it came to a command, but not if it only showed its help.

        Once it is told, what follows in it is not. The arguments are those of `end`.
        """
        if self.told:
            return
        cause = error
        if error is None and isinstance(self._error, SystemExit):
            error = cause = self._error  # an exit code that the program only returned
        if error is None or isinstance(error, SystemExit):
            exit_code = 0 if error is None else exit_code_of(error)
            cause = self._error if error is not None and self._error is not None else error
        if self.command is None and self.path and exit_code and not self.excluded and not is_excluded(self.path):
            self._begin()
        if (made := self.command) is None:
            return
        self.told, self.command = True, None
        made.exit_code, made.without_message = exit_code, self._without_message
        made.know(self._values)
        if self._options:
            made.know({"options": tuple(self._options)[:MAX_OPTIONS]})
        if len(self._lasts) > 1:
            made.know({"commands": tuple(self._lasts[:MAX_COMMANDS])})
        made.__exit__(None if cause is None else type(cause), cause, None)

    def _begin(self, spanned: bool = False) -> None:
        self.command = _begun(self.path, self.argv, spanned=spanned)


@guarded
def called(path: Path) -> Command | None:
    """Begin a command that code calls, which is to be left like a ``with`` block; None if it is not to be told."""
    if not tracking() or is_excluded(path):
        return None
    return _begun(path)


def _begun(path: Path, argv: Sequence[str] = (), *, spanned: bool = False) -> Command:
    made = command(" ".join(path), argv=argv, nested=in_story(context.get_current()))
    made.spanned = spanned
    return made.__enter__()


def is_excluded(path: Path) -> bool:
    """Return whether a command is not to be told."""
    return any(matches(path, pattern) for pattern in excluded())


def excluded() -> tuple[str, ...]:
    """Return the patterns of the commands that are not told."""
    runtime = current_runtime()
    return runtime.settings.excluded_commands if runtime is not None else ()


def matches(path: Path, pattern: str, *, begun: bool = False) -> bool:
    """Return whether a command is one that a pattern means.

    Args:
        path: The command.
        pattern: As many words, with ``*`` and ``?`` inside of a word.
        begun: Ask instead whether it could be, or lead to, such a command.

    Example:
        >>> matches(("celery", "worker"), "celery w*"), matches(("shop", "db", "up"), "* db"), matches(("db",), "db up")
        (True, False, False)
        >>> matches(("flask",), "flask run", begun=True)
        True
    """
    words = pattern.split()
    fits = len(words) >= len(path) if begun else len(words) == len(path)
    return fits and all(map(fnmatchcase, path, words))
