"""A program that forks between a transaction's preparation and its commit; all processes go on, and it says how."""

from __future__ import annotations

import json
import os
import sys

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import ezlogs
from ezlogs.launch.health import balance
from ezlogs.trackers.data import Transaction, observe


def committed(*numbers: int) -> None:
    """Commit rows in the ordinary way."""
    transaction = Transaction("default")
    for number in numbers:
        transaction.add(observe("order", "create", id=str(number)))
    transaction.prepare()
    transaction.commit()


def main() -> None:
    """Prepare, fork, and commit in both, roll back in another."""
    trace.set_tracer_provider(TracerProvider())
    ezlogs.configure(endpoint=sys.argv[1], durability="process", instrument="none", flush_interval=0.05)
    transaction = Transaction("default")
    for number in (1, 2):
        transaction.add(observe("order", "create", id=str(number)))
    transaction.prepare()
    children = []
    for number, end in enumerate((transaction.commit, transaction.lose, transaction.withdraw)):
        if not (pid := os.fork()):
            end()
            if not number:
                committed(4)
            ezlogs.flush(10)
            wrong = balance(ezlogs.health())
            ezlogs.shutdown()
            os._exit(wrong)
        children.append(pid)
    status = max(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children)
    transaction.commit()
    committed(3)
    ezlogs.flush(10)
    health = ezlogs.health()
    ezlogs.shutdown()
    print(json.dumps({"child": status, "parent": [balance(health), health["emitted"]]}))


if __name__ == "__main__":
    main()
