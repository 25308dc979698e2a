"""What jobs are given and what they return: told as a summary, as far as the settings allow it.

Privacy has its say about the names and the values; nothing of the application's is asked for its ``repr``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import Parameter, signature
from itertools import islice
from typing import Any, cast
from weakref import WeakKeyDictionary

from ezlogs.emit import guarded
from ezlogs.loaded import loaded_identity
from ezlogs.runtime import current_runtime
from ezlogs.snapshot import Pairs, Value, freeze, text, type_name
from ezlogs.trackers.job_message import Arguments

MAX_ARGUMENTS = 16
"""Arguments that are told; of those after them, how many there are."""

MAX_TEXT, MAX_NAME = 1024, 64
"""Characters of a text that is told as a whole, for a part of it might be the unrecognised half of a secret; and of a
name."""

MAX_ITEMS, MAX_DEPTH = 32, 3
"""Items of a collection that is told, and how deep those may be nested."""

_COLLECTIONS = (list, tuple, set, frozenset, dict, bytes, bytearray, str)


_names: WeakKeyDictionary[Any, tuple[tuple[str, ...], str | None]] = WeakKeyDictionary()
"""The names of a function's positional parameters, and that of the one which takes what is left."""


@guarded
def arguments_told(call: Arguments | None) -> Value:
    """Return what may be told of a job's arguments, by the setting ``job_arguments``; None for nothing.

    Args:
        call: The call. Positional arguments without a known parameter go by their number, from 0.

    Example:
        >>> from ezlogs.testing import capture
        >>> def send_receipt(order_id, email): ...
        >>> with capture():
        ...     arguments_told(Arguments(send_receipt, (42, "ada@example.com"), {"copy": True}))
        (('order_id', 42), ('email', '<str of 15>'), ('copy', True))
    """
    how = _setting("job_arguments")
    if call is None or how == "none":
        return None
    args: Any = call.args if type(call.args) in (list, tuple) else ()
    kwargs: Any = call.kwargs if type(call.kwargs) is dict else {}
    total = len(args) + len(kwargs)
    if not total:
        return None
    named = [(text(name, MAX_NAME), value) for name, value in islice(_named(call, args, kwargs), MAX_ARGUMENTS)]
    if how == "names":
        return tuple(name for name, _ in named) + (("…",) if total > MAX_ARGUMENTS else ())
    told = [(name, value_told(value, how)) for name, value in named]
    if total > MAX_ARGUMENTS:
        told.append(("…", f"+{total - MAX_ARGUMENTS} arguments"))
    return Pairs(told)


@guarded
def result_told(value: object) -> Value:
    """Return what may be told of what a job returned, by the setting ``job_results``; None for nothing.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture(job_results="safe"):
        ...     result_told(["ada@example.com"])
        '<list of 1>'
    """
    how = _setting("job_results")
    return None if how == "none" else value_told(value, how)


def value_told(value: object, how: str) -> Value:
    """Return what is told of a value.

    Args:
        value: Anything.
        how: ``names`` for its type and size alone; ``safe`` for the values of keys, booleans, numbers,
            dates and enumerations, the size of texts and collections, and the type of all else; ``full`` also for texts
            and collections that are not too large.
    """
    from ezlogs.trackers.data.values import is_harmless

    if how != "names":
        if value is None or is_harmless(value) or loaded_identity(value) is not None:
            return freeze(value)
        if how == "full" and _is_small(value, MAX_DEPTH):
            return freeze(value)
    kind = type(value)
    return f"<{kind.__name__} of {len(value)}>" if kind in _COLLECTIONS else type_name(value)  # type: ignore[arg-type]  # they have one


def _setting(name: str) -> str:
    runtime = current_runtime()
    return "none" if runtime is None else str(getattr(runtime.settings, name))


def _is_small(value: object, levels: int) -> bool:
    kind, known = type(value), cast("Any", value)
    if kind is str:
        return len(known) <= MAX_TEXT
    if kind not in (dict, list, tuple, set, frozenset):
        return kind not in _COLLECTIONS
    if levels == 0 or len(known) > MAX_ITEMS:
        return False
    items = [*known, *known.values()] if kind is dict else known
    return all(_is_small(item, levels - 1) for item in items)


def _named(call: Arguments, args: Any, kwargs: Mapping[Any, object]) -> Iterator[tuple[str, object]]:
    names, rest = _parameters(call.function)
    names = names[call.given :]
    for number, value in enumerate(args):
        if number < len(names):
            yield names[number], value
        else:
            yield (str(number) if rest is None else f"{rest}[{number - len(names)}]"), value
    for name, value in kwargs.items():
        yield (name if type(name) is str else type_name(name)), value


def _parameters(function: Any) -> tuple[tuple[str, ...], str | None]:
    if function is None:
        return (), None
    plain = getattr(function, "__func__", function)  # methods are made anew each time they are looked up
    bound = 0 if plain is function else 1
    try:
        known = _names.get(plain)
        if known is None:
            known = _names[plain] = _read(plain)
    except TypeError:  # what cannot be referred to weakly, or compared
        known = _read(plain)
    names, rest = known
    return names[bound:], rest


def _read(function: Any) -> tuple[tuple[str, ...], str | None]:
    try:
        parameters = signature(function).parameters.values()
    except (TypeError, ValueError):  # built-in
        return (), None
    names = tuple(one.name for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD))
    return names, next((one.name for one in parameters if one.kind is Parameter.VAR_POSITIONAL), None)
