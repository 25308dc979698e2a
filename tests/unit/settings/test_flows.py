"""Names of stores of flows: which are read, and that no secret in one is shown."""

from __future__ import annotations

import pytest

from ezlogs.settings import UnacceptableError, load
from ezlogs.settings.flows import StoreName

NAMES = (
    *("none", "memory", "django", "django:sessions", "sqlite:///flows.db", "sqlite:////var/lib/shop/flows.db"),
    *("redis://cache:6379/3", "rediss://cache", "unix:///run/redis.sock?db=1", "shop.flows:make_store"),
)


@pytest.mark.parametrize("name", NAMES)
def test_a_store_is_named(name: str) -> None:
    """As it is written."""
    assert StoreName().parse(f" {name} ") == name


@pytest.mark.parametrize("name", ["", "postgres://db", "sqlite:///", "flows.db", "django:", "redis://", 7])
def test_what_names_no_store_is_refused(name: object) -> None:
    """With what does."""
    with pytest.raises(UnacceptableError, match="redis://host, django"):
        StoreName().parse(name)


def test_a_password_in_the_name_of_a_store_is_not_shown() -> None:
    """Neither as a setting nor where it is wrong."""
    loaded = load({"EZLOGS_FLOW_STORE": "redis://:hunter2@cache"})
    assert loaded.settings.flow_store == "redis://:hunter2@cache"
    assert "hunter2" not in repr(loaded.settings)
    (problem,) = load({"EZLOGS_FLOW_STORE": "postgres://ada:hunter2@cache"}).problems
    assert "hunter2" not in str(problem)
