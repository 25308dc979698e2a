"""Beat in a process of its own, beside a worker: each run begins a story, in which its job is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_each_run_of_a_schedule_is_a_story_with_its_job(start_worker: Callable[..., Any]) -> None:
    """Done by the schedule, with how late it is; what the last run left is not around the next."""
    worker = start_worker(None, "prefork", "--beat")

    def done(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [event for event in events if event.get("action") == "plain.success"]

    events = worker.wait(lambda events: len(done(events)) >= 3)
    by_id = {event["event_id"]: event for event in events if "event_id" in event}
    stories = set()
    for execution in done(events):
        enqueue = by_id[execution["correlation"]["parent_event_id"]]
        run = by_id[enqueue["correlation"]["parent_event_id"]]
        assert (run["event_type"], run["action"]) == ("schedule.run", "close-day.tick")
        assert run["actor"] == execution["actor"] == {"type": "scheduler", "id": "close-day"}
        assert run["metadata"]["lateness"] >= 0
        assert run["metadata"]["schedule"] == "<freq: 1.00 second>"
        assert "parent_event_id" not in run["correlation"]
        assert run["correlation"]["correlation_id"] == execution["correlation"]["correlation_id"]
        stories.add(run["correlation"]["correlation_id"])
    assert len(stories) == len(done(events))
