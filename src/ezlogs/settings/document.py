"""The reference of all settings as Markdown, written from the table."""

from __future__ import annotations

from itertools import groupby

from ezlogs.settings.kinds import spelled
from ezlogs.settings.table import DEFAULTS, TABLE, Setting, variable

_HEAD = """\
# Settings

Give a setting to `ezlogs.configure()` by its name, or to the process by an environment variable. Where
several are given the strongest counts: `configure()`, then the `EZLOGS_*` variable, then OpenTelemetry's
variables in the order shown, then the default. A variable that is empty counts as not set.

A value that cannot be used never stops a process that was launched with `opentelemetry-instrument`: it is
reported once, and the next one in that order is used. `ezlogs.configure()` raises `InvalidSettings`, which
lists all that is wrong at once. `ezlogs settings` shows every setting, its value, and where that came from.

OpenTelemetry for Python reads its timeouts in seconds, and so does ezlogs.
"""


def markdown() -> str:
    """Return the reference, the content of ``docs/reference/settings.md``.

    >>> print(markdown().splitlines()[0])
    # Settings
    """
    sections = [
        "\n".join(
            [
                f"## {group.capitalize()}",
                "",
                "| setting | default | environment | what it does | allowed | since |",
                "|---|---|---|---|---|---|",
                *(_row(name, setting) for name, setting in rows),
            ]
        )
        for group, rows in groupby(TABLE.items(), key=lambda item: item[1].group)
    ]
    return "\n\n".join([_HEAD.rstrip(), *sections]) + "\n"


def _row(name: str, setting: Setting) -> str:
    default = spelled(setting.kind.shown(getattr(DEFAULTS, name)))
    cells = [
        _code(name),
        _code(default) if default else "not set",
        "<br>".join(map(_code, [variable(name), *setting.otel])),
        setting.doc,
        setting.kind.allowed,
        setting.since,
    ]
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _code(text: str) -> str:
    return f"`{text}`"
