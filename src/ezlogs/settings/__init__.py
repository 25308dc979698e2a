"""The settings of ezlogs: one table, one typed object, one way to load it.

Everything here is pure: the environment is an argument, nothing is read from files, and nothing is global.
"""

from ezlogs.settings.kinds import Kind, UnacceptableError, spelled
from ezlogs.settings.loading import DEFAULT, Loaded, load
from ezlogs.settings.otlp import Headers
from ezlogs.settings.problem import InvalidSettings, Problem
from ezlogs.settings.table import TABLE, Setting, Settings, variable

__all__ = [
    "DEFAULT",
    "TABLE",
    "Headers",
    "InvalidSettings",
    "Kind",
    "Loaded",
    "Problem",
    "Setting",
    "Settings",
    "UnacceptableError",
    "load",
    "spelled",
    "variable",
]
