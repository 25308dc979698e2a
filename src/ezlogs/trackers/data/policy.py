"""Policies: what is told of one model, from what its class says and what the settings say of its name and table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Literal, NamedTuple, Protocol, get_args
from weakref import ref

import msgspec

from ezlogs.privacy import KeyMatcher
from ezlogs.runtime import Runtime, current_runtime, on_install
from ezlogs.settings import Settings
from ezlogs.settings.table import Changes
from ezlogs.trackers.data.audit import Audit, Capture, on_audit, own_problem, said_of

Telling = Literal["nothing", "name", "masked", "hashed", "safe", "full"]

_MOST_NAMES = 1024
_USUAL_LIMIT = 100
_usual_keys = KeyMatcher()


class Named(Protocol):
    """A field."""

    @property
    def name(self) -> str:
        """Its name."""


class ModelPolicy(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What is told of one model."""

    told: bool = True
    """Whether anything is."""
    changes: Changes = "safe"
    include: frozenset[str] | None = None
    """The only fields that are told; None for all."""
    hidden: Mapping[str, str] = {}
    """What is done with fields, by name: ``exclude``, ``mask`` or ``hash``."""
    capture: Capture = "count"
    """What is told of rows that are written together."""
    limit: int = _USUAL_LIMIT
    """As many of these are told at most."""
    access: bool = False
    """Whether reading a row is told."""
    keys: KeyMatcher = _usual_keys
    """Which fields are secrets by their names: that of privacy, with what the settings deny and allow."""
    _tellings: dict[str, Telling] = msgspec.field(default_factory=dict)

    def telling(self, field: str) -> Telling:
        """Return what is told of a field: ``nothing``, its ``name``, its values ``masked``, ``hashed``, if they are
        ``safe``, or in ``full``.

        Example:
            >>> policy = ModelPolicy(changes="full", hidden={"email": "mask", "draft": "exclude"})
            >>> [policy.telling(name) for name in ("email", "draft", "password", "note")]
            ['masked', 'nothing', 'name', 'full']
        """
        known = self._tellings.get(field)
        if known is None:
            if len(self._tellings) >= _MOST_NAMES:  # of paths inside documents
                self._tellings.clear()
            known = self._tellings[field] = self._telling(field)
        return known

    def tells(self, field: str) -> bool:
        """Return whether anything is told of a field."""
        return self.telling(field) != "nothing"

    def tells_values(self, field: str) -> bool:
        """Return whether a field's values are told as they are, if they are harmless."""
        return self.telling(field) in ("safe", "full")

    @property
    def restricts(self) -> bool:
        """Whether some fields may not be told at all."""
        return self.include is not None or bool(self.hidden)

    def leaves_out(self, fields: Iterable[Named]) -> bool:
        """Return whether all that was written are fields that are not told, so that the write is none to tell.

        Example:
            >>> from ezlogs.trackers.data import Field
            >>> policy = ModelPolicy(hidden={"last_seen": "exclude"})
            >>> policy.leaves_out([Field("last_seen")]), policy.leaves_out([Field("last_seen"), Field("name")])
            (True, False)
        """
        if not self.restricts:
            return False
        names = [field.name for field in fields]
        return bool(names) and all(map(self.excludes, names))

    def excludes(self, field: str) -> bool:
        """Return whether a field is not told at all, because of itself or of that which a path leads into."""
        included = self.include is None or field in self.include or field.partition(".")[0] in self.include
        return not included or self._how(field) == "exclude"

    def _how(self, field: str) -> str | None:
        """Return what is done with a field, or with that which a path such as ``extra.mail`` leads into."""
        return self.hidden.get(field) or self.hidden.get(field.partition(".")[0])

    def _telling(self, field: str) -> Telling:
        changes = self.changes
        how = self._how(field)
        if changes == "none" or self.excludes(field):
            return "nothing"
        if changes == "names" or self.keys.denies(field):
            return "name"
        return "masked" if how == "mask" else "hashed" if how == "hash" else changes


class Described(NamedTuple):
    """What an ORM's adapter knows of a class."""

    labels: Sequence[str]
    """Its names as the settings have them: ``shop.order`` in Django, of a proxy its model's too."""
    table: str | None = None
    """The table's name, with its schema if it is given one."""
    kind: type | None = None
    """The class that things were said of; None for the class itself."""
    name_of: Callable[[str], str] | None = None
    """Returns the name under which a field is told whatever it is called: ``customer`` for ``customer_id``."""
    is_told: bool = True
    """Whether it is told if nobody says anything of it."""


class _Known:
    """The policies under some settings, by the identity of each class, or by name and table where there is none."""

    def __init__(self, runtime: Runtime | None) -> None:
        self.settings = None if runtime is None else runtime.settings
        self.keys = _usual_keys if runtime is None else runtime.scrubber.keys
        self.policies: dict[object, ModelPolicy] = {}
        self._refs: dict[int, ref[type]] = {}

    @cached_property
    def by_changes(self) -> Mapping[str, ModelPolicy]:
        """The policies of models of which nothing else is said."""
        return {changes: ModelPolicy(changes=changes, keys=self.keys) for changes in get_args(Changes)}

    def keep(self, model: type | None, key: object, policy: ModelPolicy) -> ModelPolicy:
        """Remember a policy for as long as its class is there; its identity may be another's then."""
        if model is not None:
            number = id(model)
            self._refs[number] = ref(model, lambda _: self._forget(number))
        self.policies[key] = policy
        return policy

    def _forget(self, number: int) -> None:
        self.policies.pop(number, None)
        self._refs.pop(number, None)


latest = [_Known(None)]
"""Those under the present settings: other ones with any other runtime."""


def policy_of(model: type | None, label: str, table: str | None = None) -> ModelPolicy:
    """Return what is told of a model. For each write: it is one look-up but for the first time.

    Args:
        model: Its class; None where a table has none.
        label: Its name as the settings have it: ``shop.order`` in Django, ``order`` elsewhere.
        table: The table's name, with its schema if it is given one.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture(data_exclude=["audit_*"], data_changes={"shop.*": "full"}):
        ...     policy_of(None, "shop.order", "shop_order").changes, policy_of(None, "log", "audit_log").told
        ('full', False)
    """
    known = _present()
    key: object = (label, table) if model is None else id(model)
    found = known.policies.get(key)
    return found or known.keep(model, key, _policy(model, Described((label,), table), known))


def policy_of_class(model: type, describe: Callable[[type], Described]) -> ModelPolicy:
    """Return what is told of a model whose names are looked up the first time only.

    Args:
        model: Its class.
        describe: Returns what is known of it.

    Example:
        >>> class Order:
        ...     pass
        >>> policy_of_class(Order, lambda _: Described(("sessions.session",), "django_session")).told
        False
    """
    known = _present()
    found = known.policies.get(id(model))
    return found or known.keep(model, id(model), _policy(model, describe(model), known))


def policy_of_changes(changes: str) -> ModelPolicy:
    """Return what is told of a model of which nothing is said but one word of ``changes``."""
    return _present().by_changes[changes]


def _present() -> _Known:
    runtime = current_runtime()
    known = latest[0]
    if known.settings is not (None if runtime is None else runtime.settings):
        latest[0] = known = _Known(runtime)
    return known


def _policy(model: type | None, described: Described, known: _Known) -> ModelPolicy:
    settings = known.settings or Settings()
    kind = described.kind or model
    said = Audit() if kind is None else said_of(kind)
    problem = None if kind is None else own_problem(kind)
    runtime = current_runtime()
    if problem and runtime is not None:
        runtime.warn_once(problem)
    names = _names(described.labels, described.table)
    name_of = described.name_of or str
    return ModelPolicy(
        told=(described.is_told and _is_told(names, settings)) if said.told is None else said.told,
        changes=said.changes or _said_by_glob(settings.data_changes, names) or settings.changes,
        include=None if said.include is None else frozenset(map(name_of, said.include)),
        hidden={name_of(name): how for name, how in sorted(said.hidden.items(), key=_strictness)},
        capture=said.capture or "count",
        limit=said.limit or _USUAL_LIMIT,
        access=bool(said.access),
        keys=known.keys,
    )


def _strictness(hidden: tuple[str, str]) -> int:
    return ("mask", "hash", "exclude").index(hidden[1])


def _names(labels: Sequence[str], table: str | None) -> tuple[str, ...]:
    """Return what globs may match: the model's names, the table's, and that without its schema."""
    known = (*labels, *((table, table.rpartition(".")[2]) if table else ()))
    return tuple(dict.fromkeys(name.lower() for name in known))


def _is_told(names: Sequence[str], settings: Settings) -> bool:
    if _fits(settings.data_exclude, names):
        return False
    return not settings.data_include or _fits(settings.data_include, names)


def _fits(globs: Sequence[str], names: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob.lower()) for glob in globs for name in names)


def _said_by_glob(by_glob: Mapping[str, Changes], names: Sequence[str]) -> Changes | None:
    """Return what the most specific glob that fits says: a whole name before others, then a longer before a shorter."""
    fitting = [glob for glob in by_glob if _fits((glob,), names)]
    return by_glob[max(fitting, key=_specificity)] if fitting else None


def _specificity(glob: str) -> tuple[bool, int]:
    return not any(sign in glob for sign in "*?["), len(glob)


def _forget_policies(_: object) -> None:
    latest[0] = _Known(current_runtime())


on_audit(_forget_policies)
on_install(_forget_policies)
