"""Greenlets that work at once under gevent, patched before or after ezlogs is there; it tells what each of them saw."""

import json
import sys
import time

WHEN, ENDPOINT = sys.argv[1:]
if WHEN == "before":
    from gevent import monkey

    monkey.patch_all()

import ezlogs  # noqa: E402  # the order is what this is about
from ezlogs.correlation import current  # noqa: E402

ezlogs.configure(service_name="greenlets", endpoint=ENDPOINT, flush_interval=0.05)

if WHEN == "after":
    from gevent import monkey

    monkey.patch_all()

import concurrent.futures  # noqa: E402
import threading  # noqa: E402

import gevent  # noqa: E402
import gevent.pool  # noqa: E402
import gevent.threadpool  # noqa: E402
from gevent import Greenlet  # noqa: E402


def story() -> str | None:
    """Return the request here, after others had their turn."""
    gevent.sleep(0)
    correlation = current()
    return correlation.request_id if correlation else None


def request(number: int) -> dict[str, str | None]:
    """Handle a request: in it, and in whatever it hands work to."""
    seen = []
    with ezlogs.CorrelationManager.start_request_context(f"req-{number}"):
        thread = threading.Thread(target=lambda: seen.append(story()))
        thread.start()
        thread.join()
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            told = {
                "here": story(),
                "spawn": gevent.spawn(story).get(),
                "later": gevent.spawn_later(0.001, story).get(),
                "class": started(Greenlet(story)).get(),
                "pool": gevent.pool.Pool(1).spawn(story).get(),
                "map": gevent.pool.Pool(1).map(lambda _: story(), [1])[0],
                "imap": next(gevent.pool.Pool(1).imap(lambda _: story(), [1])),
                "native": gevent.threadpool.ThreadPool(1).spawn(lambda: (c := current()) and c.request_id).get(),
                "thread": seen[0],
                "executor": executor.submit(story).result(),
                "timer": timer(),
            }
        ezlogs.event("order.action", "placed", subject=("order", number))
        return told


def timer() -> str | None:
    """Return the request in a timer."""
    seen: list[str | None] = []
    waiting = threading.Timer(0, lambda: seen.append(story()))
    waiting.start()
    waiting.join()
    return seen[0]


def started(greenlet: Greenlet) -> Greenlet:
    """Start a greenlet that was made."""
    greenlet.start()
    return greenlet


ticks: list[float] = []


def tick() -> None:
    """Note each turn that others have."""
    while True:
        gevent.sleep(0.001)
        ticks.append(time.perf_counter())


ticking = gevent.spawn(tick)
requests = [gevent.spawn(request, number) for number in range(5)]
told = [one.get() for one in requests]
begin = time.perf_counter()
gevent.sleep(0.5)
print(
    json.dumps(
        {
            "told": told,
            "outside": gevent.spawn(story).get(),
            "turns": sum(tick > begin for tick in ticks),
            "flushed": ezlogs.flush(10),
            "health": ezlogs.health(),
        }
    )
)
ezlogs.shutdown()
