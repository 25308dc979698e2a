"""The reference of all settings as Markdown, written from the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import cleandoc
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from ezlogs.settings.group import Group, Setting
from ezlogs.settings.kinds import spelled
from ezlogs.settings.table import GROUPS

_WORDS: Final[Mapping[Any, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "text",
    tuple: "list of texts",
    Literal: "text",
    Mapping: "table of texts",
}

_HEAD = """\
# Settings

All settings, by group. [Configuration](../configuration.md) says where each can be given, and which place counts more.

- In code by name, `ezlogs.configure(timeout=5)`, or by group, `ezlogs.configure(delivery=Delivery(timeout=5))` with
  `from ezlogs.settings import Delivery`.
- In `ezlogs.toml`, and in `pyproject.toml` below `tool.ezlogs`, by name, `timeout = 5`, or in the table of the group,
  `[delivery]`. A list is an array of texts, or one text with commas.
- In the environment by the variables below, the strongest first. `EZLOGS_CONFIG_FILE` names the file to read.

Times are in seconds, as they are for OpenTelemetry in Python.
"""


def markdown() -> str:
    """Return the reference, the content of ``docs/reference/settings.md``.

    >>> print(markdown().splitlines()[0])
    # Settings
    """
    sections = ["\n".join(_section(name, group)) for name, group in GROUPS.items()]
    return "\n\n".join([_HEAD.rstrip(), *sections]) + "\n"


def _section(name: str, group: type[Group]) -> Iterator[str]:
    yield f"## {name.capitalize()}"
    yield ""
    yield f"{cleandoc(group.__doc__ or '').splitlines()[0]} `{name}={group.__name__}(...)` or `[{name}]`."
    yield ""
    yield "| setting | type | default | environment | what it does | allowed | since |"
    yield "|---|---|---|---|---|---|---|"
    yield from map(_row, group.rows.values())


def _row(row: Setting) -> str:
    default = spelled(row.kind.shown(row.default))
    cells = [
        _code(row.name),
        _type(row.type),
        _code(default) if default else "not set",
        "<br>".join(map(_code, [row.variable, *row.otel])),
        row.doc,
        row.kind.allowed,
        row.since,
    ]
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _type(hint: Any) -> str:
    """Say in words what a setting is in code and in a file."""
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_type(part) for part in get_args(hint) if part is not NoneType)
    return _WORDS[get_origin(hint) or hint]


def _code(text: str) -> str:
    return f"`{text}`"
