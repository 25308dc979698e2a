"""Whether Python's own engine can be trusted with somebody's regular expression: how often it may go wrong.

The engine tries one way after the other. For each part of an expression the guard asks how many ways there are to match
it at one place of a text, and how many steps that takes; whatever comes after it may have to be tried for each of them.
What the next character decides is one way: in ``[a-z]+@`` the repetition can only end where the ``@`` is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

#: How Python itself reads expressions.
_parser: Final[Any] = import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
_constants: Final[Any] = import_module("re._constants" if sys.version_info >= (3, 11) else "sre_constants")

WINDOW: Final = 512
"""Characters that are looked at from one place of a text."""

MOST_STEPS: Final = 8 * WINDOW
"""Steps from one place that are not too many: a repetition that nothing ends, and a few characters after it."""

_REPEATS: Final = frozenset(
    getattr(_constants, name) for name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT") if hasattr(_constants, name)
)
_ATOMIC: Final = getattr(_constants, "ATOMIC_GROUP", None)
_POSSESSIVE: Final = getattr(_constants, "POSSESSIVE_REPEAT", None)
_TOO_MANY: Final = 2 * MOST_STEPS
_LOOKS: Final = frozenset({_constants.ASSERT, _constants.ASSERT_NOT})
_ONE_SIGN: Final = frozenset({_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN})
_CATEGORIES: Final[Mapping[Any, str]] = {
    _constants.CATEGORY_DIGIT: r"\d",
    _constants.CATEGORY_NOT_DIGIT: r"\D",
    _constants.CATEGORY_SPACE: r"\s",
    _constants.CATEGORY_NOT_SPACE: r"\S",
    _constants.CATEGORY_WORD: r"\w",
    _constants.CATEGORY_NOT_WORD: r"\W",
}
_OF_SCRIPTS: Final = "".join(map(chr, range(0x180))) + "\u017f\u212a\u03a9\u0436\u0660\u3000\u5bc6\u2014\U0001f600"
"""The characters by which sets are told apart, beside those that an expression names."""

Item = tuple[Any, Any]
Signs = frozenset[str]


def trouble_in(pattern: str) -> str:
    """Say what may make an expression slow; nothing where it is fast, whatever the text.

    Args:
        pattern: A valid regular expression.

    Example:
        >>> trouble_in(r"BDG-[0-9]{6}"), trouble_in(r"[a-z.]+@example\\.com")
        ('', '')
        >>> trouble_in(r"(a+)+b")
        'a repetition within a repetition'
    """
    tree = _parser.parse(pattern)
    try:
        steps = _Guard(tree).effort(tree, at_the_end=True).steps
    except _TroubleError as trouble:
        return str(trouble)
    return "" if steps <= MOST_STEPS else "repetitions that can take each other's characters"


class _TroubleError(Exception):
    """What is wrong in itself, however few ways there are."""


class _Effort(NamedTuple):
    """What a part costs at one place."""

    ways: int = 1
    """How many ways it may match."""

    line: int = 1
    """Steps along one way, which is never longer than what is looked at."""

    tries: int = 0
    """Steps that are made again and again."""

    @property
    def steps(self) -> int:
        """All of its steps."""
        return self.line + self.tries


_ONE = _Effort()


class _Guard:
    """Counts the ways and the steps of one expression."""

    def __init__(self, tree: Any) -> None:
        items = list(_all_items(tree))
        members = [member for operation, argument in items for member in _members(operation, argument)]
        named = {chr(code) for member in members for code in _codes(*member)}
        self._alphabet = sorted({*_OF_SCRIPTS, *named, *"".join(named).upper(), *"".join(named).lower()})
        # Where capitals do not count in one part they are not counted anywhere: sets get larger, never smaller.
        ignored = any(op is _constants.SUBPATTERN and argument[1] & re.IGNORECASE for op, argument in items)
        self._flags = re.IGNORECASE if ignored or tree.state.flags & re.IGNORECASE else 0
        self._groups: dict[int, int] = {}
        """Ways of each group."""

    def effort(self, tree: Any, *, at_the_end: bool) -> _Effort:
        """Return what a part costs.

        Args:
            tree: The part.
            at_the_end: Whether nothing comes after it that could fail.
        """
        items = list(self._flat(tree))
        ways, line, tries = 1, 0, 0
        ways_before = 1  # the item before: how many ways there were to come to it
        for place, (operation, argument) in enumerate(items):
            rest = items[place + 1 :]
            part = self._of_item(operation, argument, rest, at_the_end=at_the_end and not rest)
            if ways == 1:
                line, tries = line + part.line, tries + part.tries
            elif self._fails_at_once(items, place):
                tries += ways + ways_before * part.steps
            elif not _is_within_a_word(items, place):
                tries += ways * part.steps
            ways_before, ways = ways, min(ways * part.ways, _TOO_MANY)
        return _Effort(ways, min(line, WINDOW), min(tries, _TOO_MANY))

    def _of_item(self, operation: Any, argument: Any, rest: list[Item], *, at_the_end: bool) -> _Effort:
        if operation in _REPEATS:
            return self._repeated(operation, argument, rest, at_the_end=at_the_end)
        if operation in (_constants.BRANCH, _constants.GROUPREF_EXISTS):
            return self._choice(list(_parts(operation, argument)), decided=operation is not _constants.BRANCH)
        if operation in _LOOKS or operation is _ATOMIC:  # what matched there is not tried in another way
            (part,) = _parts(operation, argument)
            return self.effort(part, at_the_end=False)._replace(ways=1)
        if operation is _constants.GROUPREF and self._groups.get(argument, 1) > 1:
            raise _TroubleError("a back-reference to a repetition")
        return _ONE

    def _fails_at_once(self, items: list[Item], place: int) -> bool:
        """Whether a part cannot take what the repetition before it gives back."""
        before, (operation, argument) = items[place - 1], items[place]
        if before[0] not in _REPEATS or operation not in _REPEATS | _ONE_SIGN:
            return False
        given = self._only_sign(before[1][2])
        taken = self._only_sign(argument[2] if operation in _REPEATS else [(operation, argument)])
        return given is not None and taken is not None and given.isdisjoint(taken)

    def _choice(self, parts: list[Any], *, decided: bool) -> _Effort:
        efforts = [self.effort(part, at_the_end=False) for part in parts]
        firsts = [self._first(list(self._flat(part))) for part in parts]
        told_apart = decided or all(
            one is not None and other is not None and one.isdisjoint(other)
            for place, one in enumerate(firsts)
            for other in firsts[:place]
        )
        ways = [effort.ways for effort in efforts]
        line = max(effort.line for effort in efforts)
        tries = sum(effort.steps for effort in efforts) - line
        return _Effort(max(ways) if told_apart else sum(ways), line, tries)

    def _repeated(self, operation: Any, argument: Any, rest: list[Item], *, at_the_end: bool) -> _Effort:
        least, most, part = argument
        inner = self.effort(part, at_the_end=False)
        if most > WINDOW and inner.ways > 1:
            raise _TroubleError("a repetition within a repetition")
        most = min(most, max(WINDOW, least))
        if inner.ways > 1:
            ways = [min(inner.ways**times, _TOO_MANY) for times in range(most + 1)]
            return _Effort(min(sum(ways[least:]), _TOO_MANY), 1, min(sum(ways) * inner.steps, _TOO_MANY))
        if at_the_end:  # once there is enough of it, it has matched
            return _Effort(1, max(least, 1) * inner.line, most * inner.tries)
        own, following = self._first(list(self._flat(part))), self._first(rest)
        is_forced = own is not None and following is not None and own.isdisjoint(following)
        ways_of_it = 1 if most == least or is_forced or operation is _POSSESSIVE else most - least + 1
        return _Effort(ways_of_it, min(most * inner.line, WINDOW), most * inner.tries)

    def _flat(self, tree: Any) -> Iterator[Item]:
        """The items of a part and of the groups in it, in a row."""
        for operation, argument in tree:
            if operation is _constants.SUBPATTERN:
                if argument[0] is not None:
                    self._groups[argument[0]] = self.effort(argument[-1], at_the_end=False).ways
                yield from self._flat(argument[-1])
            else:
                yield operation, argument

    def _only_sign(self, part: Any) -> Signs | None:
        """The characters of a part that is one character; None for any other."""
        items = list(self._flat(part))
        return self._signs(*items[0]) if len(items) == 1 and items[0][0] in _ONE_SIGN else None

    def _first(self, items: list[Item]) -> Signs | None:
        """The characters with which some items may begin; None where they may be nothing, or it cannot be told."""
        found: Signs = frozenset()
        for operation, argument in items:
            if operation in _ONE_SIGN:
                return found | self._signs(operation, argument)
            if operation is _constants.AT:
                continue
            if operation not in _REPEATS:
                return None
            first = self._first(list(self._flat(argument[2])))
            if first is None:
                return None
            found |= first
            if argument[0] > 0:
                return found
        return None

    def _signs(self, operation: Any, argument: Any) -> Signs:
        if operation is _constants.ANY:
            return frozenset(self._alphabet)
        members = _members(operation, argument)
        one = re.compile(f"[{''.join(map(_spelled, members))}]", self._flags)
        return frozenset(sign for sign in self._alphabet if one.match(sign))


def _is_within_a_word(items: list[Item], place: int) -> bool:
    """Whether it is the third or a later letter of a word whose first does not come again in it.

    Wherever such a word is looked for, place after place, its letters are compared twice at most.
    """
    start = place
    while start and items[start - 1][0] is _constants.LITERAL:
        start -= 1
    word = [argument for operation, argument in items[start : place + 1] if operation is _constants.LITERAL]
    return len(word) == place - start + 1 > 2 and word[0] not in word[1:]


def _all_items(tree: Any) -> Iterator[Item]:
    for operation, argument in tree:
        yield operation, argument
        for part in _parts(operation, argument):
            yield from _all_items(part)


def _parts(operation: Any, argument: Any) -> Iterable[Any]:
    if operation in _REPEATS:
        return [argument[2]]
    if operation is _constants.SUBPATTERN:
        return [argument[-1]]
    if operation is _constants.BRANCH:
        return list(argument[1])
    if operation in _LOOKS:
        return [argument[1]]
    if operation is _constants.GROUPREF_EXISTS:
        return [part for part in argument[1:] if part is not None]
    return [argument] if operation is _ATOMIC and _ATOMIC is not None else []


def _members(operation: Any, argument: Any) -> Iterable[Item]:
    return argument if operation is _constants.IN else [(operation, argument)]


def _codes(operation: Any, argument: Any) -> Iterable[int]:
    """The characters that a member of a set names."""
    if operation in (_constants.LITERAL, _constants.NOT_LITERAL):
        return [argument]
    return argument if operation is _constants.RANGE else ()


def _spelled(member: Item) -> str:
    operation, argument = member
    if operation is _constants.NEGATE:
        return "^"
    if operation is _constants.NOT_LITERAL:
        return f"^{re.escape(chr(argument))}"
    if operation is _constants.LITERAL:
        return re.escape(chr(argument))
    if operation is _constants.RANGE:
        return f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}"
    return _CATEGORIES[argument]
