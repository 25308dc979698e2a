"""A program that emits in processes, threads, tasks or greenlets, and ends in one of many ways.

Usage: ``plain.py HOW END``. Where HOW makes other processes, it is they that END; this one returns then.
"""

from __future__ import annotations

import asyncio
import atexit
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from types import FrameType

HOW, END = sys.argv[1:3]

if HOW == "gevent":
    from gevent import monkey

    monkey.patch_all()

from opentelemetry import trace  # noqa: E402  # after gevent
from reporting import emit, say, work  # noqa: E402

import ezlogs  # noqa: E402

if __name__ in ("__main__", "__mp_main__"):  # the latter in what is spawned
    ezlogs.configure()


def end() -> None:
    """End this process."""
    if os.environ.get("UNENDED"):
        trace.use_span(trace.get_tracer("app").start_span("never ends")).__enter__()
        emit("open")
    say("ends")
    match END:
        case "return":
            pass
        case "atexit":
            atexit.register(emit, "late")
        case "exit":
            sys.exit(3)
        case "error":
            raise RuntimeError("nobody handles this")
        case "_exit":
            os._exit(4)
        case "kill" | "term" | "int":
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
            os.kill(os.getpid(), signal.Signals[f"SIG{END.upper()}"])
        case "handled":
            signal.signal(signal.SIGTERM, exit_by_signal)
            os.kill(os.getpid(), signal.SIGTERM)
        case _:
            raise ValueError(END)


def exit_by_signal(number: int, frame: FrameType | None) -> None:
    """End as many servers do."""
    sys.exit(7)


def work_and_end() -> None:
    """What a process does in another process."""
    work()
    end()


async def work_in_tasks() -> None:
    """Emit in tasks and in a thread of the event loop's."""

    async def task() -> None:
        await asyncio.sleep(0)
        work()

    await asyncio.gather(task(), task(), asyncio.to_thread(work))


def work_for_ever() -> None:
    """Emit until the process is no more."""
    while True:
        work()
        time.sleep(0.001)


def main() -> None:
    """Emit, have others emit, and end."""
    work()
    match HOW:
        case "plain":
            end()
        case "threads":
            for _ in range(3):
                threading.Thread(target=work, args=(10,)).start()
            end()  # they go on
        case "daemons":
            for _ in range(3):
                threading.Thread(target=work_for_ever, daemon=True).start()
            end()
        case "asyncio":
            asyncio.run(work_in_tasks())
            end()
        case "flushed":
            ezlogs.flush()
            end()
        case "gevent":
            import gevent

            gevent.joinall([gevent.spawn(work) for _ in range(3)])
            gevent.spawn(work)
            end()
        case "os-fork":
            children = [forked(), forked()]
            work()
            for child in children:
                say(f"status {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}")
        case "executor":
            with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as executor:
                for future in [executor.submit(work) for _ in range(4)]:
                    future.result()
            end()
        case "pool":
            with multiprocessing.get_context("fork").Pool(2) as pool:
                pool.starmap(work, [()] * 4)
                pool.close()
                pool.join()
            end()
        case _:
            context = multiprocessing.get_context(HOW)
            processes = [context.Process(target=work_and_end) for _ in range(2)]
            for process in processes:
                process.start()
            work()
            for process in processes:
                process.join()
                say(f"status {process.exitcode}")


def forked() -> int:
    """Fork a child that works and ends; return its id."""
    child = os.fork()
    if not child:
        work_and_end()
        sys.exit()  # through the interpreter's exit, as a script that forks does
    return child


if __name__ == "__main__":
    main()
