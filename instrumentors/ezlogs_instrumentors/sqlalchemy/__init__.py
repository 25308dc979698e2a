"""SQLAlchemy 2: what was committed through the ORM or Core becomes events, without a query and without a span of ours.

SQLModel and Flask-SQLAlchemy are SQLAlchemy's sessions and engines, so they are covered as they are. Hooks are set as
SQLAlchemy's packages are imported, and what sets them is imported then, too.
"""

from __future__ import annotations

from types import MappingProxyType

from ezlogs_instrumentors.hooks import HookingInstrumentor


class SqlalchemyInstrumentor(HookingInstrumentor):
    """Instruments SQLAlchemy 2.0 and later, beside OpenTelemetry's own instrumentor or without it.

    Example:
        >>> instrumentor = SqlalchemyInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "sqlalchemy"
    versions = ("sqlalchemy >= 2.0",)
    parts = MappingProxyType(
        {
            "sqlalchemy": "transactions.attach statements.attach",
            "sqlalchemy.orm": "mapped.attach flushes.attach bulk.attach reading.attach",
        }
    )
