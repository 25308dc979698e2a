"""Policies: what is told of one model, from what its class says and what the settings say of its name and table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, Literal, Protocol
from weakref import ref

import msgspec

from ezlogs.privacy import KeyMatcher
from ezlogs.runtime import current_runtime
from ezlogs.settings import Settings
from ezlogs.settings.table import Changes
from ezlogs.trackers.data.audit import Audit, Capture, on_audit, own_problem, said_of

Telling = Literal["nothing", "name", "masked", "hashed", "safe", "full"]

_MOST_NAMES = 1024
_USUAL_LIMIT = 100
_secrets = KeyMatcher()


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

    def leaves_out(self, fields: Iterable[Named]) -> bool:
        """Return whether all that was written are fields that are not told, so that the write is none to tell.

        Example:
            >>> from ezlogs.trackers.data import Field
            >>> policy = ModelPolicy(hidden={"last_seen": "exclude"})
            >>> policy.leaves_out([Field("last_seen")]), policy.leaves_out([Field("last_seen"), Field("name")])
            (True, False)
        """
        if self.include is None and not self.hidden:
            return False
        names = [field.name for field in fields]
        return bool(names) and all(map(self._is_excluded, names))

    def _how(self, field: str) -> str | None:
        """Return what is done with a field, or with that which a path such as ``extra.mail`` leads into."""
        return self.hidden.get(field) or self.hidden.get(field.partition(".")[0])

    def _is_excluded(self, field: str) -> bool:
        included = self.include is None or field in self.include or field.partition(".")[0] in self.include
        return not included or self._how(field) == "exclude"

    def _telling(self, field: str) -> Telling:
        changes = self.changes
        how = self._how(field)
        if changes == "none" or self._is_excluded(field):
            return "nothing"
        if changes == "names" or _secrets.denies(field):
            return "name"
        return "masked" if how == "mask" else "hashed" if how == "hash" else changes


BY_CHANGES: Final[Mapping[str, ModelPolicy]] = {
    "safe": ModelPolicy(changes="safe"),
    "full": ModelPolicy(changes="full"),
    "names": ModelPolicy(changes="names"),
    "none": ModelPolicy(changes="none"),
}
"""The policies of models of which nothing else is said."""


class _Known:
    """The policies under some settings, by the identity of each class, or by name and table where there is none."""

    def __init__(self, settings: Settings | None) -> None:
        self.settings = settings
        self.policies: dict[object, ModelPolicy] = {}
        self._refs: dict[int, ref[type]] = {}

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


_latest = [_Known(None)]
"""Those under the present settings."""


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
    runtime = current_runtime()
    settings = None if runtime is None else runtime.settings
    known = _latest[0]
    if known.settings is not settings:
        known = _renewed(settings)
    key: object = (label, table) if model is None else id(model)
    found = known.policies.get(key)
    return found or known.keep(model, key, _policy(model, label, table, settings or Settings()))


def _renewed(settings: Settings | None) -> _Known:
    _latest[0] = known = _Known(settings)
    return known


def _policy(model: type | None, label: str, table: str | None, settings: Settings) -> ModelPolicy:
    said = Audit() if model is None else said_of(model)
    problem = None if model is None else own_problem(model)
    runtime = current_runtime()
    if problem and runtime is not None:
        runtime.warn_once(problem)
    names = _names(label, table)
    changes = said.changes or _said_by_glob(settings.data_changes, names) or settings.changes
    return ModelPolicy(
        told=_is_told(names, settings) if said.told is None else said.told,
        changes=changes,
        include=said.include,
        hidden=said.hidden,
        capture=said.capture or "count",
        limit=said.limit or _USUAL_LIMIT,
        access=bool(said.access),
    )


def _names(label: str, table: str | None) -> tuple[str, ...]:
    """Return what globs may match: the model's name, the table's, and that without its schema."""
    known = (label, table or label, (table or label).rpartition(".")[2] if table else label)
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


on_audit(lambda _: _renewed(_latest[0].settings))
