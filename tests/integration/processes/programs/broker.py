"""The broker of the Celery application: a directory, for the worker and for who enqueues."""

from __future__ import annotations

from pathlib import Path

from celery import Celery
from examples.shop import files_broker  # noqa: F401  # makes files:// known, whose messages appear whole


def make_app(home: Path) -> Celery:
    """Return the application, whose messages are in a directory."""
    for name in ("queue", "control"):
        (home / name).mkdir(exist_ok=True)
    app = Celery("jobs")
    app.conf.update(
        broker_url="files://",
        broker_transport_options={
            "data_folder_in": str(home / "queue"),
            "data_folder_out": str(home / "queue"),
            "control_folder": str(home / "control"),
            "polling_interval": 0.05,
        },
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=False,
    )
    return app
