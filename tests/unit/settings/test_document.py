"""The reference in the documentation is the table of settings."""

from __future__ import annotations

from pathlib import Path

from ezlogs.settings import GROUPS, TABLE, load, variable
from ezlogs.settings.configfile import ConfigFile, Files
from ezlogs.settings.document import markdown

REFERENCE = Path(__file__).parents[3] / "docs/reference/settings.md"
GUIDE = REFERENCE.parents[1] / "configuration.md"
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


def test_the_reference_tells_of_every_group() -> None:
    """With its name in code and in files, and what it is about."""
    text = markdown()
    for name, group in GROUPS.items():
        assert f"`{name}={group.__name__}(...)` or `[{name}]`" in text
        assert f"\n{(group.__doc__ or '').splitlines()[0]} `{name}=" in text


def test_the_example_of_a_file_is_complete_and_right() -> None:
    """It shows a table for each group, and gives settings that are beyond doubt."""
    example = GUIDE.read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]
    loaded = load({}, files=Files((ConfigFile("ezlogs.toml", example),)))
    assert (loaded.problems, loaded.warnings) == ((), ())
    assert {TABLE[name].group for name in TABLE if loaded.explicit(name)} == set(GROUPS)
