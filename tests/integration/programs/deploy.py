"""A command that starts another program, as a program and as a process, in each way that there is."""

import json
import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import ezlogs
from ezlogs.correlation import current
from ezlogs.testing import capture
from ezlogs.trackers.command import command

CHILD = [sys.executable, str(Path(__file__).with_name("import_orders.py")), "--dry-run"]


def story() -> tuple[str | None, str | None]:
    """Return the story here, and the event that caused what happens."""
    correlation = current()
    return (correlation.correlation_id, correlation.parent_event_id) if correlation else (None, None)


def put(queue) -> None:
    """Say the story to the parent."""
    queue.put(story())


def process(method: str) -> tuple[str | None, str | None]:
    """Return the story in a process."""
    there = multiprocessing.get_context(method)
    queue = there.SimpleQueue()
    child = there.Process(target=put, args=(queue,))
    child.start()
    child.join()
    return queue.get()


def main() -> None:
    """Deploy."""
    ezlogs.configure(service_name="deploy", pipeline="attached")
    methods = multiprocessing.get_all_start_methods()
    with capture() as captured, command("deploy") as deploying:
        told = {
            "story": deploying.correlation.correlation_id,
            "event": deploying.event_id,
            "program": json.loads(subprocess.check_output(CHILD)),
            **{method: process(method) for method in methods},
        }
        for method in methods:
            with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
                told[f"pool {method}"] = pool.submit(story).result()
        with ThreadPoolExecutor(1) as threads:
            told["threads"] = threads.submit(story).result()
            told["program of a thread"] = json.loads(threads.submit(subprocess.check_output, CHILD).result())
    told["events"] = [[event.action, event.correlation.parent_event_id] for event in captured.events]
    print(json.dumps(told))
    ezlogs.shutdown()


if __name__ == "__main__":
    main()
