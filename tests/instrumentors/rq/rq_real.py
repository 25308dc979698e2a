"""A worker of RQ that delivers to a collector: ``rq_real.py queue``."""

from __future__ import annotations

import logging
import os
import sys

import rq
from rq_tasks import connection

import ezlogs

if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    ezlogs.configure(
        service_name="shop",
        endpoint=os.environ["ENDPOINT"],
        durability="process",
        instrument=["rq"],
        flush_interval=0.05,
    )
    queue = rq.Queue(sys.argv[1], connection=connection())
    rq.Worker([queue], connection=connection()).work(logging_level="WARNING")
