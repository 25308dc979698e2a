"""100,000 rows in one transaction: a few events, and no memory that grows with them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "many.py"
IN_DETAIL = 1000
"""What `max_rows_in_detail` is, if nobody says anything."""


def written(way):
    """Return what there is of rows that were written in some way."""
    done = subprocess.run([sys.executable, str(PROGRAM), way], capture_output=True, text=True, timeout=240, check=True)
    return json.loads(done.stdout)


@pytest.mark.timeout(300)
def test_saves_keep_no_instance_alive():
    """Nor what it was before: only the rows that are told one by one wait for the commit, and one sum."""
    told = written("saves")
    assert told["events"] == {"parcel.create": IN_DETAIL, "parcel.bulk_create": 1}
    assert told["rows"] == 100_000
    assert (told["alive"]["Later"], told["alive"]["Row"]) == (1, 1)  # the others in detail are like the first
    assert (told["alive"]["Parcel"], told["alive"]["ModelState"], told["alive"]["Loaded"]) == (0, 0, 0)


@pytest.mark.timeout(300)
def test_bulk_methods_copy_no_rows():
    """As many as their model wants told, and no more; what an update would have to undo is not kept for it either."""
    told = written("bulk_update")
    assert told["events"] == {"parcel.create": 5, "parcel.bulk_create": 1, "parcel.bulk_update": 1}
    assert told["rows"] == 100_000 + 2000 - 5  # five of those that were updated are known to be as they were
    assert told["alive"]["Row"] < 10
    assert (told["alive"]["Parcel"], told["alive"]["ModelState"], told["alive"]["Loaded"]) == (0, 0, 0)
    assert told["bytes"] < 400_000  # not even a pointer for each row
