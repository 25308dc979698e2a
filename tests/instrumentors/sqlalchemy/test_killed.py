"""SQLAlchemy and processes that are killed while they commit: nothing that is in the table goes untold."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from ezlogs.dev.receiver import Receiver

from ...integration.orders import eventually
from ..killing import DOOMED, assert_as_the_table_says, free_port, journals, outcomes, run_doomed, start
from .committing import Base, Depot, opened

pytestmark = pytest.mark.timeout(120)

PROGRAM = Path(__file__).parent / "committing.py"
EXPECTED = {"before": {"unknown"}, "sent": {"unknown"}, "after": {"success"}, "rolled_back": set(), "failed": set()}
"""What is said of the rows of the transaction in which the program was killed."""


def deliver_and_compare(database: str, home: Path, **options: str) -> dict[int, list[str]]:
    """Have programs killed at each moment, the next process deliver what they left, and compare it with the table."""
    port = free_port()
    environ = {"DATABASE": database, "ENDPOINT": f"http://127.0.0.1:{port}", "EZLOGS_STATE_DIR": str(home), **options}
    engine = opened(database)
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    run_doomed(PROGRAM, DOOMED, environ)
    with engine.connect() as connection:
        table = connection.scalars(select(Depot.id)).all()
    Base.metadata.drop_all(engine)
    engine.dispose()
    own = 2 if options.get("CARRIER") == "both" else 1
    with Receiver(port=port) as receiver, start(PROGRAM, "wait", 0, environ) as process:
        assert process.stdin is not None
        eventually(lambda: set(table) <= outcomes(receiver).keys() and len(journals(home)) <= own, 60)
        process.stdin.close()
        process.wait(30)
        found = outcomes(receiver)
    assert_as_the_table_says(found, table)
    assert journals(home) == [], "what was delivered, or not to be, is still there"
    return found


def assert_by_moment(found: dict[int, list[str]], times: int = 1) -> None:
    """What was committed before is told as such, what was under way by how far it had come."""
    for number, moment in enumerate(DOOMED):
        first = 10 * (number + 1)
        assert [found[first], found[first + 1]] == [["success"] * times] * 2
        of_last = {outcome for key in range(first + 2, first + 6) for outcome in found.get(key, ())}
        assert of_last == EXPECTED[moment], moment
        if EXPECTED[moment]:
            assert len(found[first + 2]) == len(found[first + 3]) == times
        assert first + 4 not in found, "a savepoint took it back"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ON_A_SPAN": "yes"},
        {"PIPELINE": "attached", "ON_A_SPAN": "yes"},
        {"CARRIER": "log", "ON_A_SPAN": "yes"},
        {"CARRIER": "both", "ON_A_SPAN": "yes"},
    ],
    ids=["no span", "on a span", "attached", "log", "both"],
)
def test_what_is_in_the_table_is_told_whenever_the_process_was_killed(options: dict[str, str], tmp_path: Path) -> None:
    """By every carrier, as written or as unknown; what is not in the table never as written."""
    found = deliver_and_compare(f"sqlite:///{tmp_path / 'shop.sqlite3'}", tmp_path / "state", **options)
    assert_by_moment(found, 2 if options.get("CARRIER") == "both" else 1)


def test_what_is_in_the_table_is_told_on_postgresql(postgresql_url: str, tmp_path: Path) -> None:
    """Where the COMMIT is on its way, and nobody reads the answer."""
    pytest.importorskip("psycopg", reason="no psycopg: the tests on PostgreSQL are left out")
    assert_by_moment(deliver_and_compare(postgresql_url, tmp_path / "state", ON_A_SPAN="yes"))
