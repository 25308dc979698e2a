"""A program that emits some events and ends.

Usage: ``brief.py EVENTS``.
"""

from __future__ import annotations

import sys

import ezlogs

ezlogs.configure()
for number in range(int(sys.argv[1])):
    ezlogs.event("order.action", "placed", subject=("order", number))
