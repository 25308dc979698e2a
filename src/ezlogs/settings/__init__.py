"""The settings of ezlogs: one table, one typed object, one way to load it.

The groups are the options of ``ezlogs.configure()``:

>>> from ezlogs.settings import Delivery, Sampling
>>> Delivery(timeout=5), Sampling(sample_rate=0.5)
(Delivery(timeout=5), Sampling(sample_rate=0.5))

Everything here is pure: the environment and the texts of files are arguments, and nothing is global. Only
`ezlogs.settings.files` reads files.
"""

from ezlogs.settings.addresses import Address, logs_address, traces_address
from ezlogs.settings.group import Group, Setting
from ezlogs.settings.kinds import Kind, UnacceptableError, spelled
from ezlogs.settings.loading import DEFAULT, Loaded, load
from ezlogs.settings.otlp import Headers
from ezlogs.settings.problem import InvalidSettings, Problem
from ezlogs.settings.table import (
    GROUPS,
    TABLE,
    Core,
    Correlation,
    Data,
    Delivery,
    Emission,
    Exceptions,
    Instrumentation,
    Jobs,
    OtlpSignal,
    Privacy,
    Sampling,
    Settings,
    Web,
    setting_of,
    variable,
)

__all__ = [
    "DEFAULT",
    "GROUPS",
    "TABLE",
    "Address",
    "Core",
    "Correlation",
    "Data",
    "Delivery",
    "Emission",
    "Exceptions",
    "Group",
    "Headers",
    "Instrumentation",
    "InvalidSettings",
    "Jobs",
    "Kind",
    "Loaded",
    "OtlpSignal",
    "Privacy",
    "Problem",
    "Sampling",
    "Setting",
    "Settings",
    "UnacceptableError",
    "Web",
    "load",
    "logs_address",
    "setting_of",
    "spelled",
    "traces_address",
    "variable",
]
