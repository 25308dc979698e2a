"""Phrases of an application's own: how it wants its events to be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import Formatter
from typing import Any, Final, NamedTuple

from ezlogs.event import UniversalEvent
from ezlogs.story.wording import last_segment, shortened

Template = str | Callable[[UniversalEvent], str | None]
"""A sentence without its full stop, with what is to be put in it in braces; or what returns one for an event."""

FIELDS: Final = ("actor", "subject", "action", "duration", "metadata", "changes")
"""What may stand in braces; of an actor or subject also ``type``, ``id`` and ``label``, of the rest the names in it."""


class UnknownField(ValueError):  # noqa: N818  # the name says what is wrong
    """A template has something in braces that no event has."""


class Phrases:
    """Templates by the kind of event that they tell of.

    Example:
        >>> phrases = Phrases()
        >>> phrases.add("order.placed", "{actor} ordered {subject.id} for {metadata.total}")
    """

    def __init__(self) -> None:
        self._templates: dict[tuple[str, str], Template] = {}

    def add(self, kind: str, template: Template, outcome: str = "success") -> None:
        """Have events of a kind told by a template.

        Args:
            kind: An action such as ``order.create``; or the first part of an event type and an action, such as
                ``order.placed`` for ``("order.action", "placed")``; or a whole event type and an action,
                ``order.action placed``.
            template: The template; what returns None, or fails, leaves an event to the usual words.
            outcome: How the events ended that it is for.

        Raises:
            UnknownField: The template has something in braces that no event has.
        """
        if isinstance(template, str):
            for _, field, _, _ in Formatter().parse(template):
                if field is not None and field.partition(".")[0] not in FIELDS:
                    raise UnknownField(f"phrase {kind!r}: {{{field}}} is not known; use {', '.join(FIELDS)}")
        self._templates[kind, outcome] = template

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._templates)

    def find(self, event: UniversalEvent) -> Template | None:
        """Return the template for an event, the most special first."""
        if not self._templates:
            return None
        action, event_type = event.action, event.event_type
        for kind in (f"{event_type} {action}", action, f"{event_type.partition('.')[0]}.{last_segment(action)}"):
            template = self._templates.get((kind, event.outcome))
            if template is not None:
                return template
        return None


NONE: Final = Phrases()
"""No phrases; never added to."""


class Named(NamedTuple):
    """Somebody or something, in a template: by its name, or by one of its parts."""

    name: str
    type: str
    id: str
    label: str

    def __format__(self, spec: str) -> str:
        return self.name


class Facts:
    """Facts by their names, in a template; what is not there is nothing."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self._found = found

    def __format__(self, spec: str) -> str:
        return ", ".join(f"{name} {value}" for name, value in self._found.items())

    def __getitem__(self, name: str) -> str:
        value = self._found.get(name)
        return "" if value is None else shortened(f"{value:,}" if type(value) in (int, float) else str(value))


def filled(template: str, values: Mapping[str, object]) -> str:
    """Return a template with its values put in. Only names and parts of names are looked up: nothing is run."""
    told = ""
    for text, field, _, _ in Formatter().parse(template):
        told += text
        if field is not None:
            name, _, part = field.partition(".")
            value = values[name]
            if part:
                value = value[part] if isinstance(value, Facts) else value._asdict()[part]  # type: ignore[attr-defined]  # a Named
            told += format(value)
    return told
