"""Worst cases for regular expressions: every expression that privacy has, and texts that make it work in vain.

The texts are made from the expression itself: what leads up to each of its repetitions, the repeated part over and
over, and an end with which the match fails, so that whatever can be tried again is tried again.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any

import ezlogs.privacy
from ezlogs.expressions import _Expression

try:
    from re import _constants, _parser  # type: ignore[attr-defined]  # how Python itself reads them
except ImportError:  # Python 3.10
    import sre_constants as _constants  # type: ignore[no-redef]
    import sre_parse as _parser  # type: ignore[no-redef]

LENGTH = 8_000
"""Characters of a text that is compared with one four times as long: more than any bounded repetition takes."""

GROWTH = 10
"""How many times as long the long text may take: four times is linear, sixteen times a square."""

_NOWHERE = "\x00"
"""A character at which hardly anything goes on."""

_TRIED = "a0A_- .:=\"'@/\\<(\n\u00e9%"
"""Members of a class are looked for among these, then among all of Latin-1."""


def expressions() -> dict[str, re.Pattern[str]]:
    """Every expression in ezlogs.privacy by the name of the place where it was found first, compiled."""
    found: dict[tuple[str, int], str] = {}
    for module in modules():
        for name, value in vars(module).items():
            if not name.startswith("__"):
                for pattern in _in(value, set()):
                    found.setdefault(pattern, f"{module.__name__.rpartition('.')[2]}.{name}")
    numbers: dict[str, int] = {}
    named = {}
    for (pattern, flags), place in found.items():
        numbers[place] = numbers.get(place, 0) + 1
        named[f"{place}#{numbers[place]}"] = re.compile(pattern, flags)
    return named


def use_of(place: str, pattern: re.Pattern[str]) -> Callable[[str], object]:
    """What is done with an expression at its worst: searched through a text, or matched once where that is all.

    Whether the same place is matched again and again is what the tests of rules tell.
    """
    name = place.partition(".")[2].partition("#")[0]
    uses = set(re.findall(rf"(?<![\w.]){name}\.(\w+)\(", _sources()))
    if uses and uses <= {"match", "fullmatch"}:
        return lambda text: (pattern.match(text), pattern.fullmatch(text))
    return lambda text: sum(1 for _ in pattern.finditer(text))


@cache
def _sources() -> str:
    return "\n".join(inspect.getsource(module) for module in modules())


def modules() -> list[Any]:
    """Every module of ezlogs.privacy."""
    names = [module.name for module in pkgutil.walk_packages(ezlogs.privacy.__path__, "ezlogs.privacy.")]
    return [importlib.import_module(name) for name in names]


def _in(value: object, seen: set[int]) -> Iterator[tuple[str, int]]:
    """The expressions in an object: in collections, structures, closures, defaults, and what methods belong to."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, _Expression):
        yield value._pattern, value._flags
    elif isinstance(value, re.Pattern):
        if isinstance(value.pattern, str):
            yield value.pattern, value.flags & ~re.UNICODE
    else:
        for part in _parts(value):
            yield from _in(part, seen)


def _parts(value: Any) -> Iterable[object]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return value
    if isinstance(value, partial):
        return [value.func, *value.args, *value.keywords.values()]
    parts: list[object] = [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
    parts += getattr(value, "__defaults__", None) or ()
    owner = getattr(value, "__self__", None)
    if isinstance(owner, re.Pattern) or type(owner).__module__.startswith("ezlogs."):
        parts.append(owner)
    kind = value if isinstance(value, type) else type(value)
    if kind.__module__.startswith("ezlogs.privacy"):
        fields = getattr(kind, "__struct_fields__", ())
        parts += [getattr(value, field) for field in fields if not isinstance(value, type)]
        parts += [part for name, part in getattr(value, "__dict__", {}).items() if not name.startswith("__")]
    return parts


def attacks(pattern: str, flags: int = 0) -> list[Callable[[int], str]]:
    """Texts of any length for an expression: what leads to a repetition, what it repeats, and an end that fails.

    Returns:
        Functions that make a text of about as many characters as they are told.
    """
    tree = _parser.parse(pattern, flags)
    made: dict[tuple[str, str, str], None] = {}
    for before, repeated in _repetitions(tree, ""):
        made[before, repeated, _NOWHERE] = None
        made[before, repeated, ""] = None
        made["", before + repeated, _NOWHERE] = None
        made["", before + repeated * 3 + " ", _NOWHERE] = None
    whole = _sample(tree)
    made["", whole, ""] = None
    made["", whole[: len(whole) // 2], ""] = None
    made["", whole[:-1] or whole, _NOWHERE] = None
    made["", whole[-1:], _NOWHERE] = None
    return [partial(text_of, *parts) for parts in made if parts[0] + parts[1]]


def text_of(before: str, repeated: str, end: str, length: int) -> str:
    """Return a text of about a length: a beginning, a part over and over, an end."""
    repeated = repeated or before
    return before + repeated * max(1, length // len(repeated)) + end


def _repetitions(tree: Any, before: str) -> Iterator[tuple[str, str]]:
    """Each part of an expression that may come often, and a text that leads up to it."""
    for operation, argument in tree:
        for least, part in _alternatives(operation, argument):
            if operation in _REPEATS:
                repeated = _sample(part)
                if repeated:
                    yield before, repeated
            yield from _repetitions(part, before + _sample(part) * max(0, least - 1))
        before += _sample([(operation, argument)])


def _alternatives(operation: Any, argument: Any) -> list[tuple[int, Any]]:
    """The parts that an operation is made of, each with how often it comes at least."""
    if operation in _REPEATS:
        least, most, part = argument
        return [(least, part)] if most > 1 else [(0, part)]
    if operation is _constants.SUBPATTERN:
        return [(1, argument[-1])]
    if operation is _constants.BRANCH:
        return [(1, part) for part in argument[1]]
    if operation in (_constants.ASSERT, _constants.ASSERT_NOT):
        return [(1, argument[1])]
    if operation is _constants.GROUPREF_EXISTS:
        return [(1, part) for part in argument[1:] if part is not None]
    if operation is getattr(_constants, "ATOMIC_GROUP", None):
        return [(1, argument)]
    return []


_REPEATS = {
    _constants.MAX_REPEAT,
    _constants.MIN_REPEAT,
    *([_constants.POSSESSIVE_REPEAT] if hasattr(_constants, "POSSESSIVE_REPEAT") else []),
}


def _sample(tree: Any) -> str:
    """A text that an expression may well match; what it looks ahead to is left out."""
    text = ""
    for operation, argument in tree:
        if operation in (_constants.LITERAL,):
            text += chr(argument)
        elif operation is _constants.NOT_LITERAL:
            text += "a" if argument != ord("a") else "b"
        elif operation is _constants.ANY:
            text += "a"
        elif operation is _constants.IN:
            text += _member(argument)
        elif operation in _REPEATS:
            text += _sample(argument[2]) * max(argument[0], 1)
        elif operation not in (_constants.ASSERT, _constants.ASSERT_NOT):
            text += next((_sample(part) for _, part in _alternatives(operation, argument)), "")
    return text


def _member(members: Any) -> str:
    """A character of a class."""
    one = re.compile("[" + "".join(map(_spelled, members)) + "]")
    return next(sign for sign in (*_TRIED, *map(chr, range(256)), *map(chr, range(256, 70000))) if one.match(sign))


def _spelled(member: tuple[Any, Any]) -> str:
    operation, argument = member
    if operation is _constants.NEGATE:
        return "^"
    if operation is _constants.LITERAL:
        return re.escape(chr(argument))
    if operation is _constants.RANGE:
        return f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}"
    return {
        _constants.CATEGORY_DIGIT: r"\d",
        _constants.CATEGORY_NOT_DIGIT: r"\D",
        _constants.CATEGORY_SPACE: r"\s",
        _constants.CATEGORY_NOT_SPACE: r"\S",
        _constants.CATEGORY_WORD: r"\w",
        _constants.CATEGORY_NOT_WORD: r"\W",
    }[argument]


def grows(run: Callable[[str], object], make: Callable[[int], str], length: int = LENGTH) -> bool:
    """Tell whether a run takes out of proportion longer for a longer text, each time that it is tried.

    What takes the cube of the length or worse does not come back; the limit of time that every test has ends it.
    """
    short, long = make(length), make(4 * length)
    if _seconds(run, long) < GROWTH / 2 * _seconds(run, short):  # so clear that no noise can be what makes it so
        return False
    return not any(_seconds(run, long) < GROWTH * min(_seconds(run, short) for _ in range(2)) for _ in range(3))


def _seconds(run: Callable[[str], object], text: str) -> float:
    start = time.thread_time()
    run(text)
    return time.thread_time() - start
