"""Every example in a docstring and in the documentation runs, and shows what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import ezlogs
import ezlogs_instrumentors

DOCS = Path(__file__).parents[2] / "docs"
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples() -> list[doctest.DocTest]:
    """Return the examples of every module."""
    found = []
    for package in (ezlogs, ezlogs_instrumentors):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            found += doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module.name))
    return [example for example in found if example.examples]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_the_examples_of_a_docstring_run(example: doctest.DocTest) -> None:
    """As a reader would type them."""
    report: list[str] = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(example, out=report.append)
    assert report == []


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_the_examples_of_the_documentation_run(page: Path) -> None:
    """As a reader would type them."""
    failed, _ = doctest.testfile(str(page), module_relative=False, optionflags=OPTIONS)
    assert failed == 0
