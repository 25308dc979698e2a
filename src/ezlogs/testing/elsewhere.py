"""Elsewhere: what other processes emit during a capture, each appending to a file of its own that the capture reads.

A record is in the file before the call that emitted it returns, so a process that is killed loses nothing. No socket,
no thread and no lock takes part: a fork is safe at any moment.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from struct import Struct
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from opentelemetry.context import Context

from ezlogs.event import InvalidEvent, UniversalEvent
from ezlogs.testing.standin import StandIn

if TYPE_CHECKING:
    from ezlogs.runtime import Runtime

_locks: Any = import_module("fcntl") if os.name == "posix" else None
"""Elsewhere who has ended cannot be told, and what was under way in it is not told either."""

VARIABLE: Final = "_EZLOGS_CAPTURE"
"""Names, for child processes, the folder of the capture in which they were started."""

_SUFFIX: Final = ".events"
_head = Struct(">IcQ")

HELLO, EVENT, OPENED, CLOSED, FAILED = b"H", b"E", b"O", b"C", b"F"


class Process(msgspec.Struct, frozen=True):
    """A process that took part in a capture."""

    pid: int
    parent: int
    """The pid of the process that it came from."""
    name: str
    """What it runs, in a few words."""
    service: str = ""
    """Its ``service_name``, where that is set."""


class Arrived(NamedTuple):
    """A record of another process."""

    at: int
    """When it was made, by the clock that all processes share (`time.monotonic_ns`)."""
    kind: bytes
    payload: bytes
    process: Process


def this_process(service: str = "") -> Process:
    """Return what there is to say of this process."""
    from multiprocessing.process import current_process

    name = current_process().name
    if name == "MainProcess":
        first = sys.argv[0] if sys.argv else ""
        name = os.path.basename(first) if first not in ("", "-c", "-m") else f"python {first}".strip()
    return Process(os.getpid(), os.getppid(), name, service)


class Diary:
    """The file that this process appends to. What cannot be written is not: a capture that has ended reads nothing.

    Args:
        folder: The folder of the capture.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._pid = -1
        self._file = -1
        self._identity: tuple[int, int] | None = None

    def put(self, kind: bytes, payload: bytes) -> None:
        """Append a record."""
        try:
            if self._pid != os.getpid() or not self._is_ours():
                self._open()
            self._write(kind, payload)
        except OSError:
            self._pid = -1

    def _write(self, kind: bytes, payload: bytes) -> None:
        os.write(self._file, _head.pack(len(payload), kind, monotonic_ns()) + payload)

    def _is_ours(self) -> bool:
        """Return whether the descriptor is still that of the file: a daemon closes all, and opens files of its own."""
        found = os.fstat(self._file)
        return (found.st_dev, found.st_ino) == self._identity

    def _open(self) -> None:
        pid = os.getpid()
        path = os.path.join(self.folder, f"{pid}-{monotonic_ns()}{_SUFFIX}")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        if _locks is not None:
            _locks.lockf(self._file, _locks.LOCK_EX | _locks.LOCK_NB)  # as long as this process lives
        found = os.fstat(self._file)
        self._identity, self._pid = (found.st_dev, found.st_ino), pid
        self._write(HELLO, msgspec.json.encode(this_process()))


class Elsewhere(StandIn):
    """The carrier of a process that was started during somebody else's capture: everything goes into its `Diary`.

    Args:
        folder: The folder of the capture.
    """

    def __init__(self, folder: str) -> None:
        self.diary = Diary(folder)

    opens_spans = notes_openings = True

    def serve(self, runtime: Runtime) -> None:
        """Write down what this process is called from now on."""
        self.diary.put(HELLO, msgspec.json.encode(this_process(runtime.settings.service_name or "")))

    def carry(self, event: UniversalEvent, ctx: Context) -> None:
        """Write an event down."""
        self.diary.put(EVENT, event.to_json())

    def opened(self, note: UniversalEvent, ctx: Context, *, with_span: bool = False) -> None:
        """Write down what is to be told if this process does not get to it."""
        self.diary.put(OPENED, note.to_json())

    def awaited(self, event_id: str, note: Callable[[bool], object]) -> None:
        """Have it noted at once."""
        note(True)

    def closed(self, event_id: str) -> None:
        """Write down that something has ended."""
        self.diary.put(CLOSED, event_id.encode())

    def failed(self, problem: str, error: BaseException) -> None:
        """Write down an error of ezlogs' own."""
        if not isinstance(error, InvalidEvent):
            self.diary.put(FAILED, failure_text(problem, error).encode(errors="replace"))


def failure_text(problem: str, error: BaseException) -> str:
    """Return an error with its traceback, as another process is told of it."""
    return f"{problem}\n{''.join(traceback.format_exception(type(error), error, error.__traceback__))}"


class _Diary(msgspec.Struct):
    """How far a file was read."""

    process: Process
    offset: int = 0
    open: dict[str, tuple[int, bytes]] = {}
    """What began and has not ended, by event id."""
    ended: bool = False


class Reader:
    """Reads what other processes wrote, each record once.

    Args:
        folder: The folder of the capture; None where there could be none.
    """

    def __init__(self, folder: str | None) -> None:
        self._folder = folder
        self._diaries: dict[str, _Diary] = {}

    @property
    def processes(self) -> list[Process]:
        """The processes that took part so far."""
        return list({diary.process.pid: diary.process for diary in self._diaries.values()}.values())

    def under_way(self) -> list[str]:
        """Return the ids of what began in other processes and has not ended, nor have they."""
        return [event_id for diary in self._diaries.values() if not diary.ended for event_id in diary.open]

    def read(self) -> Iterator[Arrived]:
        """Yield what is new. What was under way in a process that has ended comes as an event, as in production."""
        if self._folder is None:
            return
        try:
            names = sorted(name for name in os.listdir(self._folder) if name.endswith(_SUFFIX))
        except OSError:
            return
        for name in names:
            diary = self._diaries.setdefault(name, _Diary(Process(int(name.partition("-")[0]), 0, "")))
            if not diary.ended:
                yield from self._news(os.path.join(self._folder, name), diary)

    def _news(self, path: str, diary: _Diary) -> Iterator[Arrived]:
        with suppress(OSError):
            ended = _has_ended(path)  # before the file is read: whoever ends in between has written all
            with open(path, "rb") as file:
                file.seek(diary.offset)
                data = file.read()
            position = 0
            while position + _head.size <= len(data):
                length, kind, at = _head.unpack_from(data, position)
                end = position + _head.size + length
                if end > len(data):
                    break
                payload = data[position + _head.size : end]
                position = end
                diary.offset += _head.size + length
                yield from _taken(diary, at, kind, payload)
            if ended:
                diary.ended = True
                for at, payload in diary.open.values():
                    yield Arrived(at, EVENT, payload, diary.process)
                diary.open.clear()


def _taken(diary: _Diary, at: int, kind: bytes, payload: bytes) -> Iterator[Arrived]:
    if kind == HELLO:
        diary.process = msgspec.json.decode(payload, type=Process)
    elif kind == OPENED:
        diary.open[_id_in(payload)] = (at, payload)
    elif kind == CLOSED:
        diary.open.pop(payload.decode(), None)
    else:
        if kind == EVENT:
            diary.open.pop(_id_in(payload), None)
        yield Arrived(at, kind, payload, diary.process)


def _id_in(document: bytes) -> str:
    return msgspec.json.decode(document, type=_OnlyId).event_id


class _OnlyId(msgspec.Struct):
    event_id: str


def _has_ended(path: str) -> bool:
    """Return whether the process that a file is of has ended: its lock on the file ends with it, however it ends."""
    if _locks is None:
        return False
    with open(path, "r+b") as file:
        try:
            _locks.lockf(file, _locks.LOCK_EX | _locks.LOCK_NB)
        except OSError:
            return False
    return True


class Invitation:
    """What goes with the preparation of a child of multiprocessing: unpickled there, it makes the child take part.

    Neither the fork server's environment nor that of what it started is this process's: it may be older than the
    capture. Where ezlogs cannot be imported yet, the child still knows of the capture by its environment.

    Args:
        folder: The folder of the capture.
        asked: What the capture was asked for; what cannot be pickled stays here.
    """

    def __init__(self, folder: str, asked: Mapping[str, Any]) -> None:
        self._folder = folder
        self._asked = asked

    def __reduce__(self) -> tuple[Any, ...]:
        """Pack a program: nothing of ezlogs is needed to unpickle it."""
        kept = {}
        for name, value in self._asked.items():
            with suppress(Exception):  # a function of the test's
                pickle.dumps(value)
                kept[name] = value
        return exec, (_PROGRAM.format(variable=VARIABLE, folder=self._folder, asked=pickle.dumps(kept)),)


_PROGRAM: Final = """\
import os
os.environ[{variable!r}] = {folder!r}
try:
    import pickle
    from ezlogs.testing.elsewhere import take_part
    take_part({folder!r}, pickle.loads({asked!r}))
except Exception:
    pass
"""


def take_part(folder: str, asked: Mapping[str, Any]) -> None:
    """Have what this process emits from now on captured by the process that it was started by.

    Args:
        folder: The folder of the capture.
        asked: The settings that it was asked for.
    """
    from ezlogs import runtime as process
    from ezlogs.settings import load

    running = process.current_runtime()
    if running is None:
        running = process.Runtime(load({}, {"strict": True, **asked}).settings, given={"strict": True, **asked})
        process.install(running)
    process.stand_in = running.carrier = Elsewhere(folder)
    invite(folder, asked)


def invite(folder: str, asked: Mapping[str, Any]) -> Callable[[], None]:
    """Have the children that multiprocessing starts take part, until the returned function is called.

    Args:
        folder: The folder of the capture.
        asked: The settings that it was asked for.
    """
    from multiprocessing import spawn

    invitation = Invitation(folder, asked)
    if not _invitations:
        _invitations.append(spawn.get_preparation_data)
        spawn.get_preparation_data = _prepared
    _invitations.append(invitation)

    def withdraw() -> None:
        _invitations.remove(invitation)
        if len(_invitations) == 1:
            before = _invitations.pop()
            if spawn.get_preparation_data is _prepared:
                spawn.get_preparation_data = before

    return withdraw


_invitations: list[Any] = []
"""First what prepared children before, then the invitation of each capture that is under way."""


def _prepared(name: str) -> dict[str, Any]:
    return {**_invitations[0](name), "ezlogs_capture": _invitations[-1]}
