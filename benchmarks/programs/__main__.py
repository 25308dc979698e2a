"""Runs one program, such as ``python -m benchmarks.programs caller.memory``, and prints what it measured as JSON."""

from __future__ import annotations

import importlib
import json
import os
import sys

name, *arguments = sys.argv[1:]
module, _, function = name.partition(".")
found = getattr(importlib.import_module(f"benchmarks.programs.{module}"), function)(*arguments)
print(json.dumps(found), flush=True)
os._exit(0)  # what the peers do at exit is not measured, and can take seconds
