"""The rows of a thousand saves in a transaction, and of what others that keep a history of rows cost there."""

from __future__ import annotations

from benchmarks.row import Row, Side

_PEERS = {
    "django": ("auditlog", "simple_history"),
    "sqlalchemy": ("continuum",),
}
_NAMES = {
    "auditlog": "django-auditlog",
    "simple_history": "django-simple-history",
    "continuum": "SQLAlchemy-Continuum",
}
_KINDS = {
    "django": {"": "a save of a new row by Django", "_updates": "a save of a changed row by Django"},
    "sqlalchemy": {
        "": "a new row by SQLAlchemy, flushed by itself",
        "_updates": "a changed row by SQLAlchemy, all flushed at once",
        "_at_once": "a new row by SQLAlchemy, all flushed at once",
    },
}
_MUST = {"data_django": 1.15, "data_django_updates": 1.15, "data_sqlalchemy": 1.15}


def _side(orm: str, what: str, kind: str) -> Side:
    return Side(f"saves_{orm}.{what}", kind.lstrip("_") or "creates")


def _row(name: str, orm: str, kind: str, what: str, told: str) -> Row:
    return Row(name, told, _side(orm, what, kind), _side(orm, "none", kind), _MUST.get(name))


DATA = (
    *(
        _row(
            f"data_{orm}{kind}",
            orm,
            kind,
            "ezlogs",
            f"{saved}, one of 1,000 in a transaction, its event delivered / without ezlogs",
        )
        for orm, kinds in _KINDS.items()
        for kind, saved in kinds.items()
    ),
    *(
        _row(
            f"data_{peer}{kind}",
            orm,
            kind,
            peer,
            f"{saved}, one of 1,000 in a transaction, with {_NAMES[peer]}'s row in the same database / without",
        )
        for orm, peers in _PEERS.items()
        for peer in peers
        for kind, saved in _KINDS[orm].items()
    ),
)

PEERS = frozenset(side.program for row in DATA for side in (row.ours, row.theirs))
"""The programs that need the peers and what these need, which are in a virtual environment of their own."""

DATA_WITH_COLLECTOR = frozenset(program for program in PEERS if program.endswith(".ezlogs"))
