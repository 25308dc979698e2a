"""Where an exception came from: the frames of its traceback, and the fingerprint that its like have in common."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from types import CodeType, FrameType, TracebackType
from typing import NamedTuple

from ezlogs.facts import failure_of

MOST_FRAMES = 32
"""So many frames are told of an exception: the outermost few, and the innermost."""
OUTERMOST = 8
MOST_CAUSES = 5
_MOST_WALKED = 2_000
_OWN = ("ezlogs", "ezlogs_instrumentors", "opentelemetry", "wrapt")
_COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>"})
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_STANDARD = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib")})


class Frame(NamedTuple):
    """One call that an exception went through."""

    module: str
    function: str
    file: str
    """As the module's name says, such as ``shop/views.py``: where it is installed is nobody's business."""
    line: int
    in_app: bool
    """Whether it is the application's own, not a library's."""
    frame: FrameType
    """For whoever looks at its local variables; not to be kept."""

    @property
    def place(self) -> str:
        """Module and function, such as ``shop.views.pay``."""
        return f"{self.module}.{self.function}"

    def shown(self) -> dict[str, object]:
        """Return what is told of it."""
        return {"file": self.file, "line": self.line, "function": self.function, "in_app": self.in_app}


class Origin(NamedTuple):
    """What an exception and those that caused it say of where they came from."""

    fingerprint: str
    """16 hexadecimal digits, the same wherever the same thing goes wrong in the same place, on whatever line."""
    frames: list[Frame]
    """The calls that it went through, the innermost last, without those of instrumentation."""
    causes: list[str]
    """The types of the exceptions it came from, the nearest first."""

    @property
    def culprit(self) -> Frame | None:
        """The innermost call of the application's own, else of anybody's."""
        own = (frame for frame in reversed(self.frames) if frame.in_app)
        return next(own, self.frames[-1] if self.frames else None)


def origin_of(error: BaseException) -> Origin:
    """Return where an exception came from.

    Its fingerprint is made of types and of the application's own functions - those of libraries where there are no
    others - and neither of lines nor of messages. Each function counts once, so that a recursion is the same however
    deep it went; so does the exception it was raised from, and what a group of exceptions holds.

    Args:
        error: An exception that was raised.

    Example:
        >>> import json
        >>> def origin(text):
        ...     try:
        ...         json.loads(text)
        ...     except ValueError as error:
        ...         return origin_of(error)
        >>> origin("nothing").culprit.place
        'json.decoder.raw_decode'
        >>> origin("nothing").fingerprint == origin("else").fingerprint
        True
    """
    frames = list(frames_of(error.__traceback__))
    chain = list(_causes(error))
    parts = [_signature(error, frames)]
    parts += [_signature(cause, list(frames_of(cause.__traceback__))) for cause in chain if _is_named(cause, error)]
    parts += _members(error)
    digest = sha256("\n\n".join(parts).encode("utf-8", "replace")).hexdigest()[:16]
    return Origin(digest, frames, [failure_of(cause).type for cause in chain])


def frames_of(traceback: TracebackType | None) -> Iterator[Frame]:
    """Return the calls in a traceback, the innermost last, without those of instrumentation and of comprehensions."""
    for _ in range(_MOST_WALKED):
        if traceback is None:
            return
        frame, code = traceback.tb_frame, traceback.tb_frame.f_code
        module = frame.f_globals.get("__name__")
        module = module if type(module) is str else "?"
        if module.partition(".")[0] not in _OWN and code.co_name not in _COMPREHENSIONS:
            file, in_app = _file_of(code, module)
            yield Frame(module, code.co_name, file, traceback.tb_lineno, in_app, frame)
        traceback = traceback.tb_next


def shortened(frames: list[Frame]) -> tuple[list[Frame], int]:
    """Return the frames to be told, and how many between the outermost and the innermost ones are not."""
    left_out = max(0, len(frames) - MOST_FRAMES)
    if not left_out:
        return frames, 0
    return [*frames[:OUTERMOST], *frames[OUTERMOST + left_out :]], left_out


def locals_of(frames: list[Frame]) -> Mapping[str, Mapping[str, object]]:
    """Return the local variables of the application's innermost calls, by place; nothing of them is copied yet."""
    own = [frame for frame in frames if frame.in_app][-MOST_CAUSES:]
    return {frame.place: dict(frame.frame.f_locals) for frame in reversed(own)}


@lru_cache(maxsize=4096)
def _file_of(code: CodeType, module: str) -> tuple[str, bool]:
    """Return the file of some code as its module's name says, and whether it is the application's own."""
    path = code.co_filename
    parts = path.replace("\\", "/").split("/")
    depth = 1 if module == "__main__" else module.count(".") + 1 + (parts[-1] == "__init__.py")
    libraries = path.startswith(("<frozen", "<string>", *_STANDARD)) or any(name in path for name in _INSTALLED)
    return "/".join(parts[-depth:]), not libraries


def _signature(error: BaseException, frames: list[Frame]) -> str:
    own = [frame for frame in frames if frame.in_app] or frames
    return "\n".join([failure_of(error).type, *dict.fromkeys(frame.place for frame in own)])


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Return what an exception was raised from, or while it was handled, the nearest first."""
    seen = {id(error)}
    for _ in range(MOST_CAUSES):
        cause = error.__cause__
        if cause is None and not error.__suppress_context__:
            cause = error.__context__
        if cause is None or id(cause) in seen:
            return
        seen.add(id(cause))
        yield cause
        error = cause


def _is_named(cause: BaseException, error: BaseException) -> bool:
    """Return whether an exception was raised ``from`` a cause: what merely was being handled may be anything."""
    here: BaseException | None = error
    for _ in range(MOST_CAUSES):
        here = None if here is None else here.__cause__
        if here is cause:
            return True
    return False


def _members(error: BaseException) -> list[str]:
    """Return the signatures of the exceptions in a group, each kind once."""
    members = getattr(error, "exceptions", None)
    if not isinstance(members, tuple):
        return []
    found = {
        _signature(member, list(frames_of(member.__traceback__)))
        for member in members[:100]
        if isinstance(member, BaseException)
    }
    return sorted(found)[:MOST_CAUSES]
