"""Stores of what was received are closed when a test ends, also of those that have no other end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ezlogs.dev.store import Store


@pytest.fixture(autouse=True)
def _stores_are_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what a test has opened: SQLite warns of what is left, from Python 3.13 on."""
    opened: list[Store] = []
    begin = Store.__init__

    def remembered(store: Store, *args: Any, **named: Any) -> None:
        begin(store, *args, **named)
        opened.append(store)

    monkeypatch.setattr(Store, "__init__", remembered)
    yield
    for store in opened:
        store.close()
