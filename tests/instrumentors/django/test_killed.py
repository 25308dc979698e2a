"""Django and commits that nobody answers: nothing that is in the table goes untold."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ezlogs.dev.receiver import Receiver

from ...integration.orders import eventually
from ..killing import DOOMED, assert_as_the_table_says, free_port, journals, outcomes, run_doomed, start

PROGRAM = Path(__file__).parent / "committing.py"
EXPECTED = {"before": {"unknown"}, "sent": {"unknown"}, "after": {"success"}, "rolled_back": set(), "failed": set()}
"""What is said of the rows of the transaction in which the program was killed."""


@pytest.mark.timeout(120)
def test_what_is_in_the_table_is_told_when_the_process_was_killed(tmp_path: Path) -> None:
    """As written, or as unknown where nobody could know; what is not in the table never as written."""
    database, home, port = tmp_path / "shop.sqlite3", tmp_path / "state", free_port()
    environ = {"DATABASE": str(database), "ENDPOINT": f"http://127.0.0.1:{port}", "EZLOGS_STATE_DIR": str(home)}
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE killed_depots (id INTEGER PRIMARY KEY)")
        run_doomed(PROGRAM, DOOMED, environ)
        table = [key for (key,) in connection.execute("SELECT id FROM killed_depots")]
    with Receiver(port=port) as receiver, start(PROGRAM, "wait", 0, environ) as process:
        assert process.stdin is not None
        eventually(lambda: set(table) <= outcomes(receiver).keys() and len(journals(home)) <= 1, 60)
        process.stdin.close()
        process.wait(30)
        found = outcomes(receiver)
    assert_as_the_table_says(found, table)
    assert journals(home) == []
    for number, moment in enumerate(DOOMED):
        first = 10 * (number + 1)
        assert [found[first], found[first + 1]] == [["success"]] * 2
        of_last = {outcome for key in range(first + 2, first + 5) for outcome in found.get(key, ())}
        assert of_last == EXPECTED[moment], moment
