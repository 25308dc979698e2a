"""SQLAlchemy 2: what was committed through the ORM or Core becomes events, without a query and without a span of ours.

SQLModel and Flask-SQLAlchemy are SQLAlchemy's sessions and engines, so they are covered as they are. Hooks are set as
SQLAlchemy's packages are imported, and what sets them is imported then, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from types import ModuleType

from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks

_ATTACH = {
    "sqlalchemy": "transactions.attach statements.attach",
    "sqlalchemy.orm": "mapped.attach flushes.attach bulk.attach",
}
"""What sets hooks into which package: functions of this package."""


def _attach(names: str, hooks: Hooks, module: ModuleType) -> None:
    for name in names.split():
        file, _, function = name.partition(".")
        getattr(import_module(f"{__name__}.{file}"), function)(hooks, module)


class SqlalchemyInstrumentor(HookingInstrumentor):
    """Instruments SQLAlchemy 2.0 and later, beside OpenTelemetry's own instrumentor or without it.

    Example:
        >>> instrumentor = SqlalchemyInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "sqlalchemy"
    versions = ("sqlalchemy >= 2.0",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which package."""
        return {module: partial(_attach, names) for module, names in _ATTACH.items()}
