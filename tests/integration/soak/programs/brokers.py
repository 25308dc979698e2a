"""The brokers of the shop: a Redis, or a directory where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import redis

FILES = "files://"
VISIBLE = 10
"""After how many seconds Redis may hand out again what a killed worker has taken."""

# arq, which is tested beside, wants a redis-py older than 6, and kombu a newer one; what it calls is in both.
redis.VERSION = max(redis.VERSION, (6, 4, 0))


def options(url: str, home: Path) -> dict[str, Any]:
    """Return Celery's settings for a broker.

    Args:
        url: Of a Redis, or `FILES`.
        home: Where the directories are.
    """
    if url != FILES:
        return {
            "broker_url": url.replace("unix://", "redis+socket://"),
            "broker_transport_options": {"visibility_timeout": VISIBLE, "polling_interval": 0.1},
        }
    from examples.shop import files_broker  # noqa: F401  # makes files:// known, whose messages appear whole

    for name in ("queue", "control"):
        (home / name).mkdir(exist_ok=True)
    return {
        "broker_url": url,
        "broker_transport_options": {
            "data_folder_in": str(home / "queue"),
            "data_folder_out": str(home / "queue"),
            "control_folder": str(home / "control"),
            "polling_interval": 0.1,
        },
    }
