"""What stands in the place of a library's method takes whatever that takes, whatever its own parameters are called."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import ezlogs_instrumentors

ROOT = Path(ezlogs_instrumentors.__file__).parent

OF_MODULES = {"schema", "source", "document"}
"""First parameters of graphql-core's functions, by their names there: they are no methods."""


def wrappers() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield the functions that stand in for others and pass any further arguments on, each with where it is."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or node.args.kwarg is None:
                continue
            if any(isinstance(each, ast.Call) and ast.unparse(each.func) == "wraps" for each in node.decorator_list):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_what_the_instance_is_called_is_nobody_elses_business() -> None:
    """Django's ``shell`` has an option ``command``, and any model may have a field ``manager``."""
    found = dict(wrappers())
    assert len(found) > 30
    named = {
        where: node.args.args[0].arg for where, node in found.items() if node.args.args and not node.args.posonlyargs
    }
    assert {where: name for where, name in named.items() if name not in OF_MODULES} == {}
