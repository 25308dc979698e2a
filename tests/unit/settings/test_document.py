"""The reference in the documentation is the table of settings."""

from __future__ import annotations

from pathlib import Path

from ezlogs.settings import TABLE, variable
from ezlogs.settings.document import markdown

REFERENCE = Path(__file__).parents[3] / "docs/reference/settings.md"
REWRITE = "from ezlogs.settings.document import markdown; print(markdown(), end='')"


def test_the_reference_is_up_to_date() -> None:
    """The file in docs/ is what the table says; when it is not, the message says how to write it anew."""
    assert REFERENCE.read_text(encoding="utf-8") == markdown(), f'python -c "{REWRITE}" > {REFERENCE}'


def test_the_reference_tells_of_every_variable() -> None:
    """Each setting is there with its name and all the variables that set it."""
    text = markdown()
    for name, setting in TABLE.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` "))
        assert all(f"`{key}`" in row for key in (variable(name), *setting.otel))
        assert setting.doc in row
