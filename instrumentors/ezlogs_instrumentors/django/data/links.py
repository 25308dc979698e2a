"""Many-to-many links: one event for what one call added and removed, with the keys that really were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial, wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs.loaded import key_text
from ezlogs.trackers.data import observe
from ezlogs_instrumentors.django.data.fixtures import watching
from ezlogs_instrumentors.django.data.operations import Operation, run, running
from ezlogs_instrumentors.django.data.policies import LinksTelling, links_telling
from ezlogs_instrumentors.django.data.told import where
from ezlogs_instrumentors.django.transactions import write
from ezlogs_instrumentors.django.users import loaded_key
from ezlogs_instrumentors.hooks import Hooks

_MAX_KEYS_TOLD = 100
_KEYS = frozenset({"added", "added_of", "removed", "removed_of"})


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See what is done through the managers of many-to-many fields, which Django makes a class of for each field.

    A receiver of ``m2m_changed`` would make Django ask for the links that are there before it adds any.
    """
    hooks.replace(module, "create_forward_many_to_many_manager", partial(_hooking, hooks))
    _forget_managers(module)
    hooks.on_undo(partial(_forget_managers, module))


def _forget_managers(module: ModuleType) -> None:
    """Have the classes made anew that were made before."""
    from django.apps import apps

    for model in apps.get_models() if apps.models_ready else ():
        for descriptor in vars(model).values():
            if isinstance(descriptor, module.ManyToManyDescriptor):
                vars(descriptor).pop("related_manager_cls", None)


def _hooking(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def create_forward_many_to_many_manager(superclass: Any, rel: Any, reverse: bool) -> Any:
        manager = original(superclass, rel, reverse)
        name = rel.get_accessor_name() if reverse else rel.field.name
        for method in ("add", "remove", "clear", "set"):
            setattr(manager, method, _changing(hooks, name, rel.field, vars(manager)[method]))
        manager._remove_items = _removing(manager._remove_items)
        return manager

    return create_forward_many_to_many_manager


def _changing(hooks: Hooks, name: str, field: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    begin = guarded(_begin)

    @wraps(original)
    def change(manager: Any, /, *args: Any, **kwargs: Any) -> Any:
        operation = begin(manager, name, field) if hooks.active else None
        if operation is None:
            return original(manager, *args, **kwargs)
        return run(operation, original, manager, *args, **kwargs)

    return change


def _begin(manager: Any, name: str, field: Any) -> Operation | None:
    """Return what is to be told as one; None for what is a part of a ``set()`` that is being told."""
    if not watching():
        return None
    outer = running.get()
    return None if isinstance(outer, Links) and outer.manager is manager else Links(manager, name, field)


def _removing(original: Callable[..., Any]) -> Callable[..., Any]:
    """Note what is to be removed, which ``set()`` has found out."""
    see = guarded(_see_asked)

    @wraps(original)
    def _remove_items(manager: Any, /, source: str, target: str, *objs: Any, **kwargs: Any) -> Any:
        see(manager, objs)
        return original(manager, source, target, *objs, **kwargs)

    return _remove_items


def _see_asked(manager: Any, objs: Sequence[Any]) -> None:
    links = running.get()
    if isinstance(links, Links) and links.manager is manager:
        links.asked = [_key(manager, one) for one in objs]


def _key(manager: Any, one: Any) -> Any:
    return manager.target_field.get_foreign_related_value(one)[0] if isinstance(one, manager.model) else one


class Links(Operation):
    """What is done to the links of one instance."""

    def __init__(self, manager: Any, name: str, field: Any) -> None:
        self.manager = manager
        self._field = field
        self.through = manager.through
        self.asked: Sequence[Any] | None = None
        """The keys that are to be removed; None for all."""
        self._name = name
        self._source, self._target = manager.source_field.attname, manager.target_field.attname
        self._owner = manager.related_val[0]
        self._told: dict[str, Any] = {"field": name, **({"reverse": True} if manager.reverse else {})}
        self._rows = 0

    def add(self, using: str, links: Sequence[Any], rows: int | None) -> None:
        """Note links that were added, as the rows that were given; those that were there already are not told."""
        if rows == 0:
            return
        self.using = using
        self._rows += rows or 0
        if self.manager.symmetrical and any(vars(link)[self._source] != self._owner for link in links):
            note(self._told, "added", (), rows, is_exact=True)  # the other half of what was added before
            return
        note(self._told, "added", [vars(link)[self._target] for link in links], rows, is_exact=rows == len(links))

    def remove(self, using: str, rows: int) -> None:
        """Note how many rows were removed of those that were asked for."""
        self.using = using
        self._rows += rows
        keys = list(dict.fromkeys(self.asked or ()))
        expected = sum(2 if self.manager.symmetrical and key != self._owner else 1 for key in keys)
        is_unique = bool(self.through._meta.auto_created) or len(keys) == 1
        is_exact = rows == expected if self.manager.symmetrical else is_unique and rows >= expected > 0
        note(self._told, "removed", keys, rows, is_exact=is_exact)

    def tell(self) -> None:
        """Tell it as a change of the instance."""
        instance, using = self.manager.instance, self.using or "default"
        model, through = type(instance), self.through._meta
        telling = links_telling(self.through, (model, self._name), *self._other_end())
        if telling == "nothing":
            return
        metadata = {**where(model, using), "table": through.db_table, **_as_told(self._told, telling)}
        if not through.auto_created:
            metadata["through"] = through.label
        write(
            observe(model._meta.model_name, "update", id=loaded_key(instance), rows=self._rows, metadata=metadata),
            using,
        )

    def _other_end(self) -> list[tuple[Any, str]]:
        """Return the end that has the field, where the links were changed from the other."""
        return [(self._field.model, self._field.name)] if self.manager.reverse else []


class Added(Operation):
    """The rows that ``add()`` inserts."""

    def __init__(self, links: Links) -> None:
        self._links = links

    def inserted(self, model: Any, instances: Sequence[Any], rows: int | None) -> None:
        """Note them as links."""
        self._links.add(self.using or "default", instances, rows)

    def tell(self) -> None:
        """Leave it to the links."""


class Adding(Operation):
    """Rows that the application itself inserts into the table that Django made for a many-to-many field."""

    def __init__(self, model: Any) -> None:
        self._instances: list[Any] = []
        self._rows: int | None = 0

    def inserted(self, model: Any, instances: Sequence[Any], rows: int | None) -> None:
        """Note them."""
        self._instances += instances
        self._rows = None if rows is None or self._rows is None else self._rows + rows

    def tell(self) -> None:
        """Tell them as a change of the model that has the field."""
        if self._rows != 0:
            write_links(self._instances, self.using or "default", rows=self._rows)


def write_links(
    links: Sequence[Any], using: str, *, rows: int | None = 1, change: str = "added", through: Any = None
) -> None:
    """Tell rows of a table that Django made for a many-to-many field.

    Args:
        links: The rows, as far as they are known.
        using: The database's alias.
        rows: How many there were; None where the database does not say.
        change: ``added`` or ``removed``.
        through: Their model.
    """
    through = through or type(links[0])
    source, target = [field.attname for field in through._meta.concrete_fields if field.is_relation]
    owner = through._meta.auto_created
    owners = {vars(link).get(source) for link in links}
    names = [field.name for field in owner._meta.many_to_many if field.remote_field.through is through]
    telling = links_telling(through, *((owner, name) for name in names[:1]))
    if telling == "nothing":
        return
    told: dict[str, Any] = {"field": names[0] if names else None}
    note(told, change, [vars(link).get(target) for link in links], rows, is_exact=rows == len(links))
    metadata = {**where(owner, using), "table": through._meta.db_table, **_as_told(told, telling)}
    key = _text(owners.pop()) if len(owners) == 1 else None
    write(observe(owner._meta.model_name, "update", id=key, rows=rows or 0, metadata=metadata), using)


def note(told: dict[str, Any], change: str, keys: Iterable[Any], rows: int | None, *, is_exact: bool) -> None:
    """Note keys as what was added or removed, or else as what it was some of."""
    texts = [_text(key) for key in keys][:_MAX_KEYS_TOLD]
    if texts:
        told.setdefault(change if is_exact else f"{change}_of", []).extend(texts)
    if rows is not None:
        told[f"rows_{change}"] = told.get(f"rows_{change}", 0) + rows


def _as_told(told: Mapping[str, Any], telling: LinksTelling) -> dict[str, object]:
    """Return a change of links as metadata: without keys, or without anything, where a policy says so."""
    if telling == "change":
        return {}
    return {"m2m": {name: value for name, value in told.items() if telling == "keys" or name not in _KEYS}}


def _text(key: Any) -> str | None:
    return key_text(key) if not isinstance(key, str) else key
