"""What needs a process of its own: the order of imports, and a Django project with Django's own instrumentor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = Path(__file__).parent / "programs"


def told_by(program: str, *arguments: str) -> Any:
    """Run a program and return what it printed."""
    command = [sys.executable, str(PROGRAMS / program), *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=50, env=os.environ).stdout)


@pytest.mark.parametrize("imported", ["before", "after"])
def test_libraries_may_be_imported_before_or_after(imported: str) -> None:
    """What they import from graphql-core by name is seen all the same, executed or refused, and once."""
    told = told_by("imports.py", imported)
    assert set(told) == {"graphql_core", "graphene", "strawberry", "ariadne"}
    for actions in told.values():
        assert actions == ["query Q", "query Wrong", "(unknown)"]


def test_operations_in_djangos_requests() -> None:
    """The request causes the operation, which causes what its resolvers do."""
    for library, events in told_by("django_views.py").items():
        request = f"POST {library}/"
        assert [action for action, _ in events] == ["viewed", "query Me", events[-1][0]]
        assert events[-1][0].replace("/", "") == request.replace("/", "")
        assert [cause for _, cause in events] == ["query Me", events[-1][0], None]
