"""Packages for the doctor to look at: installed for real, in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path

import pytest

Install = Callable[..., list[EntryPoint]]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Install a distribution with entry points of one group, by name and object; return these."""

    def install(
        package: str, points: dict[str, str], group: str = "opentelemetry_instrumentor", requires: Sequence[str] = ()
    ) -> list[EntryPoint]:
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n{needs}")
        lines = "".join(f"{name} = {value}\n" for name, value in points.items())
        (folder / "entry_points.txt").write_text(f"[{group}]\n{lines}")
        return list(Distribution.at(folder).entry_points)

    return install
