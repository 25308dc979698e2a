"""SQL that an application wrote as text: which table it writes to, and a fingerprint in place of the statement."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import NamedTuple

from ezlogs.emit import listening
from ezlogs.runtime import current_runtime
from ezlogs.trackers import data

RAW = "data.raw"
_LONGEST = 100_000
"""Characters of a statement that are looked at."""

_TEXT_OR_COMMENT = re.compile(
    r"'(?:[^']|'')*(?:'|\Z)|\"(?:[^\"]|\"\")*(?:\"|\Z)|\$(\w*)\$.*?(?:\$\1\$|\Z)|--[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL
)
_DOUBLE = re.compile(r'"(?:[^"]|"")*(?:"|\Z)')
_NUMBER = re.compile(r"(?<![\w.\"`\]])[-+]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?![\w\"`])")
_PLACEHOLDER = re.compile(r"%\(\w+\)s|%s|(?<!:):\w+|\$\d+|\?")
_LIST = re.compile(r"\(\s*\?(?:\s*,\s*\?)*\s*\)(?:\s*,\s*\(\s*\?(?:\s*,\s*\?)*\s*\))*")
_SPACE = re.compile(r"\s+")
_PART = r"(?:\"(?:[^\"]|\"\")+\"|`[^`]+`|\[[^\]]+\]|[^\W\d][\w$]*)"
_NAME = rf"(?P<table>{_PART}(?:\s*\.\s*{_PART}){{0,3}})"
_OPTIONS = r"(?:(?:low_priority|delayed|high_priority|quick|ignore|only)\s+|or\s+\w+\s+)*"
_WRITES = re.compile(
    rf"\b(?P<verb>insert\s+{_OPTIONS}into|insert\s+ignore|replace\s+{_OPTIONS}into|update|delete\s+{_OPTIONS}from|"
    rf"merge\s+into|truncate(?:\s+table)?|copy)\s+{_OPTIONS}{_NAME}",
    re.IGNORECASE,
)
_STARTS = re.compile(r"\s*(?:with\b|\(|insert\b|replace\b|update\b|delete\b|merge\b|truncate\b|copy\b)", re.IGNORECASE)
_COPY_IN = re.compile(r"\bfrom\b", re.IGNORECASE)


class Written(NamedTuple):
    """What a statement writes to."""

    verb: str
    """``insert``, ``update``, ``delete``, ``merge``, ``truncate``, ``replace`` or ``copy``."""
    table: str
    fingerprint: str
    """The same for statements that differ in nothing but values, spaces and comments."""


def watching() -> bool:
    """Return whether statements written as text are told: with the setting ``raw_statements``."""
    runtime = current_runtime()
    return runtime is not None and runtime.settings.raw_statements and listening(RAW)


def read(sql: str) -> Written | None:
    """Return what a statement writes to; None for one that only reads, defines, or that this cannot read.

    Example:
        >>> read("UPDATE orders SET note = 'for Ada' WHERE id = 7")
        Written(verb='update', table='orders', fingerprint='6f4b75756a9dd9d6')
        >>> read("SELECT 1") is None
        True
    """
    sql = sql[:_LONGEST]
    bare = _bare(sql)
    if not _STARTS.match(bare):
        return None
    found = _WRITES.search(bare)
    if found is None:
        return None
    verb = found["verb"].split()[0].lower()
    if verb == "copy" and not _COPY_IN.search(bare, found.end()):
        return None
    shape = _NUMBER.sub("?", _PLACEHOLDER.sub("?", _DOUBLE.sub("?", bare)))  # which for MySQL are texts
    shape = _SPACE.sub(" ", _LIST.sub("(?)", shape)).strip(" ;").lower()
    table = _unquoted(found["table"])
    return Written(verb, table, blake2b(f"{table} {shape}".encode(errors="replace"), digest_size=8).hexdigest())


def observe(written: Written, *, rows: int | None, database: str) -> data.Row:
    """Return the write, to be told when its transaction commits.

    Args:
        written: What was read of the statement.
        rows: How many rows it changed; None where the driver does not say.
        database: Its name or alias.
    """
    metadata: dict[str, object] = {
        "verb": written.verb,
        "table": written.table,
        "database": database,
        "fingerprint": written.fingerprint,
    }
    if rows is not None:
        metadata["rows"] = rows
    return data.observe(written.table, written.verb, rows=rows or 0, metadata=metadata, event_type=RAW)


def _bare(sql: str) -> str:
    """Leave out comments and texts.

    Where a backslash is in a text it depends on the database where that ends, so there the statement ends for us.
    """
    parts, end = [], 0
    for found in _TEXT_OR_COMMENT.finditer(sql):
        parts.append(sql[end : found.start()])
        parts.append({"'": "?", "$": "?", '"': found[0]}.get(found[0][0], " "))
        end = found.end()
        if found[0][0] in "'\"" and "\\" in found[0]:
            return "".join(parts)
    return "".join(parts) + sql[end:]


def _unquoted(name: str) -> str:
    parts = re.findall(_PART, name)
    return ".".join(part[1:-1].replace('""', '"') if part[0] in '"`[' else part for part in parts)
