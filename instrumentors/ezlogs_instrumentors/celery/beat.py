"""Beat: each entry that became due is a run of its schedule, in a story of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded, tracking
from ezlogs.trackers.schedule import schedule
from ezlogs_instrumentors.hooks import Hooks


def attach(hooks: Hooks, beat: ModuleType) -> None:
    """Tell each entry that the scheduler sends; subclasses that keep entries in a database included."""

    def telling(apply_async: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(apply_async)
        def call(scheduler: Any, /, entry: Any, *args: Any, **kwargs: Any) -> Any:
            if not hooks.active or not tracking():
                return apply_async(scheduler, entry, *args, **kwargs)
            facts = {"task": entry.task, "schedule": _text(entry)}
            with schedule(str(entry.name), due=_due(entry), metadata=facts):
                return apply_async(scheduler, entry, *args, **kwargs)

        return call

    hooks.replace(beat.Scheduler, "apply_async", telling)


def _due(entry: Any) -> datetime | None:
    """Return when an entry was due, as its schedule says, which may be of the application's own."""
    try:
        remaining = entry.schedule.remaining_estimate(entry.last_run_at)
    except Exception:
        return None
    return datetime.now(timezone.utc) + remaining if isinstance(remaining, timedelta) else None


@guarded
def _text(entry: Any) -> str:
    """Return the schedule as Celery writes it, such as ``<freq: 10.00 seconds>``."""
    return repr(entry.schedule)
