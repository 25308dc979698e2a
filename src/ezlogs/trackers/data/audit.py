"""What an application says of its models: which are told, which of their fields, and how."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, get_args, overload
from weakref import WeakKeyDictionary

import msgspec

from ezlogs.nearest import nearest
from ezlogs.settings.table import Changes

Capture = Literal["count", "pks", "rows"]
Kind = TypeVar("Kind", bound=type)

MOST_CAPTURED = 250
"""Rows of one bulk write that may be told one by one: as many keys as one event takes."""


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What was said of one class; None where nothing was."""

    told: bool | None = None
    include: frozenset[str] | None = None
    hidden: Mapping[str, str] = {}
    """What is done with fields, by name: ``exclude``, ``mask`` or ``hash``."""
    changes: Changes | None = None
    capture: Capture | None = None
    limit: int | None = None
    access: bool | None = None


_audits: WeakKeyDictionary[type, Audit] = WeakKeyDictionary()
_listeners: list[Callable[[type], object]] = []


if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    class Said(TypedDict, total=False):
        """What `audit` takes by name."""

        include: Collection[str] | None
        exclude: Collection[str]
        mask: Collection[str]
        hash: Collection[str]
        changes: Changes | None
        capture: Capture | None
        limit: int | None
        access: bool | None


@overload
def audit(model: Kind, told: bool | None = None, /, **said: Unpack[Said]) -> Kind: ...
@overload
def audit(told: bool | None = None, /, **said: Unpack[Said]) -> Callable[[Kind], Kind]: ...
def audit(
    model: Any = None,
    told: bool | None = None,
    /,
    *,
    include: Collection[str] | None = None,
    exclude: Collection[str] = (),
    mask: Collection[str] = (),
    hash: Collection[str] = (),
    changes: Changes | None = None,
    capture: Capture | None = None,
    limit: int | None = None,
    access: bool | None = None,
) -> Any:
    """Say what is told of a model: as decorator of its class, or called with the class of somebody else's.

    Subclasses inherit it; what is said of one of them comes on top. It counts before the settings, which name models
    by their globs (`data_include`, `data_exclude`, `data_changes`, `changes`).

    Args:
        model: The class; left out where this is a decorator.
        told: False leaves the model out; True tells it although a setting leaves it out, as does saying nothing else.
        include: The names of the only fields that are told.
        exclude: Fields that are not told at all, not even by name.
        mask: Fields of which only an end is told, as privacy masks: of an e-mail address the domain.
        hash: Fields of which a keyed hash is told, the same for equal values; masked without the setting ``hash_key``.
        changes: Which values are told of all other fields, in place of the setting ``changes``: ``safe``, ``full``,
            ``names`` or ``none``.
        capture: What is told of rows that are written together: their ``count`` only, as if left out; their keys,
            ``pks``; or each, ``rows``. The last two read the rows first, in the same transaction and without a lock.
        limit: As many of these rows are read and told at most, 1 to 250; 100 if left out.
        access: Whether reading a row is told, as ``data.access``.

    Returns:
        The class, as it was.

    Raises:
        TypeError: Something is of a type that it cannot have.
        ValueError: A word or number that is not allowed, a field that the model does not have, or one of which two
            things are said.

    Example:
        >>> @audit(exclude=["draft"], mask=["email"], changes="full", capture="pks", limit=50)
        ... class Customer:
        ...     pass
        >>> class Patient:
        ...     pass
        >>> audit(Patient, changes="names", access=True) is Patient
        True
        >>> audit(Customer, changes="everything")
        Traceback (most recent call last):
        ValueError: changes='everything': use safe, full, names or none
    """
    if isinstance(model, bool):
        if told is not None:
            raise TypeError("audit(): say True or False once, after the model or without one")
        model, told = None, model
    if model is not None and not isinstance(model, type):
        raise TypeError(f"audit() takes a model's class, or stands before one as @ezlogs.audit(...); not {model!r:.80}")
    said = Audit(
        told=_flag("told", told),
        include=None if include is None else _names("include", include),
        hidden=_hidden(exclude=exclude, mask=mask, hash=hash),
        changes=_word("changes", changes, get_args(Changes)),
        capture=_word("capture", capture, get_args(Capture)),
        limit=_limit(limit),
        access=_flag("access", access),
    )
    _check(said)
    if said == Audit():
        said = Audit(told=True)

    def say(kind: Kind) -> Kind:
        if not isinstance(kind, type):
            raise TypeError(f"@ezlogs.audit(...) stands before a model's class, not {kind!r:.80}")
        if is_mapped(kind):
            for name in unknown_names(kind, said):
                raise ValueError(_unknown(kind, name))
        _audits[kind] = said
        for listener in list(_listeners):
            listener(kind)
        return kind

    return say if model is None else say(cast("Any", model))


def said_of(model: type) -> Audit:
    """Return what was said of a class and its bases; the nearest counts, and fields that are hidden add up.

    Example:
        >>> @audit(mask=["email"], changes="full")
        ... class Person: pass
        >>> @audit(exclude=["salary"], changes="names")
        ... class Employee(Person): pass
        >>> said = said_of(Employee)
        >>> said.hidden, said.changes
        ({'email': 'mask', 'salary': 'exclude'}, 'names')
    """
    found = Audit()
    for kind in reversed(model.__mro__):
        said = _audits.get(kind)
        if said is not None:
            found = Audit(
                told=found.told if said.told is None else said.told,
                include=found.include if said.include is None else said.include | (found.include or frozenset()),
                hidden={**found.hidden, **said.hidden},
                changes=said.changes or found.changes,
                capture=said.capture or found.capture,
                limit=said.limit or found.limit,
                access=found.access if said.access is None else said.access,
            )
    return found


def own_problem(model: type) -> str | None:
    """Return what is wrong with what was said of a class before it was a model, if anything."""
    said = _audits.get(model)
    for name in unknown_names(model, said) if said is not None and is_mapped(model) else ():
        return _unknown(model, name)
    return None


def on_audit(listener: Callable[[type], object]) -> Callable[[], None]:
    """Have something called with each class of which anything is said, now and later; return what ends it."""
    _listeners.append(listener)
    for kind in list(_audits):
        listener(kind)
    return lambda: _listeners.remove(listener)


def is_mapped(model: type) -> bool:
    """Tell whether a class is a model with all its fields: neither abstract nor a mixin."""
    own = vars(model)
    return "__mapper__" in own or ("_meta" in own and getattr(own["_meta"], "abstract", True) is False)


def unknown_names(model: type, said: Audit) -> list[str]:
    """Return the names of fields that a model does not have; of paths inside a document its field's counts."""
    names = {name.partition(".")[0] for name in (*(said.include or ()), *said.hidden)}
    return sorted(name for name in names if not hasattr(model, name))


def _unknown(model: type, name: str) -> str:
    known = (word for word in dir(model) if not word.startswith("_"))
    near = nearest(name, known)
    hint = f"; did you mean {near!r}?" if near else ""
    return f"ezlogs.audit: {model.__name__} has no field {name!r}{hint}"


def _check(said: Audit) -> None:
    both = sorted((said.include or frozenset()) & {name for name, how in said.hidden.items() if how == "exclude"})
    if both:
        raise ValueError(f"{both[0]!r} is in include and in exclude: leave out one")
    if said.told is False and said != Audit(told=False):
        raise ValueError("a model that is left out needs nothing else: leave out False, or all else")


def _hidden(**given: object) -> dict[str, str]:
    hidden: dict[str, str] = {}
    for how, names in given.items():
        for name in sorted(_names(how, names)):
            if name in hidden:
                raise ValueError(f"{name!r} is in {hidden[name]} and in {how}: leave out one")
            hidden[name] = how
    return hidden


def _names(argument: str, names: object) -> frozenset[str]:
    if isinstance(names, str) or not isinstance(names, Collection):
        raise TypeError(f"{argument}={names!r:.80}: use names of fields, such as {argument}=['email']")
    for name in names:
        if not isinstance(name, str) or not name:
            raise TypeError(f"{argument}: {name!r:.80} is no name of a field: use texts, such as 'email'")
    return frozenset(names)


def _word(argument: str, word: object, words: tuple[str, ...]) -> Any:
    if word is None or (isinstance(word, str) and word in words):
        return word
    near = nearest(word, words) if isinstance(word, str) else None
    hint = f"; did you mean {near!r}?" if near else ""
    problem = f"{argument}={word!r:.80}: use {', '.join(words[:-1])} or {words[-1]}{hint}"
    raise ValueError(problem) if isinstance(word, str) else TypeError(problem)


def _limit(limit: object) -> int | None:
    if limit is None:
        return None
    problem = f"limit={limit!r:.80}: use a whole number, 1 to {MOST_CAPTURED}"
    if type(limit) is not int:
        raise TypeError(problem)
    if not 1 <= limit <= MOST_CAPTURED:
        raise ValueError(problem)
    return limit


def _flag(argument: str, flag: object) -> bool | None:
    if flag is None or isinstance(flag, bool):
        return flag
    raise TypeError(f"{argument}={flag!r:.80}: use True or False")
